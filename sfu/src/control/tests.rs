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

#[tokio::test]
async fn whoever_lived_on_a_shard_that_ended_comes_back_on_another() {
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
    let mut shards = Vec::new();
    for (id, (handle, _)) in spawn(&[config(0), config(1)], &events).unwrap().into_iter().enumerate() {
        shards.push((ShardId(id as u16), handle));
    }
    let control = Arc::new(Control::new(store, shards.clone(), Ice::default()));
    let exam = ExamId::from_parts(1, [1; 10]);
    let room = Arc::new(OpenRoom {
        id: exam,
        state: Mutex::new(Room::new(info(exam))),
        changing: tokio::sync::Mutex::default(),
    });
    control.rooms.lock().insert(exam, Arc::clone(&room));
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
    let layers = vec![LayerOffer {
        rid: Layer::Low,
        ssrc: Some(5),
        rtx_ssrc: None,
        width: 320,
        height: 180,
        fps: 10,
        kbps: 100,
    }];
    let published = control
        .publish(&one, PublicationKey::CAMERA, "video/H264".into(), layers, false)
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
