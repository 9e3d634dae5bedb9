//! Signing in through the institution's identity provider: OpenID Connect, authorization code with PKCE. The proctor's app brings the
//! browser and takes what comes back (RFC 8252); everything that is believed is read here, from the provider itself.

pub mod id_token;
pub mod open;
pub mod provider;

pub use id_token::{Claims, IdentityKeys};
pub use open::{Open, OpenSignIns};
pub use provider::Provider;

use invigil_shared::error::{ErrorBody, ErrorCode};

/// Why nobody was signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// The provider does not answer, or not as it should: an operator has to look.
    #[error("{0}")]
    Unavailable(String),
    /// What came back is not good for this sign-in.
    #[error("{0}")]
    Refused(&'static str),
}

impl From<OidcError> for ErrorBody {
    fn from(error: OidcError) -> Self {
        match error {
            OidcError::Unavailable(reason) => {
                tracing::warn!(reason, "the identity provider can't be used");
                ErrorCode::OidcUnavailable.into()
            }
            OidcError::Refused(reason) => {
                tracing::info!(reason, "a sign-in through the identity provider was refused");
                ErrorCode::OidcRefused.into()
            }
        }
    }
}
