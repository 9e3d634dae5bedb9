//! The proctor's window, as a state machine: what happened goes in, what has to be done comes out, and what is shown can be
//! asked for at any time. No Tauri, no clock, no socket.

use self::account::{AccountAnswer, AccountCall};
use self::people::{PeopleAnswer, PeopleCall};
use self::signing_in::{Invitation, Pending};
use self::systems::{SystemsAnswer, SystemsCall};
use super::room::Room;
use super::slots::{AudioSlots, SlotTable};
use super::voices::Voices;
use crate::authority;
use crate::call::{CallFailure, question, refusal};
use crate::clock::SECOND;
use crate::link::LinkTracker;
use crate::ui_port::Change;
use invigil_client::MediaState;
use invigil_shared::binding::Binding;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::ExamStatus;
use invigil_shared::id::{ExamId, MessageId, ParticipantId, RosterEntryId, UserId};
use invigil_shared::intent::Intent;
use invigil_shared::limits::MAX_MESSAGE_CHARS;
use invigil_shared::people::InvitationInfo;
use invigil_shared::publication::{Freshness, Layer, PublicationInfo, PublicationKey, PublicationRef};
use invigil_shared::rest::{ExamListItem, SignInResponse};
use invigil_shared::role::Role;
use invigil_shared::signal::{AudioLevel, ParticipantInfo, ProctorLoad, RoomState};
use invigil_shared::timeline::{Audience, MessageKind, Reach, TimelineEntry};
use invigil_view::account::AccountView;
use invigil_view::common::{CertificateQuestion, Notice};
use invigil_view::people::PeopleView;
use invigil_view::proctor::{
    ExamStep, ProctorCommand, ProctorStep, ProctorView, ProviderView, SendState, SittingAct, TeamAct, WantedPicture,
};
use invigil_view::systems::SystemsView;

/// "Sent" stays this long, microseconds.
const SENT_US: i64 = 6 * SECOND;
/// A clock that moved less than this is the same on a screen that shows seconds.
const OFFSET_STEP_US: u64 = 20_000;

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    Command(ProctorCommand),
    /// What the identity provider of a server is called, if it has one.
    Provider {
        authority: String,
        name: Result<Option<String>, CallFailure>,
    },
    /// The browser was sent there, and is waited for.
    BrowserSent(String),
    /// The browser can't be opened.
    BrowserMissing,
    /// How waiting for it ended, when nobody was signed in.
    BrowserEnded(Notice),
    /// Who has just signed in there.
    Known {
        email: String,
    },
    /// Answer to signing in and to setting up.
    SignedIn(Result<Box<SignInResponse>, CallFailure>),
    Probed(Result<String, CallFailure>),
    Exams(Result<Vec<ExamListItem>, CallFailure>),
    /// Answer to a call of the exam office.
    Office(Box<OfficeCall>, Result<Box<OfficeAnswer>, CallFailure>),
    Linking,
    Linked,
    Unlinked,
    Media(MediaState),
    ClockOffset(i64),
    Room(Box<RoomState>),
    Participant(ParticipantInfo),
    ParticipantLeft(ParticipantId),
    Publication(PublicationInfo),
    PublicationRemoved(PublicationRef),
    Freshness(ParticipantId, Vec<Freshness>),
    Timeline(TimelineEntry),
    /// Who is heard now.
    Levels(Vec<AudioLevel>),
    Bindings(Vec<Binding>),
    LayerSelected {
        slot: u16,
        layer: Layer,
    },
    MessageSent {
        message: MessageId,
        delivered: bool,
    },
    MessageFailed(ErrorBody),
    /// The server refused what was to be done to a sitting or the exam.
    ActFailed(ErrorBody),
    MessageAcknowledged(MessageId),
    /// How far a broadcast has come.
    Reached(MessageId, Reach),
    /// Who watches whom.
    Assignments {
        ratio: u16,
        proctors: Vec<ProctorLoad>,
    },
    Looked {
        participant: ParticipantId,
        at: i64,
    },
    ExamUpdated {
        status: ExamStatus,
        ends_at: i64,
    },
    /// The loudspeaker works, or why it does not.
    Speaker(Option<&'static str>),
    /// The server ended our part for good.
    Refused(ErrorBody),
    Tick,
    /// Whose invitation it is.
    Invitation(Result<InvitationInfo, CallFailure>),
    /// It was used.
    Accepted(Result<InvitationInfo, CallFailure>),
    People(Result<PeopleAnswer, CallFailure>),
    Account(Result<AccountAnswer, CallFailure>),
    Systems(Result<SystemsAnswer, CallFailure>),
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    SignIn {
        authority: String,
        pin: Option<String>,
        email: String,
        password: String,
        code: Option<String>,
    },
    SetUp {
        authority: String,
        pin: Option<String>,
        setup_code: String,
        name: String,
        email: String,
        password: String,
    },
    AskProvider {
        authority: String,
    },
    SignInBrowser {
        authority: String,
        pin: Option<String>,
    },
    OpenBrowser(String),
    /// Waits for it no more.
    LeaveBrowser,
    Probe {
        authority: String,
    },
    Remember {
        authority: String,
        sha256: String,
    },
    ListExams,
    Office(OfficeCall),
    OpenRoom(ExamId),
    LeaveRoom,
    /// Tiles whose source changed: nothing of the source before may be drawn any more.
    Forget(Vec<u16>),
    SetIntents(Vec<Intent>),
    /// Who is heard, and in which slot.
    Listen(Option<(u16, PublicationRef)>),
    Looked(ParticipantId),
    Send {
        to: ParticipantId,
        kind: MessageKind,
        text: String,
    },
    Broadcast(Audience, String),
    ActOnExam(ExamStep),
    ActOn(ParticipantId, SittingAct),
    /// Everybody who sits the exam now.
    MuteAll(bool),
    Reassign {
        participants: Vec<ParticipantId>,
        from: Option<UserId>,
        to: UserId,
    },
    /// Done to somebody who watches.
    ActOnTeam(ParticipantId, TeamAct),
    DecodeInRust,
    LookAtInvitation {
        authority: String,
        pin: Option<String>,
        token: String,
    },
    AcceptInvitation {
        authority: String,
        pin: Option<String>,
        token: String,
        password: String,
    },
    People(PeopleCall),
    Account(AccountCall),
    Systems(SystemsCall),
}

/// What the command line asks for.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Open the exam with this code as soon as it is listed.
    pub exam_code: Option<String>,
}

/// The state; see [`ProctorState::handle`].
pub struct ProctorState {
    start: Start,
    step: ProctorStep,
    busy: bool,
    notice: Option<Notice>,
    certificate: Option<CertificateQuestion>,
    server: String,
    email: String,
    name: String,
    pending: Option<Pending>,
    exams: Vec<ExamListItem>,
    opening: Option<ExamId>,
    room: Room,
    leads: bool,
    office: Option<Office>,
    voices: Voices,
    link: LinkTracker,
    clock_offset: i64,
    focus: Option<ParticipantId>,
    listening: Option<ParticipantId>,
    sending: Option<(SendState, i64)>,
    web_decoder: bool,
    slots: SlotTable,
    audio: AudioSlots,
    intents: Vec<Intent>,
    role: Option<Role>,
    invitation: Option<Invitation>,
    people: PeopleView,
    asks_code: bool,
    account: AccountView,
    systems: SystemsView,
    provider: ProviderView,
    /// Whose provider that is.
    asked: Option<String>,
}

impl ProctorState {
    pub fn new(start: Start) -> Self {
        Self {
            start,
            step: ProctorStep::SignIn,
            busy: false,
            notice: None,
            certificate: None,
            server: String::new(),
            email: String::new(),
            name: String::new(),
            pending: None,
            exams: Vec::new(),
            opening: None,
            room: Room::default(),
            leads: false,
            office: None,
            voices: Voices::default(),
            link: LinkTracker::default(),
            clock_offset: 0,
            focus: None,
            listening: None,
            sending: None,
            web_decoder: true,
            slots: SlotTable::default(),
            audio: AudioSlots::default(),
            intents: Vec::new(),
            role: None,
            invitation: None,
            people: PeopleView::default(),
            asks_code: false,
            account: AccountView::default(),
            systems: SystemsView::default(),
            provider: ProviderView::default(),
            asked: None,
        }
    }

    /// What is shown.
    pub fn view(&self) -> ProctorView {
        ProctorView {
            step: self.step,
            busy: self.busy,
            notice: self.notice.clone(),
            certificate: self.certificate.clone(),
            server: self.server.clone(),
            email: self.email.clone(),
            name: self.name.clone(),
            exams: self.exams.clone(),
            exam: self.room.exam.clone(),
            leads: self.leads,
            office: self.office.as_ref().map(|office| office.view.clone()),
            link: self.link.view(),
            media: self.link.media_view(),
            clock_offset: self.clock_offset,
            candidates: self.room.tiles(),
            team: self.room.team(),
            timeline: self.room.timeline(),
            focus: self.focus,
            listening: self.listening,
            sending: self.sending.map(|(state, _)| state),
            web_decoder: self.web_decoder,
            role: self.role,
            invitation: self.invitation.as_ref().map(|invitation| invitation.who.clone()),
            people: self.people.clone(),
            asks_code: self.asks_code,
            account: self.account.clone(),
            systems: self.systems.clone(),
            provider: self.provider.clone(),
        }
    }

    /// Where pictures go.
    pub fn slots(&self) -> &SlotTable {
        &self.slots
    }

    /// Whether the window decodes.
    pub fn web_decoder(&self) -> bool {
        self.web_decoder
    }

    /// The room, for those who label pictures.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// One step: what has to be done, and how much changed of what is shown. `now`: wall clock, microseconds.
    pub fn handle(&mut self, input: Input, now: i64) -> (Vec<Effect>, Change) {
        let mut effects = Vec::new();
        let change = self.apply(input, now, &mut effects);
        self.wish(&mut effects);
        (effects, change)
    }

    fn apply(&mut self, input: Input, now: i64, effects: &mut Vec<Effect>) -> Change {
        match input {
            Input::Command(ProctorCommand::Show { pictures }) => {
                self.show(&pictures, effects);
                return Change::None;
            }
            Input::Command(command) => self.command(command, now, effects),
            Input::Provider { authority, name } => self.provider_told(&authority, name),
            Input::BrowserSent(url) => self.browser_sent(url, effects),
            Input::BrowserMissing => self.browser_missing(),
            Input::BrowserEnded(notice) => self.browser_ended(notice),
            Input::Known { email } => self.email = email,
            Input::SignedIn(result) => self.signed_in(result, effects),
            Input::Probed(result) => self.probed(result),
            Input::Exams(result) => self.listed(result, effects),
            Input::Office(call, result) => self.office_answered(&call, result.map(|answer| *answer), effects),
            Input::Linking => self.link.connecting(),
            Input::Linked => self.link.connected(now),
            Input::Unlinked => self.link.offline(now),
            Input::Media(state) => self.link.media(state, now),
            Input::ClockOffset(offset) => {
                if self.clock_offset.abs_diff(offset) < OFFSET_STEP_US {
                    return Change::None;
                }
                self.clock_offset = offset;
                return Change::Quiet;
            }
            Input::Room(state) => self.entered(*state),
            Input::Participant(info) => self.room.participant(info),
            Input::ParticipantLeft(participant) => self.room.left(participant),
            Input::Publication(info) => self.room.publication(info),
            Input::PublicationRemoved(source) => self.room.publication_removed(source),
            Input::Freshness(participant, freshness) => return self.room.freshness(participant, &freshness),
            Input::Timeline(entry) => self.room.entry(entry, self.focus),
            Input::Levels(levels) => {
                self.voices.report(&levels, now);
                return Change::None;
            }
            Input::Bindings(bindings) => return self.room.bindings(&bindings),
            Input::LayerSelected { slot, layer } => return self.room.layer_selected(slot, layer),
            Input::MessageSent { message, delivered } => {
                if delivered {
                    self.room.delivered(message);
                }
                self.sending = Some((if delivered { SendState::Sent } else { SendState::Waiting }, now));
            }
            Input::MessageFailed(error) => {
                self.sending = Some((SendState::Failed, now));
                self.notice = Some(refusal(&error));
            }
            Input::ActFailed(error) => self.notice = Some(refusal(&error)),
            Input::MessageAcknowledged(message) => self.room.acknowledged(message),
            Input::Reached(message, reach) => self.room.reached(message, reach),
            Input::Assignments { ratio, proctors } => self.room.assignments(ratio, proctors),
            Input::Looked { participant, at } => self.room.looked(participant, at),
            Input::ExamUpdated { status, ends_at } => {
                if let Some(exam) = &mut self.room.exam {
                    (exam.status, exam.ends_at) = (status, ends_at);
                }
            }
            Input::Speaker(problem) => {
                if self
                    .notice
                    .as_ref()
                    .is_some_and(|notice| notice.code.starts_with("speaker_"))
                {
                    self.notice = None;
                }
                self.notice = problem.map(Notice::new).or(self.notice.take());
            }
            Input::Refused(error) => {
                (self.busy, self.notice) = (false, Some(refusal(&error)));
                if self.step == ProctorStep::Wall {
                    self.leave(effects);
                }
                if CallFailure::Refused(error).ends_sign_in() {
                    self.step = ProctorStep::SignIn;
                }
            }
            Input::Invitation(result) => self.invited(result, effects),
            Input::Accepted(result) => self.accepted(result, effects),
            Input::People(result) => self.people_told(result),
            Input::Account(result) => self.account_told(result),
            Input::Systems(result) => self.systems_told(result),
            Input::Tick => {
                self.voices.pass(now);
                let over = self
                    .sending
                    .is_some_and(|(state, at)| state == SendState::Sent && now - at >= SENT_US);
                if over {
                    self.sending = None;
                }
                return if self.link.tick(now) || over {
                    Change::Prompt
                } else {
                    Change::None
                };
            }
        }
        Change::Prompt
    }

    fn command(&mut self, command: ProctorCommand, now: i64, effects: &mut Vec<Effect>) {
        match command {
            ProctorCommand::SignIn {
                server,
                email,
                password,
            } => self.sign_in(&server, &email, password, None, effects),
            ProctorCommand::SetUp {
                server,
                setup_code,
                name,
                email,
                password,
            } => {
                self.sign_in(
                    &server,
                    &email,
                    password,
                    Some((setup_code.trim().to_uppercase(), name.trim().to_owned())),
                    effects,
                );
            }
            ProctorCommand::AskServer { server } => self.ask_server(&server, effects),
            ProctorCommand::SignInBrowser { server } => self.sign_in_browser(&server, effects),
            ProctorCommand::OpenBrowserAgain => self.open_browser_again(effects),
            ProctorCommand::LeaveBrowser => self.leave_browser(effects),
            ProctorCommand::Trust { accept } => self.trust(accept, effects),
            ProctorCommand::SignOut => {
                self.leave(effects);
                let (server, email) = (std::mem::take(&mut self.server), std::mem::take(&mut self.email));
                let (provider, asked) = (std::mem::take(&mut self.provider), self.asked.take());
                *self = Self {
                    server,
                    email,
                    provider,
                    asked,
                    web_decoder: self.web_decoder,
                    ..Self::new(Start::default())
                };
            }
            ProctorCommand::RefreshExams => {
                if self.step == ProctorStep::Exams && !self.busy {
                    self.busy = true;
                    effects.push(Effect::ListExams);
                }
            }
            ProctorCommand::OpenExam { exam } => {
                if self.step == ProctorStep::Exams && !self.reviews() {
                    self.open(exam, effects);
                }
            }
            ProctorCommand::LeaveExam => {
                self.leave(effects);
                if self.step == ProctorStep::Exams {
                    self.busy = true;
                    effects.push(Effect::ListExams);
                }
            }
            ProctorCommand::Show { .. } => {}
            ProctorCommand::Focus { participant } => {
                self.focus = participant.filter(|participant| self.room.has(*participant));
                self.sending = None;
                if let Some(participant) = self.focus {
                    self.room.read(participant);
                }
            }
            ProctorCommand::Listen { participant } => {
                self.listening = participant.filter(|participant| self.room.has(*participant));
                let source = self.listening.map(|participant| PublicationRef {
                    participant,
                    publication: PublicationKey::MICROPHONE,
                });
                self.audio.listen(source);
                effects.push(Effect::Listen(self.audio.current()));
            }
            ProctorCommand::Looked { participant } => effects.push(Effect::Looked(participant)),
            ProctorCommand::Send { to, kind, text } => self.send(to, kind, text.trim(), now, effects),
            ProctorCommand::Broadcast { audience, text } => {
                if let Some(text) = self.words(&text) {
                    self.sending = Some((SendState::Sending, now));
                    effects.push(Effect::Broadcast(audience, text));
                }
            }
            ProctorCommand::Exam { step } => {
                if self.leads {
                    effects.push(Effect::ActOnExam(step));
                }
            }
            ProctorCommand::Act { participant, act } => {
                if self.room.has(participant) {
                    effects.push(Effect::ActOn(participant, act));
                }
            }
            ProctorCommand::MuteAll { muted } => {
                if self.leads {
                    effects.push(Effect::MuteAll(muted));
                }
            }
            ProctorCommand::Reassign { participants, from, to } => {
                if self.leads {
                    effects.push(Effect::Reassign { participants, from, to });
                }
            }
            ProctorCommand::Team { participant, act } => {
                if self.leads {
                    effects.push(Effect::ActOnTeam(participant, act));
                }
            }
            ProctorCommand::Office { ask } => self.office(ask, effects),
            ProctorCommand::DecodeInRust => {
                if self.web_decoder {
                    self.web_decoder = false;
                    effects.push(Effect::DecodeInRust);
                }
            }
            ProctorCommand::DismissNotice => self.notice = None,
            ProctorCommand::OpenInvitation { link } => self.open_invitation(&link, effects),
            ProctorCommand::AcceptInvitation { password } => self.accept_invitation(password, effects),
            ProctorCommand::LeaveInvitation => self.leave_invitation(),
            ProctorCommand::ShowPeople => self.show_people(effects),
            ProctorCommand::LeavePeople => self.leave_people(effects),
            ProctorCommand::People { command } => self.act_on_people(command, effects),
            ProctorCommand::SignInCode { code } => self.give_code(&code, effects),
            ProctorCommand::LeaveSignInCode => self.leave_code(),
            ProctorCommand::ShowAccount => self.show_account(effects),
            ProctorCommand::LeaveAccount => self.leave_account(effects),
            ProctorCommand::Account { command } => self.act_on_account(command, effects),
            ProctorCommand::ShowSystems => self.show_systems(effects),
            ProctorCommand::LeaveSystems => self.leave_systems(effects),
            ProctorCommand::Systems { command } => self.act_on_systems(command, effects),
        }
    }
}

pub mod account;
#[cfg(test)]
mod account_tests;
mod browser;
#[cfg(test)]
mod browser_tests;
mod office;
pub mod people;
#[cfg(test)]
mod people_tests;
mod signing_in;
pub mod systems;
#[cfg(test)]
mod systems_tests;
#[cfg(test)]
mod team_tests;
mod wall;
pub use office::{Office, OfficeAnswer, OfficeCall};
#[cfg(test)]
mod tests;
