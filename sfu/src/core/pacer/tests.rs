use super::*;

fn packet(index: u64, timestamp: u32, key: bool, payload: &[u8]) -> Packet<'_> {
    let mut meta = Meta {
        timestamp,
        ..Meta::default()
    };
    meta.frame.key = key;
    Packet { index, meta, payload }
}

fn push(pacer: &mut Pacer, now: Instant, slot: u16, packet: &Packet<'_>) -> bool {
    push_of(pacer, now, (u64::from(slot) + 1, Layer::Low), packet, false)
}

/// The same of a slot's source, the slot of a publication being the one before it.
fn push_of(pacer: &mut Pacer, now: Instant, source: (u64, Layer), packet: &Packet<'_>, switched: bool) -> bool {
    let begins = packet.meta.frame.key && packet.meta.frame.start;
    pacer.push(now, source.0 as u16 - 1, source, packet, begins, switched)
}

/// What leaves within `time`, looked for every 10 ms: slot, index and first byte of the payload.
fn run(pacer: &mut Pacer, from: Instant, time: Duration) -> Vec<(u16, u64, u8)> {
    let mut left = Vec::new();
    for step in 0..time.as_millis() / 10 {
        let now = from + Duration::from_millis(step as u64 * 10);
        while let Some(waiting) = pacer.next(now) {
            let packet = waiting.packet();
            pacer.spend(now, packet.payload.len());
            left.push((waiting.slot, packet.index, packet.payload[0]));
            pacer.recycle(waiting);
        }
    }
    left
}

#[test]
fn a_key_frame_is_spread_over_a_narrow_path() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    assert!(!pacer.holds(now), "nothing is known of a limit");
    pacer.follow(Some(400_000), false);
    for index in 0..50 {
        push(&mut pacer, now, 0, &packet(index, 1, true, &[index as u8; 1_000]));
    }
    assert!(pacer.holds(now));
    let first = run(&mut pacer, now, Duration::from_millis(400));
    assert!((24..=27).contains(&first.len()), "{}: 62.5 KB/s", first.len());
    assert!(
        first
            .iter()
            .enumerate()
            .all(|(n, left)| *left == (0, n as u64, n as u8))
    );
    pacer.follow(None, false);
    assert_eq!(run(&mut pacer, now, Duration::from_millis(10)).len(), 50 - first.len());
    assert!(pacer.is_idle() && pacer.waiting_bytes() == 0);
}

#[test]
fn what_is_stale_is_given_up_but_for_the_rest_of_a_begun_frame() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.follow(Some(100_000), false);
    // Slot 0: a frame of four packets and three more frames. Slot 1: a key frame.
    for index in 0..7u64 {
        push(
            &mut pacer,
            now,
            0,
            &packet(index, index.saturating_sub(3) as u32, false, &[index as u8; 900]),
        );
        push(&mut pacer, now, 1, &packet(index, 5, true, &[100 + index as u8; 900]));
    }
    let before = run(&mut pacer, now, Duration::from_millis(60));
    assert!(before.len() >= 2 && before.len() < 5, "{before:?}");
    assert_eq!(pacer.give_up(now + Duration::from_millis(900)), None);
    let late = now + Duration::from_millis(1_100);
    let given_up = pacer.give_up(late).unwrap();
    assert_eq!((given_up.slot, given_up.publication), (0, 1));
    assert_eq!(pacer.give_up(late), None, "a key frame may take longer");
    pacer.follow(None, false);
    let rest = run(&mut pacer, late, Duration::from_millis(10));
    let all: Vec<_> = before.iter().chain(&rest).collect();
    assert_eq!(all.iter().filter(|left| left.0 == 1).count(), 7);
    assert!(
        all.iter()
            .all(|left| u64::from(left.2) == left.1 + 100 * u64::from(left.0)),
        "{all:?}"
    );
}

#[test]
fn the_queue_is_bounded() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.follow(Some(100_000), false);
    let taken = (0..2_000u64)
        .filter(|index| push(&mut pacer, now, 0, &packet(*index, 1, false, &[0; 1_100])))
        .count();
    assert_eq!(taken, MAX_BYTES / 1_100);
    pacer.drop_slot(0, 1);
    assert_eq!(pacer.waiting_bytes(), 0);
    let small = (0..2_000u64)
        .filter(|index| push(&mut pacer, now, 0, &packet(*index, 1, false, &[0])))
        .count();
    assert_eq!(small, MAX_PACKETS);
}

#[test]
fn what_is_given_up_ends_at_a_key_frame_that_is_fresh() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.follow(Some(100_000), false);
    // Of the frame at 1 a part left past the queue.
    pacer.begin(now, 0, (1, Layer::Low), &packet(1, 1, false, b"0").meta);
    pacer.spend(now, 100_000);
    push(&mut pacer, now, 0, &packet(2, 1, false, b"1"));
    push(&mut pacer, now, 0, &packet(3, 2, false, b"2"));
    // Another layer has its frame at the same time, and is taken up with a key frame.
    let mut high = packet(70, 1, true, b"3");
    high.meta.frame.start = true;
    let source = (1, Layer::High);
    let later = now + Duration::from_millis(200);
    assert!(push_of(&mut pacer, later, source, &high, true));
    assert!(push_of(&mut pacer, later, source, &packet(71, 1, true, b"4"), false));
    assert!(pacer.has_passed(0, source, 70) && !pacer.has_passed(0, source, 71));
    let late = now + Duration::from_millis(1_100);
    let given_up = pacer.give_up(late).unwrap();
    assert!(given_up.resumes);
    assert_eq!(pacer.give_up(late), None);
    // What stands behind the key frame may take as long as that.
    assert!(push_of(&mut pacer, later, source, &packet(72, 2, false, b"5"), false));
    assert_eq!(pacer.give_up(later + Duration::from_millis(1_100)), None);
    let much_later = now + Duration::from_secs(5);
    let given_up = pacer.give_up(much_later).unwrap();
    assert!(!given_up.resumes, "even the key frame is stale");
    pacer.follow(None, false);
    assert_eq!(run(&mut pacer, much_later, Duration::from_millis(10)), [(0, 2, b'1')]);
}

#[test]
fn what_a_slot_carries_no_more_and_what_is_numbered_anew_does_not_leave() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.follow(Some(100_000), false);
    for slot in 0..3 {
        push(&mut pacer, now, slot, &packet(1, 1, true, &[slot as u8; 3]));
    }
    pacer.forget_slot(0);
    pacer.forget_layer(2, Layer::High);
    pacer.forget_layer(2, Layer::Low);
    pacer.follow(None, false);
    assert_eq!(run(&mut pacer, now, Duration::from_millis(10)), [(2, 1, 2)]);
    assert_eq!(pacer.waiting_bytes(), 0);
}

fn key_start(index: u64, timestamp: u32, payload: &[u8]) -> Packet<'_> {
    let mut packet = packet(index, timestamp, true, payload);
    packet.meta.frame.start = true;
    packet
}

#[test]
fn a_large_picture_of_one_slot_does_not_stand_in_the_way_of_a_small_one_of_another() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.follow(Some(100_000), true);
    pacer.grant(0, 25_000);
    pacer.grant(1, 75_000);
    for index in 0..40 {
        push(&mut pacer, now, 0, &packet(index, 1, true, &[0; 1_000]));
    }
    for index in 0..6 {
        push(&mut pacer, now, 1, &packet(index, 1, true, &[1; 1_000]));
    }
    let left = run(&mut pacer, now, Duration::from_secs(1));
    assert!(
        (12..=13).contains(&left.len()),
        "no faster than the estimate: {}",
        left.len()
    );
    let small = left.iter().rposition(|left| left.0 == 1).unwrap();
    assert!(
        (7..=9).contains(&small),
        "three quarters of the way until it has left: {left:?}"
    );
    assert_eq!(left.iter().filter(|left| left.0 == 1).count(), 6);
    // What left while nobody else waited is no debt.
    let later = now + Duration::from_secs(1);
    push(&mut pacer, later, 1, &packet(6, 2, true, &[1; 1_000]));
    let left = run(&mut pacer, later, Duration::from_millis(200));
    assert!(left[..2].iter().any(|left| left.0 == 1), "{left:?}");
}

#[test]
fn who_is_granted_more_does_not_wait_for_what_it_sent_with_less() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.follow(Some(100_000), true);
    pacer.grant(0, 1_000_000);
    for index in 0..60 {
        push(&mut pacer, now, 0, &packet(index, 1, true, &[0; 1_000]));
    }
    // The other slot has next to nothing, sends one packet with it, and is then granted as much as the first.
    push(&mut pacer, now, 1, &packet(0, 1, true, &[1; 1_000]));
    let left = run(&mut pacer, now, Duration::from_millis(200));
    assert!(left.iter().any(|left| left.0 == 1), "{left:?}");
    pacer.grant(1, 1_000_000);
    let later = now + Duration::from_millis(200);
    for index in 1..9 {
        push(&mut pacer, later, 1, &packet(index, 2, true, &[1; 1_000]));
    }
    let left = run(&mut pacer, later, Duration::from_millis(800));
    let of_second = left.iter().filter(|left| left.0 == 1).count();
    assert!((4..=6).contains(&of_second), "every other one: {left:?}");
}

#[test]
fn a_key_frame_takes_the_place_of_pictures_that_have_waited_for_long() {
    let now = Instant::now();
    let source = (1, Layer::Low);
    for (waited, left) in [(200, 3), (400, 1)] {
        let mut pacer = Pacer::default();
        pacer.follow(Some(100_000), false);
        push(&mut pacer, now, 0, &packet(1, 1, false, b"1"));
        push(&mut pacer, now, 0, &packet(2, 2, false, b"2"));
        let later = now + Duration::from_millis(waited);
        assert!(push_of(&mut pacer, later, source, &key_start(3, 3, b"3"), false));
        let mut all = Vec::new();
        while let Some(waiting) = pacer.next_ahead(later) {
            all.push((waiting.index, waiting.switched));
            pacer.recycle(waiting);
        }
        assert_eq!((all.len(), all.last()), (left, Some(&(3, left == 1))), "{waited} ms");
    }
}

#[test]
fn what_waits_behind_a_long_key_frame_is_not_stale_before_it_has_left() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut pacer = Pacer::default();
    pacer.follow(Some(100_000), true);
    push(&mut pacer, start, 0, &key_start(1, 1, &[1; 1_000]));
    for index in 2..30 {
        push(&mut pacer, start, 0, &packet(index, 1, true, &[1; 1_000]));
    }
    push(&mut pacer, start, 0, &packet(30, 2, false, &[2; 1_000]));
    let key = run(&mut pacer, start, Duration::from_millis(2_300));
    assert!((28..=29).contains(&key.len()), "{}", key.len());
    assert_eq!(pacer.give_up(at(2_300)), None);
    assert_eq!(pacer.give_up(at(3_500)).map(|given_up| given_up.resumes), Some(false));
}

#[test]
fn a_layer_that_was_whole_leaves_no_more_than_its_share_of_memory() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.follow(Some(100_000), false);
    for index in 0..400 {
        push(&mut pacer, now, 0, &packet(index, 1, true, &[0; 1_000]));
    }
    pacer.forget_slot(0);
    assert_eq!(
        (pacer.is_idle(), pacer.is_clear(0), pacer.waiting_bytes()),
        (true, true, 0)
    );
    assert_eq!(pacer.store.spare.len(), MAX_SPARE);
}

#[test]
fn a_torn_key_frame_is_not_sent_to_its_end() {
    let now = Instant::now();
    let source = (1, Layer::Low);
    let begun = || {
        let mut pacer = Pacer::default();
        pacer.follow(Some(100_000), true);
        push(&mut pacer, now, 0, &key_start(1, 1, &[1; 1_000]));
        for index in 2..30 {
            push(&mut pacer, now, 0, &packet(index, 1, true, &[1; 1_000]));
        }
        push(&mut pacer, now, 0, &packet(30, 2, false, &[2; 1_000]));
        pacer
    };
    let mut waits = begun();
    assert_eq!(waits.drop_torn(now, 0, 1), None, "nothing of it has left");
    let sent = run(&mut waits, now, Duration::from_millis(500)).len();
    assert!((6..=7).contains(&sent), "{sent}");
    assert!(waits.sends(0, source, 1) && !waits.sends(0, source, 2));
    let given_up = waits.drop_torn(now, 0, 1).unwrap();
    assert!(!given_up.resumes && waits.is_clear(0));
    assert_eq!(waits.drop_torn(now, 0, 1), None);

    // Another key frame waits behind it already.
    let mut resumes = begun();
    run(&mut resumes, now, Duration::from_millis(500));
    push(&mut resumes, now, 0, &key_start(31, 3, &[3; 1_000]));
    assert!(resumes.drop_torn(now, 0, 1).unwrap().resumes);
    let next = resumes.next_ahead(now).unwrap();
    assert_eq!((next.index, next.switched), (31, true));
    resumes.recycle(next);
    assert!(resumes.is_idle());

    // Of that one a later part has been here before.
    let mut late = begun();
    run(&mut late, now, Duration::from_millis(500));
    push(&mut late, now, 0, &packet(32, 3, true, &[3; 1_000]));
    assert!(late.push(now, 0, source, &key_start(31, 3, &[3; 1_000]), false, false));
    assert!(!late.drop_torn(now, 0, 1).unwrap().resumes && late.is_clear(0));
}

#[test]
fn the_rest_of_a_large_picture_gives_way_to_a_key_frame_of_a_lower_layer() {
    let now = Instant::now();
    let (high, low) = ((1, Layer::High), (1, Layer::Low));
    for (waits, left) in [(3, 4), (20, 1)] {
        let mut pacer = Pacer::default();
        pacer.follow(Some(100_000), true);
        pacer.grant(0, 100_000);
        for index in 0..=waits {
            assert!(push_of(
                &mut pacer,
                now,
                high,
                &packet(index, 1, true, &[1; 1_000]),
                index == 0
            ));
        }
        let begun = pacer.next_ahead(now).unwrap();
        pacer.recycle(begun);
        assert!(push_of(&mut pacer, now, low, &key_start(7, 1, &[2; 1_000]), true));
        let mut all = Vec::new();
        while let Some(waiting) = pacer.next_ahead(now) {
            all.push((waiting.layer, waiting.switched));
            pacer.recycle(waiting);
        }
        assert_eq!((all.len(), all.last()), (left, Some(&(Layer::Low, true))), "{waits}");
    }
}

#[test]
fn a_frame_counts_as_sent_lately_until_another_one_has_left_whole() {
    let now = Instant::now();
    let (high, low) = ((1, Layer::High), (1, Layer::Low));
    let mut pacer = Pacer::default();
    let at = |timestamp| packet(0, timestamp, false, &[]).meta;
    assert!(!pacer.sends(0, high, 1));
    // Before anything is known to limit the path.
    pacer.begin(now, 0, high, &at(1));
    pacer.follow(Some(100_000), false);
    pacer.begin(now, 0, low, &at(1));
    pacer.begin(now, 0, low, &at(1));
    assert!(pacer.sends(0, high, 1) && pacer.sends(0, low, 1));
    pacer.begin(now, 0, low, &at(2));
    assert!(!pacer.sends(0, high, 1) && pacer.sends(0, low, 1));
    assert!(!pacer.sends(1, low, 2));
}
