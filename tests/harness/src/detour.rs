//! Ways through a network that lets little through: a detour for TCP or for UDP, each for one port, counted, and ended when
//! dropped.

use anyhow::Result;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{JoinHandle, JoinSet};

/// Forwards whatever comes to its address.
pub struct Detour {
    carried: Arc<AtomicU64>,
    turned_away: Arc<AtomicU64>,
    generation: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Detour {
    /// TCP connections to `from` become connections to `to`.
    pub async fn tcp(from: SocketAddr, to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(from).await?;
        Ok(Self::start(|carried, _| async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                connections.spawn(pass_tcp(near, to, carried.clone()));
            }
        }))
    }

    /// Datagrams to `from` go to `to`, from a port of their own for each sender, as a NAT does it.
    pub async fn udp(from: SocketAddr, to: SocketAddr) -> Result<Self> {
        Self::udp_for(None, from, to).await
    }

    /// The same for what comes from one address; datagrams of all others end here and are counted.
    pub async fn udp_for(only: Option<IpAddr>, from: SocketAddr, to: SocketAddr) -> Result<Self> {
        let socket = Arc::new(UdpSocket::bind(from).await?);
        let turned_away = Arc::<AtomicU64>::default();
        let count = turned_away.clone();
        let mut detour = Self::start(|carried, generation| {
            let admits = move |sender: SocketAddr| {
                let admitted = only.is_none_or(|only| only == sender.ip());
                count.fetch_add(u64::from(!admitted), Ordering::Relaxed);
                admitted
            };
            pass_udp(socket, to, admits, carried, generation)
        });
        detour.turned_away = turned_away;
        Ok(detour)
    }

    fn start<F>(work: impl FnOnce(Arc<AtomicU64>, Arc<AtomicU64>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (carried, generation) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let task = tokio::spawn(work(carried.clone(), generation.clone()));
        Self {
            carried,
            turned_away: Arc::default(),
            generation,
            task,
        }
    }

    /// Bytes in both directions so far.
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }

    /// UDP: datagrams that did not come from where they may.
    pub fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// UDP: every sender gets another port from now on, as when a NAT has forgotten its mappings.
    pub fn forget(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_tcp(near: TcpStream, to: SocketAddr, carried: Arc<AtomicU64>) -> std::io::Result<()> {
    let far = TcpStream::connect(to).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        end = copy(near_in, far_out, &carried) => end,
        end = copy(far_in, near_out, &carried) => end,
    }
}

async fn copy(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    carried: &AtomicU64,
) -> std::io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
        carried.fetch_add(length as u64, Ordering::Relaxed);
    }
}

async fn pass_udp(
    near: Arc<UdpSocket>,
    to: SocketAddr,
    admits: impl Fn(SocketAddr) -> bool,
    carried: Arc<AtomicU64>,
    generation: Arc<AtomicU64>,
) {
    let mut senders: HashMap<(SocketAddr, u64), Arc<UdpSocket>> = HashMap::new();
    let mut backs = JoinSet::new();
    let mut buffer = [0; 2_048];
    while let Ok((length, sender)) = near.recv_from(&mut buffer).await {
        if !admits(sender) {
            continue;
        }
        let now = generation.load(Ordering::Relaxed);
        senders.retain(|(_, made), _| *made == now);
        let far = match senders.get(&(sender, now)) {
            Some(far) => far.clone(),
            None => {
                let Ok(far) = UdpSocket::bind(SocketAddr::new(to.ip(), 0)).await else {
                    return;
                };
                let far = Arc::new(far);
                senders.insert((sender, now), far.clone());
                backs.spawn(back(
                    far.clone(),
                    near.clone(),
                    sender,
                    carried.clone(),
                    generation.clone(),
                    now,
                ));
                far
            }
        };
        carried.fetch_add(length as u64, Ordering::Relaxed);
        let _ = far.send_to(&buffer[..length], to).await;
    }
}

async fn back(
    far: Arc<UdpSocket>,
    near: Arc<UdpSocket>,
    sender: SocketAddr,
    carried: Arc<AtomicU64>,
    generation: Arc<AtomicU64>,
    made: u64,
) {
    let mut buffer = [0; 2_048];
    while let Ok((length, _)) = far.recv_from(&mut buffer).await {
        if generation.load(Ordering::Relaxed) != made {
            return;
        }
        carried.fetch_add(length as u64, Ordering::Relaxed);
        let _ = near.send_to(&buffer[..length], sender).await;
    }
}
