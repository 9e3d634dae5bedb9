//! The candidate's sitting, as a state machine: what happened goes in, what has to be done comes out, and what is shown can
//! be asked for at any time. No Tauri, no clock, no socket.

use super::io::{Effect, Input, Start};
use super::source::{Source, SourceChange};
use crate::authority;
use crate::call::{CallFailure, question, refusal};
use crate::clock::SECOND;
use crate::link::LinkTracker;
use crate::ui_port::Change;
use invigil_shared::error::ErrorBody;
use invigil_shared::exam::{ExamInfo, SourceRule};
use invigil_shared::id::MessageId;
use invigil_shared::integrity::IntegrityKind;
use invigil_shared::limits::MAX_MESSAGE_CHARS;
use invigil_shared::publication::{PublicationKey, SourceState};
use invigil_shared::rest::{JoinLink, JoinResponse};
use invigil_shared::signal::{Action, Message, RoomState};
use invigil_shared::sitting::{Admission, Sitting};
use invigil_shared::timeline::MessageKind;
use invigil_view::candidate::{CandidateCommand, CandidateStep, CandidateView, ChatLine, EndedView, Mark, SourceView};
use invigil_view::common::{CertificateQuestion, LinkView, MediaView, Notice};
use std::collections::{BTreeMap, VecDeque};

/// Lines of chat that are kept: a long exam's worth, bounded because a peer writes them.
const MAX_CHAT: usize = 200;
/// Warnings that wait for "I understand".
const MAX_WARNINGS: usize = 20;
/// A clock that moved less than this is the same on a screen that shows seconds.
const OFFSET_STEP_US: u64 = 20_000;
/// Catalogue code for a required field that is empty.
const FIELD_MISSING: &str = "field_missing";

#[derive(Clone, Debug)]
struct PendingJoin {
    authority: String,
    pin: Option<String>,
    exam_code: String,
    secret: String,
}

impl PendingJoin {
    fn effect(&self) -> Effect {
        let Self {
            authority,
            pin,
            exam_code,
            secret,
        } = self.clone();
        Effect::Join {
            authority,
            pin,
            exam_code,
            secret,
        }
    }
}

/// How often the server is asked whether the session was moved here, microseconds.
const ASK_AGAIN_US: i64 = 3 * SECOND;

/// Waiting for "move to this device".
#[derive(Clone, Copy, Debug)]
enum Moving {
    /// The server was asked, and has not answered.
    Asked,
    /// It was answered; the next time comes with this moment, once a tick has set it.
    Resting(Option<i64>),
}

/// The state; see [`CandidateState::handle`].
pub struct CandidateState {
    start: Start,
    step: CandidateStep,
    busy: bool,
    notice: Option<Notice>,
    certificate: Option<CertificateQuestion>,
    server: String,
    exam_code: String,
    pending: Option<PendingJoin>,
    /// Another device holds the session, and a proctor was asked to move it here.
    moving: Option<Moving>,
    exam: Option<ExamInfo>,
    label: String,
    seat: Option<String>,
    sources: Vec<Source>,
    link: LinkTracker,
    ends_at: Option<i64>,
    clock_offset: i64,
    left_us: Option<i64>,
    sitting: Sitting,
    ended: Option<EndedView>,
    warnings: VecDeque<ChatLine>,
    chat: VecDeque<ChatLine>,
    own_lines: u64,
    unsent: u32,
    listening: bool,
    unfocused: bool,
}

impl CandidateState {
    pub fn new(start: Start) -> Self {
        Self {
            start,
            step: CandidateStep::Join,
            busy: false,
            notice: None,
            certificate: None,
            server: String::new(),
            exam_code: String::new(),
            pending: None,
            moving: None,
            exam: None,
            label: String::new(),
            seat: None,
            sources: Vec::new(),
            link: LinkTracker::default(),
            ends_at: None,
            clock_offset: 0,
            left_us: None,
            sitting: Sitting::default(),
            ended: None,
            warnings: VecDeque::new(),
            chat: VecDeque::new(),
            own_lines: 0,
            unsent: 0,
            listening: false,
            unfocused: false,
        }
    }

    pub fn step(&self) -> CandidateStep {
        self.step
    }

    /// What is shown.
    pub fn view(&self) -> CandidateView {
        CandidateView {
            step: self.step,
            busy: self.busy,
            moving: self.moving.is_some(),
            notice: self.notice.clone(),
            certificate: self.certificate.clone(),
            server: self.server.clone(),
            exam_code: self.exam_code.clone(),
            exam: self.exam.clone(),
            label: self.label.clone(),
            seat: self.seat.clone(),
            sources: self.sources.iter().map(|source| source.view.clone()).collect(),
            can_start: self.can_start(),
            link: self.link.view(),
            media: self.link.media_view(),
            mark: self.mark(),
            ends_at: self.ends_at,
            clock_offset: self.clock_offset,
            left_us: self.left_us,
            cover: self.cover(),
            extra_min: self.sitting.extra_min,
            hand_raised: self.sitting.hand_since.is_some(),
            ended: self.ended.clone(),
            warning: self.warnings.front().cloned(),
            chat: self.chat.iter().cloned().collect(),
            unsent: self.unsent,
            listening: self.listening,
            muted: self.sitting.muted,
        }
    }

    /// The states of the sources, for freshness.
    pub fn sources(&self) -> impl Iterator<Item = (PublicationKey, SourceState)> {
        self.sources
            .iter()
            .map(|source| (source.view.publication, source.view.state))
    }

    /// What a source stands for and how it looks, for publishing.
    pub fn source_view(&self, publication: PublicationKey) -> Option<&SourceView> {
        self.sources
            .iter()
            .map(|source| &source.view)
            .find(|view| view.publication == publication)
    }

    /// The candidate's label, as the test picture shows it.
    pub fn label(&self) -> &str {
        &self.label
    }

    fn can_start(&self) -> bool {
        let ready = |source: &Source| match source.view.rule {
            SourceRule::Required => source.view.state == SourceState::Live,
            _ => source.view.state != SourceState::Starting,
        };
        self.step == CandidateStep::Check && !self.busy && self.sources.iter().all(ready)
    }

    fn mark(&self) -> Mark {
        if self.step != CandidateStep::Exam {
            return Mark::Off;
        }
        let linked = matches!(
            self.link.view(),
            LinkView::Connected | LinkView::Weak | LinkView::Back { .. }
        );
        let muted = |source: &&Source| self.sitting.muted && !source.view.publication.kind.is_video();
        let sent = self.sources.iter().filter(|source| !muted(source));
        let live = sent
            .map(|source| source.view.state)
            .any(|state| state == SourceState::Live);
        match &self.exam {
            _ if !linked || !live || self.link.media_view() != MediaView::Up => Mark::NotSending,
            Some(exam) if exam.policy.keeps_video => Mark::Recording,
            _ => Mark::Live,
        }
    }

    /// One step: what has to be done, and how much changed of what is shown. `now`: wall clock, microseconds.
    pub fn handle(&mut self, input: Input, now: i64) -> (Vec<Effect>, Change) {
        let mut effects = Vec::new();
        let change = self.apply(input, now, &mut effects);
        if self.start.auto && self.allows_test_picture() {
            if self.step == CandidateStep::Consent {
                self.command(CandidateCommand::Consent { agree: true }, now, &mut effects);
            }
            if self.can_start() {
                self.command(CandidateCommand::StartExam, now, &mut effects);
            }
        }
        (effects, change)
    }

    fn apply(&mut self, input: Input, now: i64, effects: &mut Vec<Effect>) -> Change {
        match input {
            Input::Command(command) => self.command(command, now, effects),
            Input::Joined(result) => self.joined(result, effects),
            Input::Probed(result) => self.probed(result),
            Input::Source(publication, change) => return self.source(publication, change, effects),
            Input::Devices(publication, devices) => {
                let Some(source) = self.find(publication) else {
                    return Change::None;
                };
                if source.view.devices == devices {
                    return Change::None;
                }
                source.view.devices = devices;
            }
            Input::Sending(publication, sending) => {
                let Some(source) = self.find(publication) else {
                    return Change::None;
                };
                source.view.sending = sending;
            }
            Input::Linking => self.link.connecting(),
            Input::Linked => {
                self.busy = false;
                self.link.connected(now);
            }
            Input::Unlinked => {
                self.busy = false;
                self.listening = false;
                self.link.offline(now);
            }
            Input::Media(state) => self.link.media(state, now),
            Input::Weak(weak) => {
                if !self.link.weak(weak) {
                    return Change::None;
                }
            }
            Input::ClockOffset(offset) => {
                if self.clock_offset.abs_diff(offset) < OFFSET_STEP_US {
                    return Change::None;
                }
                self.clock_offset = offset;
                return Change::Quiet;
            }
            Input::Room(room) => self.room(*room),
            Input::Message(message) => self.received(message),
            Input::ChatStored { local, at } => {
                if let Some(line) = self.chat.iter_mut().find(|line| line.id == local) {
                    (line.sent, line.at) = (true, at);
                }
            }
            Input::Action(action) => self.action(&action, effects),
            Input::ExamUpdated {
                status,
                ends_at,
                time_left,
            } => {
                if let Some(exam) = &mut self.exam {
                    exam.status = status;
                }
                self.timed(ends_at, time_left);
            }
            Input::Sitting {
                sitting,
                ends_at,
                time_left,
            } => self.sat(sitting, ends_at, time_left),
            Input::Out(error) => self.told_out(&error),
            Input::Listening(listening) => self.listening = listening,
            Input::Unsent(unsent) => {
                let changed = std::mem::replace(&mut self.unsent, unsent) != unsent;
                return if changed { Change::Quiet } else { Change::None };
            }
            Input::Ended => self.finish(effects, false),
            Input::Refused(error) => {
                self.busy = false;
                self.notice = Some(refusal(&error));
            }
            Input::Dropped(error) => self.dropped(&error, effects),
            Input::Focus(focused) => return self.focus(focused, effects),
            Input::Tick => {
                self.ask_again(now, effects);
                return if self.link.tick(now) {
                    Change::Prompt
                } else {
                    Change::None
                };
            }
        }
        Change::Prompt
    }

    fn command(&mut self, command: CandidateCommand, now: i64, effects: &mut Vec<Effect>) {
        match command {
            CandidateCommand::Join {
                server,
                exam_code,
                secret,
            } => {
                (self.server, self.exam_code) = (server.trim().to_owned(), exam_code.trim().to_uppercase());
                self.notice = None;
                let Some(authority) = authority::parse(&self.server) else {
                    self.notice = Some(
                        Notice::new(if self.server.is_empty() {
                            FIELD_MISSING
                        } else {
                            "unreachable"
                        })
                        .with("field", "server"),
                    );
                    return;
                };
                self.join(authority, None, &secret, effects);
            }
            CandidateCommand::JoinLink { link } => match JoinLink::parse(&link) {
                Ok(link) => {
                    (self.server, self.exam_code) = (link.authority.clone(), link.exam_code);
                    self.join(link.authority, link.certificate_sha256, &link.secret, effects);
                }
                Err(_) => self.notice = Some(Notice::new("link_invalid")),
            },
            CandidateCommand::StopMoving => self.stop_moving(),
            CandidateCommand::Trust { accept } => self.trust(accept, effects),
            CandidateCommand::Consent { agree } => self.consent(agree, effects),
            CandidateCommand::StartOver => self.start_over(effects),
            CandidateCommand::ChooseDevice { publication, device } => {
                let running = matches!(self.step, CandidateStep::Check | CandidateStep::Exam);
                if let Some(source) = self.find(publication).filter(|_| running) {
                    source.choose(&device);
                    effects.push(Effect::Open {
                        publication,
                        device: Some(device),
                        test_picture: false,
                    });
                }
            }
            CandidateCommand::CheckAgain => {
                for source in self
                    .sources
                    .iter_mut()
                    .filter(|source| source.view.state != SourceState::Live)
                {
                    effects.push(source.open_again());
                }
            }
            CandidateCommand::StartExam => {
                if self.can_start() {
                    (self.step, self.busy, self.notice) = (CandidateStep::Exam, true, None);
                    self.link.connecting();
                    effects.push(Effect::Connect);
                }
            }
            CandidateCommand::Chat { text } => self.chat(text.trim(), now, effects),
            CandidateCommand::Acknowledge { message } => {
                if let Some(at) = self.warnings.iter().position(|warning| warning.id == message) {
                    if let Some(warning) = self.warnings.remove(at) {
                        self.push_chat(warning);
                    }
                    effects.push(Effect::Acknowledge(message));
                }
            }
            CandidateCommand::RaiseHand { raised } => {
                if self.step == CandidateStep::Exam {
                    effects.push(Effect::RaiseHand(raised));
                }
            }
            CandidateCommand::Ready => {
                if self.sitting.admission == Admission::AskedAgain {
                    effects.push(Effect::AskAdmission);
                }
            }
            CandidateCommand::HandIn => {
                if self.step == CandidateStep::Exam {
                    self.finish(effects, true);
                }
            }
            CandidateCommand::DismissNotice => self.notice = None,
        }
    }

    fn find(&mut self, publication: PublicationKey) -> Option<&mut Source> {
        self.sources
            .iter_mut()
            .find(|source| source.view.publication == publication)
    }

    fn source(&mut self, publication: PublicationKey, change: SourceChange, effects: &mut Vec<Effect>) -> Change {
        let examined = self.step == CandidateStep::Exam;
        let stand_in = self.allows_test_picture() && !examined && publication == PublicationKey::CAMERA;
        let Some(source) = self.find(publication) else {
            return Change::None;
        };
        let absent = matches!(&change, SourceChange::Failed(code) if code == "camera_none");
        source.apply(change);
        if absent && stand_in && !source.view.test_picture {
            source.view.test_picture = true;
            effects.push(source.open_again());
        }
        if examined {
            effects.extend(source.observe());
        }
        Change::Prompt
    }

    fn room(&mut self, room: RoomState) {
        self.exam = Some(room.exam);
        self.sat(room.you.sitting, room.server_time + room.time_left, room.time_left);
        room.messages.into_iter().for_each(|message| self.received(message));
    }

    fn received(&mut self, message: Message) {
        let known = self.chat.iter().chain(&self.warnings).any(|line| line.id == message.id);
        if known || message.from_candidate {
            return;
        }
        let line = ChatLine {
            id: message.id,
            own: false,
            author: message.author,
            text: message.text,
            at: message.at,
            sent: true,
        };
        if message.kind == MessageKind::Warning && !message.acknowledged && self.warnings.len() < MAX_WARNINGS {
            self.warnings.push_back(line);
        } else {
            self.push_chat(line);
        }
    }

    fn push_chat(&mut self, line: ChatLine) {
        if self.chat.len() >= MAX_CHAT {
            self.chat.pop_front();
        }
        self.chat.push_back(line);
    }

    fn chat(&mut self, text: &str, now: i64, effects: &mut Vec<Effect>) {
        if text.is_empty() || self.step != CandidateStep::Exam {
            return;
        }
        if text.chars().count() > MAX_MESSAGE_CHARS {
            self.notice = Some(Notice::new("message_too_long").with("limit", MAX_MESSAGE_CHARS));
            return;
        }
        self.own_lines += 1;
        let mut random = [0xff; 10];
        random[..8].copy_from_slice(&self.own_lines.to_be_bytes());
        let local = MessageId::from_parts(0, random);
        let at = now + self.clock_offset;
        self.push_chat(ChatLine {
            id: local,
            own: true,
            author: String::new(),
            text: text.to_owned(),
            at,
            sent: false,
        });
        effects.push(Effect::Chat {
            local,
            text: text.to_owned(),
        });
    }

    fn action(&mut self, action: &Action, effects: &mut Vec<Effect>) {
        match action {
            Action::End { .. } | Action::Remove { .. } | Action::Close { .. } => self.finish(effects, false),
            _ => {}
        }
    }

    /// `ours`: the candidate handed in. Sources are off at once, either way.
    fn finish(&mut self, effects: &mut Vec<Effect>, ours: bool) {
        if self.step == CandidateStep::Finished {
            self.link.idle();
            effects.push(Effect::Disconnect);
            return;
        }
        if self.step != CandidateStep::Exam {
            return;
        }
        (self.step, self.listening, self.busy) = (CandidateStep::Finished, false, false);
        self.warnings.clear();
        self.sources.iter_mut().for_each(Source::switch_off);
        effects.push(Effect::CloseSources);
        if ours {
            effects.push(Effect::Finish);
        } else {
            self.link.idle();
            effects.push(Effect::Disconnect);
        }
    }

    /// Nothing of the sitting is lost on the server: joining again continues it.
    fn dropped(&mut self, error: &ErrorBody, effects: &mut Vec<Effect>) {
        if !matches!(self.step, CandidateStep::Exam | CandidateStep::Finished) {
            return;
        }
        effects.extend([Effect::CloseSources, Effect::Disconnect]);
        if self.step == CandidateStep::Finished {
            return self.link.idle();
        }
        let (server, exam_code) = (std::mem::take(&mut self.server), std::mem::take(&mut self.exam_code));
        let notice = Some(refusal(error));
        *self = Self {
            server,
            exam_code,
            notice,
            ..Self::new(Start {
                auto: false,
                ..self.start.clone()
            })
        };
    }

    fn focus(&mut self, focused: bool, effects: &mut Vec<Effect>) -> Change {
        if self.step != CandidateStep::Exam || self.unfocused != focused {
            return Change::None;
        }
        self.unfocused = !focused;
        let (kind, begins) = if focused {
            (IntegrityKind::FocusReturned, Some(IntegrityKind::FocusLost))
        } else {
            (IntegrityKind::FocusLost, None)
        };
        effects.push(Effect::Report {
            kind,
            begins,
            facts: BTreeMap::new(),
        });
        Change::None
    }
}

mod joining;
mod sitting;
#[cfg(test)]
mod tests;
