use super::*;
use crate::packetiser::{Extensions, Packetiser};
use proptest::prelude::*;
use std::time::Duration;

fn unit(key: bool, size: usize, mark: u8) -> Bytes {
    let mut data = Vec::new();
    if key {
        data.extend([0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 4, 5, 0, 0, 0, 1, 0x65]);
    } else {
        data.extend([0, 0, 0, 1, 0x41]);
    }
    data.extend(std::iter::repeat_n(mark | 0x80, size));
    data.into()
}

/// `count` pictures, the ones of `keys` key frames, as parts by picture.
fn stream(count: usize, keys: &[usize], size: usize, first: u16, with_info: bool) -> Vec<(Bytes, Vec<Part>)> {
    let extensions = Extensions {
        frame_info: with_info.then_some(3),
        audio_level: None,
    };
    let mut packetiser = Packetiser::new(1, 102, Layer::High, extensions, first);
    (0..count)
        .map(|n| {
            let key = keys.contains(&n);
            let data = unit(key, size + n % 7, n as u8);
            let packets = packetiser.video(&data, key, n as u32 * 3_000, 1_000 + n as i64);
            let parts = packets.into_iter().map(|p| Part {
                sequence: p.header.sequence_number,
                timestamp: p.header.timestamp,
                marker: p.header.marker,
                info: p.header.get_extension(3).and_then(|d| FrameInfo::read(&d)),
                payload: p.payload,
            });
            (data, parts.collect())
        })
        .collect()
}

fn push_all(assembler: &mut FrameAssembler, parts: impl IntoIterator<Item = Part>, now: Instant) -> Vec<AccessUnit> {
    parts.into_iter().flat_map(|p| assembler.push(p, now)).collect()
}

#[test]
fn pictures_come_back_byte_for_byte() {
    for with_info in [true, false] {
        let pictures = stream(20, &[0, 10], 4_000, 0x7ff0, with_info);
        let (mut assembler, now) = (FrameAssembler::default(), Instant::now());
        let units = push_all(&mut assembler, pictures.iter().flat_map(|p| p.1.clone()), now);
        assert_eq!(units.len(), 20);
        for (n, (unit, (data, _))) in units.iter().zip(&pictures).enumerate() {
            assert_eq!(unit.data, data.as_ref(), "picture {n}");
            assert_eq!((unit.key, unit.timestamp), (n % 10 == 0, n as u32 * 3_000));
            if with_info {
                assert_eq!((unit.captured, unit.layer), (Some(1_000 + n as i64), Some(Layer::High)));
            }
        }
        assert!(!assembler.wants_key() && assembler.lost == 0);
    }
}

#[test]
fn nothing_leaves_before_a_key_frame() {
    let pictures = stream(6, &[3], 2_000, 1, true);
    let (mut assembler, now) = (FrameAssembler::default(), Instant::now());
    assert!(assembler.wants_key());
    let units = push_all(&mut assembler, pictures.into_iter().flat_map(|p| p.1), now);
    assert_eq!(units.iter().map(|u| u.timestamp / 3_000).collect::<Vec<_>>(), [3, 4, 5]);
}

#[test]
fn a_late_repair_fills_the_hole_in_order() {
    let pictures = stream(5, &[0], 3_000, 1, true);
    let (mut assembler, now) = (FrameAssembler::default(), Instant::now());
    let mut parts: Vec<Part> = pictures.into_iter().flat_map(|p| p.1).collect();
    let hole = parts.remove(5);
    let before = push_all(&mut assembler, parts, now);
    assert_eq!(before.len(), 1);
    let after = assembler.push(hole, now + Duration::from_millis(80));
    assert_eq!(
        after.iter().map(|u| u.timestamp / 3_000).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
}

#[test]
fn a_hole_that_stays_waits_for_the_next_key_frame() {
    let pictures = stream(12, &[0, 8], 3_000, 1, true);
    let (mut assembler, now) = (FrameAssembler::default(), Instant::now());
    let mut units = push_all(&mut assembler, pictures[..2].iter().flat_map(|p| p.1.clone()), now);
    let torn = pictures[2].1[1..]
        .iter()
        .chain(pictures[3..6].iter().flat_map(|p| &p.1))
        .cloned();
    units.extend(push_all(&mut assembler, torn, now));
    assert_eq!(units.len(), 2);
    assert!(!assembler.wants_key(), "a repair may still come");
    units.extend(assembler.tick(now + MAX_GAP_WAIT, |_| false));
    assert!(assembler.wants_key());
    units.extend(push_all(
        &mut assembler,
        pictures[6..].iter().flat_map(|p| p.1.clone()),
        now + MAX_GAP_WAIT,
    ));
    assert_eq!(
        units.iter().map(|u| u.timestamp / 3_000).collect::<Vec<_>>(),
        [0, 1, 8, 9, 10, 11]
    );
}

#[test]
fn a_repair_still_counts_after_a_key_frame_was_asked_for() {
    let pictures = stream(8, &[0, 6], 40_000, 1, true);
    let now = Instant::now();
    let at = |ms| now + Duration::from_millis(ms);
    let torn = |assembler: &mut FrameAssembler| {
        let mut parts: Vec<Part> = pictures[..4].iter().flat_map(|p| p.1.clone()).collect();
        let hole = parts.remove(pictures[0].1.len() + 3);
        assert_eq!(push_all(assembler, parts, now).len(), 1);
        assert_eq!(assembler.tick(now + MAX_GAP_WAIT, |_| false), []);
        assert!(assembler.wants_key());
        hole
    };
    let mut repaired = FrameAssembler::default();
    let hole = torn(&mut repaired);
    let units = repaired.push(hole, at(600));
    assert_eq!(units.len(), 3, "all that waited");
    assert!(!repaired.wants_key());

    // The key frame comes first: nobody asks for another one while it arrives, and the repair is too late then.
    let mut overtaken = FrameAssembler::default();
    let hole = torn(&mut overtaken);
    let key = &pictures[6].1;
    push_all(&mut overtaken, pictures[4..6].iter().flat_map(|p| p.1.clone()), at(500));
    push_all(&mut overtaken, key[..key.len() - 1].iter().cloned(), at(500));
    assert_eq!(overtaken.tick(at(510), |_| false), []);
    assert!(!overtaken.wants_key());
    assert_eq!(overtaken.push(key[key.len() - 1].clone(), at(520)).len(), 1);
    assert_eq!(overtaken.push(hole, at(530)), []);

    let mut given_up = FrameAssembler::default();
    let hole = torn(&mut given_up);
    given_up.tick(now + MAX_GAP_PATIENCE, |_| false);
    assert_eq!(given_up.push(hole, at(1_010)), []);
    assert!(given_up.wants_key());
}

#[test]
fn a_key_frame_is_waited_for_as_long_as_what_it_lacks_is_asked_for() {
    let pictures = stream(6, &[0, 5], 40_000, 1, true);
    let (mut assembler, now) = (FrameAssembler::default(), Instant::now());
    let at = |ms| now + Duration::from_millis(ms);
    let key = &pictures[0].1;
    // Its first packet and one in the middle are lost; deltas follow it.
    let (start, middle) = (key[0].clone(), key[10].clone());
    let here = key[1..10].iter().chain(&key[11..]).chain(&pictures[1].1).cloned();
    push_all(&mut assembler, here, now);
    let missing = [start.sequence, middle.sequence];
    let last = key[key.len() - 1].sequence;
    assert_eq!(assembler.key_frame(at(990)), Some((start.sequence, last)));
    assert_eq!(assembler.key_frame(at(1_000)), None, "nothing of it comes any more");
    for ms in [0, 300, 600] {
        assert_eq!(assembler.tick(at(ms), |number| missing.contains(&number)), []);
        assert!(!assembler.wants_key(), "another one would have to come whole as well");
    }
    assembler.push(middle, at(610));
    assert_eq!(assembler.push(start, at(620)).len(), 2, "it and what stands on it");
    assert_eq!(assembler.key_frame(at(620)), None);

    // The same for one that a picture which was shown stands before.
    let other = &pictures[5].1;
    let between = pictures[2..5].iter().flat_map(|p| p.1.clone());
    push_all(
        &mut assembler,
        between.chain(other[..5].iter().chain(&other[6..]).cloned()),
        at(700),
    );
    for ms in [700, 1_000, 1_300] {
        assert_eq!(assembler.tick(at(ms), |number| number == other[5].sequence), []);
    }
    assert_eq!(assembler.push(other[5].clone(), at(1_310)).len(), 1);

    // No longer asked for: another one is needed.
    let mut assembler = FrameAssembler::default();
    push_all(&mut assembler, key[..10].iter().chain(&key[11..]).cloned(), now);
    assembler.tick(at(50), |number| number == key[10].sequence);
    assert!(!assembler.wants_key());
    assembler.tick(at(100), |_| false);
    assert!(assembler.wants_key());

    // Its end is on its way as long as packets come.
    let mut assembler = FrameAssembler::default();
    push_all(&mut assembler, key[..10].iter().cloned(), now);
    assembler.tick(at(50), |_| false);
    assert!(!assembler.wants_key());
    assembler.tick(now + MAX_GAP_WAIT, |_| false);
    assert!(assembler.wants_key());
}

#[test]
fn a_key_frame_behind_a_hole_is_shown_at_once() {
    let pictures = stream(6, &[0, 4], 3_000, 1, true);
    let (mut assembler, now) = (FrameAssembler::default(), Instant::now());
    let parts = pictures
        .iter()
        .enumerate()
        .flat_map(|(n, p)| p.1.iter().skip(usize::from(n == 2)).cloned());
    let units = push_all(&mut assembler, parts, now);
    assert_eq!(
        units.iter().map(|u| u.timestamp / 3_000).collect::<Vec<_>>(),
        [0, 1, 4, 5]
    );
}

#[test]
fn a_key_frame_that_arrives_in_pieces_is_told_of_and_the_next_one_is_not() {
    let pictures = stream(4, &[0, 2, 3], 40_000, 1, true);
    let [first, second, third] = [&pictures[0].1, &pictures[2].1, &pictures[3].1];
    let (mut assembler, now) = (FrameAssembler::default(), Instant::now());
    let at = |ms| now + Duration::from_millis(ms);
    push_all(&mut assembler, first[..10].iter().chain(&first[11..20]).cloned(), now);
    assembler.tick(at(10), |number| number == first[10].sequence);
    assert_eq!((assembler.torn(), assembler.wants_key()), (None, false));
    assert!(assembler.key_frame(at(10)).is_some());
    // No longer asked for.
    assembler.tick(at(20), |_| false);
    assert_eq!(
        (assembler.torn(), assembler.wants_key()),
        (Some(first[0].timestamp), true)
    );
    assert_eq!(assembler.key_frame(at(20)), None, "nothing of it is asked for");
    // More of it is on the way.
    push_all(&mut assembler, first[20..25].iter().cloned(), at(30));
    assembler.tick(at(40), |_| false);
    assert_eq!(
        (assembler.torn(), assembler.wants_key()),
        (Some(first[0].timestamp), true)
    );
    // The server began anew: numbers go on where it stopped.
    let next = |parts: &[Part], from: u16| -> Vec<Part> {
        let numbered = parts.iter().enumerate().map(|(at, part)| Part {
            sequence: from + at as u16,
            ..part.clone()
        });
        numbered.collect()
    };
    let second = next(second, first[25].sequence);
    push_all(&mut assembler, second[..5].iter().cloned(), at(50));
    assembler.tick(at(60), |_| false);
    assert_eq!((assembler.torn(), assembler.wants_key()), (None, false));
    assert_eq!(
        assembler.key_frame(at(60)),
        Some((second[0].sequence, second[4].sequence)),
        "what it may lack is asked for"
    );
    assert_eq!(push_all(&mut assembler, second[5..].iter().cloned(), at(70)).len(), 1);

    // Only the newest counts: nothing is said of one that another one follows.
    let third = next(third, second[second.len() - 1].sequence + 1);
    push_all(&mut assembler, third[..5].iter().chain(&third[6..]).cloned(), at(80));
    assembler.tick(at(90), |_| false);
    assert_eq!(assembler.torn(), Some(third[0].timestamp));
    assert!(!assembler.wants_key(), "a gap is waited for at first");
    assembler.tick(at(490), |_| false);
    assert!(assembler.wants_key());
}

#[test]
fn another_source_starts_with_its_own_key_frame() {
    let pictures = stream(8, &[0, 6], 1_500, 1, true);
    let (mut assembler, now) = (FrameAssembler::default(), Instant::now());
    push_all(&mut assembler, pictures[..3].iter().flat_map(|p| p.1.clone()), now);
    assembler.reset();
    let units = push_all(&mut assembler, pictures[3..].iter().flat_map(|p| p.1.clone()), now);
    assert_eq!(units.first().map(|u| u.timestamp / 3_000), Some(6));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic_and_stay_bounded(
        parts in prop::collection::vec(
            (any::<u16>(), 0u32..4, any::<bool>(), prop::option::of(any::<[u8; 2]>()), prop::collection::vec(any::<u8>(), 0..40), 0u64..30),
            0..900,
        )
    ) {
        let (mut assembler, mut now) = (FrameAssembler::default(), Instant::now());
        for (sequence, timestamp, marker, info, payload, wait) in parts {
            now += Duration::from_millis(wait);
            let info = info.and_then(|d| FrameInfo::read(&[d[0] & !8, d[1]]));
            assembler.push(Part { sequence, timestamp, marker, info, payload: payload.into() }, now);
            assembler.tick(now, |number| number % 3 == 0);
            prop_assert!(assembler.parts.len() <= MAX_ASSEMBLY_PACKETS);
        }
    }

    /// Whatever is lost or reordered: every picture that leaves is whole, in order, and after a hole the first is a key frame.
    #[test]
    fn no_torn_picture_leaves(
        lost in prop::collection::hash_set(0usize..200, 0..25),
        swaps in prop::collection::vec((0usize..200, 1usize..6), 0..40),
        first in any::<u16>(),
    ) {
        let pictures = stream(60, &[0, 15, 30, 45], 2_500, first, true);
        let whole: std::collections::HashMap<u32, Bytes> =
            pictures.iter().enumerate().map(|(n, p)| (n as u32 * 3_000, p.0.clone())).collect();
        let mut parts: Vec<Part> = pictures.into_iter().flat_map(|p| p.1).collect();
        for (at, by) in swaps {
            if at + by < parts.len() {
                parts.swap(at, at + by);
            }
        }
        let (mut assembler, mut now) = (FrameAssembler::default(), Instant::now());
        let mut previous: Option<u32> = None;
        for (n, part) in parts.into_iter().enumerate() {
            now += Duration::from_millis(20);
            if lost.contains(&n) {
                continue;
            }
            let mut units = assembler.push(part, now);
            units.extend(assembler.tick(now, |number| number % 3 == 0));
            for unit in units {
                prop_assert_eq!(&unit.data[..], &whole[&unit.timestamp][..]);
                let follows = previous.is_some_and(|p| unit.timestamp == p + 3_000);
                prop_assert!(follows || unit.key, "{} after {:?}", unit.timestamp, previous);
                prop_assert!(previous.is_none_or(|p| unit.timestamp > p));
                previous = Some(unit.timestamp);
            }
        }
    }
}
