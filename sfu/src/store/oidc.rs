//! Who people with an account are at the identity provider.

use super::Stored;
use super::records::UserRecord;
use super::rows::Columns;
use async_trait::async_trait;
use invigil_shared::id::UserId;
use serde_json::{Value, json};

/// Somebody at an identity provider: the pair never changes and is never given to another (OpenID Connect Core section 5.7), as e-mail
/// addresses are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcSubject {
    pub issuer: String,
    pub subject: String,
}

#[async_trait]
pub trait OidcStore: Send + Sync {
    async fn oidc_link(&self, account: UserId) -> Stored<Option<OidcSubject>>;
    async fn user_by_oidc(&self, subject: &OidcSubject) -> Stored<Option<UserRecord>>;
    /// [`super::StoreError::Exists`] when the account has a link, or the subject another account; [`super::StoreError::Missing`] when the account is
    /// not active.
    async fn link_oidc(&self, account: UserId, subject: OidcSubject, at: i64) -> Stored<()>;
    /// A new account with its link. [`super::StoreError::Exists`] when the e-mail or the subject has one.
    async fn provision_oidc(&self, user: UserRecord, subject: OidcSubject) -> Stored<()>;
    /// Takes the link off an account; its tokens are void. [`super::StoreError::Missing`] when there is none.
    async fn unlink_oidc(&self, account: UserId) -> Stored<()>;
}

pub(super) fn subject(row: &impl Columns) -> Stored<OidcSubject> {
    Ok(OidcSubject {
        issuer: row.text("issuer")?,
        subject: row.text("subject")?,
    })
}

/// What the audit log says of a link.
pub(super) fn linked(user: &UserRecord, subject: &OidcSubject) -> Value {
    json!({ "email": user.email, "issuer": subject.issuer, "subject": subject.subject })
}
