//! Tokens: nothing that we did not sign lets anybody in.
#![no_main]

use invigil_sfu::auth::Tokens;
use invigil_sfu::auth::keys::ServerKeys;
use invigil_sfu::config::AuthConfig;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    Tokens::new(&ServerKeys::open(folder.path()).expect("keys"), &AuthConfig::default())
});

fuzz_target!(|token: &str| {
    assert!(TOKENS.check(token).is_err(), "a forged token was believed");
});
