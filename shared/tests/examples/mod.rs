//! One example of every message, with fixed ids and times.

use invigil_shared::binding::{Binding, BindingState};
use invigil_shared::chain::ChainHead;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::{ExamInfo, ExamStatus, Policy};
use invigil_shared::id::{BootId, ExamId, MessageId, ParticipantId, SessionId, TimelineEntryId, TransportId, UserId};
use invigil_shared::integrity::{EventTime, IntegrityEvent, IntegrityKind, IntegrityPayload, Observer};
use invigil_shared::intent::{Intent, Priority};
use invigil_shared::publication::{
    Freshness, Layer, LayerOffer, PublicationInfo, PublicationKey, PublicationRef, SourceState,
};
use invigil_shared::role::Role;
use invigil_shared::signal::*;
use invigil_shared::sitting::{Admission, OwnPause, Sitting};
use invigil_shared::stats::{ClientStats, ConnectionLevel};
use invigil_shared::timeline::{Audience, MessageKind, Presence, Reach, Severity, TimelineBody, TimelineEntry};
use std::collections::BTreeMap;

const AT: i64 = 1_795_000_000_000_000;

pub fn participant(n: u8) -> ParticipantId {
    ParticipantId::from_parts(1_795_000_000_000, [n; 10])
}
pub fn session() -> SessionId {
    SessionId::from_parts(1_795_000_000_000, [7; 10])
}
fn transport() -> TransportId {
    TransportId::from_parts(1_795_000_000_000, [9; 10])
}
fn message_id() -> MessageId {
    MessageId::from_parts(1_795_000_000_000, [4; 10])
}
fn exam_id() -> ExamId {
    ExamId::from_parts(1_795_000_000_000, [1; 10])
}
fn source() -> PublicationRef {
    PublicationRef {
        participant: participant(2),
        publication: PublicationKey::SCREEN,
    }
}
fn intent() -> Intent {
    Intent {
        slot: 3,
        wanted: source(),
        layer: Layer::High,
        priority: Priority::Focus,
    }
}
fn binding() -> Binding {
    Binding {
        slot: 3,
        source: source(),
        layer: Some(Layer::Low),
        state: BindingState::WaitingKeyFrame,
    }
}
fn freshness() -> Freshness {
    Freshness {
        publication: PublicationKey::SCREEN,
        state: SourceState::Live,
        captured_at: AT,
        changed_at: AT - 40_000_000,
    }
}
fn layers() -> Vec<LayerOffer> {
    let low = LayerOffer {
        rid: Layer::Low,
        ssrc: Some(11),
        rtx_ssrc: Some(12),
        width: 960,
        height: 540,
        fps: 2,
        kbps: 100,
    };
    let high = LayerOffer {
        rid: Layer::High,
        ssrc: Some(13),
        rtx_ssrc: Some(14),
        width: 1920,
        height: 1080,
        fps: 5,
        kbps: 800,
    };
    vec![low, high]
}
fn publication() -> PublicationInfo {
    PublicationInfo {
        participant: participant(2),
        publication: PublicationKey::SCREEN,
        codec: "video/H264".into(),
        layers: layers(),
        freshness: freshness(),
        test_picture: false,
    }
}
fn exam() -> ExamInfo {
    ExamInfo {
        id: exam_id(),
        title: "Microbiology II, final exam".into(),
        code: "MICRO-204".into(),
        status: ExamStatus::Active,
        starts_at: AT,
        ends_at: AT + 7_200_000_000,
        policy: Policy::default(),
    }
}
fn info() -> ParticipantInfo {
    ParticipantInfo {
        id: participant(2),
        role: Role::Candidate,
        label: "Candidate 014".into(),
        seat: Some("C2".into()),
        presence: Presence::Online,
        presence_since: AT,
        connection: ConnectionLevel::Good,
        looked_at: 0,
        sitting: Sitting::default(),
    }
}
pub fn payload() -> IntegrityPayload {
    IntegrityPayload {
        kind: IntegrityKind::FocusLost,
        time: EventTime {
            boot_id: BootId::from_parts(1_795_000_000_000, [3; 10]),
            monotonic_us: 5_000_000,
            wall_us: AT,
        },
        observer: Observer::System,
        confidence: 100,
        begins: None,
        facts: BTreeMap::from([("window".to_owned(), "other".to_owned())]),
    }
}
pub fn event() -> IntegrityEvent {
    let payload = serde_json::to_string(&payload()).expect("a payload is JSON");
    ChainHead::new(session()).append(session(), [5; 16], payload)
}
fn head() -> ChainHead {
    let mut head = ChainHead::new(session());
    head.advance(session(), &event())
        .expect("the first event continues the genesis");
    head
}
fn message() -> Message {
    Message {
        id: message_id(),
        kind: MessageKind::Warning,
        candidate: participant(2),
        from_candidate: false,
        author: "Proctor".into(),
        text: "Your screen shows another window.".into(),
        at: AT,
        acknowledged: false,
    }
}
fn entry() -> TimelineEntry {
    let body = TimelineBody::Integrity {
        kind: IntegrityKind::FocusLost,
        seq: 1,
        observer: Observer::System,
        confidence: 100,
        severity: Severity::Medium,
        begins: None,
    };
    let id = TimelineEntryId::from_parts(1_795_000_000_000, [6; 10]);
    TimelineEntry {
        id,
        participant: participant(2),
        at: AT,
        received_at: AT + 12_000,
        body,
    }
}
fn room_state() -> RoomState {
    RoomState {
        exam: exam(),
        you: info(),
        server_time: AT,
        time_left: 7_200_000_000,
        participants: vec![info()],
        publications: vec![publication()],
        timeline: vec![entry()],
        chain: Some(head()),
        messages: vec![message()],
    }
}

pub fn client_messages() -> Vec<ClientMessage> {
    use ClientMessage as M;
    vec![
        M::AuthRequest {
            token: "eyJhbGciOiJFZERTQSJ9.e30.AA".into(),
            version: 1,
            client: "0.1.0".into(),
            platform: "linux".into(),
            features: vec!["h264".into()],
        },
        M::AuthRefresh,
        M::Resume {
            signature: "c2lnbmF0dXJl".into(),
        },
        M::RoomJoin { exam: exam_id() },
        M::RoomLeave,
        M::TransportCreate {
            direction: Direction::Publish,
        },
        M::SdpOffer {
            transport: transport(),
            sdp: "v=0\r\n".into(),
        },
        M::IceCandidate {
            transport: transport(),
            candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host".into(),
            mid: "0".into(),
        },
        M::TransportConnect { transport: transport() },
        M::TransportClose { transport: transport() },
        M::Publish {
            publication: PublicationKey::SCREEN,
            codec: "video/H264".into(),
            layers: layers(),
            test_picture: false,
        },
        M::Unpublish {
            publication: PublicationKey::SCREEN,
        },
        M::PublicationFreshness {
            publications: vec![freshness()],
        },
        M::IntentsSet {
            revision: 12,
            intents: vec![intent()],
        },
        M::Subscribe { intent: intent() },
        M::KeyframeRequest {
            source: source(),
            layer: Layer::High,
        },
        M::IntegrityEvents { events: vec![event()] },
        M::MessageSend {
            to: Some(participant(2)),
            kind: MessageKind::Warning,
            text: "Look at your own screen.".into(),
        },
        M::MessageBroadcast {
            audience: Audience::Mine,
            text: "Five minutes left.".into(),
        },
        M::MessageAcknowledge { message: message_id() },
        M::Action {
            action: Action::ExtraTime {
                participant: participant(2),
                minutes: 10,
                reason: "fire alarm".into(),
            },
        },
        M::HandRaise { raised: true },
        M::AdmissionRequest,
        M::AttentionLook {
            participant: participant(2),
        },
        M::StatsReport {
            stats: ClientStats {
                rtt_us: 24_000,
                lost_permille: 3,
                sent_kbps: 420,
                received_kbps: 12,
                cpu_permille: 110,
                ..ClientStats::default()
            },
        },
        M::Ping { t0: AT },
        M::SessionFinish,
        M::Unknown,
    ]
}

pub fn server_messages() -> Vec<ServerMessage> {
    use ServerMessage as M;
    vec![
        M::Ok,
        M::Error {
            error: ErrorBody::from(ErrorCode::SecretWrong).with("tries_left", 4),
        },
        M::AuthResponse {
            participant: participant(2),
            role: Role::Candidate,
            expires_at: 1_795_000_900,
            features: vec!["h264".into()],
            min_client: "0.1.0".into(),
            server: "0.1.0".into(),
            challenge: Some("Y2hhbGxlbmdl".into()),
            session: Some(session()),
        },
        M::AuthToken {
            token: "eyJhbGciOiJFZERTQSJ9.e30.AA".into(),
            expires_at: 1_795_000_900,
        },
        M::Resumed {
            session: session(),
            chain: head(),
        },
        M::RoomState(Box::new(room_state())),
        M::TransportCreated { transport: transport() },
        M::SdpAnswer {
            transport: transport(),
            sdp: "v=0\r\n".into(),
        },
        M::IceCandidate {
            transport: transport(),
            candidate: "candidate:1 1 tcp 1 127.0.0.1 9 typ host".into(),
            mid: "0".into(),
        },
        M::IceConfig {
            servers: vec![IceServer {
                urls: vec!["turn:127.0.0.1:3478".into()],
                username: Some("u".into()),
                credential: Some("p".into()),
            }],
            relay_only: false,
        },
        M::TransportClosed { transport: transport() },
        M::Published {
            publication: PublicationKey::SCREEN,
            demand: vec![Layer::Low],
        },
        M::Subscribed {
            revision: 12,
            bindings: vec![binding()],
        },
        M::LayerDemand {
            demands: vec![Demand {
                publication: PublicationKey::CAMERA,
                layers: vec![Layer::Low, Layer::High],
            }],
        },
        M::LayerSelected {
            slot: 3,
            layer: Layer::High,
        },
        M::KeyframeRequest {
            publication: PublicationKey::CAMERA,
            layer: Layer::Low,
        },
        M::AudioLevels {
            levels: vec![AudioLevel {
                participant: participant(2),
                level: 32,
            }],
        },
        M::ParticipantJoined { participant: info() },
        M::ParticipantLeft {
            participant: participant(2),
        },
        M::ParticipantUpdated { participant: info() },
        M::PublicationAdded {
            publication: publication(),
        },
        M::PublicationRemoved { source: source() },
        M::PublicationUpdated {
            participant: participant(2),
            freshness: vec![freshness()],
        },
        M::IntegrityAck { head: head() },
        M::TimelineEntry { entry: entry() },
        M::MessageSent {
            message: message_id(),
            at: AT,
            delivered: true,
        },
        M::MessageReceived { message: message() },
        M::BroadcastUpdated {
            message: message_id(),
            reach: Reach {
                recipients: 30,
                delivered: 28,
                acknowledged: 12,
            },
        },
        M::MessageAcknowledged {
            message: message_id(),
            at: AT,
        },
        M::Action {
            at: AT,
            action: Action::Warn {
                participant: participant(2),
                reason: "noise".into(),
            },
        },
        M::AttentionLooked {
            participant: participant(2),
            at: AT,
        },
        M::Assignments {
            ratio: 8,
            proctors: vec![ProctorLoad {
                proctor: UserId::from_parts(1_795_000_000_000, [3; 10]),
                name: "Pat".into(),
                role: Role::Proctor,
                here: vec![participant(9)],
                candidates: vec![participant(1), participant(2)],
            }],
        },
        M::ExamUpdated {
            exam: exam_id(),
            status: ExamStatus::Active,
            ends_at: AT,
            time_left: 60_000_000,
        },
        M::SittingUpdated {
            sitting: Sitting {
                admission: Admission::Admitted,
                late: true,
                reason: "Wait for the doctor.".into(),
                pause: Some(OwnPause {
                    since: AT,
                    left_us: 3_600_000_000,
                }),
                locked: false,
                hand_since: Some(AT - 1_000_000),
                extra_min: 10,
                given_back_us: 0,
                ended: false,
                moving_since: None,
                muted: false,
            },
            ends_at: AT + 3_600_000_000,
            time_left: 3_600_000_000,
        },
        M::Listening { listening: true },
        M::Pong {
            t0: AT,
            t1: AT + 900,
            t2: AT + 910,
        },
        M::ServerDraining { retry_after_s: 5 },
        M::Unknown,
    ]
}
