//! From a token to a person who still exists: what is asked at every authentication and refresh.

use super::{ApiError, Service};
use crate::auth::identity::Person;
use crate::auth::{Identity, api_key};
use crate::clock;
use crate::control::policy;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use invigil_shared::error::{ErrorBody, ErrorCode};
use std::sync::Arc;

/// A person whose token is valid and whose account or session still holds.
pub struct Account {
    pub identity: Identity,
    /// How colleagues call them; a candidate's label.
    pub name: String,
}

impl Service {
    /// Checks a token and that its bearer may still use it.
    pub async fn authenticate(&self, token: &str) -> Result<Account, ErrorBody> {
        let identity = self.tokens.check(token)?;
        self.control.standings.holds(&identity)?;
        self.account(identity).await
    }

    /// Checks that an identity still holds: the account exists in its role, or the session may go on.
    pub async fn account(&self, identity: Identity) -> Result<Account, ErrorBody> {
        let name = match identity.person {
            Person::User(id) => {
                let user = self.store.user(id).await?.ok_or(ErrorCode::TokenInvalid)?;
                if !user.active() || identity.generation < user.generation {
                    return Err(ErrorCode::AccessRevoked.into());
                }
                if identity.generation > user.generation || identity.role != user.role {
                    return Err(ErrorCode::TokenInvalid.into());
                }
                user.name
            }
            Person::Candidate { session, exam } => {
                let record = self.store.session(session).await?;
                let fits = |r: &_| -> bool {
                    let r: &crate::store::records::SessionRecord = r;
                    r.participant == identity.participant && r.exam == exam
                };
                let record = record.filter(fits).ok_or(ErrorCode::TokenInvalid)?;
                if record.revoked_at.is_some() || identity.generation < record.generation {
                    return Err(ErrorCode::SessionRevoked.into());
                }
                if identity.generation > record.generation {
                    return Err(ErrorCode::TokenInvalid.into());
                }
                policy::may_sit(&record)?;
                let entry = self.store.entry(record.entry).await?.ok_or(ErrorCode::TokenInvalid)?;
                let info = self.store.exam(exam).await?.ok_or(ErrorCode::TokenInvalid)?;
                let end = policy::open_until(&info, &entry.allowances, &record.sitting);
                policy::room_open(&info, end, clock::now_us())?;
                entry.label
            }
        };
        Ok(Account { identity, name })
    }
}

/// The bearer of a valid token (RFC 6750).
pub struct Bearer(pub Account);

impl FromRequestParts<Arc<Service>> for Bearer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, ApiError> {
        let token = bearer(parts)?;
        // A key of an institution's system, good or not: this is not its door, and asking here tells nothing.
        if api_key::is_meant(token) {
            return Err(ErrorCode::Forbidden.into());
        }
        Ok(Self(service.authenticate(token).await?))
    }
}

/// What stands behind `Authorization: Bearer`.
pub(super) fn bearer(parts: &Parts) -> Result<&str, ErrorCode> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (_, token) = token.ok_or(ErrorCode::NotAuthenticated)?;
    Ok(token.trim())
}
