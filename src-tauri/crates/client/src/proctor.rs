//! The proctor's client: one wall of slots kept alive over every link and transport that it takes.

mod engine;

use crate::bounds::{MAX_COMMANDS, MAX_EVENTS};
use crate::clock::ServerClock;
use crate::error::ClientError;
use crate::media::MediaOptions;
use crate::rest::Api;
use crate::{ClientInfo, LinkState, MediaState};
use bytes::Bytes;
use invigil_shared::binding::Binding;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::ExamStatus;
use invigil_shared::id::{ExamId, MessageId, ParticipantId};
use invigil_shared::intent::Intent;
use invigil_shared::limits::MAX_MESSAGE_CHARS;
use invigil_shared::publication::{Freshness, Layer, PublicationInfo, PublicationRef};
use invigil_shared::signal::{Action, AudioLevel, Message, ParticipantInfo, ProctorLoad, RoomState};
use invigil_shared::timeline::{Audience, MessageKind, Reach, TimelineEntry};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// What a proctor's client is started with.
#[derive(Clone)]
pub struct ProctorConfig {
    pub api: Api,
    /// From `sign_in`, `set_up` or `refresh`.
    pub token: String,
    pub exam: ExamId,
    pub info: ClientInfo,
    pub media: MediaOptions,
}

/// Names a message until the server has given it an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SendTicket(pub u64);

/// What happens to a proctor's client. States wait for the reader; pictures and audio are dropped past [`MAX_EVENTS`].
#[derive(Clone, Debug, PartialEq)]
pub enum ProctorEvent {
    Link(LinkState),
    Media(MediaState),
    /// After every join or return: the whole state.
    RoomState(Box<RoomState>),
    ParticipantJoined(ParticipantInfo),
    ParticipantLeft(ParticipantId),
    ParticipantUpdated(ParticipantInfo),
    PublicationAdded(PublicationInfo),
    PublicationRemoved(PublicationRef),
    Freshness {
        participant: ParticipantId,
        freshness: Vec<Freshness>,
    },
    Timeline(TimelineEntry),
    /// All slots, as the server decided them.
    Bindings {
        revision: u64,
        bindings: Vec<Binding>,
    },
    LayerSelected {
        slot: u16,
        layer: Layer,
    },
    Levels(Vec<AudioLevel>),
    /// The server has the message, or refused it. `delivered`: the candidate's client has it.
    MessageSent {
        ticket: SendTicket,
        result: Result<(MessageId, i64, bool), ErrorBody>,
    },
    MessageReceived(Message),
    MessageAcknowledged {
        message: MessageId,
        at: i64,
    },
    /// How far a broadcast has come.
    Reached {
        message: MessageId,
        reach: Reach,
    },
    Action {
        at: i64,
        action: Action,
    },
    AttentionLooked {
        participant: ParticipantId,
        at: i64,
    },
    /// Who watches whom, the whole of it. `ratio`: candidates that one proctor is given at most.
    Assignments {
        ratio: u16,
        proctors: Vec<ProctorLoad>,
    },
    ExamUpdated {
        status: ExamStatus,
        ends_at: i64,
        time_left: i64,
    },
    /// A whole access unit (Annex B), in order; the first of a slot's source, and the first after a loss, is a key frame.
    VideoFrame {
        slot: u16,
        source: PublicationRef,
        layer: Layer,
        data: Bytes,
        key: bool,
        /// Server time, microseconds since the Unix epoch; 0 when the publisher did not say.
        captured_at_us: i64,
        rtp_timestamp: u32,
    },
    /// An Opus packet as received, in arrival order; `sequence` is the extended RTP sequence number of the slot.
    AudioPacket {
        slot: u16,
        source: PublicationRef,
        sequence: u64,
        rtp_timestamp: u32,
        data: Bytes,
        captured_at_us: i64,
    },
    /// The client has ended and won't come back by itself.
    Ended {
        reason: Option<ErrorCode>,
    },
    /// The server refused an action.
    ActionRefused(ErrorBody),
    /// Something that was asked for did not happen.
    Error(ErrorBody),
}

pub(crate) enum Command {
    Intents(Vec<Intent>),
    Send {
        ticket: SendTicket,
        to: ParticipantId,
        kind: MessageKind,
        text: String,
    },
    Broadcast {
        ticket: SendTicket,
        audience: Audience,
        text: String,
    },
    Look(ParticipantId),
    Keyframe {
        source: PublicationRef,
        layer: Layer,
    },
    Act(Action),
    NetworkChanged,
    /// Says that it is for good, then closes.
    Leave(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// A running client. Clones are handles of the same one; it ends with `close` or when the last handle is dropped.
#[derive(Clone)]
pub struct ProctorClient {
    commands: mpsc::Sender<Command>,
    clock: ServerClock,
    tickets: Arc<AtomicU64>,
    token: tokio::sync::watch::Receiver<String>,
}

impl ProctorClient {
    /// Starts connecting. Must be called within a tokio runtime.
    pub fn start(config: ProctorConfig) -> (Self, mpsc::Receiver<ProctorEvent>) {
        let (commands, commands_end) = mpsc::channel(MAX_COMMANDS);
        let (events, events_end) = mpsc::channel(MAX_EVENTS);
        let clock = ServerClock::default();
        let (token, token_end) = tokio::sync::watch::channel(config.token.clone());
        let engine = engine::Engine::new(config, clock.clone(), events, token);
        tokio::spawn(engine.run(commands_end));
        (
            Self {
                commands,
                clock,
                tickets: Arc::default(),
                token: token_end,
            },
            events_end,
        )
    }

    /// The whole wish list, in slots as [`crate::slots`] numbers them. It replaces the one before and is sent again after every
    /// return. A slot whose wanted publication changes is silent until its new one's key frame. The first list that reaches
    /// into the second pool opens it, for as long as the client runs; no other list takes any negotiation.
    ///
    /// # Errors
    /// `intent_invalid` for a slot out of range, used twice, or of the wrong kind; `busy`, `closed`.
    pub fn set_intents(&self, intents: Vec<Intent>) -> Result<(), ClientError> {
        if !crate::slots::are_valid(&intents) {
            return Err(ClientError::Refused(ErrorCode::IntentInvalid.into()));
        }
        self.command(Command::Intents(intents))
    }

    /// Sends a text or a warning to a candidate; sent again after an interruption until the server has answered.
    pub fn send_message(&self, to: ParticipantId, kind: MessageKind, text: &str) -> Result<SendTicket, ClientError> {
        if text.chars().count() > MAX_MESSAGE_CHARS {
            return Err(ClientError::Refused(ErrorCode::MessageTooLong.into()));
        }
        let ticket = SendTicket(self.tickets.fetch_add(1, Ordering::Relaxed));
        self.command(Command::Send {
            ticket,
            to,
            kind,
            text: text.to_owned(),
        })?;
        Ok(ticket)
    }

    /// Sends a text to many; like [`Self::send_message`].
    pub fn broadcast(&self, audience: Audience, text: &str) -> Result<SendTicket, ClientError> {
        if text.chars().count() > MAX_MESSAGE_CHARS {
            return Err(ClientError::Refused(ErrorCode::MessageTooLong.into()));
        }
        let ticket = SendTicket(self.tickets.fetch_add(1, Ordering::Relaxed));
        self.command(Command::Broadcast {
            ticket,
            audience,
            text: text.to_owned(),
        })?;
        Ok(ticket)
    }

    /// Focus or peek was open for 3 s.
    pub fn look(&self, participant: ParticipantId) -> Result<(), ClientError> {
        self.command(Command::Look(participant))
    }

    /// A decoder lost its way: its next picture must stand by itself. Throttled per source and layer.
    pub fn request_keyframe(&self, source: PublicationRef, layer: Layer) -> Result<(), ClientError> {
        self.command(Command::Keyframe { source, layer })
    }

    /// What a proctor does to a candidate, or a lead to the room. A refusal comes as [`ProctorEvent::ActionRefused`].
    pub fn act(&self, action: Action) -> Result<(), ClientError> {
        self.command(Command::Act(action))
    }

    /// The operating system reported a network change: paths are tested and restarted at once.
    pub fn network_changed(&self) -> Result<(), ClientError> {
        self.command(Command::NetworkChanged)
    }

    /// Server time, microseconds since the Unix epoch.
    pub fn server_now_us(&self) -> i64 {
        self.clock.now_us()
    }

    /// Server time minus this machine's wall clock, microseconds.
    pub fn clock_offset_us(&self) -> i64 {
        self.clock.wall_offset_us()
    }

    /// The newest access token, for REST calls beside this client.
    pub fn token(&self) -> String {
        self.token.borrow().clone()
    }

    /// Leaves the room for good, as far as a link stands: the candidates of whoever leaves are given to others at once. Then
    /// ends the client.
    pub async fn leave(&self) {
        self.end(Command::Leave).await;
    }

    /// Ends the client: transports closed, link closed. Whoever is back soon has the same candidates.
    pub async fn close(&self) {
        self.end(Command::Close).await;
    }

    async fn end(&self, how: fn(oneshot::Sender<()>) -> Command) {
        let (done, wait) = oneshot::channel();
        if self.commands.send(how(done)).await.is_ok() {
            let _ = wait.await;
        }
    }

    fn command(&self, command: Command) -> Result<(), ClientError> {
        self.commands.try_send(command).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => ClientError::Busy,
            mpsc::error::TrySendError::Closed(_) => ClientError::Closed,
        })
    }
}
