//! SRTP and SRTCP in place: rollover counters, replay windows, and the rule that no index is ever sealed twice.
//!
//! RFC 3711 with AES-CM and HMAC-SHA1-80, and RFC 7714 with AES-128-GCM. A packet is opened and sealed in the buffer that
//! it lies in; memory is taken only when an SSRC is first seen.

use super::replay::ReplayWindow;
use super::srtp_cipher::{Cipher, Forged};
use super::srtp_kdf::{BadKey, MasterKey, SrtpProfile};

/// Bytes of an RTP header without CSRCs and extensions (RFC 3550 section 5.1).
pub const RTP_HEADER_LEN: usize = 12;
/// Bytes of an RTCP header with its first SSRC.
pub const RTCP_HEADER_LEN: usize = 8;
/// Room that a buffer needs behind an RTP plaintext, whatever the profile.
pub const MAX_RTP_OVERHEAD: usize = 16;
/// Room that a buffer needs behind an RTCP plaintext.
pub const MAX_RTCP_OVERHEAD: usize = 20;
/// SSRCs that one peer may send: 8 publications of 3 layers with RTX, and as many again after a rebuild.
pub const MAX_INBOUND_SSRCS: usize = 128;
/// SSRCs that we send to one peer: 64 video slots with RTX, 4 audio slots, and a second pool.
pub const MAX_OUTBOUND_SSRCS: usize = 512;
/// The SRTCP index has 31 bits (RFC 3711 section 3.4).
const MAX_RTCP_INDEX: u32 = 0x7fff_ffff;
/// The RTP index has 48 bits.
const MAX_RTP_INDEX: u64 = (1 << 48) - 1;

/// Why a received packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There are no keys yet, or no more.
    #[error("not connected")]
    NotConnected,
    /// Too short, or a length in it doesn't fit.
    #[error("malformed")]
    Malformed,
    /// Seen before, or older than the window.
    #[error("replayed")]
    Replayed,
    /// Authentication failed.
    #[error("forged")]
    Forged,
    /// The peer uses more SSRCs than [`MAX_INBOUND_SSRCS`].
    #[error("too many streams")]
    TooManyStreams,
}

/// Why a packet was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There are no keys yet, or no more.
    #[error("not connected")]
    NotConnected,
    /// The lengths don't fit each other or the buffer.
    #[error("malformed")]
    Malformed,
    /// The index is not above the last one of its SSRC: sealing it would use a nonce twice.
    #[error("index used")]
    IndexUsed,
    /// The 48-bit or 31-bit index has run out.
    #[error("index exhausted")]
    IndexExhausted,
    /// More SSRCs than [`MAX_OUTBOUND_SSRCS`].
    #[error("too many streams")]
    TooManyStreams,
}

impl From<Forged> for OpenError {
    fn from(_: Forged) -> Self {
        OpenError::Forged
    }
}

/// Bytes of an RTP packet before its payload: fixed header, CSRCs and header extensions. None when it doesn't fit.
pub fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let mut len = RTP_HEADER_LEN + 4 * usize::from(first & 0x0f);
    if first >> 6 != 2 {
        return None;
    }
    if first & 0x10 != 0 {
        let words = u16::from_be_bytes(*packet.get(len + 2..)?.first_chunk()?);
        len += 4 + 4 * usize::from(words);
    }
    (len <= packet.len()).then_some(len)
}

fn ssrc_at(packet: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*packet.get(at..)?.first_chunk()?))
}

fn sequence(packet: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(*packet.get(2..)?.first_chunk()?))
}

/// A small sorted map: found by bisection, grown only by new SSRCs, bounded.
struct PerSsrc<T> {
    keys: Vec<u32>,
    states: Vec<T>,
    max: usize,
}

impl<T> PerSsrc<T> {
    fn new(max: usize) -> Self {
        Self {
            keys: Vec::new(),
            states: Vec::new(),
            max,
        }
    }

    fn get_mut(&mut self, ssrc: u32) -> Option<&mut T> {
        let at = self.keys.binary_search(&ssrc).ok()?;
        self.states.get_mut(at)
    }

    fn is_full(&self) -> bool {
        self.keys.len() >= self.max
    }

    fn insert(&mut self, ssrc: u32, state: T) {
        if let Err(at) = self.keys.binary_search(&ssrc) {
            self.keys.insert(at, ssrc);
            self.states.insert(at, state);
        }
    }
}

/// The index that a sequence number most likely has, given the highest one seen (RFC 3711 section 3.3.1 and appendix A).
/// None when it would lie before the first packet.
fn estimate_index(top: Option<u64>, sequence: u16) -> Option<u64> {
    let Some(top) = top else { return Some(sequence.into()) };
    let (roc, last) = (top >> 16, top as u16);
    let roc = match sequence.wrapping_sub(last) {
        ahead if ahead < 0x8000 => roc + u64::from(sequence < last),
        _ if sequence > last => roc.checked_sub(1)?,
        _ => roc,
    };
    Some(roc << 16 | u64::from(sequence)).filter(|index| *index <= MAX_RTP_INDEX)
}

/// Opens what one peer sends.
pub struct Inbound {
    rtp: Cipher,
    rtcp: Cipher,
    rtp_windows: PerSsrc<ReplayWindow>,
    rtcp_windows: PerSsrc<ReplayWindow>,
    window: u16,
}

impl Inbound {
    /// A context with `window` packets of replay protection (64..=1024).
    pub fn new(profile: SrtpProfile, master: &MasterKey, window: u16) -> Result<Self, BadKey> {
        Ok(Self::with_ciphers(
            Cipher::for_rtp(profile, master)?,
            Cipher::for_rtcp(profile, master)?,
            window,
        ))
    }

    pub(super) fn with_ciphers(rtp: Cipher, rtcp: Cipher, window: u16) -> Self {
        let (rtp_windows, rtcp_windows) = (PerSsrc::new(MAX_INBOUND_SSRCS), PerSsrc::new(MAX_INBOUND_SSRCS));
        Self {
            rtp,
            rtcp,
            rtp_windows,
            rtcp_windows,
            window,
        }
    }

    /// Opens an SRTP packet in place; returns the plaintext's length, header included.
    ///
    /// After an error the buffer's payload is unspecified. No state changes unless authentication succeeds.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let header = rtp_header_len(packet).ok_or(OpenError::Malformed)?;
        let (ssrc, sequence) = ssrc_at(packet, 8).zip(sequence(packet)).ok_or(OpenError::Malformed)?;
        if let Some(window) = self.rtp_windows.get_mut(ssrc) {
            let index = estimate_index(window.top(), sequence).ok_or(OpenError::Replayed)?;
            if !window.is_new(index) {
                return Err(OpenError::Replayed);
            }
            let len = self.rtp.open_rtp(packet, header, ssrc, index)?;
            window.accept(index);
            return Ok(len);
        }
        if self.rtp_windows.is_full() {
            return Err(OpenError::TooManyStreams);
        }
        let index = u64::from(sequence);
        let len = self.rtp.open_rtp(packet, header, ssrc, index)?;
        let mut window = ReplayWindow::new(self.window);
        window.accept(index);
        self.rtp_windows.insert(ssrc, window);
        Ok(len)
    }

    /// Opens an SRTCP packet in place; returns the plaintext's length.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let ssrc = ssrc_at(packet, 4).ok_or(OpenError::Malformed)?;
        let index = self.rtcp.rtcp_index(packet).ok_or(OpenError::Malformed)?;
        if let Some(window) = self.rtcp_windows.get_mut(ssrc) {
            if !window.is_new(index.into()) {
                return Err(OpenError::Replayed);
            }
            let len = self.rtcp.open_rtcp(packet, ssrc, index)?;
            window.accept(index.into());
            return Ok(len);
        }
        if self.rtcp_windows.is_full() {
            return Err(OpenError::TooManyStreams);
        }
        let len = self.rtcp.open_rtcp(packet, ssrc, index)?;
        let mut window = ReplayWindow::new(self.window);
        window.accept(index.into());
        self.rtcp_windows.insert(ssrc, window);
        Ok(len)
    }
}

/// Seals what we send to one peer.
pub struct Outbound {
    rtp: Cipher,
    rtcp: Cipher,
    /// The last index of each SSRC. Never forgotten while the keys live.
    last: PerSsrc<u64>,
    next_rtcp: u32,
}

impl Outbound {
    /// A context in which nothing was sealed yet.
    pub fn new(profile: SrtpProfile, master: &MasterKey) -> Result<Self, BadKey> {
        Ok(Self::with_ciphers(
            Cipher::for_rtp(profile, master)?,
            Cipher::for_rtcp(profile, master)?,
            0,
        ))
    }

    pub(super) fn with_ciphers(rtp: Cipher, rtcp: Cipher, next_rtcp: u32) -> Self {
        Self {
            rtp,
            rtcp,
            last: PerSsrc::new(MAX_OUTBOUND_SSRCS),
            next_rtcp,
        }
    }

    /// Seals the RTP packet `buf[..len]`, whose first `header` bytes stay readable, in place; returns the sealed length.
    ///
    /// `buf` needs [`MAX_RTP_OVERHEAD`] bytes behind `len`. Indices of an SSRC only grow: a sequence number that is not
    /// ahead of the last one (by less than 2^15) is [`SealError::IndexUsed`]. To send a packet again, send the sealed
    /// bytes again, or use RTX.
    pub fn seal_rtp(&mut self, buf: &mut [u8], header: usize, len: usize) -> Result<usize, SealError> {
        let plain = buf.get(..len).ok_or(SealError::Malformed)?;
        let (ssrc, sequence) = ssrc_at(plain, 8).zip(sequence(plain)).ok_or(SealError::Malformed)?;
        let fits = buf.len() - len >= self.rtp.profile().rtp_overhead();
        if !fits || header < RTP_HEADER_LEN || header > len {
            return Err(SealError::Malformed);
        }
        let full = self.last.is_full();
        let index = match self.last.get_mut(ssrc) {
            Some(last) => {
                let ahead = sequence.wrapping_sub(*last as u16);
                if ahead == 0 || ahead >= 0x8000 {
                    return Err(SealError::IndexUsed);
                }
                let index = *last + u64::from(ahead);
                if index > MAX_RTP_INDEX {
                    return Err(SealError::IndexExhausted);
                }
                *last = index;
                index
            }
            None if full => return Err(SealError::TooManyStreams),
            None => {
                self.last.insert(ssrc, sequence.into());
                sequence.into()
            }
        };
        // The index is spent before sealing: whatever happens now, it is not used again.
        self.rtp
            .seal_rtp(buf, header, len, ssrc, index)
            .map_err(|Forged| SealError::Malformed)
    }

    /// Seals the RTCP compound `buf[..len]` in place; `buf` needs [`MAX_RTCP_OVERHEAD`] bytes behind `len`.
    pub fn seal_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SealError> {
        let ssrc = buf
            .get(..len)
            .and_then(|plain| ssrc_at(plain, 4))
            .ok_or(SealError::Malformed)?;
        if buf.len() - len < self.rtcp.profile().rtcp_overhead() {
            return Err(SealError::Malformed);
        }
        let index = self.next_rtcp;
        if index > MAX_RTCP_INDEX {
            return Err(SealError::IndexExhausted);
        }
        self.next_rtcp += 1;
        self.rtcp
            .seal_rtcp(buf, len, ssrc, index)
            .map_err(|Forged| SealError::Malformed)
    }
}
