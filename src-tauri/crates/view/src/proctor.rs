//! The proctor's window.

use crate::account::{AccountCommand, AccountView};
use crate::common::{CertificateQuestion, LinkView, MediaView, Notice};
use crate::office::{OfficeCommand, OfficeView};
use crate::people::{PeopleCommand, PeopleView};
use crate::systems::{SystemsCommand, SystemsView};
use invigil_shared::exam::ExamInfo;
use invigil_shared::id::{ExamId, ParticipantId, UserId};
use invigil_shared::people::InvitationInfo;
use invigil_shared::publication::{Layer, PublicationKey, PublicationRef, SourceState};
use invigil_shared::rest::ExamListItem;
use invigil_shared::role::Role;
use invigil_shared::sitting::Sitting;
use invigil_shared::stats::ConnectionLevel;
use invigil_shared::timeline::{Audience, MessageKind, Presence, TimelineEntry};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ProctorStep {
    SignIn,
    Exams,
    Wall,
    /// Somebody with an invitation chooses a password.
    Invitation,
    People,
    /// API keys and webhooks.
    Systems,
    /// The own password and second factor.
    Account,
}

/// One publication of a candidate, for signs and freshness. Server time, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct PublicationView {
    pub publication: PublicationKey,
    pub state: SourceState,
    #[ts(type = "number")]
    pub captured_at: i64,
    #[ts(type = "number")]
    pub changed_at: i64,
    pub test_picture: bool,
    /// The layer that the server selected for us; none when nothing flows.
    pub layer: Option<Layer>,
}

/// One candidate of the wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct CandidateTile {
    pub participant: ParticipantId,
    pub label: String,
    pub seat: Option<String>,
    pub presence: Presence,
    #[ts(type = "number")]
    pub presence_since: i64,
    pub connection: ConnectionLevel,
    /// Server time, microseconds; 0 for never.
    #[ts(type = "number")]
    pub looked_at: i64,
    /// What sets it apart from the exam.
    pub sitting: Sitting,
    /// Who watches; none: nobody was given this candidate.
    pub proctor: Option<UserId>,
    pub publications: Vec<PublicationView>,
    /// Newest signal whose end has not been observed.
    pub open_signal: Option<TimelineEntry>,
    pub unread: u16,
}

/// Somebody who watches in this room, or is expected back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ProctorRow {
    pub proctor: UserId,
    pub name: String,
    pub role: Role,
    /// A connection in the room; none: away.
    pub here: Option<ParticipantId>,
    /// Whose window this is.
    pub you: bool,
    /// Candidates that were given to this proctor and have not finished.
    pub candidates: u16,
}

/// Who watches whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct TeamView {
    /// Candidates that one proctor is given at most.
    pub ratio: u16,
    pub proctors: Vec<ProctorRow>,
    /// Candidates who have not finished and that nobody was given.
    pub unassigned: u16,
}

/// What a lead does to somebody who watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "act", rename_all = "snake_case")]
#[ts(export)]
pub enum TeamAct {
    /// Out of the room; the reason is shown to whom it concerns.
    Remove { reason: String },
    /// Proctor or lead, everywhere on the server.
    ChangeRole { role: Role },
}

/// A message that this proctor wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum SendState {
    Sending,
    Sent,
    /// Stored by the server; the candidate is offline.
    Waiting,
    Failed,
}

/// Everything that the proctor's window shows, but pictures and levels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ProctorView {
    pub step: ProctorStep,
    pub busy: bool,
    pub notice: Option<Notice>,
    pub certificate: Option<CertificateQuestion>,
    pub server: String,
    pub email: String,
    pub name: String,
    pub exams: Vec<ExamListItem>,
    pub exam: Option<ExamInfo>,
    /// Whether this person may make and edit exams, and pause, continue and close the one that is watched.
    pub leads: bool,
    /// The exam office, while it is open.
    pub office: Option<OfficeView>,
    pub link: LinkView,
    pub media: MediaView,
    #[ts(type = "number")]
    pub clock_offset: i64,
    pub candidates: Vec<CandidateTile>,
    pub team: TeamView,
    /// Newest first, at most 200.
    pub timeline: Vec<TimelineEntry>,
    pub focus: Option<ParticipantId>,
    pub listening: Option<ParticipantId>,
    pub sending: Option<SendState>,
    /// The web view decodes; else Rust does and the media port carries pictures.
    pub web_decoder: bool,
    /// Of whoever is signed in.
    pub role: Option<Role>,
    /// Whose invitation is open.
    pub invitation: Option<InvitationInfo>,
    pub people: PeopleView,
    /// The password is right, and a code is asked for beside it.
    pub asks_code: bool,
    pub account: AccountView,
    pub systems: SystemsView,
    pub provider: ProviderView,
}

/// Signing in through the institution's identity provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ProviderView {
    /// What the server calls it; empty when the server could not be asked yet, because nobody believes its certificate.
    pub name: Option<String>,
    /// Where the browser was sent and is waited for.
    pub waiting: Option<String>,
}

/// Levels of those who are not silent, four times a second: 0 to 100.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct LevelsView {
    pub levels: Vec<(ParticipantId, u8)>,
}

/// A picture that the window shows now, and how large. `tile` is the window's own handle, below 64; it comes back on the
/// media port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct WantedPicture {
    pub tile: u16,
    pub source: PublicationRef,
    /// Physical pixels.
    pub width: u16,
    /// An inset is given up before a tile, a tile before the focus.
    pub role: PictureRole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum PictureRole {
    Inset,
    Tile,
    Focus,
}

/// A step of the whole exam.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ExamStep {
    Pause,
    Continue,
    Close,
}

/// What a proctor does to one sitting. Reasons are shown to the candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "act", rename_all = "snake_case")]
#[ts(export)]
pub enum SittingAct {
    Admit,
    AskAgain {
        reason: String,
    },
    Reject {
        reason: String,
    },
    Pause {
        reason: String,
    },
    Continue,
    Lock {
        reason: String,
    },
    ExtraTime {
        minutes: u16,
        reason: String,
    },
    LowerHand,
    End {
        reason: String,
    },
    /// Another device of theirs takes over.
    Move,
    RefuseMove,
    Mute,
    Unmute,
    Remove {
        reason: String,
    },
}

/// What the window may ask for. Tauri command `proctor_command`, one argument `command`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "do", rename_all = "snake_case")]
#[ts(export)]
pub enum ProctorCommand {
    SignIn {
        server: String,
        email: String,
        password: String,
    },
    /// First start of a server: makes the first admin.
    SetUp {
        server: String,
        setup_code: String,
        name: String,
        email: String,
        password: String,
    },
    /// Whether the server that was typed has an identity provider.
    AskServer {
        server: String,
    },
    /// Through the identity provider, in the system's browser.
    SignInBrowser {
        server: String,
    },
    /// The browser was closed, or shows something else.
    OpenBrowserAgain,
    LeaveBrowser,
    Trust {
        accept: bool,
    },
    SignOut,
    RefreshExams,
    OpenExam {
        exam: ExamId,
    },
    LeaveExam,
    /// All pictures that are visible now; anything else stops flowing.
    Show {
        pictures: Vec<WantedPicture>,
    },
    Focus {
        participant: Option<ParticipantId>,
    },
    Listen {
        participant: Option<ParticipantId>,
    },
    /// Focus or peek was open for 3 s.
    Looked {
        participant: ParticipantId,
    },
    Send {
        to: ParticipantId,
        kind: MessageKind,
        text: String,
    },
    /// The same words to many at once.
    Broadcast {
        audience: Audience,
        text: String,
    },
    /// A step of the whole exam, for leads.
    Exam {
        step: ExamStep,
    },
    /// Something done to one sitting.
    Act {
        participant: ParticipantId,
        act: SittingAct,
    },
    /// Everybody who sits the exam now, for leads.
    MuteAll {
        muted: bool,
    },
    /// Gives candidates to somebody who is there, for leads: those that are named, and everybody of `from`.
    Reassign {
        participants: Vec<ParticipantId>,
        from: Option<UserId>,
        to: UserId,
    },
    /// Something done to somebody who watches, for leads.
    Team {
        participant: ParticipantId,
        act: TeamAct,
    },
    /// The exam office, for leads.
    Office {
        ask: OfficeCommand,
    },
    /// The web view can't decode (or failed too often): decode in Rust.
    DecodeInRust,
    DismissNotice,
    /// Looks at an invitation, which names its server.
    OpenInvitation {
        link: String,
    },
    AcceptInvitation {
        password: String,
    },
    LeaveInvitation,
    ShowPeople,
    LeavePeople,
    /// For admins.
    People {
        command: PeopleCommand,
    },
    /// The code that is asked for beside the password.
    SignInCode {
        code: String,
    },
    LeaveSignInCode,
    ShowAccount,
    LeaveAccount,
    Account {
        command: AccountCommand,
    },
    ShowSystems,
    LeaveSystems,
    /// For admins.
    Systems {
        command: SystemsCommand,
    },
}
