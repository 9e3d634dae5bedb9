//! Bytes that were once right.

use rand::Rng;
use rand::rngs::StdRng;

/// Values that lengths and counts are tripped with.
const EDGES: [u8; 6] = [0, 1, 0x7f, 0x80, 0xfe, 0xff];

/// Changes one to eight things of `seed`, after its first `kept` bytes; never longer than 1,400.
pub fn mutate(seed: &[u8], kept: usize, rng: &mut StdRng) -> Vec<u8> {
    let mut out = seed.to_vec();
    for _ in 0..rng.random_range(1..=8) {
        if out.len() <= kept {
            out.push(rng.random());
            continue;
        }
        let at = rng.random_range(kept..out.len());
        match rng.random_range(0..6) {
            0 => out[at] ^= 1 << rng.random_range(0..8),
            1 => out[at] = rng.random(),
            2 => out[at] = EDGES[rng.random_range(0..EDGES.len())],
            3 => out.truncate(at),
            4 => out.insert(at, rng.random()),
            _ => {
                let end = rng.random_range(at..out.len());
                let piece = out[at..end].to_vec();
                out.extend(piece);
            }
        }
        out.truncate(1_400);
    }
    out
}
