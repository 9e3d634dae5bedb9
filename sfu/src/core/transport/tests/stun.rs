//! Requests and answers against `rtc-stun`, and against whoever sends noise.

use super::super::stun::{BindingRequest, StunAnswer, StunError, StunKey, local_ufrag};
use super::super::stun_client::Check;
use super::peer::{Raw, Request, addr, credentials};
use proptest::prelude::*;
use rtc_crypto::RTCCryptoProvider;
use rtc_stun::attributes::AttrType;
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_SUCCESS, Getter, Message};
use rtc_stun::xoraddr::XorMappedAddress;

fn request() -> Request {
    Request::new(&credentials(1), &credentials(2))
}

fn key() -> StunKey {
    StunKey::new(&credentials(1).pwd)
}

fn judge(bytes: &[u8]) -> Result<BindingRequest<'_>, StunError> {
    let request = BindingRequest::parse(bytes)?;
    request.authenticate(&key())?;
    Ok(request)
}

#[test]
fn a_request_is_read() {
    let bytes = request().nominating().bytes();
    let read = judge(&bytes).unwrap();
    assert_eq!(
        (read.local_ufrag, read.remote_ufrag),
        (&*credentials(1).ufrag, &*credentials(2).ufrag)
    );
    assert_eq!((read.priority, read.use_candidate), (Some(1_853_824_767), true));
    assert!(!judge(&request().bytes()).unwrap().use_candidate);
    assert_eq!(local_ufrag(&bytes), Some(&*credentials(1).ufrag));
}

#[test]
fn the_answer_is_what_an_agent_expects() {
    let provider = rtc::crypto::providers::AwsLcRsProvider::new();
    for source in ["203.0.113.9:61234", "[2001:db8::7]:5", "[::ffff:203.0.113.9]:61234"] {
        let bytes = request().bytes();
        let answer = judge(&bytes).unwrap().success(addr(source), &key());
        let mut message = Message::new();
        message.unmarshal_binary(answer.as_bytes()).unwrap();
        assert_eq!(message.typ, BINDING_SUCCESS);
        assert_eq!(message.transaction_id.0, bytes[8..20]);
        FINGERPRINT.check(&message).unwrap();
        MessageIntegrity::check(&mut message, credentials(1).pwd.as_bytes(), provider.crypto()).unwrap();
        let mut mapped = XorMappedAddress::default();
        mapped.get_from(&message).unwrap();
        assert_eq!(
            (mapped.ip, mapped.port),
            (addr(source).ip().to_canonical(), addr(source).port())
        );
        assert!(answer.as_bytes().len() <= StunAnswer::MAX_LEN);
    }
}

#[test]
fn strangers_are_refused() {
    let mut wrong_password = request();
    wrong_password.pwd = credentials(9).pwd;
    assert_eq!(judge(&wrong_password.bytes()).unwrap_err(), StunError::WrongIntegrity);
    let mut no_colon = request();
    no_colon.username = "nobody".into();
    assert_eq!(judge(&no_colon.bytes()).unwrap_err(), StunError::WrongUsername);
    let mut unknown = request();
    unknown.extra.push(Raw(AttrType(0x7abc), vec![1, 2, 3, 4]));
    assert_eq!(judge(&unknown.bytes()).unwrap_err(), StunError::UnknownAttribute);
    let mut optional = request();
    optional.extra.push(Raw(AttrType(0xc057), vec![0, 1, 3, 0xe7]));
    assert!(judge(&optional.bytes()).is_ok());
    let mut answer = request().bytes();
    answer[0] = 1;
    assert_eq!(judge(&answer).unwrap_err(), StunError::Malformed);
    assert_eq!(local_ufrag(&answer), None);
}

/// What stands behind MESSAGE-INTEGRITY is not covered by it and must not count.
#[test]
fn a_nomination_behind_the_integrity_is_ignored() {
    use rtc_stun::attributes::ATTR_USE_CANDIDATE;
    let signed = request().bytes();
    let mut message = Message::new();
    message.unmarshal_binary(&signed[..signed.len() - 8]).err();
    let mut forged = signed[..signed.len() - 8].to_vec();
    let len = (forged.len() - 20) as u16;
    forged[2..4].copy_from_slice(&len.to_be_bytes());
    message.unmarshal_binary(&forged).unwrap();
    message.add(ATTR_USE_CANDIDATE, &[]);
    message.write_header();
    rtc_stun::message::Setter::add_to(&FINGERPRINT, &mut message).unwrap();
    let read = judge(&message.raw).unwrap();
    assert!(!read.use_candidate);
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let bytes = request().nominating().bytes();
    for bit in 0..bytes.len() * 8 {
        let mut broken = bytes.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        assert!(judge(&broken).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(judge(&bytes[..len]).is_err(), "{len} bytes");
        let _ = local_ufrag(&bytes[..len]);
    }
}

proptest! {
    #[test]
    fn noise_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(judge(&bytes).is_err());
        let _ = local_ufrag(&bytes);
    }

    /// Attributes of any type and length behind a correct header: errors, never panics.
    #[test]
    fn shaped_noise_is_an_error(body in prop::collection::vec((0u16..0x40, 0usize..40), 0..40), tail in 0usize..4) {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bytes.resize(20, 7);
        for (kind, len) in body {
            bytes.extend_from_slice(&kind.to_be_bytes());
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
            bytes.resize(bytes.len() + len.next_multiple_of(4), b':');
        }
        bytes.truncate(bytes.len() - tail.min(bytes.len() - 20));
        let len = (bytes.len() - 20) as u16;
        bytes[2..4].copy_from_slice(&len.to_be_bytes());
        prop_assert!(judge(&bytes).is_err());
        let _ = local_ufrag(&bytes);
    }
}

#[test]
fn our_own_checks_are_what_an_agent_sends_and_only_their_answer_is_believed() {
    let provider = rtc::crypto::providers::AwsLcRsProvider::new();
    let (server, client) = (credentials(1), credentials(2));
    let check = Check {
        transaction: [9; 12],
        remote_ufrag: &server.ufrag,
        local_ufrag: &client.ufrag,
        priority: 7,
        tie_breaker: 1,
        use_candidate: true,
    };
    let bytes = check.write(&key());
    let mut message = Message::new();
    message.unmarshal_binary(&bytes).unwrap();
    FINGERPRINT.check(&message).unwrap();
    MessageIntegrity::check(&mut message, server.pwd.as_bytes(), provider.crypto()).unwrap();
    let read = judge(&bytes).unwrap();
    assert_eq!((read.priority, read.use_candidate), (Some(7), true));
    for source in ["203.0.113.9:61234", "[2001:db8::7]:5"] {
        let answer = read.success(addr(source), &key());
        let good = answer.as_bytes();
        assert_eq!(check.answered_by(good, &key()), Some(addr(source)));
        assert_eq!(check.answered_by(good, &StunKey::new(&client.pwd)), None);
        let other = Check {
            transaction: [8; 12],
            ..check
        };
        assert_eq!(other.answered_by(good, &key()), None);
        let mut bent = good.to_vec();
        bent[28] ^= 1;
        assert_eq!(check.answered_by(&bent, &key()), None);
    }
}
