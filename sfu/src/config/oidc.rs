//! Section: the institution's identity provider (OpenID Connect), through which people sign in beside their passwords.

use super::{ConfigError, Report};
use crate::outgoing;
use invigil_shared::role::Role;
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use schemars::JsonSchema;
use serde::Deserialize;
use std::fs;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// It stands on a button.
const MAX_NAME: usize = 60;
/// Longest issuer that is kept beside every account, and longest client id.
const MAX_ISSUER: usize = 500;

/// Whom people may sign in through.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OidcConfig {
    /// The identity provider's issuer, exactly as its own metadata says it: https://HOST[/PATH], under which
    /// /.well-known/openid-configuration is. Without it people sign in with passwords alone.
    #[arg(
        id = "oidc.issuer",
        long = "oidc-issuer",
        env = "INVIGIL_OIDC_ISSUER",
        value_name = "URL"
    )]
    pub issuer: Option<String>,
    /// What this deployment is called at the provider: a client for native apps, with the redirect http://127.0.0.1/oidc on any port.
    #[arg(
        id = "oidc.client_id",
        long = "oidc-client-id",
        env = "INVIGIL_OIDC_CLIENT_ID",
        value_name = "ID"
    )]
    pub client_id: Option<String>,
    /// File with the client's secret, if the provider gave one, readable for the server alone.
    #[arg(
        id = "oidc.client_secret_file",
        long = "oidc-client-secret-file",
        env = "INVIGIL_OIDC_CLIENT_SECRET_FILE",
        value_name = "FILE"
    )]
    pub client_secret_file: Option<PathBuf>,
    /// The provider as people know it: it stands on the button "Sign in with ...".
    #[arg(
        id = "oidc.name",
        long = "oidc-name",
        env = "INVIGIL_OIDC_NAME",
        value_name = "WORDS"
    )]
    pub name: Option<String>,
    /// PEM file with certificate authorities that the provider's certificate may come from, beside those of the system.
    #[arg(
        id = "oidc.ca_file",
        long = "oidc-ca-file",
        env = "INVIGIL_OIDC_CA_FILE",
        value_name = "FILE"
    )]
    pub ca_file: Option<PathBuf>,
    /// Role of the account that is made for whoever has none: proctor, lead or reviewer. Without it nobody gets one by signing in.
    #[arg(
        id = "oidc.provision_role",
        long = "oidc-provision-role",
        env = "INVIGIL_OIDC_PROVISION_ROLE",
        value_name = "ROLE"
    )]
    pub provision_role: Option<String>,
}

impl OidcConfig {
    /// `development`: the provider may be one without TLS on this machine.
    pub(super) fn check(&self, development: bool, report: &mut Report) {
        if let Some(issuer) = &self.issuer
            && let Err(why) = check_issuer(issuer, development)
        {
            report.mistake("oidc.issuer", why);
        }
        match (&self.issuer, &self.client_id) {
            (Some(_), None) => report.mistake("oidc.client_id", "oidc.issuer needs it: the provider says what it is"),
            (None, Some(_)) => report.mistake("oidc.issuer", "oidc.client_id means nothing without it"),
            (_, Some(id)) if id.is_empty() || id.len() > MAX_ISSUER || id.chars().any(char::is_control) => {
                report.mistake(
                    "oidc.client_id",
                    format!("1 to {MAX_ISSUER} bytes without control characters are needed"),
                );
            }
            _ => {}
        }
        if let Some(name) = &self.name
            && (name.trim().is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control))
        {
            report.mistake(
                "oidc.name",
                format!("1 to {MAX_NAME} characters are possible: it stands on a button"),
            );
        }
        if let Err(error) = self.client_secret() {
            report.mistake("oidc.client_secret_file", error.to_string());
        }
        if let Err(error) = self.authorities() {
            report.mistake("oidc.ca_file", error.to_string());
        }
        if let Err(error) = self.provisioned() {
            report.mistake("oidc.provision_role", error.to_string());
        }
    }

    /// The provider as people know it; the host of the issuer when nobody said.
    pub fn shown_name(&self) -> String {
        let host = || Some(Url::parse(self.issuer.as_deref()?).ok()?.host_str()?.to_owned());
        let name = self.name.as_deref().map(|name| name.trim().to_owned());
        name.or_else(host).unwrap_or_default()
    }

    /// # Errors
    /// The file can't be read, holds nothing, or can be read by others.
    pub fn client_secret(&self) -> Result<Option<Zeroizing<String>>, ConfigError> {
        self.client_secret_file.as_ref().map(read_secret).transpose()
    }

    /// # Errors
    /// The file can't be read, or holds no certificate.
    pub fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        outgoing::authorities(self.ca_file.as_deref())
    }

    /// Role of accounts that are made by signing in.
    ///
    /// # Errors
    /// It is none that may be given away like that.
    pub fn provisioned(&self) -> Result<Option<Role>, ConfigError> {
        let Some(role) = &self.provision_role else {
            return Ok(None);
        };
        match Role::parse(role) {
            role @ (Role::Proctor | Role::Lead | Role::Reviewer) => Ok(Some(role)),
            _ => Err(ConfigError::Invalid(
                "proctor, lead and reviewer are possible; admins are made by an admin",
            )),
        }
    }
}

/// Text of a file that only its owner can read, without the line's end.
pub(super) fn read_secret(path: &PathBuf) -> Result<Zeroizing<String>, ConfigError> {
    let wrap = |source| ConfigError::File {
        path: path.clone(),
        source,
    };
    let bad = |reason: String| ConfigError::Content {
        path: path.clone(),
        reason,
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_err(wrap)?.permissions().mode();
        if mode & 0o077 != 0 {
            let shown = path.display();
            return Err(bad(format!(
                "others can read it (mode {:04o}): chmod 0600 {shown}",
                mode & 0o7777
            )));
        }
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(wrap)?);
    let secret = text.trim();
    if secret.is_empty() || secret.chars().any(char::is_control) {
        return Err(bad("one line with the secret is needed".into()));
    }
    Ok(Zeroizing::new(secret.to_owned()))
}

fn check_issuer(text: &str, development: bool) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; for example https://login.example.org"))?;
    let local = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    if url.scheme() != "https" && !(url.scheme() == "http" && local && development) {
        return Err("https:// is needed: who signs in is decided by what comes from there".into());
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("an issuer has no query, fragment or user (OpenID Connect Discovery section 3)".into());
    }
    if text.len() > MAX_ISSUER {
        return Err(format!("it has more than {MAX_ISSUER} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_but_on_the_own_machine_in_development() {
        for (issuer, normal, development) in [
            ("https://login.example.org", true, true),
            ("https://login.example.org:8443/realms/x/", true, true),
            ("http://127.0.0.1:9000", false, true),
            ("http://localhost:9000", false, true),
            ("http://login.example.org", false, false),
            ("https://login.example.org/?tenant=1", false, false),
            ("https://u@login.example.org", false, false),
            ("ftp://login.example.org", false, false),
            ("login.example.org", false, false),
        ] {
            assert_eq!(check_issuer(issuer, false).is_ok(), normal, "{issuer}");
            assert_eq!(check_issuer(issuer, true).is_ok(), development, "{issuer}");
        }
    }

    #[test]
    fn nobody_becomes_an_admin_by_signing_in() {
        let with = |role: Option<&str>| OidcConfig {
            provision_role: role.map(str::to_owned),
            ..OidcConfig::default()
        };
        assert_eq!(with(Some("proctor")).provisioned().unwrap(), Some(Role::Proctor));
        assert_eq!(with(None).provisioned().unwrap(), None);
        for role in ["admin", "candidate", "", "root"] {
            assert!(with(Some(role)).provisioned().is_err(), "{role}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let read = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            read_secret(&path).map(|secret| secret.to_string())
        };
        assert_eq!(read("a secret\n", 0o600).unwrap(), "a secret");
        let error = read("a secret\n", 0o640).unwrap_err().to_string();
        assert!(error.contains("chmod 0600") && !error.contains("a secret"), "{error}");
        assert!(read(" \n", 0o600).is_err());
        assert!(read("two\nlines", 0o600).is_err());
    }
}
