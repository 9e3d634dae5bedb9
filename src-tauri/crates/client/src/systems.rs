//! Calls about the systems that are connected to the server: API keys and webhooks, for admins.

use crate::error::ClientError;
use crate::rest::{Api, PEOPLE_PAGE};
use invigil_shared::api_key::{ApiKeyInfo, ApiKeyRequest, NewApiKey};
use invigil_shared::id::{ApiKeyId, WebhookId};
use invigil_shared::webhook::{NewWebhook, WebhookEdit, WebhookInfo, WebhookSecret, WebhookTest};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

/// Longer than the server waits for whom it tells.
const TEST_DEADLINE: Duration = Duration::from_secs(20);
/// Keys that are read: a list with more would be of no use.
const MAX_KEYS: usize = 1_000;

impl Api {
    /// All of them, in the order in which they were made.
    pub async fn api_keys(&self, token: &str) -> Result<Vec<ApiKeyInfo>, ClientError> {
        let mut keys: Vec<ApiKeyInfo> = Vec::new();
        while keys.len() < MAX_KEYS {
            let cursor = keys
                .last()
                .map(|last| format!("&cursor={}", last.id))
                .unwrap_or_default();
            let path = format!("api-keys?limit={PEOPLE_PAGE}{cursor}");
            let page: Vec<ApiKeyInfo> = self.answer(self.ask(token, Method::GET, &path)).await?;
            let last = page.len() < PEOPLE_PAGE;
            keys.extend(page);
            if last {
                break;
            }
        }
        Ok(keys)
    }

    pub async fn make_api_key(&self, token: &str, request: &ApiKeyRequest) -> Result<NewApiKey, ClientError> {
        self.answer(self.ask(token, Method::POST, "api-keys").json(request))
            .await
    }

    pub async fn revoke_api_key(&self, token: &str, key: ApiKeyId) -> Result<(), ClientError> {
        let path = format!("api-keys/{key}/revoke");
        self.done(self.ask(token, Method::POST, &path).json(&json!({}))).await
    }

    pub async fn webhooks(&self, token: &str) -> Result<Vec<WebhookInfo>, ClientError> {
        self.answer(self.ask(token, Method::GET, "webhooks")).await
    }

    pub async fn add_webhook(&self, token: &str, new: &NewWebhook) -> Result<WebhookSecret, ClientError> {
        self.answer(self.ask(token, Method::POST, "webhooks").json(new)).await
    }

    pub async fn change_webhook(
        &self,
        token: &str,
        webhook: WebhookId,
        edit: &WebhookEdit,
    ) -> Result<WebhookInfo, ClientError> {
        let path = format!("webhooks/{webhook}");
        self.answer(self.ask(token, Method::PATCH, &path).json(edit)).await
    }

    pub async fn remove_webhook(&self, token: &str, webhook: WebhookId) -> Result<(), ClientError> {
        self.done(self.ask(token, Method::DELETE, &format!("webhooks/{webhook}")))
            .await
    }

    /// Sends an event now, and says what became of it.
    pub async fn test_webhook(&self, token: &str, webhook: WebhookId) -> Result<WebhookTest, ClientError> {
        let path = format!("webhooks/{webhook}/test");
        let request = self.ask(token, Method::POST, &path).timeout(TEST_DEADLINE);
        self.answer(request.json(&json!({}))).await
    }
}
