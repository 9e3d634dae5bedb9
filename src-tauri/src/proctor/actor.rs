//! Runs the proctor's state machine: one task owns it, feeds it with what the window, the server and the media port say, and
//! does what it asks for.

use super::account;
use super::acts::{action, meters};
use super::browsing::{self, Browsing};
use super::listen::Listener;
use super::office_calls::{self, Keys};
use super::people;
use super::pictures::{Frame, Pictures};
use super::state::account::{AccountAnswer, AccountCall};
use super::state::people::PeopleCall;
use super::state::systems::SystemsCall;
use super::state::{Effect, Input, ProctorState, Start};
use super::systems;
use crate::call::CallFailure;
use crate::clock::wall_us;
use crate::measure;
use crate::media_port::{MediaEvent, MediaPort};
use crate::options::ProctorOptions;
use crate::server::{Servers, failure, probe};
use crate::ui_port::{Change, Pace, UiPort};
use invigil_client::media::MediaOptions;
use invigil_client::proctor::{ProctorClient, ProctorConfig, ProctorEvent};
use invigil_client::rest::Api;
use invigil_client::{ClientError, ClientInfo, LinkState};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::ExamId;
use invigil_shared::rest::{SetupRequest, SignInResponse};
use invigil_shared::signal::Action;
use invigil_view::proctor::{ExamStep, LevelsView, ProctorCommand, ProctorView, TeamAct};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// Inputs that wait: a person's clicks and answers of a few calls.
const MAX_INPUTS: usize = 256;
const TICK: Duration = Duration::from_millis(250);
const TICKS_PER_SECOND: u32 = 4;

/// Who is signed in where; none before.
pub(super) type SignedIn = Arc<Mutex<Option<(Api, String)>>>;
type Port = Arc<dyn UiPort<ProctorView, LevelsView>>;

struct Envelope {
    input: Input,
    done: Option<oneshot::Sender<()>>,
}

/// A way for calls and devices to tell the actor what became of them.
#[derive(Clone)]
pub struct Inputs(mpsc::Sender<Envelope>);

impl Inputs {
    /// Never blocks. The queue is longer than all calls together can fill.
    pub fn send(&self, input: Input) {
        if self.0.try_send(Envelope { input, done: None }).is_err() {
            tracing::error!("the app does not keep up");
        }
    }
}

/// The window's side of the actor.
pub struct Handle {
    inputs: mpsc::Sender<Envelope>,
    view: watch::Receiver<ProctorView>,
    media: MediaPort,
    end: Mutex<Option<oneshot::Sender<oneshot::Sender<()>>>>,
}

impl Handle {
    pub fn view(&self) -> ProctorView {
        self.view.borrow().clone()
    }

    pub fn media(&self) -> &MediaPort {
        &self.media
    }

    /// Resolves when the command has been taken over: pictures that arrive later follow it.
    ///
    /// # Errors
    /// `busy` when commands come faster than they can be done; `closed` at the end.
    pub async fn command(&self, command: ProctorCommand) -> Result<(), &'static str> {
        let (done, taken) = oneshot::channel();
        let envelope = Envelope {
            input: Input::Command(command),
            done: Some(done),
        };
        self.inputs.try_send(envelope).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => "busy",
            mpsc::error::TrySendError::Closed(_) => "closed",
        })?;
        taken.await.map_err(|_| "closed")
    }

    /// Leaves the room and ends the actor.
    pub async fn close(&self) {
        let end = self.end.lock().take();
        if let Some(end) = end {
            let (closed, wait) = oneshot::channel();
            if end.send(closed).is_ok() {
                let _ = wait.await;
            }
        }
    }
}

struct Actor {
    state: ProctorState,
    port: Port,
    view: watch::Sender<ProctorView>,
    pace: Pace,
    inputs: Inputs,
    servers: Arc<Servers>,
    signed_in: SignedIn,
    /// Idempotency keys of the office's creates.
    keys: Keys,
    client: Option<ProctorClient>,
    events: Option<mpsc::Receiver<ProctorEvent>>,
    media: MediaPort,
    pictures: Pictures,
    listener: Listener,
    browsing: Browsing,
    ticks: u32,
}

/// Starts the actor on the current tokio runtime. `password`: sign in with it at once.
///
/// # Errors
/// When loopback has no free port.
pub async fn start(
    port: Port,
    options: ProctorOptions,
    password: Option<String>,
    data_dir: &Path,
) -> std::io::Result<Handle> {
    let (media, media_events) = MediaPort::open().await?;
    let (sender, receiver) = mpsc::channel(MAX_INPUTS);
    let state = ProctorState::new(Start {
        exam_code: options.exam,
    });
    let (view, watched) = watch::channel(state.view());
    let (end, ending) = oneshot::channel();
    let measure = measure::directory();
    let inputs = Inputs(sender.clone());
    let actor = Actor {
        state,
        port,
        view,
        pace: Pace::default(),
        inputs: inputs.clone(),
        servers: Arc::new(Servers::new(data_dir, options.common.pin)),
        signed_in: SignedIn::default(),
        keys: Keys::default(),
        client: None,
        events: None,
        pictures: Pictures::new(media.clone(), measure.as_deref()),
        listener: Listener::new(inputs.clone(), measure),
        media: media.clone(),
        browsing: Browsing::default(),
        ticks: 0,
    };
    tokio::spawn(actor.run(receiver, media_events, ending));
    if let (Some(server), Some(email), Some(password)) = (options.server, options.email, password) {
        inputs.send(Input::Command(ProctorCommand::SignIn {
            server,
            email,
            password,
        }));
    }
    Ok(Handle {
        inputs: sender,
        view: watched,
        media,
        end: Mutex::new(Some(end)),
    })
}

async fn next(events: &mut Option<mpsc::Receiver<ProctorEvent>>) -> Option<ProctorEvent> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

impl Actor {
    async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Envelope>,
        mut media_events: mpsc::Receiver<MediaEvent>,
        mut ending: oneshot::Receiver<oneshot::Sender<()>>,
    ) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            let due = self.pace.due(Instant::now());
            tokio::select! {
                closed = &mut ending => {
                    self.leave_room(false).await;
                    self.pictures.tick();
                    if let Ok(closed) = closed {
                        let _ = closed.send(());
                    }
                    return;
                }
                envelope = inputs.recv() => {
                    let Some(Envelope { input, done }) = envelope else { return };
                    self.feed(input).await;
                    if let Some(done) = done {
                        let _ = done.send(());
                    }
                }
                event = next(&mut self.events) => match event {
                    Some(event) => self.event(event).await,
                    None => self.events = None,
                },
                Some(event) = media_events.recv() => self.media_event(&event),
                _ = tick.tick() => self.tick().await,
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                    let view = self.state.view();
                    self.port.view(&view);
                    self.view.send_replace(view);
                    self.pace.sent(Instant::now());
                }
            }
        }
    }

    async fn feed(&mut self, input: Input) {
        let (effects, change) = self.state.handle(input, wall_us());
        self.pace.note(change);
        if change == Change::Prompt {
            self.view.send_replace(self.state.view());
        }
        for effect in effects {
            self.perform(effect).await;
        }
    }

    async fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::SignIn {
                authority,
                pin,
                email,
                password,
                code,
            } => {
                self.sign_in(&authority, pin.as_deref(), move |api| async move {
                    api.sign_in_with(&email, &password, code.as_deref()).await
                });
            }
            Effect::SetUp {
                authority,
                pin,
                setup_code,
                name,
                email,
                password,
            } => {
                let request = SetupRequest {
                    setup_code,
                    email,
                    password,
                    name,
                };
                self.sign_in(&authority, pin.as_deref(), move |api| async move {
                    api.set_up(&request).await
                });
            }
            Effect::AskProvider { authority } => {
                let (api, inputs) = (self.servers.api(&authority, None), self.inputs.clone());
                tokio::spawn(browsing::ask(authority, api, inputs));
            }
            Effect::SignInBrowser { authority, pin } => {
                let api = self.servers.api(&authority, pin.as_deref());
                self.browsing.begin(api, self.signed_in.clone(), self.inputs.clone());
            }
            Effect::OpenBrowser(url) => browsing::open(url, self.inputs.clone()),
            Effect::LeaveBrowser => self.browsing.leave(),
            Effect::Probe { authority } => {
                let inputs = self.inputs.clone();
                tokio::spawn(async move { inputs.send(Input::Probed(probe(&authority).await)) });
            }
            Effect::Remember { authority, sha256 } => self.servers.remember(&authority, &sha256),
            Effect::ListExams => self.list_exams(),
            Effect::Office(call) => {
                let (inputs, signed_in, keys) = (self.inputs.clone(), self.signed_in.clone(), self.keys.clone());
                tokio::spawn(async move {
                    match fresh(&signed_in).await {
                        Some((api, token)) => office_calls::carry_out(api, token, call, keys, inputs).await,
                        None => inputs.send(Input::Office(Box::new(call), Err(expired()))),
                    }
                });
            }
            Effect::OpenRoom(exam) => self.open_room(exam),
            Effect::LeaveRoom => self.leave_room(true).await,
            Effect::Forget(tiles) => self.pictures.forget(&tiles),
            Effect::SetIntents(intents) => {
                if let Some(Err(error)) = self.client.as_ref().map(|client| client.set_intents(intents)) {
                    tracing::error!(%error, "the wish list was not taken");
                }
            }
            Effect::Listen(to) => self.listener.listen(to),
            Effect::Looked(participant) => {
                if let Some(Err(error)) = self.client.as_ref().map(|client| client.look(participant)) {
                    tracing::warn!(%error, "a look was not told");
                }
            }
            Effect::Send { to, kind, text } => {
                let sent = self.client.as_ref().map(|client| client.send_message(to, kind, &text));
                if !matches!(sent, Some(Ok(_))) {
                    self.inputs
                        .send(Input::MessageFailed(ErrorBody::from(ErrorCode::Internal)));
                }
            }
            Effect::Broadcast(audience, text) => {
                let sent = self.client.as_ref().map(|client| client.broadcast(audience, &text));
                if !matches!(sent, Some(Ok(_))) {
                    self.inputs
                        .send(Input::MessageFailed(ErrorBody::from(ErrorCode::Internal)));
                }
            }
            Effect::ActOnExam(step) => {
                self.act(match step {
                    ExamStep::Pause => Action::Pause {
                        participant: None,
                        reason: String::new(),
                    },
                    ExamStep::Continue => Action::Continue { participant: None },
                    ExamStep::Close => Action::Close { reason: String::new() },
                });
            }
            Effect::ActOn(participant, act) => self.act(action(participant, act)),
            Effect::MuteAll(muted) => self.act(if muted { Action::MuteAll } else { Action::UnmuteAll }),
            Effect::Reassign { participants, from, to } => self.act(Action::Reassign { participants, from, to }),
            Effect::ActOnTeam(participant, TeamAct::Remove { reason }) => {
                self.act(Action::Remove { participant, reason });
            }
            Effect::ActOnTeam(participant, TeamAct::ChangeRole { role }) => {
                self.act(Action::ChangeRole { participant, role });
            }
            Effect::DecodeInRust => self.pictures.decode_here(),
            Effect::LookAtInvitation { authority, pin, token } => {
                let (api, inputs) = (self.servers.api(&authority, pin.as_deref()), self.inputs.clone());
                tokio::spawn(async move {
                    let who = match api {
                        Ok(api) => api.look_at_invitation(&token).await.map_err(failure),
                        Err(failure) => Err(failure),
                    };
                    inputs.send(Input::Invitation(who));
                });
            }
            Effect::AcceptInvitation {
                authority,
                pin,
                token,
                password,
            } => {
                let (api, inputs) = (self.servers.api(&authority, pin.as_deref()), self.inputs.clone());
                tokio::spawn(async move {
                    let accepted = match api {
                        Ok(api) => api.accept_invitation(&token, &password).await.map_err(failure),
                        Err(failure) => Err(failure),
                    };
                    inputs.send(Input::Accepted(accepted));
                });
            }
            Effect::People(call) => self.ask_about_people(call),
            Effect::Account(call) => self.ask_about_account(call),
            Effect::Systems(call) => self.ask_about_systems(call),
        }
    }

    fn act(&self, action: Action) {
        if !matches!(self.client.as_ref().map(|client| client.act(action)), Some(Ok(()))) {
            self.inputs.send(Input::ActFailed(ErrorBody::from(ErrorCode::Internal)));
        }
    }

    /// `call` gets the server as it is believed.
    fn sign_in<Call, Answer>(&self, authority: &str, pin: Option<&str>, call: Call)
    where
        Call: FnOnce(Api) -> Answer + Send + 'static,
        Answer: Future<Output = Result<SignInResponse, ClientError>> + Send,
    {
        let (inputs, signed_in) = (self.inputs.clone(), self.signed_in.clone());
        let api = match self.servers.api(authority, pin) {
            Ok(api) => api,
            Err(failure) => return inputs.send(Input::SignedIn(Err(failure))),
        };
        tokio::spawn(async move {
            let result = call(api.clone()).await.map_err(failure);
            if let Ok(answer) = &result {
                *signed_in.lock() = Some((api, answer.access_token.clone()));
            }
            inputs.send(Input::SignedIn(result.map(Box::new)));
        });
    }

    fn list_exams(&self) {
        let (inputs, signed_in) = (self.inputs.clone(), self.signed_in.clone());
        tokio::spawn(async move {
            inputs.send(Input::Exams(match fresh(&signed_in).await {
                Some((api, token)) => api.exams(&token).await.map_err(failure),
                None => Err(expired()),
            }));
        });
    }

    fn ask_about_people(&self, call: PeopleCall) {
        let (inputs, signed_in) = (self.inputs.clone(), self.signed_in.clone());
        tokio::spawn(async move {
            inputs.send(Input::People(match fresh(&signed_in).await {
                Some((api, token)) => people::ask(&api, &token, call).await.map_err(failure),
                None => Err(expired()),
            }));
        });
    }

    fn ask_about_systems(&self, call: SystemsCall) {
        let (inputs, signed_in) = (self.inputs.clone(), self.signed_in.clone());
        tokio::spawn(async move {
            inputs.send(Input::Systems(match fresh(&signed_in).await {
                Some((api, token)) => systems::ask(&api, &token, call).await.map_err(failure),
                None => Err(expired()),
            }));
        });
    }

    fn ask_about_account(&self, call: AccountCall) {
        let (inputs, signed_in) = (self.inputs.clone(), self.signed_in.clone());
        tokio::spawn(async move {
            let answer = match fresh(&signed_in).await {
                Some((api, token)) => {
                    let answer = account::ask(&api, &token, call).await.map_err(failure);
                    if let Ok(AccountAnswer::PasswordChanged(answer)) = &answer {
                        *signed_in.lock() = Some((api, answer.access_token.clone()));
                    }
                    answer
                }
                None => Err(expired()),
            };
            inputs.send(Input::Account(answer));
        });
    }

    fn open_room(&mut self, exam: ExamId) {
        let Some((api, token)) = self.signed_in.lock().clone() else {
            return self.inputs.send(Input::Refused(ErrorCode::TokenExpired.into()));
        };
        let info = ClientInfo::new("invigil-proctor");
        let (client, events) = ProctorClient::start(ProctorConfig {
            api,
            token,
            exam,
            info,
            media: MediaOptions::default(),
        });
        (self.client, self.events) = (Some(client), Some(events));
    }

    /// `for_good`: not only the window is closed.
    async fn leave_room(&mut self, for_good: bool) {
        self.listener.listen(None);
        self.events = None;
        if let Some(client) = self.client.take() {
            if let Some((_, token)) = self.signed_in.lock().as_mut() {
                *token = client.token();
            }
            if for_good {
                client.leave().await;
            } else {
                client.close().await;
            }
        }
    }

    async fn event(&mut self, event: ProctorEvent) {
        let input = match event {
            ProctorEvent::VideoFrame {
                slot,
                source,
                layer,
                data,
                key,
                captured_at_us,
                ..
            } => {
                let frame = Frame {
                    slot,
                    source,
                    layer,
                    data,
                    key,
                    captured_at_us,
                };
                return self.pictures.frame(frame, self.state.slots(), self.state.room());
            }
            ProctorEvent::AudioPacket {
                slot,
                source,
                sequence,
                rtp_timestamp,
                data,
                ..
            } => {
                return self.listener.packet(slot, source, sequence, rtp_timestamp, &data);
            }
            ProctorEvent::Levels(levels) => {
                self.port.levels(&meters(&levels));
                Input::Levels(levels)
            }
            ProctorEvent::Link(LinkState::Connecting) => Input::Linking,
            ProctorEvent::Link(LinkState::Connected { .. }) => Input::Linked,
            ProctorEvent::Link(LinkState::Offline { .. }) => Input::Unlinked,
            ProctorEvent::Link(LinkState::Closed { .. }) => return,
            ProctorEvent::Media(state) => Input::Media(state),
            ProctorEvent::RoomState(state) => Input::Room(state),
            ProctorEvent::ParticipantJoined(info) | ProctorEvent::ParticipantUpdated(info) => Input::Participant(info),
            ProctorEvent::ParticipantLeft(participant) => Input::ParticipantLeft(participant),
            ProctorEvent::PublicationAdded(info) => Input::Publication(info),
            ProctorEvent::PublicationRemoved(source) => Input::PublicationRemoved(source),
            ProctorEvent::Freshness { participant, freshness } => Input::Freshness(participant, freshness),
            ProctorEvent::Timeline(entry) => Input::Timeline(entry),
            ProctorEvent::Bindings { bindings, .. } => Input::Bindings(bindings),
            ProctorEvent::LayerSelected { slot, layer } => Input::LayerSelected { slot, layer },
            ProctorEvent::MessageSent {
                result: Ok((message, _, delivered)),
                ..
            } => Input::MessageSent { message, delivered },
            ProctorEvent::MessageSent { result: Err(error), .. } => Input::MessageFailed(error),
            ProctorEvent::MessageAcknowledged { message, .. } => Input::MessageAcknowledged(message),
            ProctorEvent::Reached { message, reach } => Input::Reached(message, reach),
            ProctorEvent::Assignments { ratio, proctors } => Input::Assignments { ratio, proctors },
            ProctorEvent::AttentionLooked { participant, at } => Input::Looked { participant, at },
            ProctorEvent::ExamUpdated { status, ends_at, .. } => Input::ExamUpdated { status, ends_at },
            ProctorEvent::Ended { reason } => Input::Refused(reason.unwrap_or(ErrorCode::ExamClosed).into()),
            ProctorEvent::ActionRefused(error) => Input::ActFailed(error),
            ProctorEvent::Error(error) => {
                tracing::warn!(%error, "the server refused something");
                return;
            }
            // The timeline has them too.
            ProctorEvent::MessageReceived(_) | ProctorEvent::Action { .. } => return,
        };
        self.feed(input).await;
    }

    fn media_event(&mut self, event: &MediaEvent) {
        match event {
            MediaEvent::Attached => {}
            MediaEvent::KeyWanted { tile } => {
                let carried = self.pictures.carried(*tile);
                if let (Some(client), Some((source, layer))) = (&self.client, carried)
                    && let Err(error) = client.request_keyframe(source, layer)
                {
                    tracing::debug!(%error, "a key frame was not asked for");
                }
            }
            MediaEvent::Drawn(drawn) => self.pictures.drawn(drawn),
        }
    }

    async fn tick(&mut self) {
        self.feed(Input::Tick).await;
        self.ticks += 1;
        if !self.ticks.is_multiple_of(TICKS_PER_SECOND) {
            return;
        }
        self.pictures.tick();
        if let Some(client) = &self.client {
            let offset = client.clock_offset_us();
            self.media.set_clock_offset(offset);
            self.feed(Input::ClockOffset(offset)).await;
        }
    }
}

fn expired() -> CallFailure {
    CallFailure::Refused(ErrorCode::TokenExpired.into())
}

/// The server and a token of now: a list may be asked for long after signing in. None when nobody is signed in.
async fn fresh(signed_in: &SignedIn) -> Option<(Api, String)> {
    let (api, token) = signed_in.lock().clone()?;
    let token = match api.refresh(&token).await {
        Ok(answer) => {
            *signed_in.lock() = Some((api.clone(), answer.access_token.clone()));
            answer.access_token
        }
        Err(_) => token,
    };
    Some((api, token))
}
