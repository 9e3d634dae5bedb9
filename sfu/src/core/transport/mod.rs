//! One ICE + DTLS + SRTP association with a participant, without I/O, and the SDP that sets it up.
//!
//! The order of use: parse the offer ([`sdp::Offer::parse`]), plan the answer ([`sdp::plan`]), make the [`Association`]
//! from the offer's credentials, write the answer ([`sdp::write_answer`]), then feed datagrams: STUN by
//! [`stun::local_ufrag`], everything else by the addresses that [`Event::AddressAdded`] named.

pub mod association;
pub mod credentials;
pub mod dtls;
pub mod keying;
pub mod replay;
pub mod sdp;
pub mod srtp;
mod srtp_cipher;
pub mod srtp_kdf;
pub mod stun;
pub mod stun_client;

#[cfg(test)]
mod tests;

pub use association::{Association, AssociationConfig, Event, FailReason, OpenError, SealError, State, Transmit};
pub use credentials::{Fingerprint, IceCredentials};
pub use dtls::{DtlsIdentity, DtlsRole};
pub use keying::Keying;

/// What a datagram is, by its first byte (RFC 7983 section 7, RFC 5761 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramKind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

/// Sorts a datagram; none for what is not ours.
pub fn classify(datagram: &[u8]) -> Option<DatagramKind> {
    match *datagram {
        [0..=3, ..] if datagram.len() >= stun::HEADER_LEN => Some(DatagramKind::Stun),
        [20..=63, ..] => Some(DatagramKind::Dtls),
        [128..=191, 192..=223, ..] if datagram.len() >= srtp::RTCP_HEADER_LEN => Some(DatagramKind::Rtcp),
        [128..=191, ..] if datagram.len() >= srtp::RTP_HEADER_LEN => Some(DatagramKind::Rtp),
        _ => None,
    }
}
