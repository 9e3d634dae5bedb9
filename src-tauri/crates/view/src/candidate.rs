//! The candidate's window.

use crate::common::{CertificateQuestion, LinkView, MediaView, Notice};
use invigil_shared::exam::{ExamInfo, SourceRule};
use invigil_shared::id::MessageId;
use invigil_shared::publication::{PublicationKey, SourceState};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Which page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum CandidateStep {
    Join,
    Consent,
    /// The candidate did not agree; nothing was switched on.
    Declined,
    Check,
    Exam,
    Finished,
}

/// The mark in the status bar. `Recording` only where the server keeps video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Mark {
    Off,
    Recording,
    Live,
    NotSending,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct DeviceChoice {
    pub id: String,
    pub name: String,
}

/// One source: on the check page a card, in the status bar a sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct SourceView {
    pub publication: PublicationKey,
    pub rule: SourceRule,
    pub state: SourceState,
    /// The device in use, as the system calls it.
    pub device: Option<String>,
    pub devices: Vec<DeviceChoice>,
    pub width: u16,
    pub height: u16,
    pub fps: u8,
    /// Why it is not live: `camera_none`, `camera_denied`, `camera_in_use`, `camera_gone`, `microphone_none`,
    /// `microphone_silent`, `microphone_gone`, `screen_denied`, `screen_gone`, `screen_unsupported`.
    pub problem: Option<Notice>,
    /// Invigil's built-in test picture stands in for the device.
    pub test_picture: bool,
    /// Someone receives it now.
    pub sending: bool,
    /// Handle of its preview on the media port; none for audio.
    pub preview: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ChatLine {
    pub id: MessageId,
    pub own: bool,
    pub author: String,
    pub text: String,
    /// Server time, microseconds since the Unix epoch.
    #[ts(type = "number")]
    pub at: i64,
    /// Own lines: the server has it.
    pub sent: bool,
}

/// Why the exam page is covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "why", rename_all = "snake_case")]
#[ts(export)]
pub enum Cover {
    /// The exam begins at this server time, microseconds.
    NotBegun {
        #[ts(type = "number")]
        starts_at: i64,
    },
    /// A proctor has to let the candidate in.
    Waiting { late: bool },
    /// A proctor wants to see something first.
    AskedAgain { reason: String },
    /// The whole exam stands.
    ExamPaused,
    /// Only this candidate's clock stands.
    Paused { reason: String },
    /// The clock goes on.
    Locked { reason: String },
}

/// How the sitting ended, when the candidate did not hand in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct EndedView {
    /// Not let in, rather than ended.
    pub rejected: bool,
    pub reason: String,
}

/// Everything that the candidate's window shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct CandidateView {
    pub step: CandidateStep,
    /// A command is under way: its button waits.
    pub busy: bool,
    /// Another device holds the session, and a proctor was asked to move it here.
    pub moving: bool,
    pub notice: Option<Notice>,
    pub certificate: Option<CertificateQuestion>,
    /// What was typed last, so that a reloaded page keeps it. Never the secret.
    pub server: String,
    pub exam_code: String,
    pub exam: Option<ExamInfo>,
    pub label: String,
    pub seat: Option<String>,
    pub sources: Vec<SourceView>,
    /// Every required source is live: the exam can start.
    pub can_start: bool,
    pub link: LinkView,
    pub media: MediaView,
    pub mark: Mark,
    /// When the exam ends for this candidate; server time, microseconds. None before it starts.
    #[ts(type = "number | null")]
    pub ends_at: Option<i64>,
    /// Server time minus this machine's wall clock, microseconds.
    #[ts(type = "number")]
    pub clock_offset: i64,
    /// What is left while the clock stands, microseconds; none while it goes.
    #[ts(type = "number | null")]
    pub left_us: Option<i64>,
    pub cover: Option<Cover>,
    /// Minutes that proctors gave.
    pub extra_min: u16,
    pub hand_raised: bool,
    pub ended: Option<EndedView>,
    pub warning: Option<ChatLine>,
    pub chat: Vec<ChatLine>,
    /// Signals not yet acknowledged by the server.
    pub unsent: u32,
    /// A proctor listens, where policy says that candidates are told.
    pub listening: bool,
    /// A proctor has muted the microphone: nothing of it is sent.
    pub muted: bool,
}

/// Microphone level for the meter, four times a second: 0 silence to 100 full scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct LevelView {
    pub level: u8,
    pub clipped: bool,
}

/// What the window may ask for. Tauri command `candidate_command`, one argument `command`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "do", rename_all = "snake_case")]
#[ts(export)]
pub enum CandidateCommand {
    Join {
        server: String,
        exam_code: String,
        secret: String,
    },
    JoinLink {
        link: String,
    },
    /// Answer to a [`CertificateQuestion`].
    /// Does not wait for the session to be moved here.
    StopMoving,
    Trust {
        accept: bool,
    },
    Consent {
        agree: bool,
    },
    /// From `Declined` or `Finished` back to `Join`.
    StartOver,
    ChooseDevice {
        publication: PublicationKey,
        device: String,
    },
    CheckAgain,
    StartExam,
    Chat {
        text: String,
    },
    /// "I understand" under a warning.
    Acknowledge {
        message: MessageId,
    },
    RaiseHand {
        raised: bool,
    },
    /// What a proctor asked for is done.
    Ready,
    HandIn,
    DismissNotice,
}
