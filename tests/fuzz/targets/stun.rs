//! STUN: nothing panics, and nothing that was not signed with our password is ever believed.
#![no_main]

use invigil_sfu::core::transport::stun::{BindingRequest, StunKey, local_ufrag};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static KEY: LazyLock<StunKey> = LazyLock::new(|| StunKey::new("a password that no corpus was signed with"));

fuzz_target!(|packet: &[u8]| {
    let named = local_ufrag(packet);
    if let Ok(request) = BindingRequest::parse(packet) {
        assert!(named.is_some(), "a request that is read names its association");
        assert!(request.authenticate(&KEY).is_err(), "a forged request was believed");
    }
});
