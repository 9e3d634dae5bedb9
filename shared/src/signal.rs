//! Signalling messages: JSON objects tagged by `type`, in WebSocket text frames.
//!
//! A request carries `id`; its answer carries the same `id` and is either the message named in its documentation, `ok`, or
//! `error`. Unknown fields are ignored. An unknown request decodes to [`ClientMessage::Unknown`] and answers `unsupported`; an
//! unknown server message decodes to [`ServerMessage::Unknown`] and is ignored.

use crate::binding::Binding;
use crate::chain::ChainHead;
use crate::error::ErrorBody;
use crate::exam::{ExamInfo, ExamStatus};
use crate::id::{ExamId, MessageId, ParticipantId, RequestId, SessionId, TransportId, UserId};
use crate::integrity::IntegrityEvent;
use crate::intent::Intent;
use crate::publication::{Freshness, Layer, LayerOffer, PublicationInfo, PublicationKey, PublicationRef};
use crate::role::Role;
use crate::sitting::Sitting;
use crate::stats::{ClientStats, ConnectionLevel};
use crate::timeline::{Audience, MessageKind, Presence, Reach, TimelineEntry};
use serde::{Deserialize, Serialize};

/// A frame from a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientFrame {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// Of a message, a broadcast or an action on one candidate: it is carried out once and answered the same each time that it is sent
    /// within a day, so that a client that did not hear the answer sends it again. The same with something else: `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once: Option<RequestId>,
    #[serde(flatten)]
    pub message: ClientMessage,
}

/// A frame from the server. `id` is set on answers only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerFrame {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    #[serde(flatten)]
    pub message: ServerMessage,
}

/// Extension attribute (RFC 8839 section 5.1) of a passive TCP candidate that is reached inside TLS. Its value is
/// [`TLS_BY_SIGNALLING`], and its address and port mean nothing.
pub const TLS_CANDIDATE: &str = "invigil-tls";
/// The value of [`TLS_CANDIDATE`]: at the host and port of signalling, with the same trust in its certificate.
pub const TLS_BY_SIGNALLING: &str = "signalling";

/// Which way media flows on a transport, as its client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Publish,
    Subscribe,
}

/// The layer, or none, that each publication should send now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    pub publication: PublicationKey,
    pub layers: Vec<Layer>,
}

/// An audio level (RFC 6464): 0 is the loudest, 127 silence, in -dBov.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioLevel {
    pub participant: ParticipantId,
    pub level: u8,
}

/// A STUN or TURN server (RFC 8489, RFC 8656).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    pub urls: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// What a proctor does to a candidate, or a lead to a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    Admit {
        participant: ParticipantId,
    },
    AskAgain {
        participant: ParticipantId,
        reason: String,
    },
    Reject {
        participant: ParticipantId,
        reason: String,
    },
    Warn {
        participant: ParticipantId,
        reason: String,
    },
    Pause {
        participant: Option<ParticipantId>,
        reason: String,
    },
    Continue {
        participant: Option<ParticipantId>,
    },
    Lock {
        participant: ParticipantId,
        reason: String,
    },
    ExtraTime {
        participant: ParticipantId,
        minutes: u16,
        reason: String,
    },
    /// The candidate's microphone is not forwarded, and the candidate's app does not send it.
    Mute {
        participant: ParticipantId,
    },
    Unmute {
        participant: ParticipantId,
    },
    MuteAll,
    UnmuteAll,
    /// The candidate's raised hand was seen to.
    LowerHand {
        participant: ParticipantId,
    },
    /// Candidates get another proctor: those that are named, and everybody of `from`.
    Reassign {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        participants: Vec<ParticipantId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<UserId>,
        to: UserId,
    },
    /// Out of the room now. A candidate comes back by admission; whoever watches comes back by entering again.
    Remove {
        participant: ParticipantId,
        reason: String,
    },
    End {
        participant: ParticipantId,
        reason: String,
    },
    ChangeRole {
        participant: ParticipantId,
        role: Role,
    },
    Close {
        reason: String,
    },
    /// "Move to this device": the device that waits takes over.
    Move {
        participant: ParticipantId,
    },
    RefuseMove {
        participant: ParticipantId,
    },
    #[serde(other)]
    Unknown,
}

/// A participant as a room's proctors see it. Candidates only ever receive their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantInfo {
    pub id: ParticipantId,
    pub role: Role,
    pub label: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
    pub presence: Presence,
    /// Since when that presence holds; server time, microseconds.
    pub presence_since: i64,
    pub connection: ConnectionLevel,
    /// When a proctor last looked at the candidate; server time, microseconds; 0 for never.
    #[serde(default)]
    pub looked_at: i64,
    /// Candidates: how the sitting stands apart from the exam.
    #[serde(default, skip_serializing_if = "Sitting::is_plain")]
    pub sitting: Sitting,
}

/// What is in a room, in answer to `room:join` and again after a resume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoomState {
    pub exam: ExamInfo,
    /// Who the receiver is.
    pub you: ParticipantInfo,
    /// Server time, microseconds since the Unix epoch.
    pub server_time: i64,
    /// For candidates: microseconds of exam time left. For proctors: until the scheduled end.
    pub time_left: i64,
    /// For proctors: the candidates and other proctors. Empty for candidates.
    pub participants: Vec<ParticipantInfo>,
    /// For proctors: every publication. For candidates: their own, as the server holds them.
    pub publications: Vec<PublicationInfo>,
    /// For proctors: the newest entries, oldest first. Empty for candidates.
    pub timeline: Vec<TimelineEntry>,
    /// For candidates: what their chain must continue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainHead>,
    /// For candidates: messages that they have not acknowledged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
}

/// Somebody who watches, and whom. Only those who watch ever receive it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProctorLoad {
    pub proctor: UserId,
    pub name: String,
    pub role: Role,
    /// The connections in the room; none: away, and expected back.
    pub here: Vec<ParticipantId>,
    /// Candidates that were given to this proctor, whether or not they have finished.
    pub candidates: Vec<ParticipantId>,
}

/// A text between people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    pub kind: MessageKind,
    /// The candidate who wrote it or whom it is for.
    pub candidate: ParticipantId,
    pub from_candidate: bool,
    /// How the author is called: "Proctor" to candidates, a name to proctors.
    pub author: String,
    pub text: String,
    /// Server time, microseconds since the Unix epoch.
    pub at: i64,
    pub acknowledged: bool,
}

/// From a client to the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ClientMessage {
    /// First on every connection, and again with a fresh token before the old one expires. Answer: `auth:response`.
    #[serde(rename = "auth:request")]
    AuthRequest {
        token: String,
        version: u32,
        client: String,
        platform: String,
        features: Vec<String>,
    },
    /// Asks for a fresh token in-band. Answer: `auth:token`.
    #[serde(rename = "auth:refresh")]
    AuthRefresh,
    /// Continues a session on a new connection: the device key's proof over the challenge of `auth:response`. Answer: `resumed`.
    #[serde(rename = "resume")]
    Resume { signature: String },
    /// Answer: `room:state`.
    #[serde(rename = "room:join")]
    RoomJoin { exam: ExamId },
    #[serde(rename = "room:leave")]
    RoomLeave,
    /// Answer: `transport:created`.
    #[serde(rename = "transport:create")]
    TransportCreate { direction: Direction },
    /// The client always offers: first, and to restart ICE. Answer: `sdp:answer`.
    #[serde(rename = "sdp:offer")]
    SdpOffer { transport: TransportId, sdp: String },
    #[serde(rename = "ice:candidate")]
    IceCandidate {
        transport: TransportId,
        candidate: String,
        mid: String,
    },
    /// The client has seen the transport connect; the server answers `ok` when it has too.
    #[serde(rename = "transport:connect")]
    TransportConnect { transport: TransportId },
    #[serde(rename = "transport:close")]
    TransportClose { transport: TransportId },
    /// Announces a publication, or changes its layers. Answer: `published`, with the demand of the moment.
    #[serde(rename = "publish")]
    Publish {
        publication: PublicationKey,
        codec: String,
        layers: Vec<LayerOffer>,
        test_picture: bool,
    },
    #[serde(rename = "unpublish")]
    Unpublish { publication: PublicationKey },
    /// Once a second, for every publication.
    #[serde(rename = "publication:freshness")]
    PublicationFreshness { publications: Vec<Freshness> },
    /// The whole wish list. A revision that is not newer than the last is ignored. Answer: `subscribed`.
    #[serde(rename = "intents:set")]
    IntentsSet { revision: u64, intents: Vec<Intent> },
    /// One publication into one slot, for simple clients. Answer: `subscribed`.
    #[serde(rename = "subscribe")]
    Subscribe { intent: Intent },
    #[serde(rename = "keyframe:request")]
    KeyframeRequest { source: PublicationRef, layer: Layer },
    /// In order. Answer: `integrity:ack`, after the commit.
    #[serde(rename = "integrity:event")]
    IntegrityEvents { events: Vec<IntegrityEvent> },
    /// `to` is the candidate; a candidate's own messages carry none. Answer: `message:sent`.
    #[serde(rename = "message:send")]
    MessageSend {
        to: Option<ParticipantId>,
        kind: MessageKind,
        text: String,
    },
    /// The same words to many, each of whom gets them as a message of their own. Answer: `message:sent`, with the id that all of them share.
    #[serde(rename = "message:broadcast")]
    MessageBroadcast { audience: Audience, text: String },
    /// The candidate pressed "I understand", or has read.
    #[serde(rename = "message:acknowledge")]
    MessageAcknowledge { message: MessageId },
    /// Answer: `ok`, or `error`.
    #[serde(rename = "action")]
    Action {
        #[serde(flatten)]
        action: Action,
    },
    /// The candidate raises a hand, or takes it down. Answer: `ok`.
    #[serde(rename = "hand:raise")]
    HandRaise { raised: bool },
    /// The candidate has done what a proctor asked for before letting in. Answer: `ok`.
    #[serde(rename = "admission:request")]
    AdmissionRequest,
    /// A proctor looked at a candidate for 3 s.
    #[serde(rename = "attention:look")]
    AttentionLook { participant: ParticipantId },
    #[serde(rename = "stats:report")]
    StatsReport { stats: ClientStats },
    /// `t0`: the client's wall clock, microseconds. Answer: `pong`.
    #[serde(rename = "ping")]
    Ping { t0: i64 },
    /// The candidate hands in: sources stop, the session ends well.
    #[serde(rename = "session:finish")]
    SessionFinish,
    #[serde(other)]
    Unknown,
}

/// From the server to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ServerMessage {
    #[serde(rename = "ok")]
    Ok,
    #[serde(rename = "error")]
    Error {
        #[serde(flatten)]
        error: ErrorBody,
    },
    #[serde(rename = "auth:response")]
    AuthResponse {
        participant: ParticipantId,
        role: Role,
        /// Seconds since the Unix epoch.
        expires_at: i64,
        features: Vec<String>,
        min_client: String,
        server: String,
        /// For candidates: to be signed with the device key in `resume`; base64url without padding.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        challenge: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
    },
    #[serde(rename = "auth:token")]
    AuthToken { token: String, expires_at: i64 },
    #[serde(rename = "resumed")]
    Resumed { session: SessionId, chain: ChainHead },
    #[serde(rename = "room:state")]
    RoomState(Box<RoomState>),
    #[serde(rename = "transport:created")]
    TransportCreated { transport: TransportId },
    #[serde(rename = "sdp:answer")]
    SdpAnswer { transport: TransportId, sdp: String },
    /// A candidate for a transport that can't stand in the SDP: ICE-TCP (RFC 6544), plain, or inside TLS with the extension
    /// attribute [`TLS_CANDIDATE`].
    #[serde(rename = "ice:candidate")]
    IceCandidate {
        transport: TransportId,
        candidate: String,
        mid: String,
    },
    /// STUN and TURN servers, and whether media may take no other way than those relays. To a candidate after `auth:request`, to
    /// who watches before the answer to `room:join`, and to both again before the credentials end: a transport that stands on a
    /// relay moves to the new ones. `ice_config` among the features of `auth:response` promises it.
    #[serde(rename = "ice:config")]
    IceConfig { servers: Vec<IceServer>, relay_only: bool },
    /// The server gave a transport up; the client makes a new one.
    #[serde(rename = "transport:closed")]
    TransportClosed { transport: TransportId },
    #[serde(rename = "published")]
    Published {
        publication: PublicationKey,
        demand: Vec<Layer>,
    },
    /// What the server decided for the subscriber's slots: all of them. As an answer, and whenever it changes.
    #[serde(rename = "subscribed")]
    Subscribed { revision: u64, bindings: Vec<Binding> },
    #[serde(rename = "layer:demand")]
    LayerDemand { demands: Vec<Demand> },
    #[serde(rename = "layer:selected")]
    LayerSelected { slot: u16, layer: Layer },
    /// To a publisher: somebody needs a picture that stands by itself, now.
    #[serde(rename = "keyframe:request")]
    KeyframeRequest { publication: PublicationKey, layer: Layer },
    /// Four times a second, for those who are not silent.
    #[serde(rename = "audio:levels")]
    AudioLevels { levels: Vec<AudioLevel> },
    #[serde(rename = "participant:joined")]
    ParticipantJoined { participant: ParticipantInfo },
    #[serde(rename = "participant:left")]
    ParticipantLeft { participant: ParticipantId },
    #[serde(rename = "participant:updated")]
    ParticipantUpdated { participant: ParticipantInfo },
    #[serde(rename = "publication:added")]
    PublicationAdded { publication: PublicationInfo },
    #[serde(rename = "publication:removed")]
    PublicationRemoved { source: PublicationRef },
    #[serde(rename = "publication:updated")]
    PublicationUpdated {
        participant: ParticipantId,
        freshness: Vec<Freshness>,
    },
    /// The chain's head after the commit; everything up to it is safe.
    #[serde(rename = "integrity:ack")]
    IntegrityAck { head: ChainHead },
    #[serde(rename = "timeline:entry")]
    TimelineEntry { entry: TimelineEntry },
    #[serde(rename = "message:sent")]
    MessageSent {
        message: MessageId,
        at: i64,
        delivered: bool,
    },
    #[serde(rename = "message:received")]
    MessageReceived { message: Message },
    /// To those who watch: how many have a broadcast now, and how many have read it.
    #[serde(rename = "broadcast:updated")]
    BroadcastUpdated { message: MessageId, reach: Reach },
    #[serde(rename = "message:acknowledged")]
    MessageAcknowledged { message: MessageId, at: i64 },
    /// To a candidate: what was done to the session. To proctors: what was done, and to whom.
    #[serde(rename = "action")]
    Action {
        at: i64,
        #[serde(flatten)]
        action: Action,
    },
    /// To those who watch: who watches whom, the whole of it.
    #[serde(rename = "assignments")]
    Assignments {
        /// Candidates that one proctor is given at most.
        ratio: u16,
        proctors: Vec<ProctorLoad>,
    },
    #[serde(rename = "attention:looked")]
    AttentionLooked { participant: ParticipantId, at: i64 },
    #[serde(rename = "exam:updated")]
    ExamUpdated {
        exam: ExamId,
        status: ExamStatus,
        ends_at: i64,
        time_left: i64,
    },
    /// To a candidate: how the own sitting stands. `ends_at`: server time; `time_left` stands still while the clock does.
    #[serde(rename = "sitting:updated")]
    SittingUpdated {
        sitting: Sitting,
        ends_at: i64,
        time_left: i64,
    },
    /// To a candidate: whether a proctor hears the microphone now, where policy says so.
    #[serde(rename = "listening")]
    Listening { listening: bool },
    /// `t0` as sent; `t1` received and `t2` answered, server time, microseconds.
    #[serde(rename = "pong")]
    Pong { t0: i64, t1: i64, t2: i64 },
    /// The server stops; come back after `retry_after_s`.
    #[serde(rename = "server:draining")]
    ServerDraining { retry_after_s: u32 },
    #[serde(other)]
    Unknown,
}
