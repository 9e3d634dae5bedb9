//! The two protection profiles on one packet whose index is known. State (who has sent what) is in [`super::srtp`].

use super::srtp_kdf::{AUTH_KEY_LEN, BadKey, KEY_LEN, Label, MasterKey, SrtpProfile};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::{constant_time, hmac, iv::FixedLength};

/// Truncated HMAC-SHA1 (RFC 3711 section 5.2).
const SHA1_80_TAG: usize = 10;
const GCM_TAG: usize = 16;
/// Set in the SRTCP index word of an encrypted packet (RFC 3711 section 3.4).
const ENCRYPTED: u32 = 0x8000_0000;
/// Bytes of an RTCP packet that stay readable.
const RTCP_CLEAR: usize = 8;

/// The packet was not made with our key, or was changed on its way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forged;

/// Session keys of one direction for RTP or RTCP.
pub(super) enum Cipher {
    Gcm {
        key: LessSafeKey,
        salt: [u8; 12],
    },
    /// Boxed: the expanded keys are fifty times the size of a GCM key, which most peers use.
    Cm(Box<CounterMode>),
}

/// AES counter mode with HMAC-SHA1.
pub(super) struct CounterMode {
    key: EncryptingKey,
    salt: [u8; 14],
    auth: hmac::Key,
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// RFC 7714 sections 8.1 and 9.1: two zero bytes, SSRC, 48 bits of index, all masked by the salt. RTCP's 31-bit index
/// stands in the low bits, so both have one layout.
fn gcm_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    nonce[6..].copy_from_slice(&index.to_be_bytes()[2..]);
    for (byte, mask) in nonce.iter_mut().zip(salt) {
        *byte ^= mask;
    }
    Nonce::assume_unique_for_key(nonce)
}

impl CounterMode {
    /// RFC 3711 section 4.1.1; encryption and decryption are one.
    fn apply(&self, ssrc: u32, index: u64, data: &mut [u8]) -> Result<(), Forged> {
        let mut iv = [0; 16];
        iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
        iv[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
        for (byte, mask) in iv.iter_mut().zip(&self.salt) {
            *byte ^= mask;
        }
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        self.key
            .less_safe_encrypt(data, context)
            .map(|_| ())
            .map_err(|_| Forged)
    }

    /// RFC 3711 section 4.2.1.
    fn tag(&self, data: &[u8], then: &[u8]) -> [u8; SHA1_80_TAG] {
        let mut context = hmac::Context::with_key(&self.auth);
        context.update(data);
        context.update(then);
        let mut tag = [0; SHA1_80_TAG];
        tag.copy_from_slice(&context.sign().as_ref()[..SHA1_80_TAG]);
        tag
    }
}

fn same(left: &[u8], right: &[u8]) -> Result<(), Forged> {
    constant_time::verify_slices_are_equal(left, right).map_err(|_| Forged)
}

impl Cipher {
    /// Session keys for RTP.
    pub(super) fn for_rtp(profile: SrtpProfile, master: &MasterKey) -> Result<Self, BadKey> {
        Self::derive(
            profile,
            master,
            [Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt],
        )
    }

    /// Session keys for RTCP.
    pub(super) fn for_rtcp(profile: SrtpProfile, master: &MasterKey) -> Result<Self, BadKey> {
        Self::derive(
            profile,
            master,
            [Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt],
        )
    }

    fn derive(profile: SrtpProfile, master: &MasterKey, labels: [Label; 3]) -> Result<Self, BadKey> {
        let (mut key, mut auth, mut salt) = ([0; KEY_LEN], [0; AUTH_KEY_LEN], [0; 14]);
        master.derive(labels[0], &mut key)?;
        master.derive(labels[1], &mut auth)?;
        master.derive(labels[2], &mut salt[..profile.salt_len()])?;
        Self::from_session(profile, &key, &auth, &salt)
    }

    /// Session keys as they stand in the RFCs' test vectors.
    pub(super) fn from_session(
        profile: SrtpProfile,
        key: &[u8; KEY_LEN],
        auth: &[u8; AUTH_KEY_LEN],
        salt: &[u8; 14],
    ) -> Result<Self, BadKey> {
        match profile {
            SrtpProfile::AeadAes128Gcm => {
                let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key).map_err(|_| BadKey)?);
                Ok(Cipher::Gcm {
                    key,
                    salt: std::array::from_fn(|at| salt[at]),
                })
            }
            SrtpProfile::Aes128CmHmacSha1_80 => {
                let key = UnboundCipherKey::new(&AES_128, key)
                    .and_then(EncryptingKey::ctr)
                    .map_err(|_| BadKey)?;
                let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, auth);
                Ok(Cipher::Cm(Box::new(CounterMode { key, salt: *salt, auth })))
            }
        }
    }

    pub(super) fn profile(&self) -> SrtpProfile {
        match self {
            Cipher::Gcm { .. } => SrtpProfile::AeadAes128Gcm,
            Cipher::Cm(_) => SrtpProfile::Aes128CmHmacSha1_80,
        }
    }

    /// Seals `packet[..len]`, of which `header` bytes stay readable; `packet` has room for the tag. Returns the new length.
    pub(super) fn seal_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Forged> {
        let end = len + self.profile().rtp_overhead();
        let sealed = packet.get_mut(..end).ok_or(Forged)?;
        match self {
            Cipher::Gcm { key, salt } => {
                let (head, rest) = sealed.split_at_mut_checked(header).ok_or(Forged)?;
                let (payload, tag) = rest
                    .split_at_mut_checked(len.checked_sub(header).ok_or(Forged)?)
                    .ok_or(Forged)?;
                let made = key
                    .seal_in_place_separate_tag(gcm_nonce(salt, ssrc, index), Aad::from(&*head), payload)
                    .map_err(|_| Forged)?;
                tag.copy_from_slice(made.as_ref());
            }
            Cipher::Cm(cm) => {
                cm.apply(ssrc, index, sealed.get_mut(header..len).ok_or(Forged)?)?;
                let tag = cm.tag(&sealed[..len], &((index >> 16) as u32).to_be_bytes());
                sealed[len..].copy_from_slice(&tag);
            }
        }
        Ok(end)
    }

    /// Opens `packet` whose first `header` bytes are readable. Returns the plaintext's length, header included.
    pub(super) fn open_rtp(&self, packet: &mut [u8], header: usize, ssrc: u32, index: u64) -> Result<usize, Forged> {
        let len = packet
            .len()
            .checked_sub(self.profile().rtp_overhead())
            .filter(|len| *len >= header)
            .ok_or(Forged)?;
        match self {
            Cipher::Gcm { key, salt } => {
                let (head, rest) = packet.split_at_mut_checked(header).ok_or(Forged)?;
                key.open_in_place(gcm_nonce(salt, ssrc, index), Aad::from(&*head), rest)
                    .map_err(|_| Forged)?;
            }
            Cipher::Cm(cm) => {
                same(
                    &cm.tag(&packet[..len], &((index >> 16) as u32).to_be_bytes()),
                    &packet[len..],
                )?;
                cm.apply(ssrc, index, &mut packet[header..len])?;
            }
        }
        Ok(len)
    }

    /// Seals the RTCP compound `packet[..len]` under the 31-bit `index`. Returns the new length.
    pub(super) fn seal_rtcp(&self, packet: &mut [u8], len: usize, ssrc: u32, index: u32) -> Result<usize, Forged> {
        let end = len + self.profile().rtcp_overhead();
        let sealed = packet.get_mut(..end).filter(|_| len >= RTCP_CLEAR).ok_or(Forged)?;
        let word = (index | ENCRYPTED).to_be_bytes();
        match self {
            Cipher::Gcm { key, salt } => {
                // RFC 7714 section 9.2: tag first, then the index word, which is authenticated too.
                sealed[len + GCM_TAG..].copy_from_slice(&word);
                let mut aad = [0; RTCP_CLEAR + 4];
                aad[..RTCP_CLEAR].copy_from_slice(&sealed[..RTCP_CLEAR]);
                aad[RTCP_CLEAR..].copy_from_slice(&word);
                let (payload, tag) = sealed[RTCP_CLEAR..].split_at_mut(len - RTCP_CLEAR);
                let made = key
                    .seal_in_place_separate_tag(gcm_nonce(salt, ssrc, index.into()), Aad::from(aad), payload)
                    .map_err(|_| Forged)?;
                tag[..GCM_TAG].copy_from_slice(made.as_ref());
            }
            Cipher::Cm(cm) => {
                cm.apply(ssrc, index.into(), &mut sealed[RTCP_CLEAR..len])?;
                sealed[len..len + 4].copy_from_slice(&word);
                let tag = cm.tag(&sealed[..len + 4], &[]);
                sealed[len + 4..].copy_from_slice(&tag);
            }
        }
        Ok(end)
    }

    /// The SRTCP index of a sealed packet; none when it is too short or claims not to be encrypted, which we never accept.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Option<u32> {
        packet.len().checked_sub(RTCP_CLEAR + self.profile().rtcp_overhead())?;
        let at = match self {
            Cipher::Gcm { .. } => packet.len() - 4,
            Cipher::Cm(_) => packet.len() - 4 - SHA1_80_TAG,
        };
        let word = be32(packet, at)?;
        (word & ENCRYPTED != 0).then_some(word & !ENCRYPTED)
    }

    /// Opens an RTCP packet whose index [`Self::rtcp_index`] told. Returns the plaintext's length.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, Forged> {
        let len = packet
            .len()
            .checked_sub(self.profile().rtcp_overhead())
            .filter(|len| *len >= RTCP_CLEAR)
            .ok_or(Forged)?;
        match self {
            Cipher::Gcm { key, salt } => {
                let mut aad = [0; RTCP_CLEAR + 4];
                aad[..RTCP_CLEAR].copy_from_slice(&packet[..RTCP_CLEAR]);
                aad[RTCP_CLEAR..].copy_from_slice(&packet[len + GCM_TAG..]);
                key.open_in_place(
                    gcm_nonce(salt, ssrc, index.into()),
                    Aad::from(aad),
                    &mut packet[RTCP_CLEAR..len + GCM_TAG],
                )
                .map_err(|_| Forged)?;
            }
            Cipher::Cm(cm) => {
                same(&cm.tag(&packet[..len + 4], &[]), &packet[len + 4..])?;
                cm.apply(ssrc, index.into(), &mut packet[RTCP_CLEAR..len])?;
            }
        }
        Ok(len)
    }
}
