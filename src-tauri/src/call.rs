//! How a call to the server ended, in the terms that a person is told in.

use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_view::common::{CertificateQuestion, Notice};

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
pub enum CallFailure {
    /// No root vouches for the server's certificate, or it is not the pinned one.
    Untrusted,
    /// No answer.
    Unreachable,
    /// The server said no.
    Refused(ErrorBody),
}

impl CallFailure {
    pub fn notice(&self) -> Notice {
        match self {
            CallFailure::Untrusted => Notice::new("certificate_changed"),
            CallFailure::Unreachable => Notice::new("unreachable"),
            CallFailure::Refused(error) => refusal(error),
        }
    }

    /// The sign-in no longer holds.
    pub fn ends_sign_in(&self) -> bool {
        matches!(self, CallFailure::Refused(error) if matches!(error.code, ErrorCode::TokenExpired | ErrorCode::TokenInvalid | ErrorCode::AccessRevoked))
    }

    /// The link is of no use any more.
    pub fn ends_invitation(&self) -> bool {
        matches!(self, CallFailure::Refused(error) if error.code == ErrorCode::InvitationInvalid)
    }
}

/// The server's own code and parameters.
pub fn refusal(error: &ErrorBody) -> Notice {
    Notice {
        code: error.code.as_str().to_owned(),
        params: error.params.clone(),
    }
}

/// A certificate that the server presented, to be asked about. `pin`: what was expected.
pub fn question(authority: &str, sha256: String, pin: Option<&str>) -> CertificateQuestion {
    CertificateQuestion {
        authority: authority.to_owned(),
        changed: pin.is_some_and(|pin| pin != sha256),
        sha256,
    }
}
