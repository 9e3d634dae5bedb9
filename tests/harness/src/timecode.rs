//! The time code that the demo paints on the candidate's screen, and that the proctor's window reads from the picture.
//!
//! A strip at the bottom of the screen, over 5/8 of its width from the left (the proctor's focus view lays the camera over the
//! rest), as high as the screen's height / 18, of 32 equal cells: white, black, 24 bits of (microseconds since the Unix epoch /
//! 10,000) modulo 2^24 with the most significant first (white is 1), 4 bits of checksum (exclusive or of the six nibbles),
//! black, white.

pub const CELLS: usize = 32;
/// One count of the code, microseconds.
pub const UNIT_US: i64 = 10_000;
const BITS: u32 = 24;

/// The cells of a moment, true for white.
pub fn cells(unix_us: i64) -> [bool; CELLS] {
    let value = ((unix_us / UNIT_US) as u32) & ((1 << BITS) - 1);
    let checksum = (0..6).fold(0, |sum, nibble| sum ^ (value >> (4 * nibble)) & 0xf);
    let mut cells = [false; CELLS];
    cells[0] = true;
    for bit in 0..BITS {
        cells[2 + bit as usize] = value >> (BITS - 1 - bit) & 1 == 1;
    }
    for bit in 0..4 {
        cells[26 + bit as usize] = checksum >> (3 - bit) & 1 == 1;
    }
    cells[31] = true;
    cells
}

/// The moment of some cells, the latest one that is not after `now_us`.
pub fn read(cells: &[bool; CELLS], now_us: i64) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| cells[range].iter().fold(0u32, |n, &bit| n << 1 | u32::from(bit));
    let (value, checksum) = (number(2..26), number(26..30));
    let right = (0..6).fold(0, |sum, nibble| sum ^ (value >> (4 * nibble)) & 0xf);
    if !cells[0] || cells[1] || cells[30] || !cells[31] || checksum != right {
        return None;
    }
    let now = now_us / UNIT_US;
    let age = (now as u32).wrapping_sub(value) & ((1 << BITS) - 1);
    Some((now - i64::from(age)) * UNIT_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_later() {
        for at in [
            0,
            1_795_000_123_450_000,
            (1 << 24) * UNIT_US - UNIT_US,
            (1 << 24) * UNIT_US,
        ] {
            assert_eq!(read(&cells(at), at + 700_000), Some(at - at % UNIT_US), "{at}");
        }
    }

    #[test]
    fn a_damaged_code_is_none() {
        let good = cells(1_795_000_123_450_000);
        for cell in 0..CELLS {
            let mut bad = good;
            bad[cell] = !bad[cell];
            assert_eq!(read(&bad, 1_795_000_123_450_000), None, "cell {cell}");
        }
    }
}
