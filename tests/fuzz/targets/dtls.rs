//! DTLS: datagrams of a stranger never panic a server's or a client's handshake and never end in keys.
#![no_main]

use invigil_sfu::core::transport::dtls::{Dtls, DtlsIdentity, DtlsRole};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

static OURS: LazyLock<Arc<DtlsIdentity>> = LazyLock::new(|| Arc::new(DtlsIdentity::generate().expect("a certificate")));

// Input: the role, then datagrams, each with two bytes of length before it.
fuzz_target!(|input: &[u8]| {
    let Some((&first, mut rest)) = input.split_first() else {
        return;
    };
    let role = if first & 1 == 0 {
        DtlsRole::Server
    } else {
        DtlsRole::Client
    };
    let mut dtls = Dtls::new(OURS.clone(), role, OURS.fingerprint());
    let now = Instant::now();
    if dtls.start(now).is_err() {
        return;
    }
    while let Some((length, more)) = rest.split_first_chunk::<2>() {
        let (datagram, later) = more.split_at(more.len().min(usize::from(u16::from_be_bytes(*length)) % 1_500));
        rest = later;
        match dtls.read(now, datagram) {
            Ok(keys) => assert!(keys.is_none(), "keys for a stranger"),
            Err(_) => return,
        }
        while dtls.poll_transmit().is_some() {}
        if datagram.is_empty() {
            return;
        }
    }
});
