//! Secrets that people type: a roster entry's, and the one-time setup code. Crockford's base32, forgiving in what is typed.

use crate::clock;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use invigil_shared::id::{ApiKeyId, ExamId, RosterEntryId, UserId};
use subtle::ConstantTimeEq;

/// Crockford's alphabet: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 13 digits of 5 bits: 65 random bits.
const ROSTER_DIGITS: usize = 13;
/// 26 digits of 5 bits, 130 random bits: nobody types them, and by their number they are known from a secret.
pub const JOIN_TOKEN_DIGITS: usize = 26;
/// 12 digits of 5 bits: 60 random bits.
const SETUP_DIGITS: usize = 12;
/// 10 digits of 5 bits: 50 random bits, of which one account has ten and five guesses in five minutes.
pub const RECOVERY_DIGITS: usize = 10;
const GROUP: usize = 4;
/// Longest text that is looked at when normalising.
const MAX_TYPED: usize = 64;

/// Separates the uses of one key.
const ROSTER_DOMAIN: &[u8] = b"invigil.roster-secret.v1\0";
const SETUP_DOMAIN: &[u8] = b"invigil.setup-code.v1\0";
const DERIVE_DOMAIN: &[u8] = b"invigil.roster-secret-of-salt.v1\0";
const INVITATION_DOMAIN: &[u8] = b"invigil.invitation.v1\0";
const DERIVE_INVITATION_DOMAIN: &[u8] = b"invigil.invitation-of-salt.v1\0";
const JOIN_LINK_DOMAIN: &[u8] = b"invigil.join-link.v1\0";
const RECOVERY_DOMAIN: &[u8] = b"invigil.recovery-code.v1\0";
const SECOND_FACTOR_DOMAIN: &[u8] = b"invigil.second-factor-key.v1\0";
const API_KEY_DOMAIN: &[u8] = b"invigil.api-key.v1\0";
const DERIVE_API_KEY_DOMAIN: &[u8] = b"invigil.api-key-of-salt.v1\0";
const WEBHOOK_DOMAIN: &[u8] = b"invigil.webhook.v1\0";
const FINGERPRINT_DOMAIN: &[u8] = b"invigil.secret-key-fingerprint.v1\0";

fn generate(digits: usize) -> String {
    write(&clock::random::<16>(), digits)
}

/// Digits in groups, from random bytes: one each.
fn write(random: &[u8], digits: usize) -> String {
    let mut text = String::with_capacity(digits + digits / GROUP);
    for (index, byte) in random.iter().take(digits).enumerate() {
        if index > 0 && index % GROUP == 0 {
            text.push('-');
        }
        // 256 is a multiple of 32: no bias.
        text.push(char::from(ALPHABET[usize::from(byte & 31)]));
    }
    text
}

/// A fresh roster secret, `XXXX-XXXX-XXXX-X`.
pub fn roster_secret() -> String {
    generate(ROSTER_DIGITS)
}

/// A fresh setup code, `XXXX-XXXX-XXXX`.
pub fn setup_code() -> String {
    generate(SETUP_DIGITS)
}

/// A fresh recovery code, `XXXX-XXXX-XX`.
pub fn recovery_code() -> String {
    generate(RECOVERY_DIGITS)
}

/// A fresh token of a one-time join link.
pub fn join_token() -> String {
    write(&clock::random::<JOIN_TOKEN_DIGITS>(), JOIN_TOKEN_DIGITS)
}

/// What was meant by what was typed: upper case, O is 0, I and L are 1, separators don't count. None for anything else.
pub fn normalise(typed: &str) -> Option<String> {
    if typed.len() > MAX_TYPED {
        return None;
    }
    let digits = typed
        .chars()
        .filter(|c| !matches!(c, '-' | ' ' | '\t' | '\u{2010}'..='\u{2015}'));
    digits
        .map(|c| match c.to_ascii_uppercase() {
            'O' => Some('0'),
            'I' | 'L' => Some('1'),
            upper => u8::try_from(upper)
                .ok()
                .filter(|b| ALPHABET.contains(b))
                .map(char::from),
        })
        .collect::<Option<String>>()
        .filter(|text| !text.is_empty())
}

/// What was meant by a typed exam code: upper case without blanks round it.
pub fn normalise_exam_code(typed: &str) -> Option<String> {
    let code = typed.trim().to_ascii_uppercase();
    let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    ((4..=16).contains(&code.len()) && code.chars().all(allowed)).then_some(code)
}

/// Hashes secrets under the server's key (HMAC-SHA256, RFC 2104): a stolen database alone verifies no guess.
#[derive(Clone)]
pub struct SecretHasher(hmac::Key);

impl SecretHasher {
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    fn hash(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        parts.iter().for_each(|part| context.update(part));
        context.sign().as_ref().to_vec()
    }

    /// Hash of a normalised roster secret, bound to its exam.
    pub fn roster(&self, exam: ExamId, normalised: &str) -> Vec<u8> {
        self.hash(&[ROSTER_DOMAIN, exam.0.as_bytes(), normalised.as_bytes()])
    }

    /// The secret of an entry, made from a random salt, `XXXX-XXXX-XXXX-X`: whoever keeps the salt for a while can tell it again
    /// without having kept the secret.
    pub fn derive(&self, salt: &[u8], entry: RosterEntryId) -> String {
        write(&self.hash(&[DERIVE_DOMAIN, entry.0.as_bytes(), salt]), ROSTER_DIGITS)
    }

    /// By what this key is known again, and which says nothing of it.
    pub fn fingerprint(&self) -> Vec<u8> {
        self.hash(&[FINGERPRINT_DOMAIN])
    }

    /// The key of a webhook's signatures, made from its salt: nothing but the salt is stored.
    pub fn webhook(&self, salt: &[u8]) -> Vec<u8> {
        self.hash(&[WEBHOOK_DOMAIN, salt])
    }

    /// The token of an invitation, made from a random salt: 256 bits.
    pub fn invitation_of_salt(&self, salt: &[u8], account: UserId) -> Vec<u8> {
        self.hash(&[DERIVE_INVITATION_DOMAIN, account.0.as_bytes(), salt])
    }

    /// Hash of an invitation's token.
    pub fn invitation(&self, token: &str) -> Vec<u8> {
        self.hash(&[INVITATION_DOMAIN, token.as_bytes()])
    }

    /// Hash of a join link's normalised token, bound to its exam.
    pub fn join_link(&self, exam: ExamId, normalised: &str) -> Vec<u8> {
        self.hash(&[JOIN_LINK_DOMAIN, exam.0.as_bytes(), normalised.as_bytes()])
    }

    /// Hash of a normalised recovery code.
    pub fn recovery(&self, account: UserId, normalised: &str) -> Vec<u8> {
        self.hash(&[RECOVERY_DOMAIN, account.0.as_bytes(), normalised.as_bytes()])
    }

    /// The key under which second factors are sealed.
    pub fn second_factor_key(&self) -> Vec<u8> {
        self.hash(&[SECOND_FACTOR_DOMAIN])
    }

    /// Hash of an API key's secret.
    pub fn api_key(&self, id: ApiKeyId, secret: &str) -> Vec<u8> {
        self.hash(&[API_KEY_DOMAIN, id.0.as_bytes(), secret.as_bytes()])
    }

    /// The secret of an API key, made from a random salt as [`Self::derive`] does, and its hash.
    pub fn new_api_key(&self, salt: &[u8], id: ApiKeyId) -> (String, Vec<u8>) {
        let secret = URL_SAFE_NO_PAD.encode(self.hash(&[DERIVE_API_KEY_DOMAIN, id.0.as_bytes(), salt]));
        let hash = self.api_key(id, &secret);
        (secret, hash)
    }

    /// Hash of a normalised setup code.
    pub fn setup(&self, normalised: &str) -> Vec<u8> {
        self.hash(&[SETUP_DOMAIN, normalised.as_bytes()])
    }
}

/// Compares in constant time.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_what_was_printed() {
        let secret = roster_secret();
        assert_eq!(secret.len(), ROSTER_DIGITS + 3);
        let plain = normalise(&secret).unwrap();
        assert_eq!(plain.len(), ROSTER_DIGITS);
        assert_eq!(normalise(&secret.to_lowercase().replace('-', " ")), Some(plain.clone()));
        let confused = plain.replace('0', "o").replace('1', "l");
        assert_eq!(normalise(&confused), Some(plain));
        assert_eq!(normalise("U234"), None);
        assert_eq!(normalise(" - "), None);
        assert_eq!(normalise(&"7".repeat(65)), None);
    }

    #[test]
    fn a_secret_of_one_exam_is_not_one_of_another() {
        let hasher = SecretHasher::new(&[7; 32]);
        let (a, b) = (ExamId::from_parts(1, [1; 10]), ExamId::from_parts(1, [2; 10]));
        assert_ne!(hasher.roster(a, "ABC"), hasher.roster(b, "ABC"));
        assert_ne!(hasher.setup("ABC"), SecretHasher::new(&[8; 32]).setup("ABC"));
    }

    #[test]
    fn a_derived_secret_is_told_again_by_its_salt_and_key_alone() {
        let hasher = SecretHasher::new(&[7; 32]);
        let entries = [1, 2].map(|n| RosterEntryId::from_parts(1, [n; 10]));
        let told = hasher.derive(&[1; 16], entries[0]);
        assert_eq!(normalise(&told).unwrap().len(), ROSTER_DIGITS);
        assert_eq!(hasher.derive(&[1; 16], entries[0]), told);
        assert_ne!(hasher.derive(&[1; 16], entries[1]), told);
        assert_ne!(hasher.derive(&[2; 16], entries[0]), told);
        assert_ne!(SecretHasher::new(&[8; 32]).derive(&[1; 16], entries[0]), told);
    }

    #[test]
    fn a_join_token_is_no_secret_and_stands_in_a_link() {
        let token = join_token();
        let plain = normalise(&token.to_lowercase()).unwrap();
        assert_eq!((plain.len(), JOIN_TOKEN_DIGITS), (26, 26));
        assert_ne!(plain.len(), ROSTER_DIGITS);
        let hasher = SecretHasher::new(&[7; 32]);
        let exam = ExamId::from_parts(1, [1; 10]);
        assert_ne!(hasher.join_link(exam, &plain), hasher.roster(exam, &plain));
        assert_ne!(
            hasher.join_link(exam, &plain),
            hasher.join_link(ExamId::from_parts(1, [2; 10]), &plain)
        );
    }

    #[test]
    fn exam_codes_have_one_spelling() {
        assert_eq!(normalise_exam_code(" math-1 ").as_deref(), Some("MATH-1"));
        assert_eq!(normalise_exam_code("abc"), None);
        assert_eq!(normalise_exam_code("math_1"), None);
    }
}
