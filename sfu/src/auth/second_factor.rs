//! The second factor: time-based codes (RFC 6238: HMAC-SHA1, 6 digits, 30 s) as every authenticator app makes them, and recovery codes for
//! whoever has lost theirs. The secret is kept sealed: a stolen database alone makes no code.

use super::secret::{self, SecretHasher};
use crate::clock;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use invigil_shared::id::UserId;
use zeroize::Zeroizing;

/// RFC 4226 section 4, R6: 160 bits.
const SECRET: usize = 20;
const NONCE: usize = 12;
/// How long a code is good for, seconds (RFC 6238 section 5.2).
const STEP_S: u64 = 30;
/// Steps that a clock may be off, either way.
const SKEW: u64 = 1;
const DIGITS: usize = 6;
const ISSUER: &str = "Invigil";
/// RFC 4648 section 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// How many recovery codes there are.
pub const RECOVERY_CODES: usize = 10;

/// A shared secret in clear.
pub struct TotpSecret(Zeroizing<Vec<u8>>);

/// What somebody typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Six digits.
    Code(String),
    /// A recovery code, normalised.
    Recovery(String),
}

impl Typed {
    /// None for what can be neither.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = secret::normalise(text)?;
        if plain.len() == DIGITS && plain.bytes().all(|c| c.is_ascii_digit()) {
            return Some(Self::Code(plain));
        }
        (plain.len() == secret::RECOVERY_DIGITS).then_some(Self::Recovery(plain))
    }
}

impl TotpSecret {
    pub fn generate() -> Self {
        Self(Zeroizing::new(clock::random::<SECRET>().to_vec()))
    }

    /// As authenticator apps take it when it is typed.
    pub fn base32(&self) -> String {
        let mut text = String::with_capacity(self.0.len() * 8 / 5 + 1);
        let (mut buffer, mut bits) = (0_u32, 0_u32);
        for byte in self.0.iter() {
            buffer = buffer << 8 | u32::from(*byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                text.push(char::from(BASE32[(buffer >> bits & 31) as usize]));
            }
            buffer &= (1 << bits) - 1;
        }
        if bits > 0 {
            text.push(char::from(BASE32[(buffer << (5 - bits) & 31) as usize]));
        }
        text
    }

    /// What the QR code says (Key URI format). Algorithm, digits and period are what apps take when nothing is said, and some refuse them said.
    pub fn uri(&self, email: &str) -> String {
        let mut label = String::with_capacity(email.len());
        for byte in email.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
                label.push(char::from(byte));
            } else {
                label.push_str(&format!("%{byte:02X}"));
            }
        }
        format!(
            "otpauth://totp/{ISSUER}:{label}?secret={}&issuer={ISSUER}",
            self.base32()
        )
    }

    /// RFC 4226 section 5.3, of the step.
    fn code(&self, step: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = tag.last().map_or(0, |last| usize::from(last & 15));
        let number = tag[offset..]
            .iter()
            .take(4)
            .fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
    }

    /// The step of a code that is good at `now_s` (seconds since the Unix epoch), if it is one. Whether that step was used already is known
    /// to the store.
    pub fn step_of(&self, code: &str, now_s: i64) -> Option<u64> {
        let now = u64::try_from(now_s).ok()? / STEP_S;
        // All are tried, so that time tells nothing.
        (now.saturating_sub(SKEW)..=now + SKEW)
            .filter(|step| secret::equal(self.code(*step).as_bytes(), code.as_bytes()))
            .max()
    }

    /// As the store keeps it: nonce, ciphertext, tag. None when the cipher fails.
    pub fn seal(&self, secrets: &SecretHasher, account: UserId) -> Option<Vec<u8>> {
        let nonce = clock::random::<NONCE>();
        let mut sealed = self.0.to_vec();
        sealing_key(secrets)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(account.0.as_bytes()),
                &mut sealed,
            )
            .ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    /// None for what was not sealed for this account under this server's key.
    pub fn open(secrets: &SecretHasher, account: UserId, sealed: &[u8]) -> Option<Self> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = sealing_key(secrets)?
            .open_in_place(nonce, Aad::from(account.0.as_bytes()), &mut bytes)
            .ok()?
            .len();
        bytes.truncate(opened);
        (opened == SECRET).then_some(Self(bytes))
    }
}

fn sealing_key(secrets: &SecretHasher) -> Option<LessSafeKey> {
    let key = Zeroizing::new(secrets.second_factor_key());
    UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(n: u8) -> UserId {
        UserId::from_parts(1, [n; 10])
    }

    /// RFC 6238 appendix B, the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = TotpSecret(Zeroizing::new(b"12345678901234567890".to_vec()));
        for (at, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.step_of(code, at), Some(at as u64 / STEP_S), "{at}");
        }
        assert_eq!(secret.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_clock_may_be_one_step_off_and_no_more() {
        let secret = TotpSecret(Zeroizing::new(b"12345678901234567890".to_vec()));
        let at = 1_234_567_890_i64;
        let step = at as u64 / STEP_S;
        for (late, expected) in [(-60, None), (-30, Some(step)), (30, Some(step)), (60, None)] {
            assert_eq!(secret.step_of("005924", at + late), expected, "{late}");
        }
        for bad in ["005925", "05924", "", "0059240"] {
            assert_eq!(secret.step_of(bad, at), None, "{bad}");
        }
        assert_eq!(secret.step_of("005924", -1), None);
    }

    #[test]
    fn a_sealed_secret_opens_for_its_account_and_key_alone() {
        let (ours, other) = (SecretHasher::new(&[7; 32]), SecretHasher::new(&[8; 32]));
        let secret = TotpSecret::generate();
        let sealed = secret.seal(&ours, account(1)).unwrap();
        assert_ne!(sealed, secret.seal(&ours, account(1)).unwrap(), "a nonce each");
        let opened = TotpSecret::open(&ours, account(1), &sealed).unwrap();
        assert_eq!(opened.base32(), secret.base32());
        assert!(TotpSecret::open(&ours, account(2), &sealed).is_none());
        assert!(TotpSecret::open(&other, account(1), &sealed).is_none());
        let mut changed = sealed.clone();
        changed[NONCE] ^= 1;
        assert!(TotpSecret::open(&ours, account(1), &changed).is_none());
        assert!(TotpSecret::open(&ours, account(1), &sealed[..NONCE - 1]).is_none());
        assert!(TotpSecret::open(&ours, account(1), &[]).is_none());
    }

    #[test]
    fn what_is_typed_is_a_code_or_a_recovery_code() {
        assert_eq!(Typed::parse(" 123 456"), Some(Typed::Code("123456".into())));
        let recovery = secret::recovery_code();
        let plain = recovery.replace('-', "");
        assert_eq!(Typed::parse(&recovery.to_lowercase()), Some(Typed::Recovery(plain)));
        for bad in ["", "12345", "1234567", "ABCDEF", "AAAAA-AAAAA-A"] {
            assert_eq!(Typed::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_qr_code_names_the_account() {
        let secret = TotpSecret(Zeroizing::new(b"12345678901234567890".to_vec()));
        assert_eq!(
            secret.uri("p+q ü@x.org"),
            "otpauth://totp/Invigil:p%2Bq%20%C3%BC@x.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Invigil"
        );
    }
}
