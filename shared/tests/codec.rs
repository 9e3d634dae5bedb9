//! The codec under honest, newer and hostile peers.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

mod examples;

use examples::{client_messages, event, participant, payload, server_messages, session};
use invigil_shared::chain::{ChainBreak, ChainHead};
use invigil_shared::codec::{decode_client, decode_server, encode};
use invigil_shared::device::{sign_challenge, verify_challenge};
use invigil_shared::error::ErrorCode;
use invigil_shared::frame_info::{FrameInfo, MAX_LEN};
use invigil_shared::integrity::{IntegrityKind, IntegrityPayload};
use invigil_shared::limits::{MAX_FRAME, MAX_SDP};
use invigil_shared::publication::{Kind, Layer, PublicationKey};
use invigil_shared::rest::JoinLink;
use invigil_shared::signal::{Action, ClientFrame, ClientMessage, ServerFrame, ServerMessage};
use proptest::prelude::*;

#[test]
fn an_unknown_request_decodes_and_keeps_its_id() {
    let frame = decode_client(r#"{"type":"teleport","id":9,"where":"home"}"#).unwrap();
    assert_eq!(
        frame,
        ClientFrame {
            id: Some(9),
            once: None,
            message: ClientMessage::Unknown
        }
    );
}

#[test]
fn unknown_fields_and_server_messages_are_ignored() {
    assert_eq!(
        decode_server(r#"{"type":"ok","id":1,"later":[1]}"#).unwrap().message,
        ServerMessage::Ok
    );
    assert_eq!(
        decode_server(r#"{"type":"aurora"}"#).unwrap().message,
        ServerMessage::Unknown
    );
}

#[test]
fn unknown_enum_values_decode_to_unknown() {
    let newer = serde_json::to_string(&payload())
        .unwrap()
        .replace("focus_lost", "mind_wandered");
    assert_eq!(
        serde_json::from_str::<IntegrityPayload>(&newer).unwrap().kind,
        IntegrityKind::Unknown
    );
    let action = decode_client(r#"{"type":"action","action":"applaud"}"#)
        .unwrap()
        .message;
    assert_eq!(
        action,
        ClientMessage::Action {
            action: Action::Unknown
        }
    );
    let error = decode_server(r#"{"type":"error","code":"of_the_future"}"#)
        .unwrap()
        .message;
    assert!(matches!(error, ServerMessage::Error { error } if error.code == ErrorCode::Unknown));
}

#[test]
fn a_bad_message_is_answered_to_its_id() {
    let error = decode_client(r#"{"type":"ping","id":3,"t0":"noon"}"#).unwrap_err();
    assert_eq!((error.id, error.body.code), (Some(3), ErrorCode::BadMessage));
    assert_eq!(decode_client("[]").unwrap_err().body.code, ErrorCode::BadMessage);
}

#[test]
fn only_sdp_may_be_long() {
    let long = |size: usize| {
        format!(
            r#"{{"type":"message:send","to":null,"kind":"chat","text":"{}"}}"#,
            "a".repeat(size)
        )
    };
    assert!(decode_client(&long(MAX_FRAME - 100)).is_ok());
    assert_eq!(
        decode_client(&long(MAX_FRAME)).unwrap_err().body.code,
        ErrorCode::TooLarge
    );
    let transport = "019a0000-0000-7000-8000-000000000000";
    let sdp = |size: usize| {
        format!(
            r#"{{"type":"sdp:offer","transport":"{transport}","sdp":"{}"}}"#,
            "a".repeat(size)
        )
    };
    assert!(decode_client(&sdp(MAX_SDP - 200)).is_ok());
    assert_eq!(decode_client(&sdp(MAX_SDP)).unwrap_err().body.code, ErrorCode::TooLarge);
}

#[test]
fn nesting_is_bounded() {
    let deep = format!(
        r#"{{"type":"ping","t0":{}1{}}}"#,
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    assert_eq!(decode_client(&deep).unwrap_err().body.code, ErrorCode::BadMessage);
}

#[test]
fn the_chain_finds_gap_fork_and_edit() {
    let (mut writer, mut reader) = (ChainHead::new(session()), ChainHead::new(session()));
    let events: Vec<_> = (0u8..5)
        .map(|n| writer.append(session(), [n; 16], format!("{{\"n\":{n}}}")))
        .collect();
    reader.advance(session(), &events[0]).unwrap();
    assert_eq!(reader.advance(session(), &events[0]), Err(ChainBreak::Duplicate(1)));
    assert_eq!(
        reader.advance(session(), &events[2]),
        Err(ChainBreak::Gap { wanted: 2, got: 3 })
    );
    let mut edited = events[1].clone();
    edited.payload = "{\"n\":9}".into();
    reader.advance(session(), &edited).unwrap();
    assert_eq!(
        reader.advance(session(), &events[2]),
        Err(ChainBreak::Fork(3)),
        "an edit breaks the next link"
    );
    let mut salted = events[0].clone();
    salted.salt = "00".into();
    assert_eq!(
        ChainHead::new(session()).advance(session(), &salted),
        Err(ChainBreak::BadSalt(1))
    );
    let other = invigil_shared::id::SessionId::from_parts(1, [1; 10]);
    assert_eq!(
        ChainHead::new(other).advance(other, &events[0]),
        Err(ChainBreak::Fork(1)),
        "a chain belongs to one session"
    );
}

#[test]
fn a_released_chain_keeps_its_hashes() {
    let mut head = ChainHead::new(session());
    head.advance(session(), &event()).unwrap();
    assert_eq!(head.hash.to_string(), include_str!("golden/v1/chain-head.txt").trim());
}

#[test]
fn only_the_device_key_proves_itself() {
    let key = ed25519_dalek::SigningKey::from_bytes(&[42; 32]);
    let public = key.verifying_key().to_bytes();
    let proof = sign_challenge(&key, session(), b"challenge");
    assert!(verify_challenge(&public, session(), b"challenge", &proof));
    assert!(!verify_challenge(&public, session(), b"another", &proof));
    assert!(!verify_challenge(
        &public,
        invigil_shared::id::SessionId::from_parts(1, [0; 10]),
        b"challenge",
        &proof
    ));
    assert!(
        !verify_challenge(&[0; 32], session(), b"challenge", &proof),
        "a weak key proves nothing"
    );
    assert!(!verify_challenge(&public[..31], session(), b"challenge", &proof));
    assert!(!verify_challenge(&public, session(), b"challenge", &proof[..63]));
}

#[test]
fn a_join_link_survives_paste() {
    let link = JoinLink {
        authority: "exam.example.edu:8443".into(),
        exam_code: "MICRO-204".into(),
        secret: "7K3F-9QXT-M2RD".into(),
        certificate_sha256: Some("ab".repeat(32)),
    };
    assert!(JoinLink::parse(&format!("  {}\n", link.to_text())) == Ok(link));
    for bad in [
        "",
        "https://x/join?exam=A&secret=B",
        "invigil:///join?exam=A&secret=B",
        "invigil://h/join?exam=A",
        "invigil://h/join?exam=A&secret=B&sha256=zz",
    ] {
        assert!(JoinLink::parse(bad).is_err(), "{bad}");
    }
}

fn keys() -> impl Strategy<Value = PublicationKey> {
    (
        prop_oneof![Just(Kind::Camera), Just(Kind::Screen), Just(Kind::Microphone)],
        any::<u8>(),
    )
        .prop_map(|(kind, instance)| PublicationKey { kind, instance })
}

proptest! {
    #[test]
    fn any_bytes_decode_or_fail_without_panic(text in "\\PC{0,400}") {
        let _ = decode_client(&text);
        let _ = decode_server(&text);
        let _ = JoinLink::parse(&text);
    }

    #[test]
    fn mutated_messages_never_panic_and_what_decodes_survives(pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let frames: Vec<_> = client_messages().into_iter().map(|message| encode(&ClientFrame { id: Some(1), once: None, message }).unwrap()).collect();
        let mut bytes = frames[pick.index(frames.len())].clone().into_bytes();
        let index = at.index(bytes.len());
        bytes[index] = byte;
        if let Ok(text) = String::from_utf8(bytes) && let Ok(frame) = decode_client(&text) {
            prop_assert_eq!(decode_client(&encode(&frame).unwrap()).unwrap(), frame);
        }
    }

    #[test]
    fn frames_survive_the_wire(pick in any::<prop::sample::Index>(), id in proptest::option::of(any::<u32>())) {
        let all = server_messages();
        let frame = ServerFrame { id, message: all[pick.index(all.len())].clone() };
        if frame.message != ServerMessage::Unknown {
            prop_assert_eq!(decode_server(&encode(&frame).unwrap()).unwrap(), frame);
        }
    }

    #[test]
    fn publication_keys_have_one_spelling(key in keys(), other in "[a-z]{1,10}/[0-9+]{1,4}") {
        prop_assert_eq!(key.to_string().parse::<PublicationKey>(), Ok(key));
        if let Ok(parsed) = other.parse::<PublicationKey>() {
            prop_assert_eq!(parsed.to_string(), other);
        }
    }

    #[test]
    fn frame_info_survives_and_reads_any_bytes(
        key in any::<bool>(), start in any::<bool>(), end in any::<bool>(), layer in 0usize..3, temporal in 0u8..64,
        captured in proptest::option::of(0i64..(1 << 55)), junk in proptest::collection::vec(any::<u8>(), 0..12),
    ) {
        let info = FrameInfo { key, start, end, layer: Layer::ALL[layer], temporal, captured: captured.filter(|_| start) };
        let mut out = [0; MAX_LEN];
        let length = info.write(&mut out);
        prop_assert_eq!(FrameInfo::read(&out[..length]), Some(info));
        let _ = FrameInfo::read(&junk);
    }

    #[test]
    fn chains_of_any_payload_verify(payloads in proptest::collection::vec(".{0,60}", 1..20)) {
        let (mut writer, mut reader) = (ChainHead::new(session()), ChainHead::new(session()));
        for (n, payload) in payloads.into_iter().enumerate() {
            let event = writer.append(session(), [n as u8; 16], payload);
            prop_assert_eq!(reader.advance(session(), &event), Ok(()));
        }
        prop_assert_eq!(reader, writer);
        prop_assert_ne!(participant(1), participant(2));
    }
}
