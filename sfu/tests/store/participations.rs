//! Stays and their statistics, the devices of sessions, and what closing an exam ends.

use crate::over_both;
use crate::place::{Place, entry, exam, seated, session, user};
use invigil_sfu::clock::fresh;
use invigil_sfu::store::Store;
use invigil_sfu::store::erasure::Cause;
use invigil_sfu::store::participations::{NewPoint, StayRecord};
use invigil_sfu::store::records::{DeviceChange, ExamChange, SessionRecord, SittingChange};
use invigil_shared::exam::ExamStatus;
use invigil_shared::id::{ParticipantId, ParticipationId, UserId};
use invigil_shared::participation::{Departure, PathAverages, StatisticsPoint};
use invigil_shared::role::Role;
use invigil_shared::sitting::Sitting;

over_both!(
    a_stay_is_written_and_ends_once,
    a_series_stands_by_its_stay,
    stays_that_nobody_has_seen_end_with_the_time_of_the_last_look,
    a_new_stay_ends_what_a_lost_server_left_open,
    nothing_is_written_of_whom_was_erased,
    closing_an_exam_ends_what_is_left_of_it,
    every_device_that_held_a_session_is_known,
    the_most_that_were_there_only_rise,
);

const FIRST: ParticipationId = ParticipationId(sqlx::types::Uuid::nil());

fn averages(rtt_us: u32) -> PathAverages {
    PathAverages {
        rtt_us: Some(rtt_us),
        up_bps: Some(225_000),
        down_bps: Some(3_000_000_000),
        lost_ppm: Some(1_000_000),
    }
}

fn stay(seat: &SessionRecord, joined_at: i64) -> StayRecord {
    StayRecord {
        id: fresh(ParticipationId::from_parts),
        exam: seat.exam,
        participant: seat.participant,
        role: Role::Candidate,
        entry: Some(seat.entry),
        account: None,
        joined_at,
        seen_at: joined_at,
        left: None,
        averages: PathAverages::default(),
        trend: Vec::new(),
        first: true,
    }
}

fn watches(seat: &SessionRecord, account: UserId, joined_at: i64) -> StayRecord {
    StayRecord {
        participant: fresh(ParticipantId::from_parts),
        role: Role::Lead,
        entry: None,
        account: Some(account),
        ..stay(seat, joined_at)
    }
}

fn point(stay: &StayRecord, at: i64) -> NewPoint {
    let path = averages(u32::try_from(at).unwrap());
    let point = StatisticsPoint { at, path, layers: 3 };
    NewPoint {
        participation: stay.id,
        point,
    }
}

async fn a_stay_is_written_and_ends_once(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let lead = user("lead@x.org", Role::Lead);
    store.add_user(lead.clone()).await.unwrap();
    let (candidate, watcher) = (stay(&seat, 10), watches(&seat, lead.id, 20));
    store
        .keep_stays(vec![candidate.clone(), watcher.clone()], vec![])
        .await
        .unwrap();
    let elsewhere = seated(&*store, "B-01").await;
    store.keep_stays(vec![stay(&elsewhere, 15)], vec![]).await.unwrap();
    let both = store.participations(seat.exam, FIRST, 10).await.unwrap();
    let [first, second] = &both[..] else { panic!("{both:?}") };
    assert_eq!(
        (first.id, first.participant, first.role),
        (candidate.id, seat.participant, Role::Candidate)
    );
    assert_eq!(
        (first.name.as_str(), first.entry, first.account),
        ("Candidate 1", Some(seat.entry), None)
    );
    assert_eq!((first.joined_at, first.left_at, first.departure), (10, None, None));
    assert_eq!(first.averages, PathAverages::default(), "nothing was measured");
    assert_eq!(
        (second.name.as_str(), second.role, second.account),
        ("Ünal", Role::Lead, Some(lead.id))
    );
    let page = store.participations(seat.exam, candidate.id, 1).await.unwrap();
    assert_eq!(page, both[1..]);
    let gone = StayRecord {
        seen_at: 90,
        left: Some((90, Departure::Lost)),
        averages: averages(41_000),
        trend: vec![100, 255, 0],
        first: false,
        ..candidate.clone()
    };
    store.keep_stays(vec![gone.clone()], vec![]).await.unwrap();
    // Written late: it is not opened again.
    let late = StayRecord {
        first: false,
        ..candidate
    };
    store.keep_stays(vec![late], vec![]).await.unwrap();
    let kept = store.participations(seat.exam, FIRST, 1).await.unwrap().remove(0);
    assert_eq!((kept.left_at, kept.departure), (Some(90), Some(Departure::Lost)));
    assert_eq!((kept.averages, kept.trend), (averages(41_000), vec![100, 255, 0]));
}

async fn a_series_stands_by_its_stay(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let one = stay(&seat, 10);
    let unknown = stay(&seat, 11);
    let points = vec![point(&one, 30), point(&one, 20), point(&unknown, 20)];
    store.keep_stays(vec![one.clone()], points).await.unwrap();
    store
        .keep_stays(vec![], vec![point(&one, 20), point(&one, 40)])
        .await
        .unwrap();
    let series = store.statistics(seat.exam, one.id).await.unwrap().unwrap();
    let expected: Vec<StatisticsPoint> = [20, 30, 40].map(|at| point(&one, at).point).to_vec();
    assert_eq!(series, expected);
    assert_eq!(store.statistics(seat.exam, unknown.id).await.unwrap(), None);
    let elsewhere = seated(&*store, "B-01").await;
    assert_eq!(store.statistics(elsewhere.exam, one.id).await.unwrap(), None);
}

async fn stays_that_nobody_has_seen_end_with_the_time_of_the_last_look(place: Place) {
    let store = place.open().await;
    let (seat, other) = (seated(&*store, "A-01").await, seated(&*store, "B-01").await);
    let seen = |seat: &SessionRecord, seen_at| StayRecord {
        seen_at,
        ..stay(seat, 10)
    };
    store
        .keep_stays(vec![seen(&seat, 70), seen(&other, 90)], vec![])
        .await
        .unwrap();
    assert_eq!(store.end_unseen(80).await.unwrap(), 1);
    assert_eq!(store.end_unseen(80).await.unwrap(), 0);
    let of = async |seat: &SessionRecord| store.participations(seat.exam, FIRST, 9).await.unwrap().remove(0);
    let ended = of(&seat).await;
    assert_eq!(
        (ended.left_at, ended.departure),
        (Some(70), Some(Departure::ServerStopped))
    );
    assert_eq!(of(&other).await.left_at, None);
}

async fn a_new_stay_ends_what_a_lost_server_left_open(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let before = StayRecord {
        seen_at: 44,
        ..stay(&seat, 10)
    };
    store.keep_stays(vec![before], vec![]).await.unwrap();
    store.keep_stays(vec![stay(&seat, 60)], vec![]).await.unwrap();
    let both = store.participations(seat.exam, FIRST, 9).await.unwrap();
    let ends: Vec<_> = both.iter().map(|stay| (stay.joined_at, stay.left_at)).collect();
    assert_eq!(ends, [(10, Some(44)), (60, None)]);
}

async fn close(store: &dyn Store, seat: &SessionRecord, at: i64) {
    let change = ExamChange {
        exam: seat.exam,
        from: ExamStatus::Active,
        to: ExamStatus::Closed,
        longer_us: 0,
        at,
    };
    assert!(store.change_exam(change).await.unwrap());
}

async fn nothing_is_written_of_whom_was_erased(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let new = entry(seat.exam, "Candidate 2");
    store.add_entry(new.clone()).await.unwrap();
    let other = store.open_session(session(&new.entry)).await.unwrap();
    let lead = user("lead@x.org", Role::Lead);
    store.add_user(lead.clone()).await.unwrap();
    let (one, two, watcher) = (stay(&seat, 10), stay(&other, 10), watches(&seat, lead.id, 10));
    let all = vec![one.clone(), two.clone(), watcher.clone()];
    let points = vec![point(&one, 20), point(&two, 20), point(&watcher, 20)];
    store.keep_stays(all.clone(), points.clone()).await.unwrap();
    close(&*store, &seat, 100).await;
    assert!(store.erase(seat.exam, seat.entry, Cause::Asked, 200).await.unwrap());
    let left = async || -> Vec<ParticipationId> {
        let stays = store.participations(seat.exam, FIRST, 9).await.unwrap();
        stays.into_iter().map(|stay| stay.id).collect()
    };
    assert_eq!(left().await, [two.id, watcher.id]);
    // What was still on its way is not written any more.
    store.keep_stays(all.clone(), points.clone()).await.unwrap();
    assert_eq!(left().await, [two.id, watcher.id]);
    assert_eq!(store.statistics(seat.exam, one.id).await.unwrap(), None);
    assert_eq!(store.statistics(seat.exam, two.id).await.unwrap().unwrap().len(), 1);
    assert!(store.erase(seat.exam, other.entry, Cause::Asked, 200).await.unwrap());
    assert!(store.mark_erased(seat.exam, 300).await.unwrap());
    store.keep_stays(all, points).await.unwrap();
    assert_eq!(left().await, []);
    let dump = place.dump().await;
    for stay in [one, two, watcher] {
        assert!(!dump.contains(&stay.id.to_string()), "{dump}");
    }
}

async fn closing_an_exam_ends_what_is_left_of_it(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let elsewhere = seated(&*store, "B-01").await;
    let new = entry(seat.exam, "Candidate 2");
    store.add_entry(new.clone()).await.unwrap();
    let other = store.open_session(session(&new.entry)).await.unwrap();
    let handed_in = crate::place::presence(other.participant, 50);
    assert!(store.finish(other.id, seat.exam, handed_in).await.unwrap());
    store
        .keep_stays(vec![stay(&seat, 10), stay(&elsewhere, 10)], vec![])
        .await
        .unwrap();
    close(&*store, &seat, 100).await;
    let finished = async |seat: &SessionRecord| store.session(seat.id).await.unwrap().unwrap().finished_at;
    assert_eq!(finished(&seat).await, Some(100));
    assert_eq!(finished(&other).await, Some(50), "who had handed in has");
    assert_eq!(finished(&elsewhere).await, None);
    let of = async |seat: &SessionRecord| store.participations(seat.exam, FIRST, 9).await.unwrap().remove(0);
    let ended = of(&seat).await;
    assert_eq!((ended.left_at, ended.departure), (Some(100), Some(Departure::Closed)));
    assert_eq!(of(&elsewhere).await.left_at, None);
    let records = store.audit_records(0, 100).await.unwrap();
    let of_close: Vec<_> = records
        .iter()
        .filter(|record| record.action == "finish" && record.metadata.contains("close"))
        .map(|record| record.target.as_str())
        .collect();
    assert_eq!(of_close, [seat.id.to_string()]);
}

async fn every_device_that_held_a_session_is_known(place: Place) {
    let store = place.open().await;
    let exam = exam("A-01");
    store.create_exam(exam.clone()).await.unwrap();
    let new = entry(exam.id, "one");
    store.add_entry(new.clone()).await.unwrap();
    let bare = store.open_session(session(&new.entry)).await.unwrap();
    assert_eq!(store.device_keys(bare.id).await.unwrap(), []);
    for _ in 0..2 {
        let device = SessionRecord {
            device_key: Some(vec![5; 32]),
            created_at: 30,
            ..session(&new.entry)
        };
        store.open_session(device).await.unwrap();
    }
    let change = |revision, device, at| SittingChange {
        session: bare.id,
        exam: exam.id,
        revision,
        step: "move",
        sitting: Sitting::default(),
        entry: None,
        device: Some(device),
        at,
        once: None,
    };
    let ask = change(0, DeviceChange::Ask(vec![6; 32]), 40);
    assert!(store.change_sitting(ask).await.unwrap());
    assert!(store.change_sitting(change(1, DeviceChange::Take, 50)).await.unwrap());
    let keys = store.device_keys(bare.id).await.unwrap();
    let history: Vec<_> = keys
        .iter()
        .map(|key| (key.device_key[0], key.registered_at, key.superseded.clone()))
        .collect();
    assert_eq!(history, [(5, 30, Some((50, "moved".into()))), (6, 50, None)]);
    assert_eq!(
        store.session(bare.id).await.unwrap().unwrap().device_key,
        Some(vec![6; 32])
    );
    close(&*store, &bare, 100).await;
    assert!(store.erase(exam.id, new.entry.id, Cause::Asked, 200).await.unwrap());
    assert_eq!(store.device_keys(bare.id).await.unwrap(), []);
}

async fn the_most_that_were_there_only_rise(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    for (peak, expected) in [(3, 3), (2, 3), (9, 9)] {
        store.raise_peak(seat.exam, peak).await.unwrap();
        let stored = store.stored_exam(seat.exam).await.unwrap().unwrap();
        assert_eq!((stored.times.peak, stored.revision), (expected, 0));
        assert_eq!(store.exam_times(seat.exam).await.unwrap().unwrap().peak, expected);
    }
}
