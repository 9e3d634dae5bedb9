//! The proctor app's own account: password and second factor.

use invigil_shared::account::OwnAccount;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What an authenticator app is told: shown until it is confirmed or put away.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct FactorOffer {
    /// Base32, for typing.
    pub secret: String,
    /// For the QR code.
    pub uri: String,
}

impl std::fmt::Debug for FactorOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FactorOffer(..)")
    }
}

/// What was done last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum AccountDone {
    PasswordChanged,
    FactorOn,
    FactorOff,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct AccountView {
    /// None until the server has told it.
    pub own: Option<OwnAccount>,
    pub offer: Option<FactorOffer>,
    /// Recovery codes. The server tells them once: they are shown until they are put away.
    pub recovery: Vec<String>,
    pub done: Option<AccountDone>,
}

/// What somebody asks for about their own account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "act", rename_all = "snake_case")]
#[ts(export)]
pub enum AccountCommand {
    ChangePassword {
        password: String,
        new_password: String,
    },
    /// Begins to turn the second factor on.
    Offer {
        password: String,
    },
    Confirm {
        code: String,
    },
    PutOfferAway,
    PutRecoveryAway,
    TurnOff {
        password: String,
        code: String,
    },
}

impl std::fmt::Debug for AccountCommand {
    // Passwords and codes are in no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ChangePassword { .. } => "ChangePassword",
            Self::Offer { .. } => "Offer",
            Self::Confirm { .. } => "Confirm",
            Self::PutOfferAway => "PutOfferAway",
            Self::PutRecoveryAway => "PutRecoveryAway",
            Self::TurnOff { .. } => "TurnOff",
        })
    }
}
