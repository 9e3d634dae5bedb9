//! Tests that need more than one of the modules, or an oracle that we did not write.

mod association;
mod peer;
mod peer_connection;
mod srtp_nonce;
mod srtp_oracle;
mod srtp_vectors;
mod stun;

/// Bytes of a hexadecimal text; white space is left out.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// An RTP packet with a payload of `len` bytes that differ from packet to packet.
pub(super) fn rtp(ssrc: u32, sequence: u16, len: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&(u32::from(sequence) * 3_000).to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend((0..len).map(|at| (at as u8).wrapping_mul(7) ^ sequence as u8));
    packet
}

/// A receiver report with one block (RFC 3550 section 6.4.2).
pub(super) fn rtcp(ssrc: u32, filler: u8) -> Vec<u8> {
    let mut packet = vec![0x81, 201, 0, 7];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend([filler; 24]);
    packet
}
