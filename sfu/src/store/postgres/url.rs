//! A database's URL. It may hold a password, which no log, error or debug print shows.

use crate::store::{StoreError, Stored};
use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The parameters that a URL may carry. sqlx logs those that it does not know, with their values.
const PARAMETERS: [&str; 10] = [
    "application_name",
    "dbname",
    "host",
    "options",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// `postgres://user:password@host:port/database`, as an operator gave it. It is looked at when it is used, so that a refusal
/// can be put in words that don't repeat it.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl From<&str> for DatabaseUrl {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for DatabaseUrl {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

impl DatabaseUrl {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it can be a database's URL.
    pub fn check(&self) -> Stored<()> {
        self.options().map(drop)
    }

    /// What to connect with. Without `sslmode`, a server on another machine has to prove its name by TLS, and one on this
    /// machine is spoken to in clear.
    pub(super) fn options(&self) -> Stored<PgConnectOptions> {
        let refuse = |why: &str| StoreError::Url(why.to_owned());
        let scheme = self.0.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("postgres" | "postgresql")) {
            return Err(refuse("has to begin with postgres://"));
        }
        let query = self.0.split_once('?').map_or("", |(_, query)| query);
        let mut tls_is_said = false;
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
            if !PARAMETERS.contains(&name) {
                let known = PARAMETERS.join(", ");
                return Err(StoreError::Url(format!("has a parameter that is none of {known}")));
            }
            tls_is_said |= name == "sslmode";
        }
        // The source may quote what it could not read.
        let options = PgConnectOptions::from_str(&self.0).map_err(|_| {
            refuse("can't be read; in names and passwords, write / as %2F, @ as %40, : as %3A, % as %25")
        })?;
        if tls_is_said {
            return Ok(options);
        }
        let mode = if local(&options) {
            PgSslMode::Disable
        } else {
            PgSslMode::VerifyFull
        };
        Ok(options.ssl_mode(mode))
    }
}

fn local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> PgSslMode {
        DatabaseUrl::from(url).options().unwrap().get_ssl_mode()
    }

    #[test]
    fn another_machine_has_to_prove_its_name() {
        assert!(matches!(mode("postgres://u:p@db.example.org/d"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://u:p@10.0.0.7/d"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://u:p@[::1]:5433/d"), PgSslMode::Disable));
        assert!(matches!(mode("postgresql://u@localhost/d"), PgSslMode::Disable));
        assert!(matches!(
            mode("postgres://u@x/d?host=/run/postgresql"),
            PgSslMode::Disable
        ));
        let said = "postgres://u:p@db.example.org/d?sslmode=disable";
        assert!(matches!(mode(said), PgSslMode::Disable));
    }

    #[test]
    fn a_refusal_does_not_repeat_the_url() {
        for url in [
            "mysql://u:hidden@h/d",
            "hidden",
            "postgres://u:hidden@h:port/d",
            "postgres://u:p@h/d?pasword=hidden",
            "postgres://u:p@h/d?hidden",
            "postgres://u:hidden/x@h/d",
            "postgres://u:p@h/d?sslmode=hidden",
        ] {
            let url = DatabaseUrl::from(url);
            let error = url.options().unwrap_err();
            assert!(!format!("{error} {error:?} {url:?}").contains("hidden"), "{error:?}");
        }
    }
}
