//! Keeps one transport standing over every link: negotiates, watches the path, restarts ICE, builds anew.
//!
//! A dead path (no datagram for a second, a socket error) restarts ICE at once; when that does not help within
//! [`crate::bounds::RESTART_DEADLINE`] the transport is built anew. A new link restarts ICE on the transport that stands, because the server
//! may have forgotten it; when it has, a new one is built.

mod judge;
mod ways;

use crate::MediaState;
use crate::backoff::Backoff;
use crate::bounds::MAX_COMMANDS;
use crate::error::ClientError;
use crate::ice::IceSetup;
use crate::link::Link;
use crate::peer::carrier::{Carrier, Target};
use crate::peer::path::SendPath;
use crate::peer::stream::Targets;
use crate::peer::{Peer, PeerEvent, Way};
use crate::rest::Api;
use crate::trust::{CertificateTrust, relay_tls_config};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::TransportId;
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_shared::signal::{ClientMessage, Direction, ServerMessage};
use judge::{PathFacts, Verdict};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use ways::{MAX_UNTRIED, UdpLook, look_for_udp, try_others, wants_relay};
use webrtc::media_stream::track_remote::TrackRemote;

/// How often the path is looked at.
const TICK: Duration = Duration::from_millis(100);

/// What a transport carries. Methods run on the keeper's task.
pub(crate) trait Role: Send + 'static {
    type Input: Send + 'static;
    const WAY: Way;

    /// Something is to be carried.
    fn wanted(&self) -> bool;
    fn input(&mut self, input: Self::Input, link: Option<&Link>);
    /// Adds the m-lines that `peer` lacks; true when there were any.
    fn prepare(&mut self, peer: &Peer) -> impl Future<Output = Result<bool, ClientError>> + Send;
    /// After an answer. `anew`: the link or the transport is another one than before.
    fn announce(&mut self, link: &Link, anew: bool) -> impl Future<Output = Vec<KeeperEvent>> + Send;
    /// The transport stands, or has more lines than before. `revived`: its path was dead, so what was on it is lost.
    fn connected(&mut self, revived: bool) -> impl Future<Output = Result<(), ClientError>> + Send;
    /// The transport is gone.
    fn lost(&mut self);
    fn track(&mut self, peer: &Peer, track: Arc<dyn TrackRemote>);
    /// Something has to be said to the server: the keeper calls `announce`.
    fn dirty(&self) -> bool;
    /// Watches the path, on a transport that sends.
    fn path(&self) -> Option<Arc<SendPath>> {
        None
    }
}

pub(crate) enum KeeperInput<I> {
    Role(I),
    Candidate {
        transport: TransportId,
        candidate: String,
        mid: String,
    },
    Closed(TransportId),
    NetworkChanged,
}

#[derive(Debug)]
pub(crate) enum KeeperEvent {
    Media(MediaState),
    /// The server has answered an offer: what depends on the transport can be said now.
    Negotiated,
    Published {
        key: PublicationKey,
        demand: Vec<Layer>,
    },
    Refused(ErrorBody),
    /// Figures for `stats:report`, once a second: loss per mille, sent and received bytes since the start.
    Path {
        lost_permille: u16,
        sent: u64,
        received: u64,
    },
}

/// The engine's end of a keeper.
pub(crate) struct KeeperHandle<I> {
    pub input: mpsc::Sender<KeeperInput<I>>,
    task: tokio::task::JoinHandle<()>,
}

impl<I> KeeperHandle<I> {
    /// Ends the keeper and its transport.
    pub async fn close(self, deadline: Duration) {
        drop(self.input);
        let mut task = self.task;
        if tokio::time::timeout(deadline, &mut task).await.is_err() {
            task.abort();
        }
    }
}

pub(crate) struct Keeper<R: Role> {
    role: R,
    bind: Vec<String>,
    targets: Arc<Targets>,
    trust: CertificateTrust,
    /// What carried last on this network.
    last: Carrier,
    link: watch::Receiver<Option<Link>>,
    ice: watch::Receiver<Option<IceSetup>>,
    output: mpsc::Sender<KeeperEvent>,
    backoff: Backoff,
    retry_at: Option<Instant>,
}

struct Live {
    peer: Peer,
    transport: Option<TransportId>,
    /// Ways of the last negotiation that were not tried yet, with their m-line.
    untried: Vec<(Target, String)>,
    /// The link on which the last answer came.
    negotiated_on: u64,
    since: Instant,
    connected: bool,
    restart_wanted: bool,
    restarted: Option<Instant>,
    reported: Instant,
    look: UdpLook,
}

impl<R: Role> Keeper<R> {
    /// `api`: whose host and trust also serve media inside TLS. Nothing is offered before the server has said how media get there.
    pub fn start(
        role: R,
        api: &Api,
        bind: Vec<String>,
        (link, ice): (watch::Receiver<Option<Link>>, watch::Receiver<Option<IceSetup>>),
        output: mpsc::Sender<KeeperEvent>,
    ) -> KeeperHandle<R::Input> {
        let (input, input_end) = mpsc::channel(MAX_COMMANDS);
        let keeper = Self {
            role,
            bind,
            targets: Arc::new(Targets::new(api.authority().clone(), api.tls())),
            trust: api.trust(),
            last: Carrier::Udp,
            link,
            ice,
            output,
            backoff: Backoff::default(),
            retry_at: None,
        };
        KeeperHandle {
            input,
            task: tokio::spawn(keeper.run(input_end)),
        }
    }

    async fn run(mut self, mut input: mpsc::Receiver<KeeperInput<R::Input>>) {
        let mut live: Option<Live> = None;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if let Err(error) = self.work(&mut live).await {
                tracing::info!(%error, "a transport is given up");
                self.report(&error).await;
                self.drop_live(&mut live).await;
            }
            let event = async {
                match live.as_mut() {
                    Some(live) => live.peer.events.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.link.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    // A new link may succeed where the old one did not.
                    self.retry_at = None;
                }
                changed = self.ice.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    // Other credentials: relays forget the old ones in their time.
                    if let Some(live) = live.as_mut().filter(|live| live.connected && live.peer.is_relayed()) {
                        live.restart_wanted = true;
                    }
                }
                command = input.recv() => match command {
                    Some(command) => self.command(command, &mut live).await,
                    None => break,
                },
                event = event => self.event(event, &mut live).await,
                _ = tick.tick() => self.tick(&mut live).await,
            }
        }
        self.role.lost();
        if let Some(live) = live.take() {
            if let (Some(transport), Some(link)) = (live.transport, self.link.borrow().clone()) {
                link.notify(ClientMessage::TransportClose { transport });
            }
            live.peer.close().await;
        }
    }

    /// Brings the transport to where it should be, as far as the link allows.
    async fn work(&mut self, live: &mut Option<Live>) -> Result<(), ClientError> {
        if !self.role.wanted() || self.retry_at.is_some_and(|at| at > Instant::now()) {
            return Ok(());
        }
        let relayed = self.goes_by_relay();
        if let Some(other) = live.take_if(|live| live.peer.is_relayed() != relayed) {
            self.leave(other).await;
        }
        if live.is_none() {
            self.emit(KeeperEvent::Media(MediaState::Connecting)).await;
            let relay = match relayed {
                true => Some(relay_tls_config(self.trust)?),
                false => None,
            };
            let servers = self
                .ice
                .borrow()
                .as_ref()
                .map(|ice| ice.servers.clone())
                .unwrap_or_default();
            let now = Instant::now();
            *live = Some(Live {
                peer: Box::pin(Peer::build(
                    R::WAY,
                    self.bind.clone(),
                    self.role.path(),
                    self.targets.clone(),
                    relay.map(|tls| (tls, servers.as_slice())),
                ))
                .await?,
                transport: None,
                untried: Vec::new(),
                negotiated_on: 0,
                since: now,
                connected: false,
                restart_wanted: false,
                restarted: None,
                reported: now,
                look: UdpLook::new(now),
            });
        }
        let Some(live) = live.as_mut() else { return Ok(()) };
        let lines = self.role.prepare(&live.peer).await?;
        let Some(link) = self.link.borrow_and_update().clone() else {
            return Ok(());
        };
        let Some(ice) = self.ice.borrow_and_update().clone() else {
            return Ok(());
        };
        let anew = live.transport.is_none() || live.negotiated_on != link.generation;
        if !(anew || lines || live.restart_wanted) {
            if self.role.dirty() {
                self.announce(&link, false).await;
            }
            return Ok(());
        }
        let restart = live.transport.is_some() && (live.restart_wanted || live.negotiated_on != link.generation);
        live.untried.clear();
        if restart {
            live.peer.renew_relays(&ice.servers).await?;
        }
        negotiate::<R>(live, &link, restart).await?;
        live.negotiated_on = link.generation;
        live.since = Instant::now();
        live.restart_wanted = false;
        if restart {
            live.restarted = Some(Instant::now());
        }
        self.emit(KeeperEvent::Negotiated).await;
        self.announce(&link, anew).await;
        if live.connected {
            self.role.connected(false).await?; // new m-lines on a transport that stands
        }
        Ok(())
    }

    /// Whether media has to go through a TURN server: policy wants it, or nothing else got through on this network.
    fn goes_by_relay(&self) -> bool {
        let ice = self.ice.borrow();
        ice.as_ref()
            .is_some_and(|ice| ice.relay_only || self.last == Carrier::Relay && ice.has_relay())
    }

    /// Whether policy leaves the straight ways open.
    fn may_go_straight(&self) -> bool {
        self.ice.borrow().as_ref().is_some_and(|ice| !ice.relay_only)
    }

    async fn announce(&mut self, link: &Link, anew: bool) {
        for event in self.role.announce(link, anew).await {
            self.emit(event).await;
        }
    }

    async fn command(&mut self, command: KeeperInput<R::Input>, live: &mut Option<Live>) {
        match command {
            KeeperInput::Role(input) => {
                let link = self.link.borrow().clone();
                self.role.input(input, link.as_ref());
            }
            KeeperInput::Candidate {
                transport,
                candidate,
                mid,
            } => {
                let Some(live) = live.as_mut().filter(|l| l.transport == Some(transport)) else {
                    return;
                };
                match Target::parse(&candidate) {
                    Some(_) if live.peer.is_relayed() => {}
                    Some(target) if live.untried.len() < MAX_UNTRIED => live.untried.push((target, mid)),
                    Some(_) => {}
                    None => {
                        if let Err(error) = live.peer.add_candidate(candidate, mid).await {
                            tracing::debug!(%error, "a candidate was not taken");
                        }
                    }
                }
                try_others(live, self.last).await;
            }
            KeeperInput::Closed(transport) => {
                if live.as_ref().is_some_and(|l| l.transport == Some(transport)) {
                    tracing::info!("the server closed the transport");
                    self.drop_live(live).await;
                }
            }
            KeeperInput::NetworkChanged => {
                // Another network may let more through.
                self.last = Carrier::Udp;
                if let Some(live) = live.as_mut().filter(|l| l.connected) {
                    live.look = UdpLook::new(Instant::now());
                    live.restart_wanted = true;
                }
            }
        }
    }

    async fn event(&mut self, event: Option<PeerEvent>, live: &mut Option<Live>) {
        let Some(current) = live.as_mut() else { return };
        match event {
            Some(PeerEvent::Connected) => {
                let first = !std::mem::replace(&mut current.connected, true);
                if first {
                    self.last = current.peer.tap.carrier();
                    tracing::debug!(after = ?current.since.elapsed(), by = ?self.last, "a transport stands");
                    self.backoff.reset();
                    if let Err(error) = self.role.connected(false).await {
                        self.report(&error).await;
                        self.drop_live(live).await;
                        return;
                    }
                    self.emit(KeeperEvent::Media(MediaState::Connected)).await;
                }
            }
            Some(PeerEvent::Track(track)) => self.role.track(&current.peer, track),
            Some(PeerEvent::Failed) | None => self.drop_live(live).await,
        }
    }

    async fn tick(&mut self, live: &mut Option<Live>) {
        let Some(current) = live.as_mut() else { return };
        try_others(current, self.last).await;
        if !current.peer.is_relayed() && wants_relay(current, self.last) && self.may_go_straight() {
            let has_relay = self.ice.borrow().as_ref().is_some_and(IceSetup::has_relay);
            if has_relay {
                tracing::info!("nothing gets through: a relay is tried");
                self.last = Carrier::Relay;
                return; // `work` builds it
            }
        }
        let tap = current.peer.tap.clone();
        let facts = PathFacts {
            dead: tap.is_dead(),
            connected: current.connected,
            silence: tap.silence(),
            failed: tap.take_failure(),
            // Without a negotiation there is nothing to be late with.
            age: if current.transport.is_some() {
                current.since.elapsed()
            } else {
                Duration::ZERO
            },
            restarted: current.restarted.map(|at| at.elapsed()),
        };
        match facts.judge() {
            Verdict::Fine => {}
            Verdict::Restart => {
                if !current.restart_wanted {
                    tracing::info!(silence = ?facts.silence, failed = facts.failed, "a path is dead");
                    current.restart_wanted = true;
                    self.emit(KeeperEvent::Media(MediaState::Interrupted)).await;
                }
            }
            Verdict::Recovered => {
                current.restarted = None;
                self.last = tap.carrier();
                tracing::info!(after = ?facts.restarted, by = ?self.last, "a path is back");
                if let Err(error) = self.role.connected(true).await {
                    self.report(&error).await;
                }
                self.emit(KeeperEvent::Media(MediaState::Connected)).await;
            }
            Verdict::Rebuild => {
                tracing::info!(?facts, "a transport is built anew");
                self.drop_live(live).await;
                return;
            }
        }
        if current.connected && self.may_go_straight() && look_for_udp(current, self.last, &self.bind).await {
            tracing::info!("UDP gets through again");
            self.last = Carrier::Udp;
            // Off a relay leads only another transport, which `work` builds.
            current.restart_wanted = !current.peer.is_relayed();
        }
        if current.reported.elapsed() >= Duration::from_secs(1) {
            current.reported = Instant::now();
            use std::sync::atomic::Ordering::Relaxed;
            let lost = tap.fraction_lost.load(Relaxed) * 1000 / 256;
            let event = KeeperEvent::Path {
                lost_permille: u16::try_from(lost).unwrap_or(1000),
                sent: tap.sent_bytes.load(Relaxed),
                received: tap.received_bytes.load(Relaxed),
            };
            self.emit(event).await;
        }
    }

    async fn drop_live(&mut self, live: &mut Option<Live>) {
        self.retry_at = Some(Instant::now() + self.backoff.next(rand::random()));
        let Some(old) = live.take() else { return };
        let state = if old.peer.is_relayed() && !old.connected {
            // Where policy allows, everything else has its turn again.
            self.last = Carrier::Udp;
            MediaState::Blocked
        } else {
            MediaState::Interrupted
        };
        self.emit(KeeperEvent::Media(state)).await;
        self.leave(old).await;
    }

    async fn leave(&mut self, old: Live) {
        self.role.lost();
        // A server that was met on another link may not know this transport.
        let link = self
            .link
            .borrow()
            .clone()
            .filter(|link| link.generation == old.negotiated_on);
        if let (Some(transport), Some(link)) = (old.transport, link) {
            link.notify(ClientMessage::TransportClose { transport });
        }
        old.peer.close().await;
    }

    async fn report(&mut self, error: &ClientError) {
        if let ClientError::Refused(body) = error
            && body.code != ErrorCode::TransportUnknown
        {
            self.emit(KeeperEvent::Refused(body.clone())).await;
        }
        if let ClientError::RelayUnreachable = error {
            self.emit(KeeperEvent::Media(MediaState::Blocked)).await;
        }
    }

    fn emit(&self, event: KeeperEvent) -> impl Future<Output = ()> + Send + 'static + use<R> {
        let output = self.output.clone();
        async move {
            let _ = output.send(event).await;
        }
    }
}

async fn negotiate<R: Role>(live: &mut Live, link: &Link, restart: bool) -> Result<(), ClientError> {
    // The offer is made while the server makes the transport.
    let created = match live.transport {
        Some(_) => None,
        None => {
            let direction = if R::WAY == Way::Send {
                Direction::Publish
            } else {
                Direction::Subscribe
            };
            Some(link.request(ClientMessage::TransportCreate { direction }))
        }
    };
    let sdp = live.peer.offer(restart).await?;
    let transport = match (live.transport, created) {
        (Some(transport), _) => transport,
        (None, Some(created)) => match created.await? {
            ServerMessage::TransportCreated { transport } => transport,
            _ => return Err(ClientError::BadAnswer("transport:create".to_owned())),
        },
        (None, None) => return Err(ClientError::Closed),
    };
    live.transport = Some(transport);
    match link.request(ClientMessage::SdpOffer { transport, sdp }).await? {
        ServerMessage::SdpAnswer { sdp, .. } => live.peer.answer(sdp).await,
        _ => Err(ClientError::BadAnswer("sdp:offer".to_owned())),
    }
}

/// Local addresses for UDP. A wildcard bind skips loopback, so a server on this machine is told apart by its name.
pub(crate) fn bind_for(host: &str, wanted: Option<&Vec<String>>) -> Vec<String> {
    if let Some(bind) = wanted {
        return bind.clone();
    }
    match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) if ip.is_loopback() => vec!["127.0.0.1:0".to_owned()],
        Ok(std::net::IpAddr::V6(ip)) if ip.is_loopback() => vec!["[::1]:0".to_owned(), "127.0.0.1:0".to_owned()],
        _ if host == "localhost" => vec!["127.0.0.1:0".to_owned()],
        _ => vec!["0.0.0.0:0".to_owned(), "[::]:0".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_servers_get_loopback_sockets() {
        assert_eq!(bind_for("127.0.0.1", None), ["127.0.0.1:0"]);
        assert_eq!(bind_for("exam.example", None), ["0.0.0.0:0", "[::]:0"]);
        assert_eq!(bind_for("::1", Some(&vec!["10.0.0.1:0".to_owned()])), ["10.0.0.1:0"]);
    }
}
