//! The identity provider: whether its metadata and keys can be read, as the server reads them.

use super::Look;
use crate::auth::oidc::Provider;
use crate::config::ServeConfig;

pub(super) async fn provider(config: &ServeConfig, look: &mut Look<'_>) {
    let provider = match Provider::new(&config.oidc, config.development) {
        Ok(Some(provider)) => provider,
        Ok(None) => return,
        Err(error) => return look.error(format!("the settings can't be used: {error}"), "See --check-config"),
    };
    match provider.look().await {
        Ok(()) => look.ok(format!("{} tells its metadata and keys", provider.issuer)),
        Err(error) => look.error(
            format!("{} can't be used: {error}", provider.issuer),
            "See whether oidc.issuer is what the provider calls itself, whether this machine reaches it, and whether oidc.ca_file holds its authority",
        ),
    }
}
