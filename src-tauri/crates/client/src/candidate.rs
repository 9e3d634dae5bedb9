//! The candidate's client: one session kept alive over every link and transport that it takes.

mod engine;
mod path;
mod publish;
mod share;

use crate::bounds::{MAX_COMMANDS, MAX_EVENTS};
use crate::clock::ServerClock;
use crate::device::DeviceKey;
use crate::error::ClientError;
use crate::journal::Journal;
pub use crate::journal::{EventReport, EventTicket};
use crate::media::MediaOptions;
use crate::rest::Api;
pub use crate::sink::{AudioSink, VideoSink, Written};
use crate::sink::{SinkTable, Source};
use crate::{ClientInfo, LinkState, MediaState};
use invigil_shared::bandwidth::Plan;
use invigil_shared::chain::ChainHead;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::ExamStatus;
use invigil_shared::id::MessageId;
use invigil_shared::limits::{MAX_LAYERS, MAX_MESSAGE_CHARS, MAX_PUBLICATIONS};
use invigil_shared::publication::{Freshness, Layer, LayerOffer, PublicationKey};
use invigil_shared::rest::JoinResponse;
use invigil_shared::signal::{Action, Message, RoomState};
use invigil_shared::sitting::Sitting;
use invigil_shared::stats::ClientStats;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// What a candidate's client is started with.
#[derive(Clone)]
pub struct CandidateConfig {
    pub api: Api,
    /// The answer to `join` or `resume`.
    pub join: JoinResponse,
    /// The key that `join` registered.
    pub device_key: DeviceKey,
    pub info: ClientInfo,
    pub media: MediaOptions,
}

/// What is published: the layers' `ssrc` and `rtx_ssrc` are chosen here and ignored when given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicationSpec {
    pub key: PublicationKey,
    /// `video/H264` or `audio/opus`.
    pub codec: String,
    /// One to three for video, exactly one for audio (by convention `low`).
    pub layers: Vec<LayerOffer>,
    pub test_picture: bool,
}

/// Names a chat line until the server has given it an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChatTicket(pub u64);

/// What happens to a candidate's client. The receiver must be read; past [`MAX_EVENTS`] the client waits for it.
#[derive(Clone, Debug, PartialEq)]
pub enum CandidateEvent {
    Link(LinkState),
    Media(MediaState),
    /// After every join or return: the whole state.
    RoomState(Box<RoomState>),
    /// The server knows the publication.
    Published(PublicationKey),
    /// The layers of `key` that somebody wants now. Sinks know it already.
    Demand {
        key: PublicationKey,
        layers: Vec<Layer>,
    },
    /// A receiver needs a key frame. The sink's `take_keyframe_request` says the same.
    KeyframeRequest {
        key: PublicationKey,
        layer: Layer,
    },
    /// A text for the candidate.
    Message(Message),
    /// Own chat line: stored by the server under this id, or refused.
    ChatSent {
        ticket: ChatTicket,
        result: Result<(MessageId, i64), ErrorBody>,
    },
    Action {
        at: i64,
        action: Action,
    },
    Listening(bool),
    /// How the own sitting stands. `ends_at` and `time_left`: server time and a duration, microseconds.
    Sitting {
        sitting: Sitting,
        ends_at: i64,
        time_left: i64,
    },
    /// `ends_at` and `time_left`: server time and a duration, microseconds.
    ExamUpdated {
        status: ExamStatus,
        ends_at: i64,
        time_left: i64,
    },
    /// Everything up to this head is safe on the server.
    IntegrityAck(ChainHead),
    /// The session was handed in.
    Finished,
    /// The client has ended and won't come back by itself.
    Ended {
        reason: Option<ErrorCode>,
    },
    /// What every demanded layer and the microphone may send from now on. Encoders follow it.
    Plan(Plan),
    /// The path carries clearly less than is wanted, or loses too much, and has for a while; or no longer.
    Weak(bool),
    /// Something that was asked for did not happen.
    Error(ErrorBody),
}

pub(crate) enum Command {
    Publish {
        spec: PublicationSpec,
        sources: Vec<Source>,
    },
    Unpublish(PublicationKey),
    Freshness(Vec<Freshness>),
    Chat {
        ticket: ChatTicket,
        text: String,
    },
    Acknowledge(MessageId),
    RaiseHand(bool),
    AskAdmission,
    Stats(ClientStats),
    /// The journal has something new.
    Journal,
    Finish,
    NetworkChanged,
    Close(oneshot::Sender<()>),
}

/// A running client. Clones are handles of the same one; it ends with `close` or when the last handle is dropped.
#[derive(Clone)]
pub struct CandidateClient {
    commands: mpsc::Sender<Command>,
    sinks: SinkTable,
    journal: Journal,
    clock: ServerClock,
    tickets: Arc<AtomicU64>,
}

impl CandidateClient {
    /// Starts connecting. Must be called within a tokio runtime.
    pub fn start(config: CandidateConfig) -> (Self, mpsc::Receiver<CandidateEvent>) {
        let (commands, commands_end) = mpsc::channel(MAX_COMMANDS);
        let (events, events_end) = mpsc::channel(MAX_EVENTS);
        let client = Self {
            commands,
            sinks: SinkTable::default(),
            journal: Journal::new(config.join.session),
            clock: ServerClock::default(),
            tickets: Arc::default(),
        };
        let engine = engine::Engine::new(
            config,
            client.sinks.clone(),
            client.journal.clone(),
            client.clock.clone(),
            events,
        );
        tokio::spawn(engine.run(commands_end));
        (client, events_end)
    }

    /// Announces a publication, or changes its layers' figures. Its sinks exist when this returns; they take frames once
    /// somebody wants them.
    ///
    /// # Errors
    /// `publication_invalid`, `publication_limit`, `busy`, `closed`.
    pub fn publish(&self, spec: PublicationSpec) -> Result<(), ClientError> {
        let refuse = |code: ErrorCode| Err(ClientError::Refused(code.into()));
        let mut layers: Vec<Layer> = spec.layers.iter().map(|l| l.rid).collect();
        layers.sort_unstable();
        layers.dedup();
        let codec = if spec.key.kind.is_video() {
            "video/H264"
        } else {
            "audio/opus"
        };
        let allowed = if spec.key.kind.is_video() {
            1..=MAX_LAYERS
        } else {
            1..=1
        };
        if layers.len() != spec.layers.len() || !allowed.contains(&layers.len()) || spec.codec != codec {
            return refuse(ErrorCode::PublicationInvalid);
        }
        let known = self.sinks.publications();
        if !known.contains(&spec.key) && known.len() >= MAX_PUBLICATIONS {
            return refuse(ErrorCode::PublicationLimit);
        }
        let place = self.commands.try_reserve().map_err(|e| match e {
            mpsc::error::TrySendError::Full(()) => ClientError::Busy,
            mpsc::error::TrySendError::Closed(()) => ClientError::Closed,
        })?;
        let sources = self.sinks.add(spec.key, &layers);
        place.send(Command::Publish { spec, sources });
        Ok(())
    }

    /// Takes a publication back. Publishing it again uses the same sinks.
    pub fn unpublish(&self, key: PublicationKey) -> Result<(), ClientError> {
        self.command(Command::Unpublish(key))
    }

    /// The sink of a layer that was published.
    pub fn video_sink(&self, key: PublicationKey, layer: Layer) -> Option<VideoSink> {
        self.sinks.video(key, layer)
    }

    pub fn audio_sink(&self, key: PublicationKey) -> Option<AudioSink> {
        self.sinks.audio(key)
    }

    /// Once a second, for every publication. Lost while offline: the next one says more.
    pub fn freshness(&self, publications: Vec<Freshness>) -> Result<(), ClientError> {
        self.command(Command::Freshness(publications))
    }

    /// Adds an integrity event to the journal, with the clocks of this moment, and sends it as soon as the server can be
    /// reached. The ticket ties a later end to it.
    ///
    /// # Errors
    /// `busy` when the journal is full; `too_large` when the facts are.
    pub fn event(&self, report: EventReport) -> Result<EventTicket, ClientError> {
        let ticket = self.journal.add(report)?;
        // A full command queue already holds something that makes the task look at the journal.
        let _ = self.commands.try_send(Command::Journal);
        Ok(ticket)
    }

    /// Sends a line to the proctors; sent again after an interruption until the server has answered.
    pub fn chat(&self, text: &str) -> Result<ChatTicket, ClientError> {
        if text.chars().count() > MAX_MESSAGE_CHARS {
            return Err(ClientError::Refused(ErrorCode::MessageTooLong.into()));
        }
        let ticket = ChatTicket(self.tickets.fetch_add(1, Ordering::Relaxed));
        self.command(Command::Chat {
            ticket,
            text: text.to_owned(),
        })?;
        Ok(ticket)
    }

    /// "I understand", or read.
    pub fn acknowledge(&self, message: MessageId) -> Result<(), ClientError> {
        self.command(Command::Acknowledge(message))
    }

    /// Raises the hand, or takes it down. [`CandidateEvent::Sitting`] follows when the server has it.
    pub fn raise_hand(&self, raised: bool) -> Result<(), ClientError> {
        self.command(Command::RaiseHand(raised))
    }

    /// Says that what a proctor asked for before letting in is done.
    pub fn ask_admission(&self) -> Result<(), ClientError> {
        self.command(Command::AskAdmission)
    }

    /// This machine's figures; round trip and loss are filled in here.
    pub fn stats(&self, stats: ClientStats) -> Result<(), ClientError> {
        self.command(Command::Stats(stats))
    }

    /// Hands the exam in. [`CandidateEvent::Finished`] follows when the server has it.
    pub fn finish(&self) -> Result<(), ClientError> {
        self.command(Command::Finish)
    }

    /// The operating system reported a network change: paths are tested and restarted at once.
    pub fn network_changed(&self) -> Result<(), ClientError> {
        self.command(Command::NetworkChanged)
    }

    /// Server time, microseconds since the Unix epoch. Frames and freshness are stamped with it.
    pub fn server_now_us(&self) -> i64 {
        self.clock.now_us()
    }

    /// Server time minus this machine's wall clock, microseconds.
    pub fn clock_offset_us(&self) -> i64 {
        self.clock.wall_offset_us()
    }

    /// Integrity events that the server has not acknowledged.
    pub fn unsent(&self) -> u32 {
        self.journal.unsent()
    }

    /// Ends the client: transports closed, link closed. The session stays open on the server.
    pub async fn close(&self) {
        let (done, wait) = oneshot::channel();
        if self.commands.send(Command::Close(done)).await.is_ok() {
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
