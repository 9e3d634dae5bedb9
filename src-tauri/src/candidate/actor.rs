//! Runs the candidate's state machine: one task owns it, feeds it with what the window, the server and the devices say, and
//! does what it asks for.

use super::devices::{Devices, Wanted};
use super::io::{Effect, Input, Start};
use super::state::CandidateState;
use crate::call::CallFailure;
use crate::clock::wall_us;
use crate::media_port::{MediaEvent, MediaPort};
use crate::options::CandidateOptions;
use crate::server::{Servers, failure, probe};
use crate::ui_port::{Change, Pace, UiPort};
use invigil_client::candidate::{
    CandidateClient, CandidateConfig, CandidateEvent, ChatTicket, EventReport, EventTicket,
};
use invigil_client::device::DeviceKey;
use invigil_client::media::MediaOptions;
use invigil_client::rest::Api;
use invigil_client::{ClientInfo, LinkState};
use invigil_shared::error::ErrorCode;
use invigil_shared::id::MessageId;
use invigil_shared::integrity::IntegrityKind;
use invigil_shared::publication::PublicationKey;
use invigil_shared::rest::JoinResponse;
use invigil_shared::stats::ClientStats;
use invigil_view::candidate::{CandidateCommand, CandidateStep, CandidateView, LevelView};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// Inputs that wait: a person's clicks, devices' changes and answers of a few calls.
const MAX_INPUTS: usize = 256;
const TICK: Duration = Duration::from_millis(250);
const TICKS_PER_SECOND: u32 = 4;
/// Own chat lines that wait for the server's word.
const MAX_TICKETS: usize = 64;

type Port = Arc<dyn UiPort<CandidateView, LevelView>>;

struct Envelope {
    input: Input,
    done: Option<oneshot::Sender<()>>,
}

/// A way for calls and devices to tell the actor what became of them.
#[derive(Clone)]
pub struct Inputs(mpsc::Sender<Envelope>);

impl Inputs {
    /// Never blocks: a capture thread calls it. The queue is longer than all devices together can fill.
    pub fn send(&self, input: Input) {
        if self.0.try_send(Envelope { input, done: None }).is_err() {
            tracing::error!("the app does not keep up");
        }
    }
}

/// The window's side of the actor.
pub struct Handle {
    inputs: mpsc::Sender<Envelope>,
    view: watch::Receiver<CandidateView>,
    media: MediaPort,
    end: Mutex<Option<oneshot::Sender<oneshot::Sender<()>>>>,
}

impl Handle {
    pub fn view(&self) -> CandidateView {
        self.view.borrow().clone()
    }

    pub fn media(&self) -> &MediaPort {
        &self.media
    }

    /// Resolves when the command has been taken over.
    ///
    /// # Errors
    /// `busy` when commands come faster than they can be done; `closed` at the end.
    pub async fn command(&self, command: CandidateCommand) -> Result<(), &'static str> {
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

    /// The window got the focus, or lost it.
    pub fn focused(&self, focused: bool) {
        Inputs(self.inputs.clone()).send(Input::Focus(focused));
    }

    /// Switches everything off and ends the actor. The session stays open on the server.
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

/// Everything that a client is started with.
struct Joined {
    api: Api,
    join: JoinResponse,
    device_key: DeviceKey,
}

struct Actor {
    state: CandidateState,
    port: Port,
    view: watch::Sender<CandidateView>,
    pace: Pace,
    inputs: Inputs,
    servers: Arc<Servers>,
    keys: PathBuf,
    joined: Arc<Mutex<Option<Joined>>>,
    client: Option<CandidateClient>,
    events: Option<mpsc::Receiver<CandidateEvent>>,
    devices: Devices,
    media: MediaPort,
    /// The newest beginning of each kind, to tie its end to.
    begun: HashMap<IntegrityKind, EventTicket>,
    chats: HashMap<ChatTicket, MessageId>,
    ticks: u32,
}

/// Starts the actor on the current tokio runtime.
///
/// # Errors
/// When loopback has no free port.
pub async fn start(port: Port, options: CandidateOptions, data_dir: &Path) -> std::io::Result<Handle> {
    let (media, media_events) = MediaPort::open().await?;
    let (sender, receiver) = mpsc::channel(MAX_INPUTS);
    let state = CandidateState::new(Start {
        auto: options.auto,
        test_picture: options.test_picture,
    });
    let (view, watched) = watch::channel(state.view());
    let (end, ending) = oneshot::channel();
    let inputs = Inputs(sender.clone());
    let actor = Actor {
        state,
        port,
        view,
        pace: Pace::default(),
        inputs: inputs.clone(),
        servers: Arc::new(Servers::new(data_dir, options.common.pin)),
        keys: data_dir.join("device-keys"),
        joined: Arc::default(),
        client: None,
        events: None,
        devices: Devices::new(inputs.clone(), media.clone()),
        media: media.clone(),
        begun: HashMap::new(),
        chats: HashMap::new(),
        ticks: 0,
    };
    tokio::spawn(actor.run(receiver, media_events, ending));
    if let Some(link) = options.link {
        inputs.send(Input::Command(CandidateCommand::JoinLink { link }));
    }
    Ok(Handle {
        inputs: sender,
        view: watched,
        media,
        end: Mutex::new(Some(end)),
    })
}

async fn next(events: &mut Option<mpsc::Receiver<CandidateEvent>>) -> Option<CandidateEvent> {
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
                    self.devices.close();
                    self.disconnect().await;
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
                // Previews are raw pictures: nobody has to ask for key frames.
                Some(_) = media_events.recv() => {}
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
            Effect::Join {
                authority,
                pin,
                exam_code,
                secret,
            } => self.join(&authority, pin.as_deref(), exam_code, secret),
            Effect::Probe { authority } => {
                let inputs = self.inputs.clone();
                tokio::spawn(async move { inputs.send(Input::Probed(probe(&authority).await)) });
            }
            Effect::Remember { authority, sha256 } => self.servers.remember(&authority, &sha256),
            Effect::Open {
                publication,
                device,
                test_picture,
            } => {
                let port = self.port.clone();
                let wanted = Wanted {
                    device,
                    test_picture,
                    label: self.state.label(),
                };
                self.devices
                    .open(publication, &wanted, move |level| port.levels(&level));
                self.devices.set_checking(self.state.step() == CandidateStep::Check);
            }
            Effect::CloseSources => self.devices.close(),
            Effect::Connect => self.connect(),
            Effect::Disconnect => self.disconnect().await,
            Effect::Report { kind, begins, facts } => self.report(kind, begins, facts),
            Effect::Chat { local, text } => match self.client.as_ref().map(|client| client.chat(&text)) {
                Some(Ok(ticket)) if self.chats.len() < MAX_TICKETS => {
                    self.chats.insert(ticket, local);
                }
                Some(Err(error)) => tracing::warn!(%error, "a line was not sent"),
                _ => {}
            },
            Effect::Acknowledge(message) => {
                if let Some(Err(error)) = self.client.as_ref().map(|client| client.acknowledge(message)) {
                    tracing::warn!(%error, "an acknowledgement was not sent");
                }
            }
            Effect::RaiseHand(raised) => {
                if let Some(Err(error)) = self.client.as_ref().map(|client| client.raise_hand(raised)) {
                    tracing::warn!(%error, "a hand was not raised");
                }
            }
            Effect::AskAdmission => {
                if let Some(Err(error)) = self.client.as_ref().map(CandidateClient::ask_admission) {
                    tracing::warn!(%error, "being ready was not sent");
                }
            }
            Effect::Finish => {
                if let Some(Err(error)) = self.client.as_ref().map(CandidateClient::finish) {
                    tracing::warn!(%error, "handing in was not sent");
                }
            }
        }
    }

    fn join(&self, authority: &str, pin: Option<&str>, exam_code: String, secret: String) {
        let (inputs, joined) = (self.inputs.clone(), self.joined.clone());
        let key = self.keys.join(key_name(authority, &exam_code, &secret));
        let api = match self.servers.api(authority, pin) {
            Ok(api) => api,
            Err(failure) => return inputs.send(Input::Joined(Err(failure))),
        };
        tokio::spawn(async move {
            let result = async {
                // The same key after a crash or a restart: the session is the same.
                let device_key = DeviceKey::load_or_create(&key).map_err(failure)?;
                let join = api.join(&exam_code, &secret, &device_key).await.map_err(failure)?;
                *joined.lock() = Some(Joined {
                    api,
                    join: join.clone(),
                    device_key,
                });
                Ok::<_, CallFailure>(Box::new(join))
            };
            inputs.send(Input::Joined(result.await));
        });
    }

    /// Links up and publishes every source of the check page.
    fn connect(&mut self) {
        let Some(Joined { api, join, device_key }) = self.joined.lock().take() else {
            return;
        };
        let info = ClientInfo::new("invigil-candidate");
        let (client, events) = CandidateClient::start(CandidateConfig {
            api,
            join,
            device_key,
            info,
            media: MediaOptions::default(),
        });
        self.devices.set_checking(false);
        let publications: Vec<PublicationKey> = self.state.sources().map(|(publication, _)| publication).collect();
        for publication in publications {
            let (Some(view), Some(feed)) = (self.state.source_view(publication), self.devices.feed(publication)) else {
                continue;
            };
            if let Err(error) = feed.publish(&client, (view.width, view.height), view.test_picture) {
                tracing::error!(%error, %publication, "a source is not published");
            }
            self.devices.set_rate(publication, None);
        }
        (self.client, self.events) = (Some(client), Some(events));
    }

    async fn disconnect(&mut self) {
        self.events = None;
        self.begun.clear();
        self.chats.clear();
        if let Some(client) = self.client.take() {
            client.close().await;
        }
    }

    fn report(&mut self, kind: IntegrityKind, begins: Option<IntegrityKind>, facts: BTreeMap<String, String>) {
        let Some(client) = &self.client else { return };
        let begins = begins.and_then(|begun| self.begun.remove(&begun));
        let is_end = begins.is_some();
        match client.event(EventReport {
            begins,
            facts,
            ..EventReport::new(kind)
        }) {
            Ok(ticket) if !is_end => {
                self.begun.insert(kind, ticket);
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, ?kind, "an event was not kept"),
        }
    }

    async fn event(&mut self, event: CandidateEvent) {
        let input = match event {
            CandidateEvent::Link(LinkState::Connecting) => Input::Linking,
            CandidateEvent::Link(LinkState::Connected { .. }) => Input::Linked,
            CandidateEvent::Link(LinkState::Offline { .. }) => Input::Unlinked,
            CandidateEvent::Link(LinkState::Closed { .. }) | CandidateEvent::Published(_) => return,
            CandidateEvent::Media(state) => Input::Media(state),
            CandidateEvent::RoomState(room) => Input::Room(room),
            CandidateEvent::Demand { key, layers } => {
                let fps = self.devices.feed(key).and_then(|feed| feed.demand(&layers));
                self.devices.set_rate(key, fps);
                Input::Sending(key, !layers.is_empty())
            }
            CandidateEvent::KeyframeRequest { key, layer } => {
                if let Some(feed) = self.devices.feed(key) {
                    feed.key_frame(layer);
                }
                return;
            }
            CandidateEvent::Plan(plan) => {
                self.devices.feeds().for_each(|(_, feed)| feed.follow(&plan));
                return;
            }
            CandidateEvent::Weak(weak) => Input::Weak(weak),
            CandidateEvent::Message(message) => Input::Message(message),
            CandidateEvent::ChatSent { ticket, result } => match (self.chats.remove(&ticket), result) {
                (Some(local), Ok((_, at))) => Input::ChatStored { local, at },
                (_, Err(error)) => Input::Refused(error),
                (None, Ok(_)) => return,
            },
            CandidateEvent::Action { action, .. } => Input::Action(action),
            CandidateEvent::Listening(listening) => Input::Listening(listening),
            CandidateEvent::ExamUpdated {
                status,
                ends_at,
                time_left,
            } => Input::ExamUpdated {
                status,
                ends_at,
                time_left,
            },
            CandidateEvent::Sitting {
                sitting,
                ends_at,
                time_left,
            } => Input::Sitting {
                sitting,
                ends_at,
                time_left,
            },
            CandidateEvent::IntegrityAck(_) => Input::Unsent(self.client.as_ref().map_or(0, CandidateClient::unsent)),
            CandidateEvent::Finished => Input::Ended,
            CandidateEvent::Ended {
                reason: None | Some(ErrorCode::ExamClosed | ErrorCode::SittingEnded | ErrorCode::NotAdmitted),
            } => Input::Ended,
            CandidateEvent::Ended { reason: Some(code) } => Input::Dropped(code.into()),
            // The connection's own end has the code only: what was told before says more.
            CandidateEvent::Error(error)
                if matches!(error.code, ErrorCode::SittingEnded | ErrorCode::NotAdmitted)
                    && !error.params.is_empty() =>
            {
                Input::Out(error)
            }
            CandidateEvent::Error(error) if error.code == ErrorCode::Removed => Input::Dropped(error),
            CandidateEvent::Error(error) => {
                tracing::warn!(%error, "the server refused something");
                return;
            }
        };
        self.feed(input).await;
    }

    async fn tick(&mut self) {
        self.feed(Input::Tick).await;
        self.ticks += 1;
        let Some(client) = self.client.clone() else { return };
        self.feed(Input::Unsent(client.unsent())).await;
        if !self.ticks.is_multiple_of(TICKS_PER_SECOND) || self.state.step() != CandidateStep::Exam {
            return;
        }
        let offset = client.clock_offset_us();
        self.media.set_clock_offset(offset);
        let states: HashMap<_, _> = self.state.sources().collect();
        let fresh = self
            .devices
            .feeds()
            .filter_map(|(key, feed)| states.get(&key).map(|state| feed.freshness(*state, offset)));
        if let Err(error) = client.freshness(fresh.collect()) {
            tracing::debug!(%error, "freshness was not told");
        }
        // The client fills in what it knows of the path.
        if let Err(error) = client.stats(ClientStats::default()) {
            tracing::debug!(%error, "statistics were not told");
        }
        self.feed(Input::ClockOffset(offset)).await;
    }
}

/// One device key for each sitting: two people at one machine are two devices to the server, and no key links their exams.
fn key_name(authority: &str, exam_code: &str, secret: &str) -> String {
    let sitting = format!("{authority}\n{exam_code}\n{secret}");
    let name = invigil_shared::chain::payload_hash(b"device-key", sitting.as_bytes());
    format!("{}.key", &name.to_string()[..32])
}

#[cfg(test)]
mod tests {
    use super::key_name;

    #[test]
    fn a_key_belongs_to_one_sitting_and_its_name_tells_nothing() {
        let name = key_name("exam:443", "STAT-1", "7K3F");
        assert_eq!(name, key_name("exam:443", "STAT-1", "7K3F"));
        assert_ne!(name, key_name("exam:443", "STAT-1", "7K3G"));
        assert!(name.len() == 36 && !name.contains("7K3F"));
    }
}
