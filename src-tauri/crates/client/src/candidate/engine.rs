//! The candidate's task: one link after another, one session.

use super::path::Path;
use super::publish::{PublishInput, PublishRole};
use super::share::Share;
use super::{CandidateConfig, CandidateEvent, ChatTicket, Command};
use crate::backoff::Backoff;
use crate::bounds::{MAX_COMMANDS, REQUEST_DEADLINE};
use crate::clock::{ServerClock, wall_us};
use crate::error::ClientError;
use crate::journal::Journal;
use crate::keeper::{Keeper, KeeperEvent, KeeperHandle, KeeperInput, bind_for};
use crate::link::{Incoming, Link};
use crate::outbox::Outbox;
use crate::peer::path::SendPath;
use crate::publisher::KeyframeWish;
use crate::session::{Entered, Identity, Session, is_final_code, refresh};
use crate::sink::SinkTable;
use crate::{LinkState, MediaState};
use invigil_shared::bandwidth::PathState;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::signal::{ClientMessage, Demand, ServerMessage};
use invigil_shared::stats::ClientStats;
use invigil_shared::timeline::MessageKind;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// A refused journal batch is tried again after this.
const JOURNAL_AGAIN: Duration = Duration::from_secs(1);

#[derive(Clone)]
enum About {
    Chat(ChatTicket),
    Acknowledge,
    Ask,
    Finish,
}

type Pending<T> = std::pin::Pin<Box<dyn Future<Output = Result<T, ClientError>> + Send>>;

pub(crate) struct Engine {
    config: CandidateConfig,
    sinks: SinkTable,
    journal: Journal,
    clock: ServerClock,
    events: mpsc::Sender<CandidateEvent>,
}

/// Why a link's loop ended.
enum LinkEnd {
    Lost,
    Final(Option<ErrorCode>),
    Close(Option<oneshot::Sender<()>>),
}

struct Running {
    sinks: SinkTable,
    journal: Journal,
    clock: ServerClock,
    events: mpsc::Sender<CandidateEvent>,
    send_path: Arc<SendPath>,
    path_state: watch::Receiver<PathState>,
    share: Share,
    keeper: KeeperHandle<PublishInput>,
    keeper_events: mpsc::Receiver<KeeperEvent>,
    wishes: mpsc::Receiver<KeyframeWish>,
    link: watch::Sender<Option<Link>>,
    outbox: Outbox<About>,
    path: Path,
}

impl Engine {
    pub fn new(
        config: CandidateConfig,
        sinks: SinkTable,
        journal: Journal,
        clock: ServerClock,
        events: mpsc::Sender<CandidateEvent>,
    ) -> Self {
        Self {
            config,
            sinks,
            journal,
            clock,
            events,
        }
    }

    pub async fn run(self, mut commands: mpsc::Receiver<Command>) {
        let CandidateConfig {
            api,
            join,
            device_key,
            info,
            media,
        } = self.config;
        let identity = Identity::Candidate {
            session: join.session,
            key: Box::new(device_key),
        };
        let bind = bind_for(&api.authority().host, media.bind.as_ref());
        let mut session = Session::new(
            api.clone(),
            info,
            identity,
            join.exam.id,
            join.access_token,
            Some(join.expires_at),
            self.clock.clone(),
        );
        let (link, follow) = watch::channel(None);
        let (wishes_in, wishes) = mpsc::channel(MAX_COMMANDS);
        let (keeper_out, keeper_events) = mpsc::channel(MAX_COMMANDS);
        let send_path = SendPath::new(media.estimator);
        let role = PublishRole::new(media.transform.clone(), send_path.clone(), wishes_in);
        let mut running = Running {
            sinks: self.sinks,
            journal: self.journal,
            clock: self.clock,
            events: self.events,
            path_state: send_path.follow(),
            send_path,
            share: Share::default(),
            keeper: Keeper::start(role, &api, bind, (follow, session.ice.subscribe()), keeper_out),
            keeper_events,
            wishes,
            link,
            outbox: Outbox::new(),
            path: Path::default(),
        };
        let end = Box::pin(running.live(&mut session, &mut commands)).await;
        running.link.send_replace(None);
        running.keeper.close(Duration::from_secs(1)).await;
        let reason = match &end {
            LinkEnd::Final(reason) => *reason,
            _ => None,
        };
        let _ = running
            .events
            .try_send(CandidateEvent::Link(LinkState::Closed { reason }));
        let _ = running.events.try_send(CandidateEvent::Ended { reason });
        if let LinkEnd::Close(Some(done)) = end {
            let _ = done.send(());
        }
    }
}

impl Running {
    /// Connects and serves links until the app closes or coming back can't help.
    async fn live(&mut self, session: &mut Session, commands: &mut mpsc::Receiver<Command>) -> LinkEnd {
        let mut backoff = Backoff::default();
        let mut offline_since: Option<i64> = None;
        let mut told: Option<&'static str> = None;
        self.emit(CandidateEvent::Link(LinkState::Connecting)).await;
        loop {
            let link = self.link.clone();
            let entering = Box::pin(session.enter(move |new| {
                link.send_replace(Some(new.clone()));
            }));
            match self.meanwhile(entering, commands).await {
                Ok(Ok(entered)) => {
                    backoff.reset();
                    told = None;
                    let offline_us = offline_since.take().map(|since| wall_us().saturating_sub(since).max(0));
                    self.emit(CandidateEvent::Link(LinkState::Connected { offline_us }))
                        .await;
                    match self.serve(session, entered, commands).await {
                        LinkEnd::Lost => {}
                        end => return end,
                    }
                }
                Ok(Err(error)) => {
                    tracing::info!(%error, "no link");
                    if session.is_final(&error) {
                        let code = error.server_code();
                        self.emit(CandidateEvent::Error(body_of(&error))).await;
                        return LinkEnd::Final(code);
                    }
                    // The same reason is told once, not every few seconds.
                    if !matches!(error, ClientError::Unreachable(_)) && told != Some(error.code()) {
                        told = Some(error.code());
                        self.emit(CandidateEvent::Error(body_of(&error))).await;
                    }
                }
                Err(done) => return LinkEnd::Close(done),
            }
            self.link.send_replace(None);
            if offline_since.is_none() {
                let since_us = wall_us();
                offline_since = Some(since_us);
                self.emit(CandidateEvent::Link(LinkState::Offline { since_us })).await;
            }
            let pause = tokio::time::sleep(backoff.next(rand::random()));
            if let Err(done) = self.meanwhile(pause, commands).await {
                return LinkEnd::Close(done);
            }
        }
    }

    /// Runs `work` and takes commands meanwhile. `Err`: the app closed.
    async fn meanwhile<T>(
        &mut self,
        work: impl Future<Output = T>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<T, Option<oneshot::Sender<()>>> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                command = commands.recv() => match command {
                    Some(Command::Close(done)) => return Err(Some(done)),
                    Some(command) => self.command(command, None).await,
                    None => return Err(None),
                },
                Some(event) = self.keeper_events.recv() => self.keeper_event(event).await,
                Ok(()) = self.path_state.changed() => self.follow_path().await,
                Some(wish) = self.wishes.recv() => self.wish(wish).await,
            }
        }
    }

    /// Serves one link.
    async fn serve(
        &mut self,
        session: &mut Session,
        entered: Entered,
        commands: &mut mpsc::Receiver<Command>,
    ) -> LinkEnd {
        let Entered {
            link,
            mut incoming,
            room,
            chain,
            early,
        } = entered;
        let mut chain_stands = true;
        if let Some(chain) = chain
            && let Err(code) = self.journal.reconcile(chain)
        {
            // Events of this process can't follow what the server has: said once, kept, not sent.
            chain_stands = false;
            self.emit(CandidateEvent::Error(code.into())).await;
        }
        self.sinks.mute(room.you.sitting.muted);
        self.emit(CandidateEvent::RoomState(room)).await;
        self.outbox.resend(&link);
        for message in early {
            if let Some(end) = self.message(message).await {
                return end;
            }
        }
        let mut batch: Option<Pending<ServerMessage>> = None;
        let mut batch_after = Instant::now();
        let refresh_at = tokio::time::sleep(session.refresh_in());
        tokio::pin!(refresh_at);
        let mut refreshing: Option<Pending<(String, i64)>> = None;
        loop {
            if batch.is_none() && chain_stands && Instant::now() >= batch_after {
                let events = self.journal.take_batch();
                if !events.is_empty() {
                    batch = Some(Box::pin(link.request(ClientMessage::IntegrityEvents { events })));
                }
            }
            tokio::select! {
                message = incoming.recv() => match message {
                    Some(Incoming::Message(message)) => {
                        if let Some(end) = self.message(*message).await {
                            return end;
                        }
                    }
                    Some(Incoming::Closed(Some(code))) if is_final_code(code) => {
                        self.emit(CandidateEvent::Error(code.into())).await;
                        return LinkEnd::Final(Some(code));
                    }
                    Some(Incoming::Closed(_)) | None => return LinkEnd::Lost,
                },
                command = commands.recv() => match command {
                    Some(Command::Close(done)) => return LinkEnd::Close(Some(done)),
                    Some(command) => self.command(command, Some(&link)).await,
                    None => return LinkEnd::Close(None),
                },
                answer = maybe(&mut batch) => {
                    batch = None;
                    match answer {
                        Ok(ServerMessage::IntegrityAck { head }) => {
                            self.journal.acknowledge(head);
                            self.emit(CandidateEvent::IntegrityAck(head)).await;
                        }
                        Ok(_) | Err(ClientError::Unreachable(_)) => self.journal.rewind(),
                        Err(error) => {
                            self.journal.rewind();
                            batch_after = Instant::now() + JOURNAL_AGAIN;
                            if matches!(error.server_code(), Some(ErrorCode::ChainFork | ErrorCode::Forbidden)) {
                                chain_stands = false;
                            }
                            self.emit(CandidateEvent::Error(body_of(&error))).await;
                        }
                    }
                }
                () = tokio::time::sleep_until(batch_after.into()), if batch_after > Instant::now() => {}
                (about, answer) = self.outbox.answered() => {
                    if let Some(end) = self.answered(about, answer).await {
                        return end;
                    }
                }
                () = &mut refresh_at, if refreshing.is_none() => {
                    refreshing = Some(Box::pin(refresh(link.clone(), session.info.clone())));
                }
                fresh = maybe(&mut refreshing) => {
                    refreshing = None;
                    match fresh {
                        Ok((token, expires_at)) => {
                            session.token = token;
                            session.expires_at = Some(expires_at);
                        }
                        // The next link gets one by the device key; until the old one expires this is tried again.
                        Err(error) => tracing::warn!(%error, "the token was not refreshed"),
                    }
                    refresh_at.as_mut().reset(tokio::time::Instant::now() + session.refresh_in());
                }
                Some(event) = self.keeper_events.recv() => self.keeper_event(event).await,
                Ok(()) = self.path_state.changed() => self.follow_path().await,
                Some(wish) = self.wishes.recv() => self.wish(wish).await,
            }
        }
    }

    async fn message(&mut self, message: ServerMessage) -> Option<LinkEnd> {
        match message {
            ServerMessage::RoomState(room) => {
                self.sinks.mute(room.you.sitting.muted);
                self.emit(CandidateEvent::RoomState(room)).await;
            }
            ServerMessage::LayerDemand { demands } => {
                for Demand { publication, layers } in demands {
                    self.demand(publication, layers).await;
                }
            }
            ServerMessage::KeyframeRequest { publication, layer } => {
                self.sinks.want_keyframe(publication, layer);
                self.wish((publication, layer)).await;
            }
            ServerMessage::MessageReceived { message } => self.emit(CandidateEvent::Message(message)).await,
            ServerMessage::Action { at, action } => self.emit(CandidateEvent::Action { at, action }).await,
            ServerMessage::Listening { listening } => self.emit(CandidateEvent::Listening(listening)).await,
            ServerMessage::SittingUpdated {
                sitting,
                ends_at,
                time_left,
            } => {
                self.sinks.mute(sitting.muted);
                self.emit(CandidateEvent::Sitting {
                    sitting,
                    ends_at,
                    time_left,
                })
                .await;
            }
            ServerMessage::ExamUpdated {
                status,
                ends_at,
                time_left,
                ..
            } => {
                self.emit(CandidateEvent::ExamUpdated {
                    status,
                    ends_at,
                    time_left,
                })
                .await;
            }
            ServerMessage::IntegrityAck { head } => {
                self.journal.acknowledge(head);
                self.emit(CandidateEvent::IntegrityAck(head)).await;
            }
            ServerMessage::TransportClosed { transport } => {
                let _ = self.keeper.input.send(KeeperInput::Closed(transport)).await;
            }
            ServerMessage::IceCandidate {
                transport,
                candidate,
                mid,
            } => {
                let _ = self
                    .keeper
                    .input
                    .send(KeeperInput::Candidate {
                        transport,
                        candidate,
                        mid,
                    })
                    .await;
            }
            ServerMessage::Error { error } if is_final_code(error.code) => {
                let code = error.code;
                self.emit(CandidateEvent::Error(error)).await;
                return Some(LinkEnd::Final(Some(code)));
            }
            ServerMessage::Error { error } => self.emit(CandidateEvent::Error(error)).await,
            _ => {}
        }
        None
    }

    async fn command(&mut self, command: Command, link: Option<&Link>) {
        let kept = match command {
            Command::Publish { spec, sources } => {
                self.share.publish(&spec);
                self.follow_path().await;
                let _ = self
                    .keeper
                    .input
                    .send(KeeperInput::Role(PublishInput::Publish { spec, sources }))
                    .await;
                Ok(())
            }
            Command::Unpublish(key) => {
                self.sinks.demand(key, &[]);
                self.share.unpublish(key);
                self.follow_path().await;
                let _ = self
                    .keeper
                    .input
                    .send(KeeperInput::Role(PublishInput::Unpublish(key)))
                    .await;
                Ok(())
            }
            Command::Freshness(publications) => {
                if let Some(link) = link {
                    link.notify(ClientMessage::PublicationFreshness { publications });
                }
                Ok(())
            }
            Command::Stats(stats) => {
                if let Some(link) = link {
                    let rtt = self.clock.round_trip_us().and_then(|us| u32::try_from(us).ok());
                    let stats = ClientStats {
                        rtt_us: rtt.unwrap_or(stats.rtt_us),
                        lost_permille: self.path.lost_permille,
                        sent_kbps: self.path.sent_kbps,
                        received_kbps: self.path.received_kbps,
                        available_kbps: kbps(self.path_state.borrow().estimate.unwrap_or(0)),
                        wanted_kbps: kbps(self.share.wanted()),
                        cpu_permille: stats.cpu_permille,
                    };
                    link.notify(ClientMessage::StatsReport { stats });
                }
                Ok(())
            }
            Command::Chat { ticket, text } => {
                let message = ClientMessage::MessageSend {
                    to: None,
                    kind: MessageKind::Chat,
                    text,
                };
                self.outbox.push(About::Chat(ticket), message, link)
            }
            Command::Acknowledge(message) => {
                self.outbox
                    .push(About::Acknowledge, ClientMessage::MessageAcknowledge { message }, link)
            }
            Command::RaiseHand(raised) => self.outbox.push(About::Ask, ClientMessage::HandRaise { raised }, link),
            Command::AskAdmission => self.outbox.push(About::Ask, ClientMessage::AdmissionRequest, link),
            Command::Finish => self.outbox.push(About::Finish, ClientMessage::SessionFinish, link),
            Command::NetworkChanged => {
                let _ = self.keeper.input.send(KeeperInput::NetworkChanged).await;
                Ok(())
            }
            // The journal is looked at in every turn of the loop; `Close` is taken where commands are received.
            Command::Journal | Command::Close(_) => Ok(()),
        };
        if let Err(error) = kept {
            self.emit(CandidateEvent::Error(body_of(&error))).await;
        }
    }

    async fn answered(&mut self, about: About, answer: Result<ServerMessage, ClientError>) -> Option<LinkEnd> {
        match (about, answer) {
            (About::Chat(ticket), Ok(ServerMessage::MessageSent { message, at, .. })) => {
                self.emit(CandidateEvent::ChatSent {
                    ticket,
                    result: Ok((message, at)),
                })
                .await;
            }
            (About::Chat(ticket), Err(error)) => {
                self.emit(CandidateEvent::ChatSent {
                    ticket,
                    result: Err(body_of(&error)),
                })
                .await;
            }
            (About::Finish, Ok(_)) => {
                self.emit(CandidateEvent::Finished).await;
                return Some(LinkEnd::Final(None));
            }
            (_, Err(error)) => self.emit(CandidateEvent::Error(body_of(&error))).await,
            (_, Ok(_)) => {}
        }
        None
    }

    async fn keeper_event(&mut self, event: KeeperEvent) {
        match event {
            KeeperEvent::Media(state) => {
                if matches!(state, MediaState::Interrupted | MediaState::Blocked) {
                    self.path.lost_permille = 1000;
                }
                self.emit(CandidateEvent::Media(state)).await;
            }
            KeeperEvent::Published { key, demand } => {
                self.emit(CandidateEvent::Published(key)).await;
                self.demand(key, demand).await;
            }
            KeeperEvent::Refused(error) => self.emit(CandidateEvent::Error(error)).await,
            KeeperEvent::Path {
                lost_permille,
                sent,
                received,
            } => {
                self.path.measured(Instant::now(), lost_permille, (sent, received));
            }
            KeeperEvent::Negotiated => {}
        }
    }

    async fn demand(
        &mut self,
        key: invigil_shared::publication::PublicationKey,
        layers: Vec<invigil_shared::publication::Layer>,
    ) {
        if self.sinks.demand(key, &layers) {
            self.emit(CandidateEvent::Demand { key, layers }).await;
            self.follow_path().await;
        }
    }

    /// Shares what the path carries among what is demanded, and tells the app what it has to know of it.
    async fn follow_path(&mut self) {
        let state = *self.path_state.borrow_and_update();
        let plan = self.share.replan(&self.sinks, &state);
        self.send_path.set_wanted(self.share.wanted());
        if let Some(plan) = plan {
            tracing::debug!(?state, planned = plan.planned, "what may be sent changes");
            self.emit(CandidateEvent::Plan(plan)).await;
        }
        if let Some(weak) = self.share.judge(Instant::now(), &state) {
            self.emit(CandidateEvent::Weak(weak)).await;
        }
    }

    async fn wish(&mut self, (key, layer): KeyframeWish) {
        self.emit(CandidateEvent::KeyframeRequest { key, layer }).await;
    }

    /// Waits for a reader that is behind, but not for ever: a link whose task waits must not die of it.
    async fn emit(&self, event: CandidateEvent) {
        if tokio::time::timeout(REQUEST_DEADLINE, self.events.send(event))
            .await
            .is_err()
        {
            tracing::warn!("the app does not read its events");
        }
    }
}

/// Awaits a future that may not be there.
async fn maybe<F: Future + Unpin>(slot: &mut Option<F>) -> F::Output {
    match slot.as_mut() {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

fn kbps(bps: u64) -> u32 {
    u32::try_from(bps / 1_000).unwrap_or(u32::MAX)
}

fn body_of(error: &ClientError) -> ErrorBody {
    match error {
        ClientError::Refused(body) => body.clone(),
        other => ErrorBody::from(ErrorCode::Internal).with("client", other.code()),
    }
}
