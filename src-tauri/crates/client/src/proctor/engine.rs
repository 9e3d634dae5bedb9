//! The proctor's task: one link after another, one wall.

use super::{Command, ProctorConfig, ProctorEvent, SendTicket};
use crate::LinkState;
use crate::backoff::Backoff;
use crate::bounds::{KEYFRAME_INTERVAL, KEYFRAMES_AT_ONCE, MAX_COMMANDS, REQUEST_DEADLINE};
use crate::clock::{ServerClock, wall_us};
use crate::error::ClientError;
use crate::keeper::{Keeper, KeeperEvent, KeeperHandle, KeeperInput, bind_for};
use crate::link::{Incoming, Link};
use crate::outbox::Outbox;
use crate::session::{Entered, Identity, Session, is_final_code, refresh};
use crate::slots::pools_of;
use crate::subscriber::{SlotTable, SubscribeRole};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::intent::Intent;
use invigil_shared::publication::{Layer, PublicationRef};
use invigil_shared::signal::{ClientMessage, ServerMessage};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// How long leaving waits for the server's word.
const LEAVE_WAIT: Duration = Duration::from_secs(1);

#[derive(Clone)]
enum About {
    Message(SendTicket),
    Action,
}

type Pending<T> = Pin<Box<dyn Future<Output = Result<T, ClientError>> + Send>>;

pub(crate) struct Engine {
    config: ProctorConfig,
    clock: ServerClock,
    events: mpsc::Sender<ProctorEvent>,
    token: watch::Sender<String>,
}

/// Why a link's loop ended.
enum LinkEnd {
    Lost,
    Final(Option<ErrorCode>),
    Close(Option<oneshot::Sender<()>>),
}

struct Running {
    events: mpsc::Sender<ProctorEvent>,
    token: watch::Sender<String>,
    keeper: KeeperHandle<u16>,
    keeper_events: mpsc::Receiver<KeeperEvent>,
    link: watch::Sender<Option<Link>>,
    outbox: Outbox<About>,
    slots: Arc<SlotTable>,
    intents: Vec<Intent>,
    /// Pools of slots that lists have reached into so far.
    pools: u16,
    /// Of the newest wish list; begins at the wall clock, so that a restarted app's lists are newer than its old ones.
    revision: u64,
    /// The subscribing transport has been negotiated on this link.
    negotiated: bool,
    asked: HashMap<(PublicationRef, Layer), Instant>,
}

impl Engine {
    pub fn new(
        config: ProctorConfig,
        clock: ServerClock,
        events: mpsc::Sender<ProctorEvent>,
        token: watch::Sender<String>,
    ) -> Self {
        Self {
            config,
            clock,
            events,
            token,
        }
    }

    pub async fn run(self, mut commands: mpsc::Receiver<Command>) {
        let ProctorConfig {
            api,
            token,
            exam,
            info,
            media,
        } = self.config;
        let bind = bind_for(&api.authority().host, media.bind.as_ref());
        let mut session = Session::new(
            api.clone(),
            info,
            Identity::Person,
            exam,
            token,
            None,
            self.clock.clone(),
        );
        let (link, follow) = watch::channel(None);
        let (keeper_out, keeper_events) = mpsc::channel(MAX_COMMANDS);
        let slots = Arc::new(SlotTable::default());
        let role = SubscribeRole::new(slots.clone(), self.events.clone(), media.transform.clone());
        let mut running = Running {
            events: self.events,
            token: self.token,
            keeper: Keeper::start(role, &api, bind, (follow, session.ice.subscribe()), keeper_out),
            keeper_events,
            link,
            outbox: Outbox::new(),
            slots,
            intents: Vec::new(),
            pools: 1,
            revision: u64::try_from(wall_us()).unwrap_or(1),
            negotiated: false,
            asked: HashMap::new(),
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
            .try_send(ProctorEvent::Link(LinkState::Closed { reason }));
        let _ = running.events.try_send(ProctorEvent::Ended { reason });
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
        self.emit(ProctorEvent::Link(LinkState::Connecting)).await;
        loop {
            self.negotiated = false;
            let link = self.link.clone();
            let entering = Box::pin(session.enter(move |new| {
                link.send_replace(Some(new.clone()));
            }));
            match self.meanwhile(entering, commands).await {
                Ok(Ok(entered)) => {
                    backoff.reset();
                    told = None;
                    self.token.send_replace(session.token.clone());
                    let offline_us = offline_since.take().map(|since| wall_us().saturating_sub(since).max(0));
                    self.emit(ProctorEvent::Link(LinkState::Connected { offline_us })).await;
                    match self.serve(session, entered, commands).await {
                        LinkEnd::Lost => {}
                        end => return end,
                    }
                }
                Ok(Err(error)) => {
                    tracing::info!(%error, "no link");
                    if session.is_final(&error) {
                        let code = error.server_code();
                        self.emit(ProctorEvent::Error(body_of(&error))).await;
                        return LinkEnd::Final(code);
                    }
                    if !matches!(error, ClientError::Unreachable(_)) && told != Some(error.code()) {
                        told = Some(error.code());
                        self.emit(ProctorEvent::Error(body_of(&error))).await;
                    }
                }
                Err(done) => return LinkEnd::Close(done),
            }
            self.link.send_replace(None);
            if offline_since.is_none() {
                let since_us = wall_us();
                offline_since = Some(since_us);
                self.emit(ProctorEvent::Link(LinkState::Offline { since_us })).await;
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
                    Some(Command::Close(done) | Command::Leave(done)) => return Err(Some(done)),
                    Some(command) => self.command(command, None).await,
                    None => return Err(None),
                },
                Some(event) = self.keeper_events.recv() => {
                    self.keeper_event(event).await;
                }
            }
        }
    }

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
            early,
            ..
        } = entered;
        self.emit(ProctorEvent::RoomState(room)).await;
        self.outbox.resend(&link);
        for message in early {
            if let Some(end) = self.message(message).await {
                return end;
            }
        }
        let refresh_at = tokio::time::sleep(session.refresh_in());
        tokio::pin!(refresh_at);
        let mut refreshing: Option<Pending<(String, i64)>> = None;
        let mut subscribing: Option<Pending<ServerMessage>> = None;
        let mut sent = 0;
        loop {
            // One wish list at a time; a newer one supersedes those between.
            if subscribing.is_none() && self.negotiated && sent != self.revision {
                sent = self.revision;
                let message = ClientMessage::IntentsSet {
                    revision: self.revision,
                    intents: self.intents.clone(),
                };
                subscribing = Some(Box::pin(link.request(message)));
            }
            tokio::select! {
                message = incoming.recv() => match message {
                    Some(Incoming::Message(message)) => {
                        if let Some(end) = self.message(*message).await {
                            return end;
                        }
                    }
                    Some(Incoming::Closed(Some(code))) if is_final_code(code) => {
                        self.emit(ProctorEvent::Error(code.into())).await;
                        return LinkEnd::Final(Some(code));
                    }
                    Some(Incoming::Closed(_)) | None => return LinkEnd::Lost,
                },
                command = commands.recv() => match command {
                    Some(Command::Close(done)) => return LinkEnd::Close(Some(done)),
                    Some(Command::Leave(done)) => {
                        let left = link.request(ClientMessage::RoomLeave);
                        // Not said in time, it is as if the link had broken.
                        let _ = tokio::time::timeout(LEAVE_WAIT, left).await;
                        return LinkEnd::Close(Some(done));
                    }
                    Some(command) => self.command(command, Some(&link)).await,
                    None => return LinkEnd::Close(None),
                },
                answer = maybe(&mut subscribing) => {
                    subscribing = None;
                    match answer {
                        Ok(message) => {
                            if let Some(end) = self.message(message).await {
                                return end;
                            }
                        }
                        Err(ClientError::Unreachable(_)) => {}
                        Err(error) => self.emit(ProctorEvent::Error(body_of(&error))).await,
                    }
                }
                (about, answer) = self.outbox.answered() => self.answered(about, answer).await,
                () = &mut refresh_at, if refreshing.is_none() => {
                    refreshing = Some(Box::pin(refresh(link.clone(), session.info.clone())));
                }
                fresh = maybe(&mut refreshing) => {
                    refreshing = None;
                    match fresh {
                        Ok((token, expires_at)) => {
                            session.token = token.clone();
                            session.expires_at = Some(expires_at);
                            self.token.send_replace(token);
                        }
                        Err(error) => tracing::warn!(%error, "the token was not refreshed"),
                    }
                    refresh_at.as_mut().reset(tokio::time::Instant::now() + session.refresh_in());
                }
                Some(event) = self.keeper_events.recv() => {
                    if self.keeper_event(event).await {
                        // Another transport knows nothing of the list: it goes out again as a newer one.
                        self.revision += 1;
                    }
                }
            }
        }
    }

    async fn message(&mut self, message: ServerMessage) -> Option<LinkEnd> {
        let event = match message {
            ServerMessage::RoomState(room) => ProctorEvent::RoomState(room),
            ServerMessage::Subscribed { revision, bindings } => {
                // A decision about an older list may name what a slot no longer wants.
                if revision >= self.revision {
                    self.slots.bind(&bindings);
                }
                ProctorEvent::Bindings { revision, bindings }
            }
            ServerMessage::LayerSelected { slot, layer } => ProctorEvent::LayerSelected { slot, layer },
            ServerMessage::AudioLevels { levels } => {
                // Four a second: the newest replaces what was not read.
                let _ = self.events.try_send(ProctorEvent::Levels(levels));
                return None;
            }
            ServerMessage::ParticipantJoined { participant } => ProctorEvent::ParticipantJoined(participant),
            ServerMessage::ParticipantLeft { participant } => ProctorEvent::ParticipantLeft(participant),
            ServerMessage::ParticipantUpdated { participant } => ProctorEvent::ParticipantUpdated(participant),
            ServerMessage::PublicationAdded { publication } => ProctorEvent::PublicationAdded(publication),
            ServerMessage::PublicationRemoved { source } => ProctorEvent::PublicationRemoved(source),
            ServerMessage::PublicationUpdated { participant, freshness } => {
                ProctorEvent::Freshness { participant, freshness }
            }
            ServerMessage::TimelineEntry { entry } => ProctorEvent::Timeline(entry),
            ServerMessage::MessageReceived { message } => ProctorEvent::MessageReceived(message),
            ServerMessage::MessageAcknowledged { message, at } => ProctorEvent::MessageAcknowledged { message, at },
            ServerMessage::BroadcastUpdated { message, reach } => ProctorEvent::Reached { message, reach },
            ServerMessage::Action { at, action } => ProctorEvent::Action { at, action },
            ServerMessage::AttentionLooked { participant, at } => ProctorEvent::AttentionLooked { participant, at },
            ServerMessage::Assignments { ratio, proctors } => ProctorEvent::Assignments { ratio, proctors },
            ServerMessage::ExamUpdated {
                status,
                ends_at,
                time_left,
                ..
            } => ProctorEvent::ExamUpdated {
                status,
                ends_at,
                time_left,
            },
            ServerMessage::TransportClosed { transport } => {
                let _ = self.keeper.input.send(KeeperInput::Closed(transport)).await;
                return None;
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
                return None;
            }
            ServerMessage::Error { error } => {
                let code = error.code;
                self.emit(ProctorEvent::Error(error)).await;
                return is_final_code(code).then_some(LinkEnd::Final(Some(code)));
            }
            _ => return None,
        };
        self.emit(event).await;
        None
    }

    async fn command(&mut self, command: Command, link: Option<&Link>) {
        let kept = match command {
            Command::Intents(intents) => {
                self.slots.want(&intents);
                let pools = pools_of(&intents);
                if pools > self.pools {
                    self.pools = pools;
                    let _ = self.keeper.input.send(KeeperInput::Role(pools)).await;
                }
                self.intents = intents;
                self.revision += 1;
                Ok(())
            }
            Command::Send { ticket, to, kind, text } => {
                let message = ClientMessage::MessageSend {
                    to: Some(to),
                    kind,
                    text,
                };
                self.outbox.push(About::Message(ticket), message, link)
            }
            Command::Broadcast { ticket, audience, text } => {
                let message = ClientMessage::MessageBroadcast { audience, text };
                self.outbox.push(About::Message(ticket), message, link)
            }
            Command::Act(action) => self.outbox.push(About::Action, ClientMessage::Action { action }, link),
            Command::Look(participant) => {
                // Lost while offline: nothing was looked at then.
                if let Some(link) = link {
                    link.notify(ClientMessage::AttentionLook { participant });
                }
                Ok(())
            }
            Command::Keyframe { source, layer } => {
                self.keyframe(source, layer, link);
                Ok(())
            }
            Command::NetworkChanged => {
                let _ = self.keeper.input.send(KeeperInput::NetworkChanged).await;
                Ok(())
            }
            Command::Close(_) | Command::Leave(_) => Ok(()), // taken where commands are received
        };
        if let Err(error) = kept {
            self.emit(ProctorEvent::Error(body_of(&error))).await;
        }
    }

    fn keyframe(&mut self, source: PublicationRef, layer: Layer, link: Option<&Link>) {
        let now = Instant::now();
        self.asked.retain(|_, at| now.duration_since(*at) < KEYFRAME_INTERVAL);
        if self.asked.contains_key(&(source, layer)) || self.asked.len() >= KEYFRAMES_AT_ONCE {
            return;
        }
        if link.is_some_and(|link| link.notify(ClientMessage::KeyframeRequest { source, layer })) {
            self.asked.insert((source, layer), now);
        }
    }

    async fn answered(&mut self, about: About, answer: Result<ServerMessage, ClientError>) {
        let event = match (about, answer) {
            (About::Message(ticket), Ok(ServerMessage::MessageSent { message, at, delivered })) => {
                ProctorEvent::MessageSent {
                    ticket,
                    result: Ok((message, at, delivered)),
                }
            }
            (About::Message(ticket), Err(error)) => ProctorEvent::MessageSent {
                ticket,
                result: Err(body_of(&error)),
            },
            (About::Action, Err(error)) => ProctorEvent::ActionRefused(body_of(&error)),
            (_, Ok(_)) => return,
        };
        self.emit(event).await;
    }

    /// True when the wish list has to go out again.
    async fn keeper_event(&mut self, event: KeeperEvent) -> bool {
        match event {
            KeeperEvent::Media(state) => self.emit(ProctorEvent::Media(state)).await,
            KeeperEvent::Refused(error) => self.emit(ProctorEvent::Error(error)).await,
            KeeperEvent::Negotiated => {
                return !std::mem::replace(&mut self.negotiated, true) || !self.intents.is_empty();
            }
            KeeperEvent::Published { .. } | KeeperEvent::Path { .. } => {}
        }
        false
    }

    /// Waits for a reader that is behind, but not for ever: a link whose task waits must not die of it.
    async fn emit(&self, event: ProctorEvent) {
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

fn body_of(error: &ClientError) -> ErrorBody {
    match error {
        ClientError::Refused(body) => body.clone(),
        other => ErrorBody::from(ErrorCode::Internal).with("client", other.code()),
    }
}
