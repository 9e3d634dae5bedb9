//! The thread of a shard: datagrams, letters and time go into its core, and what the core says goes out.

use super::mesh::{Port, mesh};
use super::socket::{BatchSocket, MAX_SOCKETS, linger, wait};
use super::tcp::{self, TcpLane};
use super::{Event, ShardConfig, ShardError, ShardExit, ShardFigures, ShardHandle, ShardId, Started};
use crate::core::transport::Keying;
use crate::core::{CoreConfig, HOLD, Shard};
use crate::shard::mailbox::{Letter, Mailbox};
use crate::shard::waker::Waker;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Receive calls in a row before letters and timers get their turn: 4 x 64 datagrams are about a millisecond of work.
const RECEIVE_ROUNDS: usize = 4;
/// Bytes that are ready before they are sent: what was written last is then still in the processor's first cache when the kernel
/// copies it.
const READY_BYTES: usize = 16 * 1024;
/// Between two looks for the rest of a frame that is held.
const LINGER: Duration = Duration::from_micros(100);
/// Events that wait for a control that is busy.
const MAX_BACKLOG: usize = 16_384;
/// How soon a backlog is tried again.
const BACKLOG_RETRY: Duration = Duration::from_millis(5);
/// Ports that are tried for one that is free for UDP and for TCP.
const FREE_PORT_TRIES: u32 = 16;

/// Binds the sockets of all shards, connects the shards with each other, and starts their threads.
pub(super) fn spawn(
    configs: &[ShardConfig],
    events: &mpsc::Sender<(ShardId, Event)>,
) -> Result<Vec<Started>, ShardError> {
    let start = |(handle, worker): (ShardHandle, Worker)| {
        let thread = std::thread::Builder::new()
            .name(format!("shard-{}", worker.id))
            .spawn(move || worker.run_guarded())
            .map_err(ShardError::Thread)?;
        Ok((handle, thread))
    };
    prepare(configs, events)?.into_iter().map(start).collect()
}

/// Everything but the threads.
fn prepare(
    configs: &[ShardConfig],
    events: &mpsc::Sender<(ShardId, Event)>,
) -> Result<Vec<(ShardHandle, Worker)>, ShardError> {
    let mut prepared = Vec::with_capacity(configs.len());
    let mut first: Vec<SocketAddr> = Vec::new();
    for (at, config) in (0u16..).zip(configs) {
        let (sockets, listeners) = bind(config, |family| following(&first, family, at))?;
        if first.is_empty() {
            first.extend(sockets.iter().map(BatchSocket::local));
        }
        let addresses: Vec<SocketAddr> = sockets.iter().map(BatchSocket::local).collect();
        let candidates = announced(&addresses, &config.announce)?;
        let waker = Arc::new(Waker::new().map_err(ShardError::Thread)?);
        let (gate, tcp) = tcp::lane(config.id, Arc::clone(&waker), candidates.clone(), listeners);
        prepared.push((config, sockets, addresses, candidates, (gate, tcp), waker));
    }
    let wakers: Vec<_> = prepared
        .iter()
        .map(|(config, .., waker)| (config.id, Arc::clone(waker)))
        .collect();
    let unix_us = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as i64);
    let mut workers = Vec::with_capacity(configs.len());
    for ((config, sockets, addresses, candidates, (gate, tcp), waker), port) in prepared.into_iter().zip(mesh(&wakers))
    {
        let siblings = configs.iter().map(|other| other.id).filter(|other| *other != config.id);
        let core = CoreConfig {
            shard: config.id,
            siblings: siblings.collect(),
            candidates,
            identity: Arc::clone(&config.certificate),
            keying: Keying::Dtls,
            seed: config.seed,
            unix_us,
        };
        let (handle, mailbox) = Mailbox::new(waker, addresses);
        let handle = handle.with_tcp(gate);
        let worker = Worker {
            id: config.id,
            core: Shard::new(core, Instant::now()),
            sockets,
            tcp,
            mailbox,
            letters: VecDeque::new(),
            port,
            relays_held: None,
            dropped: 0,
            events: events.clone(),
            backlog: VecDeque::new(),
            lost_events: 0,
            unsent: 0,
            thread: None,
        };
        workers.push((handle, worker));
    }
    Ok(workers)
}

/// The address that many ports behind the first shard's of the same IP, so that the ports of all shards follow each other also
/// where the system chose the first: a restart that names that one gets the same ones again.
fn following(first: &[SocketAddr], wanted: SocketAddr, at: u16) -> Option<SocketAddr> {
    let own = first.iter().find(|address| address.ip() == wanted.ip())?;
    Some(SocketAddr::new(own.ip(), own.port().checked_add(at)?))
}

/// Binds a shard's sockets and listeners; `preferred` names a port to try where any will do.
fn bind(
    config: &ShardConfig,
    preferred: impl Fn(SocketAddr) -> Option<SocketAddr>,
) -> Result<(Vec<BatchSocket>, Vec<TcpListener>), ShardError> {
    if config.bind.is_empty() {
        return Err(ShardError::NoAddress);
    }
    if config.bind.len() > MAX_SOCKETS {
        return Err(ShardError::TooManyAddresses);
    }
    let mut sockets = Vec::with_capacity(config.bind.len());
    let mut listeners = Vec::with_capacity(config.bind.len());
    for &address in &config.bind {
        let preferred = Some(address).filter(|any| any.port() == 0).and_then(&preferred);
        let near = preferred.and_then(|address| bind_both(address).ok());
        let (mut socket, listener) = match near {
            Some(both) => both,
            None => bind_both(address).map_err(|source| ShardError::Bind { address, source })?,
        };
        if !config.segments {
            socket.forbid_segments();
        }
        sockets.push(socket);
        listeners.push(listener);
    }
    Ok((sockets, listeners))
}

/// Binds UDP and TCP to one port number.
fn bind_both(address: SocketAddr) -> std::io::Result<(BatchSocket, TcpListener)> {
    let mut tries = if address.port() == 0 { FREE_PORT_TRIES } else { 1 };
    loop {
        let socket = BatchSocket::bind(address)?;
        tries -= 1;
        match tcp::bind(socket.local()) {
            Ok(listener) => return Ok((socket, listener)),
            Err(error) if tries > 0 && error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
}

/// What clients are told: the given addresses with the port of their family's socket, or what the sockets are bound to.
fn announced(bound: &[SocketAddr], given: &[IpAddr]) -> Result<Vec<SocketAddr>, ShardError> {
    let mut addresses = Vec::new();
    for socket in bound {
        let port = socket.port();
        let of_family: Vec<IpAddr> = given
            .iter()
            .copied()
            .filter(|ip| ip.is_ipv4() == socket.is_ipv4())
            .collect();
        if !of_family.is_empty() {
            addresses.extend(of_family.into_iter().map(|ip| SocketAddr::new(ip, port)));
        } else if !socket.ip().is_unspecified() {
            addresses.push(*socket);
        } else if given.is_empty() {
            addresses.extend(own_address(socket.ip()).map(|ip| SocketAddr::new(ip, port)));
        }
    }
    addresses.dedup();
    if addresses.is_empty() {
        Err(ShardError::NothingToAnnounce)
    } else {
        Ok(addresses)
    }
}

/// The address that this machine uses towards others: what a socket gets that is pointed at a documentation address
/// (RFC 5737, RFC 3849). Nothing is sent.
fn own_address(unspecified: IpAddr) -> Option<IpAddr> {
    let far: IpAddr = if unspecified.is_ipv4() {
        Ipv4Addr::new(192, 0, 2, 1).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()
    };
    let probe = UdpSocket::bind((unspecified, 0)).ok()?;
    probe.connect((far, 9)).ok()?;
    probe
        .local_addr()
        .ok()
        .map(|address| address.ip())
        .filter(|ip| !ip.is_unspecified())
}

/// The id that the system knows this thread by.
fn own_thread() -> Option<u32> {
    let path = std::fs::read_link("/proc/thread-self").ok()?;
    path.file_name()?.to_str()?.parse().ok()
}

struct Worker {
    id: ShardId,
    core: Shard,
    sockets: Vec<BatchSocket>,
    tcp: TcpLane,
    mailbox: Mailbox,
    letters: VecDeque<Letter>,
    port: Port,
    /// Until when packets for siblings wait for the rest of a frame.
    relays_held: Option<Instant>,
    /// Packets of siblings that came too late to be forwarded.
    dropped: u64,
    events: mpsc::Sender<(ShardId, Event)>,
    backlog: VecDeque<Event>,
    lost_events: u64,
    /// Datagrams that the kernel did not take.
    unsent: u64,
    thread: Option<u32>,
}

impl Worker {
    /// Runs to the end. A panic is a bug of ours: it is caught here and logged, and the exit says what happened. Siblings and
    /// control learn of the end however it came.
    fn run_guarded(mut self) -> ShardExit {
        let id = self.id;
        self.thread = own_thread();
        let exit = catch_unwind(AssertUnwindSafe(|| self.run())).unwrap_or_else(|panic| {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            tracing::error!(shard = %id, panic = text.unwrap_or("unknown"), "the shard panicked and has stopped");
            ShardExit::Panicked
        });
        drop(std::mem::take(&mut self.port));
        self.mailbox.close(exit);
        exit
    }

    fn run(&mut self) -> ShardExit {
        loop {
            if let Some(exit) = self.turn() {
                return exit;
            }
        }
    }

    /// One turn: everybody who has something is served once, each to a bound, then what came of it goes out. Some(): the end.
    fn turn(&mut self) -> Option<ShardExit> {
        let stop = self.mailbox.should_stop();
        self.mailbox.take(&mut self.letters);
        self.port.read(Instant::now(), &mut self.core);
        self.read_letters();
        let more = match self.receive() {
            Ok(more) => more,
            Err(error) => {
                tracing::error!(shard = %self.id, %error, "the shard's socket failed");
                return Some(ShardExit::SocketFailed);
            }
        };
        let lines_wait = self.tcp.receive(&mut self.core);
        let now = Instant::now();
        if self.core.poll_timeout().is_some_and(|at| at <= now) {
            self.core.handle_timeout(now);
        }
        self.fan_out(now);
        // Siblings as well are woken for a frame, and not for each packet of it.
        let holds = self.core.held_until().is_some() && now < *self.relays_held.get_or_insert(now + HOLD);
        if !holds || stop {
            self.relays_held = None;
            self.port.write(&mut self.core);
        }
        self.transmit();
        self.tell();
        if stop {
            return Some(ShardExit::Stopped);
        }
        let mut timeout = self
            .core
            .poll_timeout()
            .map(|at| at.saturating_duration_since(Instant::now()));
        if !self.backlog.is_empty() {
            timeout = Some(timeout.map_or(BACKLOG_RETRY, |timeout| timeout.min(BACKLOG_RETRY)));
        }
        if more || lines_wait {
            // Also then: only this finds out that another socket, or the mailbox, has something as well.
            timeout = Some(Duration::ZERO);
        }
        let waker = self.mailbox.waker();
        // What is held goes on in a moment: being woken by each packet of it would cost more than to look again.
        let waited = match self.core.held_until() {
            Some(_) if timeout != Some(Duration::ZERO) => linger(&mut self.sockets, waker, LINGER),
            _ => wait(&mut self.sockets, waker, timeout),
        };
        if let Err(error) = waited {
            tracing::error!(shard = %self.id, %error, "waiting for datagrams failed");
            return Some(ShardExit::SocketFailed);
        }
        None
    }

    fn read_letters(&mut self) {
        while let Some(letter) = self.letters.pop_front() {
            let (command, reply) = match letter {
                Letter::Command(command, reply) => (command, reply),
                Letter::Figures(reply) => {
                    // Whoever asked may have given up.
                    let _ = reply.send(self.figures());
                    continue;
                }
                Letter::Paths(reply) => {
                    let _ = reply.send(self.core.paths());
                    continue;
                }
            };
            let result = self.core.handle_command(Instant::now(), command);
            // Before the reply: what control asks of another shard then finds it there.
            self.port.write(&mut self.core);
            match reply {
                // Whoever asked may have given up.
                Some(reply) => drop(reply.send(result)),
                None => {
                    if let Err(error) = result {
                        tracing::debug!(shard = %self.id, %error, "a command without a reply was refused");
                    }
                }
            }
        }
    }

    fn figures(&self) -> ShardFigures {
        ShardFigures {
            tally: self.core.tally(),
            gauges: self.core.gauges(),
            unsent: self.unsent,
            late: self.dropped,
            backlog: self.backlog.len(),
            lost_events: self.lost_events,
            thread: self.thread,
        }
    }

    /// True when more may be waiting.
    fn receive(&mut self) -> std::io::Result<bool> {
        let mut more = false;
        for at in 0..self.sockets.len() {
            for _ in 0..RECEIVE_ROUNDS {
                let Some(socket) = self.sockets.get_mut(at).filter(|socket| socket.is_ready()) else {
                    break;
                };
                let (now, local) = (Instant::now(), socket.local());
                let core = &mut self.core;
                socket.receive(|from, datagram| core.read(now, from, local, datagram))?;
                self.fan_out(now);
            }
            more |= self.sockets.get(at).is_some_and(BatchSocket::is_ready);
        }
        Ok(more)
    }

    fn fan_out(&mut self, now: Instant) {
        while self.core.fan_out(now, READY_BYTES) {
            self.transmit();
        }
    }

    fn transmit(&mut self) {
        if self.core.transmits().next().is_none() {
            return;
        }
        self.tcp.transmit(&self.core);
        for socket in &mut self.sockets {
            let local = socket.local();
            let mut runs = self
                .core
                .transmits()
                .flat_map(|batch| batch.runs().iter().map(move |run| (batch.bytes(), run)))
                .filter(|(_, run)| run.source == local);
            let sent = socket.send(&mut runs);
            if sent.dropped > 0 {
                self.unsent += sent.dropped;
                tracing::debug!(shard = %self.id, dropped = sent.dropped, "the kernel refused datagrams");
            }
        }
        self.core.clear_transmits();
    }

    fn tell(&mut self) {
        let late = self.port.take_dropped(&self.core);
        if late > 0 {
            let before = self.dropped;
            self.dropped += late;
            // Logged when the number of its digits in base 2 grows: an overload must not fill the log as well.
            if before.checked_ilog2() != self.dropped.checked_ilog2() {
                tracing::warn!(shard = %self.id, dropped = self.dropped, "packets of other shards come faster than they can be sent");
            }
        }
        while let Some(event) = self.core.poll_event() {
            if self.backlog.len() >= MAX_BACKLOG {
                self.backlog.pop_front();
                self.lost_events += 1;
                if self.lost_events.is_power_of_two() {
                    tracing::error!(shard = %self.id, lost = self.lost_events, "control does not take the shard's events");
                }
            }
            self.backlog.push_back(event);
        }
        while let Some(event) = self.backlog.pop_front() {
            match self.events.try_send((self.id, event)) {
                Ok(()) => {}
                Err(TrySendError::Full((_, event))) => {
                    self.backlog.push_front(event);
                    return;
                }
                Err(TrySendError::Closed(_)) => {
                    self.backlog.clear();
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_os = "linux")]
    use crate::shard::socket::RECEIVE_BATCH;

    #[test]
    fn the_ports_of_all_shards_follow_the_first_one() {
        let bound = ["127.0.0.1:7000".parse().unwrap(), "[::1]:8000".parse().unwrap()];
        let any = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 0);
        assert_eq!(following(&bound, any("::1"), 3), Some("[::1]:8003".parse().unwrap()));
        assert_eq!(following(&bound, any("10.0.0.1"), 3), None);
        assert_eq!(
            following(&["127.0.0.1:65535".parse().unwrap()], any("127.0.0.1"), 1),
            None
        );
    }

    #[test]
    #[cfg(target_os = "linux")] // the portable socket has no way to ask: it always looks everywhere
    fn a_socket_that_stays_ready_starves_no_other() {
        let config = ShardConfig {
            id: ShardId(0),
            bind: vec!["127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()],
            announce: vec![],
            segments: true,
            certificate: crate::shard::generate_certificate().unwrap(),
            seed: [1; 32],
        };
        let (sender, _events) = mpsc::channel(1);
        let (handle, mut worker) = prepare(&[config], &sender).unwrap().remove(0);
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        let [busy, quiet] = [0, 1].map(|at| worker.sockets[at].local());
        // More than one turn reads of a socket, and less than any kernel keeps for one.
        let flood = RECEIVE_ROUNDS * RECEIVE_BATCH + RECEIVE_BATCH;
        for _ in 0..flood {
            stranger.send_to(&[0x80], busy).unwrap();
        }
        assert!(worker.turn().is_none());
        assert!(worker.sockets[0].is_ready() && !worker.sockets[1].is_ready());
        stranger.send_to(&[0x80], quiet).unwrap();
        assert!(worker.turn().is_none());
        assert!(worker.sockets[0].is_ready(), "the flood was read at once");
        handle.stop();
        assert_eq!(
            worker.turn(),
            Some(ShardExit::Stopped),
            "its last turn waits for nothing"
        );
        let unread = worker.sockets[1].receive(|_, _| {}).unwrap();
        assert_eq!(unread, 0, "the other socket was not looked at during the flood");
    }

    #[test]
    fn what_is_announced_is_what_was_given_or_what_is_bound() {
        let v4: SocketAddr = "0.0.0.0:7".parse().unwrap();
        let v6: SocketAddr = "[::1]:8".parse().unwrap();
        let given: IpAddr = "203.0.113.9".parse().unwrap();
        assert_eq!(announced(&[v4, v6], &[given]).unwrap(), [SocketAddr::new(given, 7), v6]);
        assert_eq!(announced(&[v6], &[]).unwrap(), [v6]);
        assert!(matches!(announced(&[], &[]), Err(ShardError::NothingToAnnounce)));
    }
}
