//! SRTP session keys from a master key (RFC 3711 section 4.3), for both protection profiles.

use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroize;

/// AES-128 keys in both profiles.
pub const KEY_LEN: usize = 16;
/// HMAC-SHA1 authentication keys (RFC 3711 section 5.2).
pub const AUTH_KEY_LEN: usize = 20;

/// How packets are protected. Both are negotiated by DTLS `use_srtp` (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SrtpProfile {
    AeadAes128Gcm,
    Aes128CmHmacSha1_80,
}

impl SrtpProfile {
    /// Bytes of master salt: 96 bits for GCM, 112 for counter mode.
    pub const fn salt_len(self) -> usize {
        match self {
            SrtpProfile::AeadAes128Gcm => 12,
            SrtpProfile::Aes128CmHmacSha1_80 => 14,
        }
    }

    /// Bytes that a sealed RTP packet is longer than its plaintext.
    pub const fn rtp_overhead(self) -> usize {
        match self {
            SrtpProfile::AeadAes128Gcm => 16,
            SrtpProfile::Aes128CmHmacSha1_80 => 10,
        }
    }

    /// Bytes that a sealed RTCP packet is longer: the tag and the SRTCP index.
    pub const fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + 4
    }

    /// Bytes to ask of `EXTRACTOR-dtls_srtp`: two keys and two salts (RFC 5764 section 4.2).
    pub const fn exported_len(self) -> usize {
        2 * (KEY_LEN + self.salt_len())
    }
}

/// What a session key is for: the label of RFC 3711 section 4.3.2.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// A key or salt has the wrong length for its profile, or the cipher refused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unusable SRTP key")]
pub struct BadKey;

/// The master key and salt of one direction.
#[derive(Clone)]
pub struct MasterKey {
    pub key: [u8; KEY_LEN],
    /// The first [`SrtpProfile::salt_len`] bytes count; the rest is zero, as RFC 7714 section 11 pads it.
    pub salt: [u8; 14],
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

impl MasterKey {
    /// A master key of `profile`.
    pub fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Result<Self, BadKey> {
        let mut padded = [0; 14];
        padded
            .get_mut(..profile.salt_len())
            .filter(|slot| slot.len() == salt.len())
            .ok_or(BadKey)?
            .copy_from_slice(salt);
        Ok(Self {
            key: key.try_into().map_err(|_| BadKey)?,
            salt: padded,
        })
    }

    /// The client's and the server's master keys from the exported keying material (RFC 5764 section 4.2).
    pub fn split(profile: SrtpProfile, exported: &[u8]) -> Result<(Self, Self), BadKey> {
        if exported.len() != profile.exported_len() {
            return Err(BadKey);
        }
        let (keys, salts) = exported.split_at(2 * KEY_LEN);
        let (client_key, server_key) = keys.split_at(KEY_LEN);
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        Ok((
            Self::new(profile, client_key, client_salt)?,
            Self::new(profile, server_key, server_salt)?,
        ))
    }

    /// Fills `out` with the session key of `label`; the key derivation rate is zero, as everywhere in WebRTC.
    pub fn derive(&self, label: Label, out: &mut [u8]) -> Result<(), BadKey> {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        iv[7] ^= label as u8;
        out.fill(0);
        let key = UnboundCipherKey::new(&AES_128, &self.key)
            .and_then(EncryptingKey::ctr)
            .map_err(|_| BadKey)?;
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        key.less_safe_encrypt(out, context).map(|_| ()).map_err(|_| BadKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::transport::tests::hex;

    /// RFC 3711 appendix B.3.
    #[test]
    fn derives_the_keys_of_the_rfc() {
        let master = MasterKey::new(
            SrtpProfile::Aes128CmHmacSha1_80,
            &hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
            &hex("0EC675AD498AFEEBB6960B3AABE6"),
        )
        .unwrap();
        let mut key = [0; 16];
        master.derive(Label::RtpEncryption, &mut key).unwrap();
        assert_eq!(key.as_slice(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        let mut salt = [0; 14];
        master.derive(Label::RtpSalt, &mut salt).unwrap();
        assert_eq!(salt.as_slice(), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let mut auth = [0; 94];
        master.derive(Label::RtpAuthentication, &mut auth).unwrap();
        assert_eq!(
            auth.as_slice(),
            hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE\
                 E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25\
                 6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2")
        );
    }

    #[test]
    fn lengths_are_checked() {
        for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80] {
            let exported: Vec<u8> = (0..profile.exported_len() as u8).collect();
            let (client, server) = MasterKey::split(profile, &exported).unwrap();
            assert_eq!((client.key[0], server.key[0]), (0, 16));
            assert_eq!((client.salt[0], server.salt[0]), (32, 32 + profile.salt_len() as u8));
            assert!(MasterKey::split(profile, &exported[1..]).is_err());
            assert!(MasterKey::new(profile, &[0; 15], &[0; 12]).is_err());
        }
        assert!(MasterKey::new(SrtpProfile::AeadAes128Gcm, &[0; 16], &[0; 14]).is_err());
    }
}
