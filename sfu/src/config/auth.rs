//! Section: identity.

use invigil_shared::limits::ACCESS_TOKEN_S;

#[derive(Clone, Debug, clap::Args)]
pub struct AuthConfig {
    /// Issuer that stands in access tokens.
    #[arg(long = "issuer", env = "INVIGIL_ISSUER", default_value = "invigil-sfu")]
    pub issuer: String,
    /// Seconds that an access token is good for.
    #[arg(long = "access-token-s", env = "INVIGIL_ACCESS_TOKEN_S", default_value_t = ACCESS_TOKEN_S,
          value_parser = clap::value_parser!(i64).range(1..=3600))]
    pub access_token_s: i64,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            issuer: "invigil-sfu".to_owned(),
            access_token_s: ACCESS_TOKEN_S,
        }
    }
}
