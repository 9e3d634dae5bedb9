//! The floor: the same datagrams sent by a thread that does nothing else, no crypto and no protocol. What an SFU costs more
//! than this is its own.

use crate::load::{Delivered, Load, Source};
use anyhow::Result;
use quinn_udp::{Transmit, UdpSocketState};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// RTP header with two extensions, and the tag of AES-GCM.
const OVERHEAD: usize = 12 + 4 + 8 + 16;

/// What the sending thread used, and its system calls: it makes no others than sends and sleeps.
pub struct Sent {
    pub cpu_ns: u64,
    pub calls: u64,
}

/// Sends a load's bursts to its subscribers for a while. None for a load that isn't made of bursts.
pub fn send(load: Load, segments: bool, time: Duration, delivered: &mut Delivered) -> Result<Option<Sent>> {
    let [Source::Bursts { fps, packets, payload }] = *(load.streams)(0) else {
        return Ok(None);
    };
    let pattern = Pattern {
        every: Duration::from_secs(1) / fps / load.publishers as u32,
        packets,
        size: payload + OVERHEAD,
        segments,
        time,
    };
    let receivers = (0..load.subscribers)
        .map(|_| receiver())
        .collect::<Result<Vec<UdpSocket>>>()?;
    let addresses = receivers
        .iter()
        .map(UdpSocket::local_addr)
        .collect::<std::io::Result<Vec<SocketAddr>>>()?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let result = burst_after_burst(pattern, &addresses);
            done.store(true, Ordering::Release);
            result
        });
        let mut buffer = [0; 2_048];
        while !done.load(Ordering::Acquire) {
            for receiver in &receivers {
                while receiver.recv(&mut buffer).is_ok() {
                    delivered.received += 1;
                }
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
    size: usize,
    segments: bool,
    time: Duration,
}

fn receiver() -> Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn burst_after_burst(pattern: Pattern, to: &[SocketAddr]) -> Result<(Sent, u64)> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let state = UdpSocketState::new((&socket).into())?;
    let contents = vec![0x5a; pattern.size * pattern.packets];
    let (start, mut next, mut bursts, mut calls) = (Instant::now(), Instant::now(), 0, 0);
    let before = own_cpu_ns()?;
    while start.elapsed() < pattern.time {
        for &destination in to {
            let transmit = |contents, segment_size| Transmit {
                destination,
                ecn: None,
                contents,
                segment_size,
                src_ip: None,
            };
            if pattern.segments {
                state.try_send((&socket).into(), &transmit(&contents, Some(pattern.size)))?;
                calls += 1;
            } else {
                for one in contents.chunks(pattern.size) {
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
