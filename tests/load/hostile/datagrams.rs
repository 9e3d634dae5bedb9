//! Malformed datagrams: from strangers, from the address of a participant who turned bad, and sealed with that participant's own
//! keys, which is as deep into the server as anybody gets.

use super::Done;
use super::flood::Strangers;
use super::mutate::mutate;
use anyhow::{Context, Result, bail};
use invigil_peer::wire::Endpoint;
use invigil_sfu::core::transport::srtp::rtp_header_len;
use invigil_tests::light::candidate::{Negotiated, Seat, Shared};
use invigil_tests::light::link::Link;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What mutations start from: those of the fuzz targets.
const OUTSIDE: &[&[u8]] = &[
    include_bytes!("../../fuzz/corpus/stun/request"),
    include_bytes!("../../fuzz/corpus/dtls/hello"),
    include_bytes!("../../fuzz/corpus/dtls/alert"),
    include_bytes!("../../fuzz/corpus/rtp/extensions"),
    include_bytes!("../../fuzz/corpus/rtcp/compound"),
];
const RTP: &[&[u8]] = &[
    include_bytes!("../../fuzz/corpus/rtp/extensions"),
    include_bytes!("../../fuzz/corpus/rtp/plain"),
    include_bytes!("../../fuzz/corpus/rtp/vp8"),
];
const RTCP: &[&[u8]] = &[
    include_bytes!("../../fuzz/corpus/rtcp/compound"),
    include_bytes!("../../fuzz/corpus/rtcp/feedback"),
];
const CONNECT: Duration = Duration::from_secs(10);
/// SSRCs of the sealed packets: the announced ones and some that nobody announced.
const SSRCS: [u32; 8] = [1_000, 1_001, 1_010, 1_020, 1_030, 7, 0, u32::MAX];
const STEP: Duration = Duration::from_millis(5);

/// Somebody who was let in.
pub struct Insider {
    wire: Endpoint,
    to: SocketAddr,
    _link: Link,
}

impl Insider {
    pub async fn join(seat: &mut Seat, shared: &Shared) -> Result<Self> {
        let Negotiated { mut wire, link, .. } = Negotiated::of(seat, shared).await?;
        let end = Instant::now() + CONNECT;
        while !wire.is_connected() {
            if Instant::now() > end {
                bail!("the insider did not connect");
            }
            wire.tick(Instant::now())?;
            tokio::time::sleep(Duration::from_millis(2)).await;
            wire.receive(Instant::now(), |_| {})?;
        }
        let to = wire.remote().context("no remote")?.address;
        Ok(Self { wire, to, _link: link })
    }

    /// From its address, without its keys.
    fn bare(&mut self, datagram: &[u8]) -> bool {
        self.wire.socket.send_to(datagram, self.to).is_ok()
    }

    /// With its keys: the server opens it and reads what is in it.
    fn sealed(&mut self, rtp: bool, mut plain: Vec<u8>, number: u64, rng: &mut StdRng) -> bool {
        if !rtp {
            return plain.len() >= 8 && self.wire.send_rtcp(&mut plain).is_ok();
        }
        if plain.len() < 12 {
            return false;
        }
        // A nonce is never used twice, not even by the bad.
        plain[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        let ssrc = SSRCS[rng.random_range(0..SSRCS.len())];
        plain[8..12].copy_from_slice(&ssrc.to_be_bytes());
        let header = rtp_header_len(&plain)
            .filter(|header| *header <= plain.len())
            .unwrap_or(12);
        self.wire.send_rtp(&mut plain, header).is_ok()
    }
}

/// Sends so many at so many a second: a third from strangers, a third from the insider's address, a third sealed.
pub fn send(to: SocketAddr, mut insider: Insider, seed: u64, (count, per_s): (u64, u64)) -> Result<Done> {
    let (mut strangers, mut rng) = (Strangers::new()?, StdRng::seed_from_u64(seed));
    let (start, mut inside) = (Instant::now(), 0);
    let mut next = start;
    let mut number = 0;
    while strangers.done.sent + inside < count {
        let due = (start.elapsed().as_secs_f64() * per_s as f64) as u64;
        while number < due && strangers.done.sent + inside < count {
            number += 1;
            match number % 3 {
                0 => {
                    let from = rng.random_range(0..64);
                    let datagram = mutate(OUTSIDE[rng.random_range(0..OUTSIDE.len())], 0, &mut rng);
                    strangers.one(from, to, &datagram)?;
                }
                1 => {
                    // The first byte stays: it says what the rest claims to be.
                    let datagram = mutate(OUTSIDE[rng.random_range(0..OUTSIDE.len())], 1, &mut rng);
                    inside += u64::from(insider.bare(&datagram));
                }
                _ => {
                    let rtp = rng.random_bool(0.7);
                    let seeds = if rtp { RTP } else { RTCP };
                    let seed = seeds[rng.random_range(0..seeds.len())];
                    let plain = mutate(seed, 1, &mut rng);
                    inside += u64::from(insider.sealed(rtp, plain, number, &mut rng));
                }
            }
        }
        strangers.drain();
        insider.wire.receive(Instant::now(), |_| {})?;
        insider.wire.tick(Instant::now())?;
        next = (next + STEP).max(Instant::now());
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    std::thread::sleep(Duration::from_millis(100));
    strangers.drain();
    strangers.done.sent += inside;
    Ok(strangers.done)
}
