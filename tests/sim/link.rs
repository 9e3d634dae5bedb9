//! One direction of a participant's path: delay, jitter, loss, reordering, duplication, corruption, a bottleneck with a
//! bounded queue, and an off switch. Its dice are its own, so that what happens on one path never changes another.

use crate::clock::{MS, Us};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What a path is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkSpec {
    pub delay: Us,
    /// Added to the delay, uniformly, without reordering.
    pub jitter: Us,
    /// Probabilities, each packet for itself.
    pub loss: f64,
    /// A packet that takes 5 to 30 ms longer and is overtaken.
    pub reorder: f64,
    pub duplicate: f64,
    /// One to four bytes are changed.
    pub corrupt: f64,
    /// Bits per second of the bottleneck.
    pub rate: Option<u64>,
    /// Bytes that wait before it.
    pub queue: u64,
}

impl LinkSpec {
    /// A path without faults; `delay` in one direction.
    pub const fn clean(delay: Us) -> Self {
        Self {
            delay,
            jitter: 0,
            loss: 0.0,
            reorder: 0.0,
            duplicate: 0.0,
            corrupt: 0.0,
            rate: None,
            queue: 64_000,
        }
    }

    pub const fn losing(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// A bottleneck with `queue` bytes before it.
    pub const fn narrow(self, bits_per_second: u64, queue: u64) -> Self {
        Self {
            rate: Some(bits_per_second),
            queue,
            ..self
        }
    }
}

/// A path at work.
pub struct Link {
    pub spec: LinkSpec,
    /// Nothing passes.
    pub dead: bool,
    dice: StdRng,
    busy_until: Us,
    last: Us,
    /// Bytes that waited at most.
    pub deepest: u64,
}

impl Link {
    pub fn new(spec: LinkSpec, seed: u64) -> Self {
        Self {
            spec,
            dead: false,
            dice: StdRng::seed_from_u64(seed),
            busy_until: 0,
            last: 0,
            deepest: 0,
        }
    }

    /// What becomes of a datagram that is sent now: when it arrives (twice, once or never), changed or not.
    pub fn send(&mut self, now: Us, datagram: &[u8]) -> Vec<(Us, Vec<u8>)> {
        // The same throws for every packet, whatever comes of them.
        let throws: [f64; 5] = std::array::from_fn(|_| self.dice.random());
        let detail: u64 = self.dice.random();
        let spec = self.spec;
        if self.dead || throws[0] < spec.loss {
            return Vec::new();
        }
        let mut departs = now;
        if let Some(rate) = spec.rate {
            let begins = self.busy_until.max(now);
            let waiting = (begins - now) * rate / 8 / 1_000_000;
            self.deepest = self.deepest.max(waiting);
            if waiting + datagram.len() as u64 > spec.queue {
                return Vec::new();
            }
            departs = begins + (datagram.len() as u64 + 28) * 8 * 1_000_000 / rate;
            self.busy_until = departs;
        }
        let jitter = (throws[1] * spec.jitter as f64) as Us;
        let mut arrives = departs + spec.delay + jitter;
        if throws[2] < spec.reorder {
            arrives += 5 * MS + detail % (25 * MS);
        } else {
            arrives = arrives.max(self.last);
            self.last = arrives;
        }
        let mut bytes = datagram.to_vec();
        if throws[3] < spec.corrupt && !bytes.is_empty() {
            for n in 0..=detail % 4 {
                let at = (detail >> (8 * n)) as usize % bytes.len();
                bytes[at] ^= (detail >> 40) as u8 | 1;
            }
        }
        let mut all = vec![(arrives, bytes)];
        if throws[4] < spec.duplicate {
            all.push((arrives + detail % (20 * MS), all[0].1.clone()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::S;

    fn through(spec: LinkSpec, packets: u64, every: Us) -> Vec<Us> {
        let mut link = Link::new(spec, 1);
        let sent = (0..packets).flat_map(|n| link.send(n * every, &[0; 972]));
        sent.map(|(at, _)| at).collect()
    }

    #[test]
    fn a_bottleneck_lets_its_rate_pass_and_drops_what_its_queue_does_not_hold() {
        let spec = LinkSpec::clean(10 * MS).narrow(800_000, 20_000);
        let arrived = through(spec, 200, 5 * MS);
        let within = arrived.iter().filter(|at| **at <= S + 10 * MS).count();
        assert!(
            (98..=101).contains(&within),
            "100 packets of 8,000 bits a second: {within}"
        );
        let longest = arrived.last().unwrap() - 199 * 5 * MS;
        assert!(longest <= 10 * MS + 220 * MS, "the queue holds 200 ms: {longest}");
    }

    #[test]
    fn loss_duplicates_and_reordering_are_as_often_as_asked() {
        let lost = through(LinkSpec::clean(0).losing(0.2), 10_000, MS).len();
        assert!((7_800..8_200).contains(&lost), "{lost}");
        let spec = LinkSpec {
            duplicate: 0.1,
            reorder: 0.1,
            jitter: 3 * MS,
            ..LinkSpec::clean(20 * MS)
        };
        let arrived = through(spec, 10_000, MS);
        assert!((10_800..11_200).contains(&arrived.len()));
        let overtaken = arrived.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!((800..2_000).contains(&overtaken), "{overtaken}");
        let still = through(LinkSpec::clean(20 * MS), 1_000, MS);
        assert!(still.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
