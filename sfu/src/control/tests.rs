//! What becomes of people when the shard that they live on ends.

use super::outbox::{Next, OutboxReader, Outgoing, outbox};
use super::room::{Candidate, Member, Part, Room};
use super::*;
use crate::shard::{ShardConfig, ShardExit, generate_certificate, spawn};
use crate::store::sqlite::SqliteStore;
use invigil_shared::exam::{ExamStatus, Policy};
use invigil_shared::publication::{Layer, LayerOffer, PublicationKey};
use invigil_shared::role::Role;
use invigil_shared::signal::{Direction, ParticipantInfo};
use invigil_shared::stats::ConnectionLevel;
use invigil_shared::timeline::Presence;
use std::time::Duration;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(10);

fn info(id: ExamId) -> ExamInfo {
    ExamInfo {
        id,
        title: "Exam".into(),
        code: "EXAM-1".into(),
        status: ExamStatus::Active,
        starts_at: 0,
        ends_at: i64::MAX / 4,
        policy: Policy::default(),
    }
}

/// A candidate that is in the room.
fn sit(room: &Arc<OpenRoom>, n: u8) -> (Link, OutboxReader) {
    let participant = ParticipantId::from_parts(1, [n; 10]);
    let session = SessionId::from_parts(1, [n; 10]);
    let (outbox, reader) = outbox();
    let candidate = Candidate {
        session,
        entry: invigil_shared::id::RosterEntryId::from_parts(1, [n; 10]),
        ends_at: i64::MAX / 4,
        allowances: invigil_shared::exam::Allowances::default(),
        publications: std::collections::BTreeMap::new(),
        listening: false,
        delivery: Arc::default(),
    };
    let member = Member {
        info: ParticipantInfo {
            id: participant,
            role: Role::Candidate,
            label: format!("Candidate {n}"),
            seat: None,
            presence: Presence::Online,
            presence_since: 0,
            connection: ConnectionLevel::Good,
            looked_at: 0,
            sitting: invigil_shared::sitting::Sitting::default(),
        },
        client: Some(outbox.clone()),
        joining: None,
        transports: std::collections::BTreeMap::new(),
        quality: ConnectionLevel::Good,
        stays: super::stay::Stays::default(),
        part: Part::Candidate(candidate),
    };
    room.state.lock().members.insert(participant, member);
    let identity = Identity {
        participant,
        role: Role::Candidate,
        person: Person::Candidate { session, exam: room.id },
        generation: 0,
        expires_at: i64::MAX,
    };
    let link = Link {
        identity,
        name: String::new(),
        outbox,
        room: Some(Arc::clone(room)),
        address: None,
        clock_offset: None,
    };
    (link, reader)
}

async fn make_transport(control: &Control, link: &Link) -> Result<TransportId, ErrorBody> {
    match control.create_transport(link, Direction::Publish).await?.unwrap() {
        ServerMessage::TransportCreated { transport } => Ok(transport),
        other => panic!("{other:?}"),
    }
}

fn lives_on(control: &Control, link: &Link, shard: &ShardHandle) -> bool {
    let placement = control.placement.lock();
    let own = placement.shard_of(link.identity.participant);
    own.is_some_and(|own| own.local_addrs() == shard.local_addrs())
}

/// A control with that many shards.
async fn control_of(shards: u16) -> (Arc<Control>, Vec<(ShardId, ShardHandle)>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(directory.path()).await.unwrap());
    let (events, _events) = mpsc::channel(256);
    let config = |id| ShardConfig {
        id: ShardId(id),
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        announce: vec![],
        segments: true,
        certificate: generate_certificate().unwrap(),
        seed: [id as u8; 32],
    };
    let configs: Vec<ShardConfig> = (0..shards).map(config).collect();
    let handles = spawn(&configs, &events).unwrap().into_iter().map(|(handle, _)| handle);
    let shards: Vec<_> = (0..).map(ShardId).zip(handles).collect();
    (
        Arc::new(Control::new(store, shards.clone(), Ice::default())),
        shards,
        directory,
    )
}

fn room_in(control: &Control) -> Arc<OpenRoom> {
    let exam = ExamId::from_parts(1, [1; 10]);
    let room = Arc::new(OpenRoom {
        id: exam,
        state: Mutex::new(Room::new(info(exam))),
        changing: tokio::sync::Mutex::default(),
    });
    control.rooms.lock().insert(exam, Arc::clone(&room));
    room
}

fn low() -> Vec<LayerOffer> {
    vec![LayerOffer {
        rid: Layer::Low,
        ssrc: Some(5),
        rtx_ssrc: None,
        width: 320,
        height: 180,
        fps: 10,
        kbps: 100,
    }]
}

#[tokio::test]
async fn media_wait_for_whoever_is_lost_and_then_no_longer() {
    let (control, shards, _directory) = control_of(1).await;
    let room = room_in(&control);
    let ((lost, _told), (there, _told_too)) = (sit(&room, 1), sit(&room, 2));
    for link in [&lost, &there] {
        make_transport(&control, link).await.unwrap();
        let published = control.publish(link, PublicationKey::CAMERA, "video/H264".into(), low(), false);
        published.await.unwrap();
    }
    let held = async || {
        let gauges = shards[0].1.figures().await.unwrap().gauges;
        (
            gauges.participants,
            gauges.transports,
            gauges.publications,
            control.census().placed,
        )
    };
    assert_eq!(held().await, (2, 2, 2, 2));
    let since = 1_000_000;
    {
        let mut state = room.state.lock();
        let member = state.members.get_mut(&lost.identity.participant).unwrap();
        member.client = None;
        member.set_presence(Presence::Lost, since);
    }
    let window = invigil_shared::limits::MEDIA_RESUME_S * 1_000_000;
    control.forget_lost(&room, since + window - 1);
    assert_eq!(held().await, (2, 2, 2, 2), "an outage of ten minutes is within it");
    control.forget_lost(&room, since + window);
    assert_eq!(held().await, (1, 1, 1, 1));
    let state = room.state.lock();
    let member = &state.members[&lost.identity.participant];
    assert!(member.transports.is_empty() && member.candidate().unwrap().publications.is_empty());
    assert_eq!(
        member.info.presence,
        Presence::Lost,
        "the session is waited for as before"
    );
}

#[tokio::test]
async fn a_bad_path_is_seen_by_those_who_watch_and_so_is_its_end() {
    use crate::shard::{Carried, PathFigures};
    let (control, ..) = control_of(1).await;
    let room = room_in(&control);
    let (link, _told) = sit(&room, 1);
    let id = link.identity.participant;
    let mut second = 0u64;
    let mut lost = 0u64;
    // A second of a path that loses so many of a hundred packets; presence then.
    let mut pass = |losing: u64| {
        (second, lost) = (second + 1, lost + losing);
        let figures = PathFigures {
            participant: id,
            carried: Carried {
                expected: second * 100,
                arrived: second * 100 - lost,
                ..Carried::default()
            },
            round_trip: Some(Duration::from_millis(30)),
            layers: 1,
            estimate: None,
        };
        let mut state = room.state.lock();
        let member = state.members.get_mut(&id).unwrap();
        let now = second as i64 * 1_000_000;
        member.stays.measure(Some(&figures), now);
        let presence = member.presence();
        member.set_presence(presence, now);
        (member.info.presence, member.info.connection)
    };
    let good = (Presence::Online, ConnectionLevel::Good);
    let bad = (Presence::Degraded, ConnectionLevel::Weak);
    for _ in 0..3 {
        assert_eq!(pass(0), good);
    }
    let seconds: Vec<_> = (0..8).map(|_| pass(20)).collect();
    assert_eq!(seconds[..4], [good; 4], "four bad seconds are a hiccup");
    assert_eq!(seconds[4..], [bad; 4]);
    let seconds: Vec<_> = (0..12).map(|_| pass(0)).collect();
    assert_eq!(seconds[..9], [bad; 9], "nine good seconds are a breath");
    assert_eq!(seconds[9..], [good; 3]);
}

#[tokio::test]
async fn whoever_lived_on_a_shard_that_ended_comes_back_on_another() {
    let (control, shards, _directory) = control_of(2).await;
    let room = room_in(&control);
    let ((one, mut told_one), (two, mut told_two)) = (sit(&room, 1), sit(&room, 2));
    let lost = make_transport(&control, &one).await.unwrap();
    let kept = make_transport(&control, &two).await.unwrap();
    let (first, second) = (&shards[0].1, &shards[1].1);
    assert!(lives_on(&control, &one, first) && lives_on(&control, &two, second));

    let ended = first.ended();
    first.break_down();
    assert_eq!(tokio::time::timeout(PATIENCE, ended).await, Ok(ShardExit::Panicked));
    assert!(control.shard_ended(ShardId(0)));
    let Ok(Next::Item(Outgoing::Text(text))) = tokio::time::timeout(PATIENCE, told_one.next()).await else {
        panic!("nothing was said")
    };
    assert!(
        text.contains("transport:closed") && text.contains(&lost.to_string()),
        "{text}"
    );
    make_transport(&control, &one).await.unwrap();
    assert!(lives_on(&control, &one, second));
    let published = control
        .publish(&one, PublicationKey::CAMERA, "video/H264".into(), low(), false)
        .await;
    assert!(
        matches!(published, Ok(Some(ServerMessage::Published { .. }))),
        "{published:?}"
    );
    let transports = |link: &Link| -> Vec<TransportId> {
        let state = room.state.lock();
        state.members[&link.identity.participant]
            .transports
            .keys()
            .copied()
            .collect()
    };
    assert_eq!(transports(&two), [kept]);
    two.outbox.close(ErrorCode::Replaced.into());
    assert!(
        matches!(told_two.next().await, Next::Close(_)),
        "who lived elsewhere was told nothing"
    );

    assert!(!control.shard_ended(ShardId(1)), "none is left");
    assert!(transports(&two).is_empty());
    let nowhere = make_transport(&control, &two).await;
    assert_eq!(nowhere.map_err(|error| error.code), Err(ErrorCode::ServerDraining));
}
