//! Nonce safety: whatever sequence numbers come, no index of an SSRC is sealed twice.

use super::super::srtp::{MAX_OUTBOUND_SSRCS, Outbound, SealError};
use super::super::srtp_cipher::Cipher;
use super::super::srtp_kdf::{MasterKey, SrtpProfile};
use super::rtp;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn master(profile: SrtpProfile) -> MasterKey {
    MasterKey::new(profile, &[3; 16], &[4; 14][..profile.salt_len()]).unwrap()
}

fn seal(outbound: &mut Outbound, plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut packet = plain.to_vec();
    packet.resize(plain.len() + 16, 0);
    let len = outbound.seal_rtp(&mut packet, 12, plain.len())?;
    packet.truncate(len);
    Ok(packet)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The lowest index above the last one that has these 16 bits; where that is half the space away, a refusal. That the
    /// bytes open under exactly this index shows that it is the one which was used.
    #[test]
    fn indices_of_an_ssrc_only_grow(
        gcm: bool,
        steps in prop::collection::vec((0u32..3, prop_oneof![Just(0u16), 1u16..20, 32_700u16..32_800, any::<u16>()]), 1..200),
    ) {
        let profile = if gcm { SrtpProfile::AeadAes128Gcm } else { SrtpProfile::Aes128CmHmacSha1_80 };
        let mut outbound = Outbound::new(profile, &master(profile)).unwrap();
        let cipher = Cipher::for_rtp(profile, &master(profile)).unwrap();
        let mut last: BTreeMap<u32, u64> = BTreeMap::new();
        for (ssrc, step) in steps {
            let before = last.get(&ssrc).copied();
            let sequence = before.map_or(step, |before| (before as u16).wrapping_add(step));
            let plain = rtp(ssrc, sequence, 20);
            let wanted = match before {
                None => Some(u64::from(sequence)),
                Some(before) => (before + 1..before + 0x8000).find(|index| *index as u16 == sequence),
            };
            match (seal(&mut outbound, &plain), wanted) {
                (Ok(mut sealed), Some(index)) => {
                    prop_assert!(before.is_none_or(|before| index > before));
                    prop_assert_eq!(cipher.open_rtp(&mut sealed, 12, ssrc, index), Ok(plain.len()));
                    prop_assert_eq!(&sealed[..plain.len()], plain.as_slice());
                    last.insert(ssrc, index);
                }
                (Err(SealError::IndexUsed), None) => {}
                (sealed, wanted) => prop_assert!(false, "sealed {:?}, wanted {:?}", sealed.is_ok(), wanted),
            }
        }
    }
}

#[test]
fn the_rtcp_index_counts_over_all_sources_and_ends() {
    let profile = SrtpProfile::AeadAes128Gcm;
    let cipher = || Cipher::for_rtcp(profile, &master(profile)).unwrap();
    let mut outbound = Outbound::with_ciphers(cipher(), cipher(), 0x7fff_fffe);
    let mut seal = |ssrc| {
        let mut packet = super::rtcp(ssrc, 1);
        let len = packet.len();
        packet.resize(len + 20, 0);
        outbound
            .seal_rtcp(&mut packet, len)
            .map(|sealed| cipher().rtcp_index(&packet[..sealed]).unwrap())
    };
    assert_eq!(seal(1), Ok(0x7fff_fffe));
    assert_eq!(seal(2), Ok(0x7fff_ffff));
    assert_eq!(seal(1), Err(SealError::IndexExhausted));
}

#[test]
fn sources_are_bounded() {
    let profile = SrtpProfile::AeadAes128Gcm;
    let mut outbound = Outbound::new(profile, &master(profile)).unwrap();
    for ssrc in 0..MAX_OUTBOUND_SSRCS as u32 {
        assert!(seal(&mut outbound, &rtp(ssrc.reverse_bits(), 1, 4)).is_ok());
    }
    assert_eq!(seal(&mut outbound, &rtp(3, 1, 4)), Err(SealError::TooManyStreams));
    assert_eq!(seal(&mut outbound, &rtp(0, 1, 4)), Err(SealError::IndexUsed));
    assert!(seal(&mut outbound, &rtp(0, 2, 4)).is_ok());
}
