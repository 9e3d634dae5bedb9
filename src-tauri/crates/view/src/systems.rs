//! The proctor app's "Connected systems": API keys and webhooks, as an admin sees and changes them.

use invigil_shared::api_key::{ApiKeyInfo, ApiScope};
use invigil_shared::id::{ApiKeyId, WebhookId};
use invigil_shared::webhook::{EventKind, WebhookInfo, WebhookTest};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A secret for a system. The server tells it once: it is shown until it is put away.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "of", rename_all = "snake_case")]
#[ts(export)]
pub enum HandedSecret {
    /// What the system sends as its bearer token.
    ApiKey { name: String, token: String },
    /// What the system checks signatures with.
    Webhook { url: String, secret: String },
}

impl std::fmt::Debug for HandedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ApiKey { .. } => "ApiKey",
            Self::Webhook { .. } => "Webhook",
        })
    }
}

/// What came of an event that was sent to see whether it arrives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct TestedWebhook {
    pub webhook: WebhookId,
    pub test: WebhookTest,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct SystemsView {
    /// In the order in which they were made.
    pub keys: Vec<ApiKeyInfo>,
    pub webhooks: Vec<WebhookInfo>,
    pub secret: Option<HandedSecret>,
    pub tested: Option<TestedWebhook>,
}

/// What an admin asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "act", rename_all = "snake_case")]
#[ts(export)]
pub enum SystemsCommand {
    Refresh,
    MakeKey {
        name: String,
        scopes: Vec<ApiScope>,
        /// Microseconds since the Unix epoch, UTC; none: until it is revoked.
        #[ts(type = "number | null")]
        expires_at: Option<i64>,
    },
    RevokeKey {
        key: ApiKeyId,
    },
    AddWebhook {
        url: String,
        /// Empty: everything.
        kinds: Vec<EventKind>,
    },
    ChangeWebhook {
        webhook: WebhookId,
        url: String,
        kinds: Vec<EventKind>,
    },
    SetWebhookActive {
        webhook: WebhookId,
        active: bool,
    },
    RemoveWebhook {
        webhook: WebhookId,
    },
    TestWebhook {
        webhook: WebhookId,
    },
    PutSecretAway,
}
