//! REST before signalling, WHIP and WHEP, health: one router.

pub mod account;
mod api_keys;
mod browser;
mod caller;
mod conditions;
mod exams;
pub mod health;
mod ice;
mod invitations;
mod join;
mod keyed;
pub mod metrics;
mod oidc;
mod openapi;
mod own_account;
mod page;
mod participations;
mod people;
mod problem;
mod request;
mod retention;
mod revoke;
mod roster;
mod roster_csv;
mod service;
mod sign_in;
mod webhooks;

pub use api_keys::{info as api_key_info, new_key as new_api_key};
pub use invitations::new_link;
pub use keyed::forget_keys;
pub use people::info as user_info;
pub use problem::ApiError;
pub use retention::MAX_REASON;
pub use service::Service;
pub use sign_in::{normalise_email, normalise_name};
pub use webhooks::{checked_url, fresh as fresh_webhook};

use crate::core::transport::sdp::MAX_FRAGMENT;
use crate::signal;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};
use invigil_shared::error::ErrorCode;
use invigil_shared::limits::{MAX_ROSTER_CSV, MAX_SDP};
use std::net::SocketAddr;
use std::sync::Arc;

/// The peer of a connection, put into each request by the listener.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// A connection's place under the cap. A WebSocket keeps it after the HTTP connection has handed its stream over.
#[derive(Clone, Debug)]
pub struct Place(pub Arc<tokio::sync::OwnedSemaphorePermit>);

/// A body of our own calls: an e-mail, a password, a key.
const MAX_BODY: usize = 16 * 1024;

/// Everything that the HTTPS port serves.
pub fn router(service: Arc<Service>) -> Router {
    let endpoint = || get(browser::nothing).options(browser::endpoint_options);
    let resource = || get(browser::nothing).options(browser::resource_options);
    let fragment = DefaultBodyLimit::max(MAX_FRAGMENT);
    let browser = Router::new()
        .route("/whip/{exam}", endpoint().post(browser::whip))
        .route(
            "/whip/{exam}/{transport}",
            resource()
                .patch(browser::patch_whip)
                .delete(browser::end_whip)
                .layer(fragment),
        )
        .route("/whep/{exam}", endpoint().post(browser::whep_exam))
        .route(
            "/whep/{exam}/{participant}/{kind}/{instance}",
            endpoint().post(browser::whep),
        )
        // A transport: the router wants one name for one place.
        .route(
            "/whep/{exam}/{participant}",
            resource()
                .patch(browser::patch_whep)
                .delete(browser::end_whep)
                .layer(fragment),
        )
        .layer(DefaultBodyLimit::max(MAX_SDP))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&service),
            browser::cors,
        ));
    Router::new()
        .route("/healthz", get(exams::health))
        .route("/readyz", get(health::ready))
        .route("/api/v1/join", post(join::join))
        .route("/api/v1/resume/challenge", post(join::challenge))
        .route("/api/v1/resume", post(join::resume))
        .route("/api/v1/setup", post(sign_in::setup))
        .route("/api/v1/sign-in", post(sign_in::sign_in))
        .route("/api/v1/oidc", get(oidc::offer))
        .route("/api/v1/oidc/begin", post(oidc::begin))
        .route("/api/v1/oidc/finish", post(oidc::finish))
        .route("/api/v1/refresh", post(sign_in::refresh))
        .route("/api/v1/users", get(people::list).post(people::invite))
        .route("/api/v1/users/{user}", axum::routing::patch(people::change))
        .route(
            "/api/v1/users/{user}/second-factor/off",
            post(people::take_second_factor),
        )
        .route("/api/v1/users/{user}/oidc/unlink", post(oidc::unlink))
        .route("/api/v1/account", get(own_account::read))
        .route("/api/v1/account/password", post(own_account::change_password))
        .route("/api/v1/account/second-factor", post(own_account::offer))
        .route("/api/v1/account/second-factor/confirm", post(own_account::confirm))
        .route("/api/v1/account/second-factor/off", post(own_account::turn_off))
        .route("/api/v1/users/{user}/link", post(people::renew_link))
        .route("/api/v1/api-keys", get(api_keys::list).post(api_keys::create))
        .route("/api/v1/api-keys/{key}/revoke", post(api_keys::revoke))
        .route("/api/v1/invitations/look", post(invitations::look))
        .route("/api/v1/invitations/accept", post(invitations::accept))
        .route("/api/v1/sessions/{session}/revoke", post(revoke::revoke))
        .route("/api/v1/sessions/{session}/reinstate", post(revoke::reinstate))
        .route("/api/v1/exams", get(exams::list).post(exams::create))
        .route("/api/v1/exams/{exam}", get(exams::read).patch(exams::edit))
        .route("/api/v1/exams/{exam}/schedule", post(exams::schedule))
        .route("/api/v1/exams/{exam}/unschedule", post(exams::unschedule))
        .route("/api/v1/exams/{exam}/archive", post(exams::archive))
        .route("/api/v1/exams/{exam}/participations", get(participations::list))
        .route(
            "/api/v1/exams/{exam}/participations/{participation}/statistics",
            get(participations::statistics),
        )
        .route("/api/v1/exams/{exam}/roster", get(roster::list).post(roster::add))
        .route(
            "/api/v1/exams/{exam}/roster/import",
            post(roster::import).layer(DefaultBodyLimit::max(MAX_ROSTER_CSV)),
        )
        .route("/api/v1/exams/{exam}/roster/export", get(roster::export))
        .route(
            "/api/v1/exams/{exam}/roster/{entry}",
            put(roster::edit).delete(roster::remove),
        )
        .route("/api/v1/exams/{exam}/roster/{entry}/secret", post(roster::renew))
        .route("/api/v1/exams/{exam}/roster/{entry}/link", post(roster::link))
        .route("/api/v1/exams/{exam}/roster/{entry}/revoke", post(revoke::revoke_entry))
        .route(
            "/api/v1/exams/{exam}/roster/{entry}/reinstate",
            post(revoke::reinstate_entry),
        )
        .route(
            "/api/v1/exams/{exam}/hold",
            put(retention::hold_exam).delete(retention::release_exam),
        )
        .route(
            "/api/v1/exams/{exam}/roster/{entry}/hold",
            put(retention::hold_entry).delete(retention::release_entry),
        )
        .route("/api/v1/exams/{exam}/roster/{entry}/erase", post(retention::erase))
        .route("/api/v1/webhooks", get(webhooks::list).post(webhooks::add))
        .route(
            "/api/v1/webhooks/{webhook}",
            axum::routing::patch(webhooks::change).delete(webhooks::remove),
        )
        .route("/api/v1/webhooks/{webhook}/test", post(webhooks::test))
        .route("/api/v1/openapi.json", get(openapi::serve))
        .route("/api/v1/ice-config", get(ice::servers))
        .route("/api/v1/signal", get(signal::upgrade))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .merge(browser)
        .fallback(|| async { ApiError::from(ErrorCode::NotFound) })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(axum::middleware::from_fn(request::identify))
        .with_state(service)
}
