//! Section: identity.

use super::Report;
use invigil_shared::limits::ACCESS_TOKEN_S;
use invigil_shared::token::AUDIENCE;
use schemars::JsonSchema;
use serde::Deserialize;

/// Shorter than this a client would do nothing but refresh; longer, and a key that was changed has to verify for too long.
const ACCESS_TOKEN_RANGE_S: std::ops::RangeInclusive<i64> = 1..=3_600;
/// They stand in every token.
const MAX_NAME: usize = 200;

/// Who issues access tokens, for whom, and for how long.
#[derive(Clone, Debug, PartialEq, clap::Args, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Issuer that stands in access tokens.
    #[arg(id = "auth.issuer", long = "issuer", env = "INVIGIL_ISSUER", value_name = "NAME",
          default_value_t = Self::default().issuer)]
    pub issuer: String,
    /// Audience that stands in access tokens: a server takes no token that was made for another one's.
    #[arg(id = "auth.audience", long = "audience", env = "INVIGIL_AUDIENCE", value_name = "NAME",
          default_value_t = Self::default().audience)]
    pub audience: String,
    /// Seconds that an access token is good for, 1 to 3600.
    #[arg(id = "auth.access_token_s", long = "access-token-s", env = "INVIGIL_ACCESS_TOKEN_S", value_name = "N",
          default_value_t = Self::default().access_token_s)]
    pub access_token_s: i64,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            issuer: "invigil-sfu".to_owned(),
            audience: AUDIENCE.to_owned(),
            access_token_s: ACCESS_TOKEN_S,
        }
    }
}

impl AuthConfig {
    pub(super) fn check(&self, report: &mut Report) {
        for (setting, name) in [("auth.issuer", &self.issuer), ("auth.audience", &self.audience)] {
            if name.is_empty() || name.len() > MAX_NAME {
                report.mistake(setting, format!("a name of 1 to {MAX_NAME} bytes is needed"));
            }
        }
        if !ACCESS_TOKEN_RANGE_S.contains(&self.access_token_s) {
            report.mistake("auth.access_token_s", "1 to 3600 seconds are possible; 900 is usual");
        }
    }
}
