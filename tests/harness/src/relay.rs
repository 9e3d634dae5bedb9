//! A bad line on one machine: a UDP relay between clients and the SFU's media port, with a rate and a bounded queue, loss, delay
//! and jitter, seeded, changed while it runs. The kernel here has no netem; this needs no privilege either.
//!
//! Each client gets a line of its own in each direction, as if each sat behind its own modem.

use anyhow::{Context, Result};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Clients of one relay; a test has a few.
const MAX_CLIENTS: usize = 64;
/// Datagrams between the reader and a line: past it they are lost, as in any queue.
const MAX_READ: usize = 1_024;
const MAX_DATAGRAM: usize = 2_048;

/// How a direction is now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Bits per second; none: as fast as the machine.
    pub rate: Option<u64>,
    /// Bytes that wait for the rate at most; what comes on top is lost.
    pub queue: usize,
    /// Share of datagrams lost, 0 to 1.
    pub loss: f64,
    pub delay: Duration,
    /// On top of the delay, at most; datagrams may overtake each other.
    pub jitter: Duration,
    /// Nothing passes.
    pub blocked: bool,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            rate: None,
            queue: 64 * 1024,
            loss: 0.0,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            blocked: false,
        }
    }
}

/// One direction of one client, without sockets.
struct Line {
    random: u64,
    /// When the last datagram has left the queue.
    busy_until: Option<Instant>,
}

impl Line {
    fn new(seed: u64) -> Self {
        Self {
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            busy_until: None,
        }
    }

    /// 0 to 1 (xorshift, Marsaglia 2003).
    fn random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }

    /// When a datagram of `bytes` that comes now arrives at the far end; none when it is lost.
    fn pass(&mut self, now: Instant, bytes: usize, conditions: &Conditions) -> Option<Instant> {
        let lost = self.random() < conditions.loss;
        let jitter = conditions.jitter.mul_f64(self.random());
        if conditions.blocked || lost {
            return None;
        }
        let mut leaves = now;
        if let Some(rate) = conditions.rate {
            let free = self.busy_until.map_or(now, |until| until.max(now));
            let waiting = free.duration_since(now).as_secs_f64() * rate as f64 / 8.0;
            if waiting + bytes as f64 > conditions.queue as f64 {
                return None;
            }
            leaves = free + Duration::from_secs_f64(bytes as f64 * 8.0 / rate as f64);
            self.busy_until = Some(leaves);
        }
        Some(leaves + conditions.delay + jitter)
    }
}

type Shared = Arc<Mutex<Conditions>>;

/// A running relay. It ends when dropped.
pub struct Relay {
    pub address: SocketAddr,
    up: Shared,
    down: Shared,
    task: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    /// Listens on `address` and passes on to `server`. `seed` decides what is lost.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn start(address: SocketAddr, server: SocketAddr, seed: u64) -> Result<Self> {
        let socket = UdpSocket::bind(address)
            .await
            .with_context(|| format!("the relay's {address}"))?;
        let (up, down) = (Shared::default(), Shared::default());
        let address = socket.local_addr()?;
        let task = tokio::spawn(serve(Arc::new(socket), server, (up.clone(), down.clone()), seed));
        Ok(Self {
            address,
            up,
            down,
            task,
        })
    }

    /// Changes the way from the clients to the server.
    pub fn set_up(&self, conditions: Conditions) {
        *self.up.lock().unwrap_or_else(PoisonError::into_inner) = conditions;
    }

    /// Changes the way from the server to the clients.
    pub fn set_down(&self, conditions: Conditions) {
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) = conditions;
    }
}

/// One client: its lines' ends. Both tasks end with the client.
struct Client {
    up: mpsc::Sender<Vec<u8>>,
    tasks: [JoinHandle<()>; 3],
}

impl Drop for Client {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn serve(socket: Arc<UdpSocket>, server: SocketAddr, (up, down): (Shared, Shared), seed: u64) {
    let mut clients: HashMap<SocketAddr, Client> = HashMap::new();
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        // An error of one datagram (a port that is closed there) is no error of the relay.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        if !clients.contains_key(&from) && clients.len() < MAX_CLIENTS {
            let seed = seed.wrapping_add(2 * clients.len() as u64);
            match Client::start(socket.clone(), from, server, (up.clone(), down.clone()), seed).await {
                Ok(client) => drop(clients.insert(from, client)),
                Err(error) => tracing::warn!(%error, %from, "a client was not taken"),
            }
        }
        if let Some(client) = clients.get(&from) {
            let _ = client.up.try_send(buffer[..length].to_vec());
        }
    }
}

impl Client {
    async fn start(
        outside: Arc<UdpSocket>,
        client: SocketAddr,
        server: SocketAddr,
        (up, down): (Shared, Shared),
        seed: u64,
    ) -> Result<Self> {
        let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let inside = Arc::new(UdpSocket::bind(any).await?);
        inside.connect(server).await?;
        let (up_in, up_out) = mpsc::channel(MAX_READ);
        let (down_in, down_out) = mpsc::channel::<Vec<u8>>(MAX_READ);
        let reader = inside.clone();
        let read = tokio::spawn(async move {
            let mut buffer = vec![0; MAX_DATAGRAM];
            loop {
                if let Ok(length) = reader.recv(&mut buffer).await {
                    let _ = down_in.try_send(buffer[..length].to_vec());
                }
            }
        });
        let to_server = tokio::spawn(carry(up_out, Line::new(seed), up, move |data| {
            let _ = inside.try_send(data);
        }));
        let to_client = tokio::spawn(carry(down_out, Line::new(seed + 1), down, move |data| {
            let _ = outside.try_send_to(data, client);
        }));
        Ok(Self {
            up: up_in,
            tasks: [read, to_server, to_client],
        })
    }
}

/// Holds datagrams until their time.
async fn carry(mut from: mpsc::Receiver<Vec<u8>>, mut line: Line, conditions: Shared, send: impl Fn(&[u8])) {
    let mut under_way: BTreeMap<(Instant, u64), Vec<u8>> = BTreeMap::new();
    let mut count = 0;
    loop {
        let next = under_way.keys().next().map(|(at, _)| *at);
        tokio::select! {
            datagram = from.recv() => {
                let Some(datagram) = datagram else { return };
                let now = *conditions.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(at) = line.pass(Instant::now(), datagram.len(), &now) {
                    under_way.insert((at, count), datagram);
                    count += 1;
                }
            }
            () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now).into()), if next.is_some() => {}
        }
        while let Some(entry) = under_way.first_entry().filter(|entry| entry.key().0 <= Instant::now()) {
            send(&entry.remove());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_spreads_and_its_queue_is_bounded() {
        let (mut line, start) = (Line::new(1), Instant::now());
        let conditions = Conditions {
            rate: Some(80_000),
            queue: 5_000,
            delay: Duration::from_millis(20),
            ..Conditions::default()
        };
        let arrivals: Vec<_> = (0..10).map(|_| line.pass(start, 1_000, &conditions)).collect();
        let ms: Vec<_> = arrivals.iter().flatten().map(|at| (*at - start).as_millis()).collect();
        assert_eq!(ms, [120, 220, 320, 420, 520], "10 KB/s, five fit");
        let later = start + Duration::from_secs(1);
        assert_eq!(
            line.pass(later, 1_000, &conditions),
            Some(later + Duration::from_millis(120))
        );
    }

    #[test]
    fn the_same_seed_loses_the_same_datagrams() {
        let conditions = Conditions {
            loss: 0.2,
            jitter: Duration::from_millis(10),
            ..Conditions::default()
        };
        let start = Instant::now();
        let run = |seed| {
            let mut line = Line::new(seed);
            (0..1_000)
                .map(|_| line.pass(start, 100, &conditions))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let passed = run(7).iter().flatten().count();
        assert!((750..850).contains(&passed), "{passed}");
        assert!(run(7).iter().flatten().all(|at| *at <= start + conditions.jitter));
    }

    #[test]
    fn a_blocked_line_passes_nothing() {
        let blocked = Conditions {
            blocked: true,
            ..Conditions::default()
        };
        let (mut line, now) = (Line::new(1), Instant::now());
        assert_eq!(line.pass(now, 1, &blocked), None);
        assert_eq!(line.pass(now, 1, &Conditions::default()), Some(now));
    }
}
