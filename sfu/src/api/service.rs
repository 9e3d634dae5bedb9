//! What every call needs: the store, the keys, control.

use super::health::Monitor;
use crate::audit::Refusals;
use crate::auth::oidc::Provider;
use crate::auth::secret::SecretHasher;
use crate::auth::{ApiKeyUses, Challenges, Passwords, Throttle, Tokens};
use crate::config::ServerFile;
use crate::control::Control;
use crate::mail::Mailer;
use crate::store::Store;
use crate::webhook::Webhooks;
use parking_lot::RwLock;
use std::sync::Arc;

/// The parts of a running server that requests use.
pub struct Service {
    pub store: Arc<dyn Store>,
    pub control: Arc<Control>,
    pub tokens: Tokens,
    pub secrets: SecretHasher,
    pub passwords: Passwords,
    pub challenges: Challenges,
    pub throttle: Throttle,
    pub api_key_uses: ApiKeyUses,
    /// Through whom people sign in beside their passwords.
    pub oidc: Option<Provider>,
    /// Wrong guesses that the audit log does not have yet.
    pub refusals: Arc<Refusals>,
    /// Origins of pages that may call WHIP and WHEP.
    pub origins: Vec<String>,
    /// For join links: how clients reach and know this server.
    pub address: Arc<RwLock<ServerFile>>,
    /// Candidates that an exam may be made for.
    pub exam_capacity: u32,
    pub monitor: Arc<Monitor>,
    pub webhooks: Arc<Webhooks>,
    /// Brings invitations to people.
    pub mailer: Option<Mailer>,
}
