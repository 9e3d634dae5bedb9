//! Both profiles against `rtc-srtp`, both ways: rollover, header extensions, replay, order.

use super::super::srtp::{Inbound, OpenError, Outbound, rtp_header_len};
use super::super::srtp_kdf::{MasterKey, SrtpProfile};
use super::{rtcp, rtp};
use rtc_crypto::RTCCryptoProvider;
use rtc_srtp::context::Context;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

const PROFILES: [(SrtpProfile, ProtectionProfile); 2] = [
    (SrtpProfile::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
    (SrtpProfile::Aes128CmHmacSha1_80, ProtectionProfile::Aes128CmHmacSha1_80),
];
const KEY: [u8; 16] = *b"sixteen bytes! k";
const SALT: [u8; 14] = *b"fourteen bytes";

fn master(profile: SrtpProfile) -> MasterKey {
    MasterKey::new(profile, &KEY, &SALT[..profile.salt_len()]).unwrap()
}

fn oracle(profile: SrtpProfile, theirs: ProtectionProfile) -> Context {
    let provider = rtc::crypto::providers::AwsLcRsProvider::new();
    let salt = &SALT[..profile.salt_len()];
    let windows = (srtp_replay_protection(64), srtcp_replay_protection(64));
    Context::new(&KEY, salt, theirs, Some(windows.0), Some(windows.1), provider.crypto()).unwrap()
}

/// Packets around two rollovers, of several lengths and sources, some with CSRCs and extensions.
fn packets() -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for at in 0..140_000u32 {
        let near_rollover = matches!(at % 65_536, 0..=40 | 65_500..);
        if at < 100 || near_rollover {
            packets.push(rtp(1, at as u16, (at % 1_200) as usize));
        } else if at % 20_000 == 0 {
            // A jump of less than half the space keeps the rollover counter known.
            packets.push(rtp(1, at as u16, 10));
        }
    }
    for sequence in 30_000..30_050u16 {
        let mut packet = rtp(0xdead_beef, sequence, 300);
        packet[0] = 0x80 | 0x10 | 2;
        let extension = [0, 0, 0, 9, 0, 0, 0, 8, 0xbe, 0xde, 0, 1, 0x10, 0x55, 0, 0];
        packet.splice(12..12, extension);
        packets.push(packet);
    }
    packets
}

#[test]
fn the_oracle_opens_what_we_seal() {
    for (profile, theirs) in PROFILES {
        let (mut outbound, mut oracle) = (
            Outbound::new(profile, &master(profile)).unwrap(),
            oracle(profile, theirs),
        );
        for plain in packets() {
            let header = rtp_header_len(&plain).unwrap();
            let mut packet = plain.clone();
            packet.resize(plain.len() + 16, 0xff);
            let sealed = outbound.seal_rtp(&mut packet, header, plain.len()).unwrap();
            assert_eq!(sealed, plain.len() + profile.rtp_overhead());
            assert_eq!(oracle.decrypt_rtp(&packet[..sealed]).unwrap(), plain);
        }
        for filler in 0..100 {
            let plain = rtcp(u32::from(filler) % 3, filler);
            let mut packet = plain.clone();
            packet.resize(plain.len() + 20, 0xff);
            let sealed = outbound.seal_rtcp(&mut packet, plain.len()).unwrap();
            assert_eq!(oracle.decrypt_rtcp(&packet[..sealed]).unwrap(), plain);
        }
    }
}

#[test]
fn we_open_what_the_oracle_seals() {
    for (profile, theirs) in PROFILES {
        let (mut inbound, mut oracle) = (
            Inbound::new(profile, &master(profile), 64).unwrap(),
            oracle(profile, theirs),
        );
        for plain in packets() {
            let mut packet = oracle.encrypt_rtp(&plain).unwrap().to_vec();
            let len = inbound.open_rtp(&mut packet).unwrap();
            assert_eq!(packet[..len], plain);
        }
        for filler in 0..100 {
            let plain = rtcp(u32::from(filler) % 3, filler);
            let mut packet = oracle.encrypt_rtcp(&plain).unwrap().to_vec();
            let len = inbound.open_rtcp(&mut packet).unwrap();
            assert_eq!(packet[..len], plain);
        }
    }
}

#[test]
fn replayed_and_late_packets_are_refused_across_a_rollover() {
    for (profile, theirs) in PROFILES {
        let (mut inbound, mut oracle) = (
            Inbound::new(profile, &master(profile), 64).unwrap(),
            oracle(profile, theirs),
        );
        let sealed: Vec<Vec<u8>> = (0..200u16)
            .map(|at| {
                oracle
                    .encrypt_rtp(&rtp(5, 65_500u16.wrapping_add(at), 40))
                    .unwrap()
                    .to_vec()
            })
            .collect();
        // 36 is the first packet after the rollover.
        let order = [
            (0, true),
            (1, true),
            (40, true),
            (30, true),
            (30, false),
            (40, false),
            (36, true),
            (35, true),
            (199, true),
            (100, false),
            (136, true),
            (135, false),
            (137, true),
            (199, false),
        ];
        for (at, wanted) in order {
            let opened = inbound.open_rtp(&mut sealed[at].clone());
            assert_eq!(opened.is_ok(), wanted, "packet {at} {profile:?} {opened:?}");
            if !wanted {
                assert_eq!(opened, Err(OpenError::Replayed));
            }
        }
        let report = oracle.encrypt_rtcp(&rtcp(5, 1)).unwrap().to_vec();
        assert!(inbound.open_rtcp(&mut report.clone()).is_ok());
        assert_eq!(inbound.open_rtcp(&mut report.clone()), Err(OpenError::Replayed));
    }
}

#[test]
fn a_forged_packet_changes_nothing() {
    for (profile, theirs) in PROFILES {
        let (mut inbound, mut oracle) = (
            Inbound::new(profile, &master(profile), 64).unwrap(),
            oracle(profile, theirs),
        );
        let mut sealed = |sequence| oracle.encrypt_rtp(&rtp(5, sequence, 40)).unwrap().to_vec();
        let (first, second) = (sealed(10), sealed(11));
        assert!(inbound.open_rtp(&mut first.clone()).is_ok());
        // Were a forgery believed, its sequence number would push the real next packet out of the window.
        let mut forged = second.clone();
        forged[2..4].copy_from_slice(&20_000u16.to_be_bytes());
        assert_eq!(inbound.open_rtp(&mut forged), Err(OpenError::Forged));
        for ssrc in 100..2_000u32 {
            let mut forged = second.clone();
            forged[8..12].copy_from_slice(&ssrc.to_be_bytes());
            assert_eq!(inbound.open_rtp(&mut forged), Err(OpenError::Forged));
        }
        assert!(inbound.open_rtp(&mut second.clone()).is_ok());
    }
}

#[test]
fn broken_lengths_are_errors() {
    for (profile, _) in PROFILES {
        let mut inbound = Inbound::new(profile, &master(profile), 64).unwrap();
        let mut outbound = Outbound::new(profile, &master(profile)).unwrap();
        let whole = rtp(5, 1, 60);
        for len in 0..whole.len() {
            assert!(inbound.open_rtp(&mut whole[..len].to_vec()).is_err());
            assert!(inbound.open_rtcp(&mut whole[..len].to_vec()).is_err());
            assert!(
                outbound.seal_rtp(&mut whole[..len].to_vec(), 12, len).is_err(),
                "no room for a tag"
            );
            assert!(
                outbound.seal_rtcp(&mut whole[..len].to_vec(), len).is_err(),
                "no room for a tag"
            );
        }
        let mut roomy = whole.clone();
        roomy.resize(whole.len() + 20, 0);
        assert!(outbound.seal_rtp(&mut roomy, 11, whole.len()).is_err());
        assert!(outbound.seal_rtp(&mut roomy, whole.len() + 1, whole.len()).is_err());
        assert!(outbound.seal_rtp(&mut roomy, 12, whole.len() + 21).is_err());
        assert!(outbound.seal_rtp(&mut roomy, 12, whole.len()).is_ok());
    }
}
