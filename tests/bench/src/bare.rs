//! The floor: the same datagrams sent by a thread that does nothing else, no crypto and no protocol. What an SFU costs more
//! than this is its own.

use crate::load::{Delivered, Load};
use anyhow::Result;
use quinn_udp::{Transmit, UdpSocketState};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// RTP header with two extensions, and the tag of AES-GCM.
const OVERHEAD: usize = 12 + 4 + 8 + 16;

/// Sends a load's bursts to its subscribers for a while; returns the sending thread's CPU time in nanoseconds.
pub fn send(load: Load, segments: bool, time: Duration, delivered: &mut Delivered) -> Result<u64> {
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
            let result = burst_after_burst(load, segments, time, &addresses);
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
        let (cpu, bursts) = sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
        delivered.sent = bursts * load.burst as u64;
        Ok(cpu)
    })
}

fn receiver() -> Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn burst_after_burst(load: Load, segments: bool, time: Duration, to: &[SocketAddr]) -> Result<(u64, u64)> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let state = UdpSocketState::new((&socket).into())?;
    let size = load.payload + OVERHEAD;
    let contents = vec![0x5a; size * load.burst];
    let every = Duration::from_secs(1) / load.frames / load.publishers as u32;
    let (start, mut next, mut bursts) = (Instant::now(), Instant::now(), 0);
    let before = own_cpu_ns()?;
    while start.elapsed() < time {
        for &destination in to {
            let transmit = |contents, segment_size| Transmit {
                destination,
                ecn: None,
                contents,
                segment_size,
                src_ip: None,
            };
            if segments {
                state.send((&socket).into(), &transmit(&contents, Some(size)))?;
            } else {
                for one in contents.chunks(size) {
                    state.send((&socket).into(), &transmit(one, None))?;
                }
            }
        }
        bursts += 1;
        next += every;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok((own_cpu_ns()? - before, bursts))
}

fn own_cpu_ns() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}
