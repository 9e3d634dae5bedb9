//! RFC 7714 section 16 and RFC 3711 appendix B.2, byte by byte.

use super::super::srtp::{Inbound, OpenError, Outbound};
use super::super::srtp_cipher::Cipher;
use super::super::srtp_kdf::SrtpProfile;
use super::hex;

fn gcm() -> Cipher {
    let key = std::array::from_fn(|at| at as u8);
    let mut salt = [0; 14];
    salt[..12].copy_from_slice(&hex("517569642070726f2071756f"));
    Cipher::from_session(SrtpProfile::AeadAes128Gcm, &key, &[0; 20], &salt).unwrap()
}

const RTP: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 \
                   73207472 6573";
const SRTP: &str = "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b \
                    36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce";
const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef \
                    deadbeef deadbeef";
const SRTCP: &str = "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 \
                     86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4";

#[test]
fn rfc_7714_rtp() {
    let mut packet = hex(RTP);
    let len = packet.len();
    packet.resize(len + 16, 0);
    let sealed = Outbound::with_ciphers(gcm(), gcm(), 0)
        .seal_rtp(&mut packet, 12, len)
        .unwrap();
    assert_eq!(packet[..sealed], hex(SRTP));
    let mut inbound = Inbound::with_ciphers(gcm(), gcm(), 64);
    assert_eq!(inbound.open_rtp(&mut packet), Ok(len));
    assert_eq!(packet[..len], hex(RTP));
}

#[test]
fn rfc_7714_rtcp() {
    let mut packet = hex(RTCP);
    let len = packet.len();
    packet.resize(len + 20, 0);
    let sealed = Outbound::with_ciphers(gcm(), gcm(), 0x5d4)
        .seal_rtcp(&mut packet, len)
        .unwrap();
    assert_eq!(packet[..sealed], hex(SRTCP));
    let mut inbound = Inbound::with_ciphers(gcm(), gcm(), 64);
    assert_eq!(inbound.open_rtcp(&mut packet), Ok(len));
    assert_eq!(packet[..len], hex(RTCP));
}

#[test]
fn every_flipped_bit_is_noticed() {
    for bit in 0..hex(SRTP).len() * 8 {
        let mut packet = hex(SRTP);
        packet[bit / 8] ^= 1 << (bit % 8);
        assert!(
            Inbound::with_ciphers(gcm(), gcm(), 64).open_rtp(&mut packet).is_err(),
            "bit {bit}"
        );
    }
    for bit in 0..hex(SRTCP).len() * 8 {
        let mut packet = hex(SRTCP);
        packet[bit / 8] ^= 1 << (bit % 8);
        assert!(
            Inbound::with_ciphers(gcm(), gcm(), 64).open_rtcp(&mut packet).is_err(),
            "bit {bit}"
        );
    }
}

#[test]
fn unencrypted_rtcp_is_refused() {
    let mut packet = hex(SRTCP);
    let at = packet.len() - 4;
    packet[at] &= 0x7f;
    let opened = Inbound::with_ciphers(gcm(), gcm(), 64).open_rtcp(&mut packet);
    assert_eq!(opened, Err(OpenError::Malformed));
}

/// The key stream of appendix B.2 is that of SSRC 0 and index 0, so an RTP packet of zeros shows it.
#[test]
fn rfc_3711_counter_mode() {
    let mut salt = [0; 14];
    salt.copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
    let key = hex("2B7E151628AED2A6ABF7158809CF4F3C").try_into().unwrap();
    let cipher = || Cipher::from_session(SrtpProfile::Aes128CmHmacSha1_80, &key, &[1; 20], &salt).unwrap();
    let mut packet = vec![0; 12 + 48 + 10];
    packet[0] = 0x80;
    Outbound::with_ciphers(cipher(), cipher(), 0)
        .seal_rtp(&mut packet, 12, 60)
        .unwrap();
    let wanted =
        hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0");
    assert_eq!(packet[12..60], wanted);
}
