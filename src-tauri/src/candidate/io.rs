//! What goes into the candidate's state machine and what comes out of it.

use super::source::SourceChange;
use crate::call::CallFailure;
use invigil_client::MediaState;
use invigil_shared::error::ErrorBody;
use invigil_shared::exam::ExamStatus;
use invigil_shared::id::MessageId;
use invigil_shared::integrity::IntegrityKind;
use invigil_shared::publication::PublicationKey;
use invigil_shared::rest::JoinResponse;
use invigil_shared::signal::{Action, Message, RoomState};
use invigil_shared::sitting::Sitting;
use invigil_view::candidate::{CandidateCommand, DeviceChoice};
use std::collections::BTreeMap;

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    Command(CandidateCommand),
    Joined(Result<Box<JoinResponse>, CallFailure>),
    /// SHA-256 of the certificate that the server presents.
    Probed(Result<String, CallFailure>),
    Source(PublicationKey, SourceChange),
    Devices(PublicationKey, Vec<DeviceChoice>),
    /// Somebody receives the publication, or nobody does.
    Sending(PublicationKey, bool),
    Linking,
    Linked,
    Unlinked,
    Media(MediaState),
    /// The path carries clearly less than is wanted; or no longer.
    Weak(bool),
    ClockOffset(i64),
    Room(Box<RoomState>),
    Message(Message),
    /// Our own line, stored by the server.
    ChatStored {
        local: MessageId,
        at: i64,
    },
    Action(Action),
    ExamUpdated {
        status: ExamStatus,
        ends_at: i64,
        time_left: i64,
    },
    Sitting {
        sitting: Sitting,
        ends_at: i64,
        time_left: i64,
    },
    /// Why the server lets the candidate in no more; the end follows.
    Out(ErrorBody),
    Listening(bool),
    Unsent(u32),
    /// The session ended well, or was ended.
    Ended,
    /// The server refused one thing; the sitting goes on.
    Refused(ErrorBody),
    /// The server lets us in no more, as when another device took over.
    Dropped(ErrorBody),
    /// The window has the focus, or lost it.
    Focus(bool),
    Tick,
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Join {
        authority: String,
        pin: Option<String>,
        exam_code: String,
        secret: String,
    },
    Probe {
        authority: String,
    },
    Remember {
        authority: String,
        sha256: String,
    },
    Open {
        publication: PublicationKey,
        device: Option<String>,
        test_picture: bool,
    },
    CloseSources,
    /// Link up and publish every source.
    Connect,
    Disconnect,
    /// An integrity event; for an end, `begins` names the kind of its beginning.
    Report {
        kind: IntegrityKind,
        begins: Option<IntegrityKind>,
        facts: BTreeMap<String, String>,
    },
    Chat {
        local: MessageId,
        text: String,
    },
    Acknowledge(MessageId),
    RaiseHand(bool),
    AskAdmission,
    Finish,
}

/// What the command line asks for.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Agree and start without a person; honoured only where policy allows test pictures.
    pub auto: bool,
    /// Use the test picture even if there is a camera; honoured only where policy allows it.
    pub test_picture: bool,
}
