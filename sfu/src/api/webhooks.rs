//! Whom the server tells what happens; for admins. What is told and how stands in [`crate::webhook`].

use super::account::Bearer;
use super::caller::Caller;
use super::keyed::{Keyed, settled};
use super::page::Ids;
use super::problem::Body;
use super::{ApiError, Peer, Service};
use crate::clock;
use crate::control::office;
use crate::control::permission::{self, Act};
use crate::store::webhooks::{MAX_WEBHOOKS, Progress, WebhookRecord};
use crate::store::{StoreError, Stored};
use crate::webhook;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use invigil_shared::error::ErrorCode;
use invigil_shared::id::WebhookId;
use invigil_shared::webhook::{Event, EventKind, NewWebhook, WebhookEdit, WebhookInfo, WebhookSecret, WebhookTest};
use std::sync::Arc;

/// What browsers and proxies take for sure.
const MAX_URL: usize = 2_000;
/// Why one is not told any more, when an admin said so.
const ASKED: &str = "asked";

/// An address that can be told something: HTTPS, a host, no user and password in it (they would stand in the log).
///
/// # Errors
/// `field_invalid`.
pub fn checked_url(typed: &str) -> Result<String, ApiError> {
    let typed = typed.trim();
    let url = reqwest::Url::parse(typed).ok().filter(|url| {
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        url.scheme() == "https" && url.has_host() && plain
    });
    match url {
        Some(url) if url.as_str().len() <= MAX_URL => Ok(url.into()),
        _ => Err(office::invalid("url").with("limit", MAX_URL).into()),
    }
}

/// Each kind once.
fn checked_kinds(mut kinds: Vec<EventKind>) -> Vec<EventKind> {
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// A webhook that is told from now on, with the key of its signatures.
pub fn fresh(url: String, kinds: Vec<EventKind>) -> WebhookRecord {
    WebhookRecord {
        id: clock::fresh(WebhookId::from_parts),
        url,
        kinds: checked_kinds(kinds),
        salt: clock::random::<32>().to_vec(),
        created_at: clock::now_us(),
        stopped: None,
        progress: Progress::default(),
    }
}

/// As it is told to people.
pub fn info(webhook: WebhookRecord) -> WebhookInfo {
    let Progress {
        attempts,
        next_at,
        last_error,
        delivered_at,
        ..
    } = webhook.progress;
    WebhookInfo {
        id: webhook.id,
        url: webhook.url,
        kinds: webhook.kinds,
        next_at: (attempts > 0 && webhook.stopped.is_none()).then_some(next_at),
        stopped: webhook.stopped,
        created_at: webhook.created_at,
        delivered_at,
        attempts,
        last_error,
    }
}

async fn find(service: &Service, id: WebhookId) -> Result<WebhookRecord, ApiError> {
    Ok(service.store.webhook(id).await?.ok_or(ErrorCode::NotFound)?)
}

/// `GET /api/v1/webhooks`.
pub async fn list(
    State(service): State<Arc<Service>>,
    Bearer(account): Bearer,
) -> Result<Json<Vec<WebhookInfo>>, ApiError> {
    permission::check(account.identity.role, Act::ManageWebhooks)?;
    let all: Stored<Vec<WebhookRecord>> = service.store.webhooks().await;
    Ok(Json(all?.into_iter().map(info).collect()))
}

/// `POST /api/v1/webhooks`. With an `Idempotency-Key` once.
pub async fn add(
    State(service): State<Arc<Service>>,
    Bearer(account): Bearer,
    request: Keyed,
) -> Result<(StatusCode, Json<WebhookSecret>), ApiError> {
    permission::check(account.identity.role, Act::ManageWebhooks)?;
    let caller = Caller::Person(account);
    let new: NewWebhook = request.json()?;
    let webhook = WebhookRecord {
        salt: request.salt.clone(),
        ..fresh(checked_url(&new.url)?, new.kinds)
    };
    let answer = serde_json::to_string(&info(webhook.clone())).map_err(|_| ErrorCode::Internal)?;
    let once = request.once(&caller, answer.clone());
    let store = service.store.acting(request.actor(&caller));
    let added = match store.add_webhook(webhook, once).await {
        Err(StoreError::Full { .. }) => return Err(office::invalid("webhooks").with("limit", MAX_WEBHOOKS).into()),
        added => added?,
    };
    let (salt, answer) = settled(added, request.salt, answer)?;
    let webhook = serde_json::from_str(&answer).map_err(|_| ErrorCode::Internal)?;
    let secret = webhook::shown(&service.secrets.webhook(&salt));
    Ok((StatusCode::CREATED, Json(WebhookSecret { webhook, secret })))
}

/// `PATCH /api/v1/webhooks/{webhook}`.
pub async fn change(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids(id): Ids<WebhookId>,
    Bearer(account): Bearer,
    Body(edit): Body<WebhookEdit>,
) -> Result<Json<WebhookInfo>, ApiError> {
    permission::check(account.identity.role, Act::ManageWebhooks)?;
    let mut webhook = find(&service, id).await?;
    if let Some(url) = edit.url {
        webhook.url = checked_url(&url)?;
    }
    if let Some(kinds) = edit.kinds {
        webhook.kinds = checked_kinds(kinds);
    }
    match edit.active {
        Some(true) => webhook.stopped = None,
        Some(false) => webhook.stopped = webhook.stopped.or_else(|| Some(ASKED.to_owned())),
        None => {}
    }
    if !service
        .store_for(&account.identity, peer)
        .change_webhook(webhook)
        .await?
    {
        return Err(ErrorCode::NotFound.into());
    }
    Ok(Json(info(find(&service, id).await?)))
}

/// `DELETE /api/v1/webhooks/{webhook}`.
pub async fn remove(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids(id): Ids<WebhookId>,
    Bearer(account): Bearer,
) -> Result<StatusCode, ApiError> {
    permission::check(account.identity.role, Act::ManageWebhooks)?;
    if service.store_for(&account.identity, peer).remove_webhook(id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ErrorCode::NotFound.into())
}

/// `POST /api/v1/webhooks/{webhook}/test`: a ping, now.
pub async fn test(
    State(service): State<Arc<Service>>,
    Ids(id): Ids<WebhookId>,
    Bearer(account): Bearer,
) -> Result<Json<WebhookTest>, ApiError> {
    permission::check(account.identity.role, Act::ManageWebhooks)?;
    let webhook = find(&service, id).await?;
    let ping = Event {
        kind: EventKind::Ping,
        at: clock::now_us(),
        data: serde_json::json!({}),
    };
    // Of its own, so that a receiver that takes each id once takes each ping.
    let fresh = clock::fresh(WebhookId::from_parts);
    let taken = service.webhooks.send(&webhook, &format!("evt_p{fresh}"), &ping).await;
    Ok(Json(WebhookTest {
        taken: taken.is_taken(),
        status: taken.status(),
        error: taken.error(),
    }))
}
