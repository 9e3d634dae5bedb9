//! The association's own rules: who is believed, where media goes, when it may be sent, how it ends.

use super::super::association::{
    CONSENT, Event, FailReason, MAX_ADDRESSES, OpenError, SETUP_DEADLINE, SealError, State,
};
use super::super::credentials::Fingerprint;
use super::super::dtls::{Dtls, DtlsError, DtlsIdentity, DtlsRole};
use super::super::srtp_kdf::SrtpProfile;
use super::super::stun::StunError;
use super::peer::{OURS, Pair, Request, THEIRS, addr, credentials};
use super::rtp;
use std::sync::Arc;
use std::time::Duration;

fn connected(role: DtlsRole) -> Pair {
    let mut pair = Pair::new(role, THEIRS.fingerprint());
    pair.bind(pair.peer_addr, true);
    pair.shake_hands();
    assert_eq!(pair.sfu.state(), State::Connected);
    assert_eq!(pair.events(), [Event::Connected]);
    pair
}

#[test]
fn connects_as_client_and_as_server() {
    for role in [DtlsRole::Client, DtlsRole::Server] {
        let pair = connected(role);
        assert_eq!(pair.sfu.profile(), Some(SrtpProfile::AeadAes128Gcm));
        assert_eq!(pair.sfu.remote_addr(), Some(pair.peer_addr));
        assert!(pair.sfu.may_send(pair.now));
    }
}

#[test]
fn another_certificate_than_announced_gets_no_keys() {
    for role in [DtlsRole::Client, DtlsRole::Server] {
        let mut pair = Pair::new(role, Fingerprint([7; 32]));
        pair.bind(pair.peer_addr, true);
        pair.shake_hands();
        let why = FailReason::Dtls(DtlsError::FingerprintMismatch);
        assert_eq!(pair.sfu.state(), State::Failed(why));
        assert_eq!(pair.events(), [Event::Failed(why)]);
        assert_eq!(pair.sfu.open_rtp(&mut rtp(1, 1, 100)), Err(OpenError::NotConnected));
        assert_eq!(
            pair.sfu.seal_rtp(&mut rtp(1, 1, 100), 12, 80),
            Err(SealError::NotConnected)
        );
        assert!(!pair.sfu.may_send(pair.now));
        assert_eq!(pair.sfu.poll_timeout(), None);
    }
}

#[test]
fn a_stranger_changes_nothing() {
    let mut pair = Pair::new(DtlsRole::Client, THEIRS.fingerprint());
    let stranger = addr("203.0.113.66:1");
    let guesses = [
        Request::new(&credentials(1), &credentials(3)),
        Request::new(&credentials(3), &credentials(2)),
        {
            Request {
                pwd: credentials(2).pwd,
                ..Request::new(&credentials(1), &credentials(2))
            }
        },
    ];
    for guess in guesses {
        assert!(
            pair.sfu
                .handle_stun(pair.now, stranger, pair.sfu_addr, &guess.nominating().bytes())
                .is_err()
        );
    }
    assert_eq!(pair.sfu.state(), State::New);
    assert!(pair.sfu.poll_event().is_none());
    assert!(pair.sfu.poll_transmit().is_none());
}

#[test]
fn dtls_of_an_address_that_proved_nothing_is_not_read() {
    let mut pair = Pair::new(DtlsRole::Server, THEIRS.fingerprint());
    pair.bind(pair.peer_addr, true);
    pair.peer.start(pair.now).unwrap();
    let hello = pair.peer.poll_transmit().unwrap();
    pair.sfu.handle_dtls(pair.now, addr("203.0.113.66:1"), &hello);
    assert!(pair.sfu.poll_transmit().is_none());
    pair.sfu.handle_dtls(pair.now, pair.peer_addr, &hello);
    assert!(pair.sfu.poll_transmit().is_some());
}

/// A peer without GCM, and one with nothing that we do.
#[test]
fn the_profile_is_negotiated() {
    use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile as Theirs;
    for role in [DtlsRole::Client, DtlsRole::Server] {
        let identity = Arc::new(DtlsIdentity::generate_with(&[Theirs::Srtp_Aes128_Cm_Hmac_Sha1_80]).unwrap());
        let mut pair = Pair::new(role, identity.fingerprint());
        pair.peer = Dtls::new(identity, Pair::other(role), OURS.fingerprint());
        pair.bind(pair.peer_addr, true);
        pair.shake_hands();
        assert_eq!(pair.sfu.profile(), Some(SrtpProfile::Aes128CmHmacSha1_80));
        let mut packet = rtp(1, 1, 100);
        packet.resize(112 + 16, 0);
        assert_eq!(pair.sfu.seal_rtp(&mut packet, 12, 112), Ok(122));

        let identity = Arc::new(DtlsIdentity::generate_with(&[Theirs::Srtp_Aes128_Cm_Hmac_Sha1_32]).unwrap());
        let mut pair = Pair::new(role, identity.fingerprint());
        pair.peer = Dtls::new(identity, Pair::other(role), OURS.fingerprint());
        pair.bind(pair.peer_addr, true);
        pair.shake_hands();
        assert!(
            matches!(pair.sfu.state(), State::Failed(FailReason::Dtls(_))),
            "{:?}",
            pair.sfu.state()
        );
    }
}

#[test]
fn dtls_waits_for_the_nomination_but_not_for_ever() {
    let mut pair = Pair::new(DtlsRole::Client, THEIRS.fingerprint());
    let events = pair.bind(pair.peer_addr, false);
    assert_eq!(
        events,
        [Event::AddressAdded(pair.peer_addr), Event::PathChanged(pair.peer_addr)]
    );
    assert!(pair.sfu.poll_transmit().is_none());
    let due = pair.sfu.poll_timeout().unwrap();
    assert!(due > pair.now && due <= pair.now + Duration::from_secs(1));
    pair.now = due;
    pair.sfu.handle_timeout(pair.now);
    assert!(pair.sfu.poll_transmit().is_some());

    let mut pair = Pair::new(DtlsRole::Client, THEIRS.fingerprint());
    pair.bind(pair.peer_addr, true);
    assert!(pair.sfu.poll_transmit().is_some());
}

#[test]
fn a_lost_flight_is_sent_again_until_it_times_out() {
    let mut pair = Pair::new(DtlsRole::Client, THEIRS.fingerprint());
    pair.bind(pair.peer_addr, true);
    let (mut flights, start) = (0, pair.now);
    while pair.sfu.state() == State::Handshaking {
        while pair.sfu.poll_transmit().is_some() {
            flights += 1;
        }
        pair.now = pair.sfu.poll_timeout().unwrap();
        assert!(pair.now <= start + SETUP_DEADLINE);
        pair.sfu.handle_timeout(pair.now);
    }
    assert_eq!(pair.sfu.state(), State::Failed(FailReason::Dtls(DtlsError::TimedOut)));
    assert_eq!(flights, 8, "one flight and seven repetitions");

    // The same loss, but the third repetition arrives.
    let mut pair = Pair::new(DtlsRole::Client, THEIRS.fingerprint());
    pair.bind(pair.peer_addr, true);
    for _ in 0..3 {
        while pair.sfu.poll_transmit().is_some() {}
        pair.now = pair.sfu.poll_timeout().unwrap();
        pair.sfu.handle_timeout(pair.now);
    }
    pair.shake_hands();
    assert_eq!(pair.sfu.state(), State::Connected);
}

#[test]
fn a_peer_that_never_comes_is_given_up() {
    let mut pair = Pair::new(DtlsRole::Client, THEIRS.fingerprint());
    let due = pair.sfu.poll_timeout().unwrap();
    assert_eq!(due, pair.now + SETUP_DEADLINE);
    pair.sfu.handle_timeout(due);
    assert_eq!(pair.events(), [Event::Failed(FailReason::SetupTimedOut)]);
}

#[test]
fn a_flood_ends_a_handshake_and_cannot_end_a_connection() {
    let junk = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9];
    let mut pair = Pair::new(DtlsRole::Client, THEIRS.fingerprint());
    pair.bind(pair.peer_addr, true);
    for _ in 0..5_000 {
        pair.sfu.handle_dtls(pair.now, pair.peer_addr, &junk);
    }
    assert!(matches!(pair.sfu.state(), State::Failed(_)));

    let mut pair = connected(DtlsRole::Client);
    for at in 0..5_000usize {
        pair.sfu
            .handle_dtls(pair.now, pair.peer_addr, &junk[..at % (junk.len() + 1)]);
    }
    // A plaintext fatal alert, as anybody on the path could write it.
    pair.sfu.handle_dtls(
        pair.now,
        pair.peer_addr,
        &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40],
    );
    assert_eq!(pair.sfu.state(), State::Connected);
}

#[test]
fn the_peers_goodbye_and_ours() {
    let mut pair = connected(DtlsRole::Client);
    pair.peer.close(pair.now);
    while let Some(data) = pair.peer.poll_transmit() {
        pair.sfu.handle_dtls(pair.now, pair.peer_addr, &data);
    }
    assert_eq!(
        pair.events(),
        [Event::Failed(FailReason::Dtls(DtlsError::ClosedByPeer))]
    );

    let mut pair = connected(DtlsRole::Client);
    pair.sfu.close(pair.now);
    assert_eq!(pair.sfu.state(), State::Closed);
    let goodbye = pair.sfu.poll_transmit().unwrap();
    assert!(matches!(
        pair.peer.read(pair.now, &goodbye.data),
        Err(DtlsError::ClosedByPeer)
    ));
    let request = Request::new(&pair.local, &pair.remote).bytes();
    let answer = pair.sfu.handle_stun(pair.now, pair.peer_addr, pair.sfu_addr, &request);
    assert_eq!(answer.err(), Some(StunError::Closed));
}

#[test]
fn the_path_follows_nominations_and_a_moved_nat() {
    let mut pair = connected(DtlsRole::Client);
    let (second, third) = (addr("198.51.100.7:40001"), addr("203.0.113.5:9"));
    assert_eq!(pair.bind(second, false), [Event::AddressAdded(second)]);
    assert_eq!(pair.sfu.remote_addr(), Some(pair.peer_addr));
    assert_eq!(pair.bind(second, true), [Event::PathChanged(second)]);
    assert_eq!(pair.bind(third, false), [Event::AddressAdded(third)]);
    pair.now += Duration::from_secs(4);
    assert_eq!(pair.bind(third, false), [Event::PathChanged(third)]);
    assert!(pair.sfu.may_send(pair.now));
}

#[test]
fn addresses_are_bounded_and_the_path_in_use_stays() {
    let mut pair = connected(DtlsRole::Client);
    let (mut added, mut removed) = (0, 0);
    for port in 1..200u16 {
        pair.now += Duration::from_millis(10);
        for event in pair.bind(addr(&format!("203.0.113.5:{port}")), false) {
            match event {
                Event::AddressAdded(_) => added += 1,
                Event::AddressRemoved(gone) => {
                    assert_ne!(gone, pair.peer_addr);
                    removed += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((added, removed), (199, 199 - (MAX_ADDRESSES - 1)));
    assert_eq!(pair.sfu.remote_addr(), Some(pair.peer_addr));
    // Nobody takes the events: memory must not grow with what a peer sends.
    let mut refused = 0;
    for port in 1_000..2_000u16 {
        let request = Request::new(&pair.local, &pair.remote).bytes();
        let source = addr(&format!("203.0.113.6:{port}"));
        refused += u32::from(pair.sfu.handle_stun(pair.now, source, pair.sfu_addr, &request).is_err());
    }
    assert!(refused > 900, "{refused}");
}

#[test]
fn consent_ends_and_comes_back() {
    let mut pair = connected(DtlsRole::Client);
    assert_eq!(pair.sfu.poll_timeout(), Some(pair.now + CONSENT));
    assert!(pair.sfu.may_send(pair.now + CONSENT - Duration::from_millis(1)));
    pair.now += CONSENT;
    assert!(!pair.sfu.may_send(pair.now));
    pair.sfu.handle_timeout(pair.now);
    assert_eq!(pair.events(), [Event::ConsentLost]);
    pair.sfu.handle_timeout(pair.now + CONSENT);
    assert_eq!(pair.events(), []);
    assert_eq!(pair.bind(pair.peer_addr, true), [Event::ConsentRegained]);
    assert!(pair.sfu.may_send(pair.now));
}

#[test]
fn an_ice_restart_keeps_the_keys_and_retires_the_old_credentials() {
    let mut pair = connected(DtlsRole::Client);
    let (old_local, old_remote) = (pair.local.clone(), pair.remote.clone());
    (pair.local, pair.remote) = (credentials(5), credentials(6));
    pair.sfu.restart_ice(&pair.local, &pair.remote);
    let old = |pair: &mut Pair| {
        let request = Request::new(&old_local, &old_remote).bytes();
        pair.sfu
            .handle_stun(pair.now, pair.peer_addr, pair.sfu_addr, &request)
            .map(|_| ())
    };
    assert_eq!(
        old(&mut pair),
        Ok(()),
        "the old session carries on until the new one is used"
    );
    let moved = addr("203.0.113.77:7");
    let retired = Event::Restarted {
        retired_ufrag: old_local.ufrag.clone(),
    };
    assert_eq!(
        pair.bind(moved, true),
        [Event::AddressAdded(moved), retired, Event::PathChanged(moved)]
    );
    assert_eq!(old(&mut pair), Err(StunError::WrongUsername));
    assert_eq!(pair.sfu.state(), State::Connected);
    let mut packet = rtp(1, 1, 100);
    packet.resize(112 + 16, 0);
    assert_eq!(pair.sfu.seal_rtp(&mut packet, 12, 112), Ok(128));
}

#[test]
fn our_identity_shows_its_fingerprint() {
    assert!(!OURS.fingerprint().matches(&THEIRS.fingerprint()));
}
