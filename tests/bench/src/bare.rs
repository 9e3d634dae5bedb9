//! Floors: the same datagrams sent by a thread that does nothing else. `bare` sends only; `sealed` writes and encrypts every datagram
//! for its receiver first, which an SFU can't do without. What an SFU costs more than this is its own.

use crate::load::{Delivered, Load, Source};
use crate::targets::Setup;
use anyhow::Result;
use invigil_sfu::core::transport::srtp::Outbound;
use invigil_sfu::core::transport::srtp_kdf::{MasterKey, SrtpProfile};
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// RTP header with two extensions.
const HEADER: usize = 12 + 4 + 8;
const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;

/// What the sending thread used, and its system calls: it makes no others than sends and sleeps.
pub struct Sent {
    pub cpu_ns: u64,
    pub calls: u64,
}

/// Sends a load's bursts to its subscribers for a while. None for a load that isn't made of bursts.
pub fn send(load: Load, setup: Setup, time: Duration, delivered: &mut Delivered) -> Result<Option<Sent>> {
    let [Source::Bursts { fps, packets, payload }] = *(load.streams)(0) else {
        return Ok(None);
    };
    let pattern = Pattern {
        every: Duration::from_secs(1) / fps / load.publishers as u32,
        packets,
        plain: HEADER + payload,
        segments: setup.segments,
        sealed: setup.name == "sealed",
        time,
    };
    let mut receivers = (0..load.subscribers)
        .map(|_| Receiver::new(setup.offload))
        .collect::<Result<Vec<Receiver>>>()?;
    let addresses = receivers
        .iter()
        .map(|receiver| receiver.socket.local_addr())
        .collect::<std::io::Result<Vec<SocketAddr>>>()?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let result = burst_after_burst(pattern, &addresses);
            done.store(true, Ordering::Release);
            result
        });
        while !done.load(Ordering::Acquire) {
            for receiver in &mut receivers {
                delivered.received += receiver.take();
            }
        }
        let (sent, bursts) = sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
        delivered.sent_video = bursts * packets as u64;
        Ok(Some(sent))
    })
}

#[derive(Clone, Copy)]
struct Pattern {
    /// Between two bursts of all publishers together.
    every: Duration,
    packets: usize,
    /// Bytes of a packet before it is sealed.
    plain: usize,
    segments: bool,
    sealed: bool,
    time: Duration,
}

impl Pattern {
    /// Bytes of a datagram.
    fn size(&self) -> usize {
        self.plain + PROFILE.rtp_overhead()
    }
}

struct Receiver {
    socket: UdpSocket,
    /// When it takes segmented messages whole.
    whole: Option<UdpSocketState>,
    buffer: Vec<u8>,
}

impl Receiver {
    fn new(whole: bool) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            whole: whole.then(|| UdpSocketState::new((&socket).into())).transpose()?,
            socket,
            buffer: vec![0; usize::from(u16::MAX)],
        })
    }

    /// Datagrams that have come.
    fn take(&mut self) -> u64 {
        let mut count = 0;
        let mut meta = [RecvMeta::default()];
        match &self.whole {
            None => {
                while self.socket.recv(&mut self.buffer).is_ok() {
                    count += 1;
                }
            }
            Some(state) => {
                let mut buffers = [IoSliceMut::new(&mut self.buffer)];
                while state.recv((&self.socket).into(), &mut buffers, &mut meta).is_ok() {
                    count += meta[0].len.div_ceil(meta[0].stride.max(1)) as u64;
                }
            }
        }
        count
    }
}

/// Where datagrams are encrypted for one receiver.
struct Seal {
    outbound: Outbound,
    sequence: u16,
}

impl Seal {
    fn new() -> Result<Self> {
        let (key, salt) = ([7; 16], [9; 12]);
        Ok(Self {
            outbound: Outbound::new(PROFILE, &MasterKey::new(PROFILE, &key, &salt)?)?,
            sequence: 0,
        })
    }

    /// Writes `plain` into `datagram` and seals it.
    fn seal(&mut self, plain: &[u8], datagram: &mut [u8]) -> Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        datagram[..plain.len()].copy_from_slice(plain);
        datagram[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        self.outbound.seal_rtp(datagram, HEADER, plain.len())?;
        Ok(())
    }
}

fn burst_after_burst(pattern: Pattern, to: &[SocketAddr]) -> Result<(Sent, u64)> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let state = UdpSocketState::new((&socket).into())?;
    let (plain, size) = (vec![0x5a; pattern.plain], pattern.size());
    let mut contents = vec![0x5a; size * pattern.packets];
    let mut seals = to.iter().map(|_| Seal::new()).collect::<Result<Vec<Seal>>>()?;
    let (start, mut next, mut bursts, mut calls) = (Instant::now(), Instant::now(), 0, 0);
    let before = own_cpu_ns()?;
    while start.elapsed() < pattern.time {
        for (&destination, seal) in to.iter().zip(&mut seals) {
            if pattern.sealed {
                for datagram in contents.chunks_mut(size) {
                    seal.seal(&plain, datagram)?;
                }
            }
            let transmit = |contents, segment_size| Transmit {
                destination,
                ecn: None,
                contents,
                segment_size,
                src_ip: None,
            };
            if pattern.segments {
                state.try_send((&socket).into(), &transmit(&contents, Some(size)))?;
                calls += 1;
            } else {
                for one in contents.chunks(size) {
                    state.try_send((&socket).into(), &transmit(one, None))?;
                    calls += 1;
                }
            }
        }
        bursts += 1;
        next += pattern.every;
        let wait = next.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
            calls += 1;
        }
    }
    let cpu_ns = own_cpu_ns()? - before;
    Ok((Sent { cpu_ns, calls }, bursts))
}

fn own_cpu_ns() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}
