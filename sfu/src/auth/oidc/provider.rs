//! Speaks with the identity provider: its metadata (OpenID Connect Discovery), its keys, codes for tokens, and what it says of a person.
//! Every answer is bounded in size and time, and nothing of a person or a secret is logged.

use super::id_token::{self, BadToken, Claims, Expected, IdentityKeys, Profile};
use super::{OidcError, Open, OpenSignIns};
use crate::config::{ConfigError, OidcConfig};
use crate::outgoing;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use invigil_shared::role::Role;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Semaphore};
use zeroize::Zeroizing;

const DEADLINE: Duration = Duration::from_secs(5);
/// Metadata have 2 to 8 KiB, key sets with certificates up to 50, tokens with hundreds of groups up to 40.
const MAX_ANSWER: usize = 256 * 1024;
/// After this metadata and keys are asked for anew.
const FRESH: Duration = Duration::from_secs(3_600);
/// A key that nobody knows has keys asked for anew, this often at most.
const KEYS_AGAIN: Duration = Duration::from_secs(30);
/// A provider that failed is left alone for so long: everybody who waits learns it at once.
const FAILED_REST: Duration = Duration::from_secs(3);
/// Requests to the provider at once.
const AT_ONCE: usize = 16;
/// What is asked to be told.
const SCOPE: &str = "openid email profile";

/// A provider's metadata (OpenID Connect Discovery section 3), as far as they are used.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    /// RFC 9207 section 3.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What a code is changed for (OpenID Connect Core section 3.1.3.3).
#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Option<String>,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct TokenRefusal {
    error: String,
}

#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    #[serde(flatten)]
    profile: Profile,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Instant, Arc<Metadata>)>,
    keys: Option<(Instant, Arc<IdentityKeys>)>,
    /// When keys were asked for because of one that nobody knew.
    looked_for: Option<Instant>,
    failed: Option<(Instant, OidcError)>,
}

impl Known {
    fn resting(&self) -> Result<(), OidcError> {
        match &self.failed {
            Some((at, error)) if at.elapsed() < FAILED_REST => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

/// The provider of this deployment.
pub struct Provider {
    pub name: String,
    pub issuer: String,
    /// Role of accounts that are made by signing in.
    pub provisioned: Option<Role>,
    pub open: OpenSignIns,
    client_id: String,
    secret: Option<Zeroizing<String>>,
    http: Client,
    /// It may be without TLS: only on this machine, in development.
    plain: bool,
    known: Mutex<Known>,
    at_once: Semaphore,
}

impl Provider {
    /// None when the settings name none. `development` as in the settings.
    ///
    /// # Errors
    /// A file that they name can't be used.
    pub fn new(config: &OidcConfig, development: bool) -> Result<Option<Self>, ConfigError> {
        let Some((issuer, client_id)) = config.issuer.clone().zip(config.client_id.clone()) else {
            return Ok(None);
        };
        let plain = development && issuer.starts_with("http://");
        Ok(Some(Self {
            name: config.shown_name(),
            provisioned: config.provisioned()?,
            open: OpenSignIns::default(),
            secret: config.client_secret()?,
            http: outgoing::client(config.authorities()?, DEADLINE, plain).map_err(ConfigError::Oidc)?,
            known: Mutex::default(),
            at_once: Semaphore::new(AT_ONCE),
            issuer,
            client_id,
            plain,
        }))
    }

    /// Where the browser has to go.
    ///
    /// # Errors
    /// [`OidcError::Unavailable`].
    pub async fn authorization_url(&self, state: &str, open: &Open) -> Result<String, OidcError> {
        let metadata = self.metadata().await?;
        let mut url = self.url(&metadata.authorization_endpoint)?;
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", &open.redirect_uri),
            ("scope", SCOPE),
            ("state", state),
            ("nonce", &open.nonce),
            ("code_challenge", &open.challenge),
            ("code_challenge_method", "S256"),
        ]);
        Ok(url.into())
    }

    /// Changes the code that came back for who somebody is. `iss`: what came back with it (RFC 9207); `now_s`: seconds since the Unix
    /// epoch.
    ///
    /// # Errors
    /// [`OidcError::Refused`] when any of it is not for the sign-in `open`.
    pub async fn redeem(
        &self,
        open: &Open,
        code: &str,
        verifier: &str,
        iss: Option<&str>,
        now_s: i64,
    ) -> Result<Claims, OidcError> {
        let metadata = self.metadata().await?;
        match iss {
            Some(iss) if iss != self.issuer => return Err(OidcError::Refused("the answer is of another issuer")),
            None if metadata.authorization_response_iss_parameter_supported => {
                return Err(OidcError::Refused("the answer does not say whose it is"));
            }
            _ => {}
        }
        let answer = self.exchange(&metadata, open, code, verifier).await?;
        let token = answer
            .id_token
            .ok_or_else(|| OidcError::Unavailable("it gives no ID token".into()))?;
        let expected = Expected {
            issuer: &self.issuer,
            client_id: &self.client_id,
            nonce: &open.nonce,
            access_token: answer.access_token.as_deref(),
            now_s,
        };
        let keys = self.keys(&metadata, false).await?;
        let mut claims = match id_token::verify(&token, &keys, &expected) {
            // It may have changed its keys a moment ago.
            Err(BadToken::UnknownKey) => {
                let keys = self.keys(&metadata, true).await?;
                id_token::verify(&token, &keys, &expected)?
            }
            verified => verified?,
        };
        // Providers that follow OpenID Connect Core section 5.4 to the letter say it there alone.
        if claims.profile.email.is_none()
            && let Some((endpoint, access_token)) = metadata.userinfo_endpoint.as_ref().zip(answer.access_token)
        {
            claims.profile = self.user_info(endpoint, &access_token, &claims.sub).await?;
        }
        Ok(claims)
    }

    /// For `doctor`: whether there is a provider that can be used.
    ///
    /// # Errors
    /// [`OidcError::Unavailable`] with the reason.
    pub async fn look(&self) -> Result<(), OidcError> {
        let metadata = self.metadata().await?;
        self.keys(&metadata, false).await.map(drop)
    }

    async fn metadata(&self) -> Result<Arc<Metadata>, OidcError> {
        let mut known = self.known.lock().await;
        if let Some((at, metadata)) = &known.metadata
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(metadata));
        }
        known.resting()?;
        match self.discover().await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                (known.metadata, known.failed) = (Some((Instant::now(), Arc::clone(&metadata))), None);
                Ok(metadata)
            }
            Err(error) => {
                known.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn discover(&self) -> Result<Metadata, OidcError> {
        let unusable = |reason: &str| Err(OidcError::Unavailable(format!("its metadata can't be used: {reason}")));
        let base = self.issuer.trim_end_matches('/');
        let url = self.url(&format!("{base}/.well-known/openid-configuration"))?;
        let metadata: Metadata = self.json(self.http.get(url), "its metadata").await?;
        // OpenID Connect Discovery section 4.3.
        if metadata.issuer != self.issuer {
            return unusable(&format!("they are of the issuer {:?}", metadata.issuer));
        }
        let endpoints = [
            &metadata.authorization_endpoint,
            &metadata.token_endpoint,
            &metadata.jwks_uri,
        ];
        for endpoint in endpoints.into_iter().chain(&metadata.userinfo_endpoint) {
            self.url(endpoint)?;
        }
        let methods = &metadata.code_challenge_methods_supported;
        if methods
            .as_ref()
            .is_some_and(|methods| methods.iter().all(|method| method != "S256"))
        {
            return unusable("it does PKCE, and not with S256");
        }
        Ok(metadata)
    }

    /// The provider's keys. `unknown`: one is missing among those that are known.
    async fn keys(&self, metadata: &Metadata, unknown: bool) -> Result<Arc<IdentityKeys>, OidcError> {
        let mut known = self.known.lock().await;
        let look = unknown && known.looked_for.is_none_or(|at| at.elapsed() >= KEYS_AGAIN);
        if let Some((at, keys)) = &known.keys
            && at.elapsed() < FRESH
            && !look
        {
            return Ok(Arc::clone(keys));
        }
        if look {
            known.looked_for = Some(Instant::now());
        }
        known.resting()?;
        let asked = async {
            let url = self.url(&metadata.jwks_uri)?;
            let body = self.body(self.http.get(url), "its keys").await?;
            let keys = IdentityKeys::parse(&body).filter(|keys| !keys.is_empty());
            keys.ok_or_else(|| OidcError::Unavailable("it has no key that can be used".into()))
        };
        match asked.await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                known.keys = Some((Instant::now(), Arc::clone(&keys)));
                Ok(keys)
            }
            Err(error) => {
                known.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// RFC 6749 section 4.1.3 with RFC 7636 section 4.5.
    async fn exchange(
        &self,
        metadata: &Metadata,
        open: &Open,
        code: &str,
        verifier: &str,
    ) -> Result<TokenAnswer, OidcError> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &open.redirect_uri),
            ("code_verifier", verifier),
        ];
        let mut request = self.http.post(self.url(&metadata.token_endpoint)?);
        match &self.secret {
            None => fields.push(("client_id", &self.client_id)),
            Some(secret) if speaks_basic(metadata) => {
                // Both are encoded as in a form first (RFC 6749 section 2.3.1).
                let pair = Zeroizing::new(format!("{}:{}", encoded(&self.client_id), encoded(secret)));
                request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(&*pair)));
            }
            Some(secret) => fields.extend([("client_id", self.client_id.as_str()), ("client_secret", secret)]),
        }
        let request = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(&fields));
        let (status, body) = self.ask(request, "its tokens").await?;
        if status.is_success() {
            return parsed(&body, "its tokens");
        }
        let refusal = serde_json::from_slice::<TokenRefusal>(&body).map(|refusal| refusal.error);
        match refusal.as_deref() {
            Ok("invalid_grant") => Err(OidcError::Refused("the provider does not take the code")),
            Ok(error @ ("invalid_client" | "unauthorized_client")) => Err(OidcError::Unavailable(format!(
                "it does not know this server ({error}): see to oidc.client_id and oidc.client_secret_file"
            ))),
            _ => Err(OidcError::Unavailable(format!(
                "its token endpoint answers with status {status}"
            ))),
        }
    }

    /// OpenID Connect Core section 5.3.
    async fn user_info(&self, endpoint: &str, access_token: &str, subject: &str) -> Result<Profile, OidcError> {
        let request = self.http.get(self.url(endpoint)?).bearer_auth(access_token);
        let info: UserInfo = self.json(request, "what it knows of a person").await?;
        if info.sub != subject {
            return Err(OidcError::Refused("the provider speaks of somebody else"));
        }
        Ok(info.profile)
    }

    /// A URL of the provider: over TLS, unless the provider as a whole is on this machine.
    fn url(&self, text: &str) -> Result<Url, OidcError> {
        let url = Url::parse(text).ok();
        let good = url.filter(|url| url.scheme() == "https" || self.plain && url.scheme() == "http");
        good.ok_or_else(|| OidcError::Unavailable("it names an address that is not https://".into()))
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder, what: &str) -> Result<T, OidcError> {
        parsed(&self.body(request, what).await?, what)
    }

    async fn body(&self, request: RequestBuilder, what: &str) -> Result<Vec<u8>, OidcError> {
        match self.ask(request, what).await? {
            (status, body) if status.is_success() => Ok(body),
            (status, _) => Err(OidcError::Unavailable(format!(
                "{what}: it answers with status {status}"
            ))),
        }
    }

    async fn ask(&self, request: RequestBuilder, what: &str) -> Result<(StatusCode, Vec<u8>), OidcError> {
        let silent = |reason: String| OidcError::Unavailable(format!("{what}: {reason}"));
        let lost = |error: reqwest::Error| silent(outgoing::reason(error, DEADLINE));
        let _one = self
            .at_once
            .acquire()
            .await
            .map_err(|error| silent(error.to_string()))?;
        let mut answer = request.header(ACCEPT, "application/json").send().await.map_err(lost)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(silent(format!("they have more than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((answer.status(), body))
    }
}

fn parsed<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, OidcError> {
    serde_json::from_slice(body).map_err(|_| OidcError::Unavailable(format!("{what} can't be read")))
}

/// How a client with a secret proves it: as the provider prefers, in the header where it does not say (OpenID Connect Discovery section 3).
fn speaks_basic(metadata: &Metadata) -> bool {
    let methods = &metadata.token_endpoint_auth_methods_supported;
    methods.as_ref().is_none_or(|methods| {
        methods.iter().any(|method| method == "client_secret_basic")
            || methods.iter().all(|method| method != "client_secret_post")
    })
}

/// `application/x-www-form-urlencoded`.
fn form(fields: &[(&str, &str)]) -> String {
    let mut url = Url::parse("form:").ok();
    if let Some(url) = &mut url {
        url.query_pairs_mut().extend_pairs(fields);
    }
    url.and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

/// One value of a form.
fn encoded(value: &str) -> String {
    form(&[("", value)]).trim_start_matches('=').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_written_as_browsers_write_them() {
        assert_eq!(form(&[("a b", "c&d=é"), ("e", "+")]), "a+b=c%26d%3D%C3%A9&e=%2B");
        assert_eq!(encoded("a:b c=%"), "a%3Ab+c%3D%25");
        assert_eq!(encoded("="), "%3D");
    }

    fn metadata(methods: Option<&[&str]>) -> Metadata {
        let methods = methods.map(|methods| methods.iter().map(|one| (*one).to_owned()).collect());
        Metadata {
            issuer: String::new(),
            authorization_endpoint: String::new(),
            token_endpoint: String::new(),
            jwks_uri: String::new(),
            userinfo_endpoint: None,
            token_endpoint_auth_methods_supported: methods,
            code_challenge_methods_supported: None,
            authorization_response_iss_parameter_supported: false,
        }
    }

    #[test]
    fn a_secret_goes_where_the_provider_takes_it() {
        assert!(speaks_basic(&metadata(None)));
        assert!(speaks_basic(&metadata(Some(&[
            "client_secret_post",
            "client_secret_basic"
        ]))));
        assert!(speaks_basic(&metadata(Some(&["private_key_jwt"]))));
        assert!(!speaks_basic(&metadata(Some(&["none", "client_secret_post"]))));
    }

    #[tokio::test]
    async fn addresses_without_tls_are_refused() {
        let config = |issuer: &str| OidcConfig {
            issuer: Some(issuer.to_owned()),
            client_id: Some("invigil".into()),
            ..OidcConfig::default()
        };
        let provider = |issuer: &str, development: bool| Provider::new(&config(issuer), development).unwrap().unwrap();
        let secure = provider("https://login.example.org", true);
        assert!(secure.url("https://login.example.org/token").is_ok());
        for bad in [
            "http://login.example.org/token",
            "file:///etc/passwd",
            "javascript:0",
            "",
        ] {
            assert!(secure.url(bad).is_err(), "{bad}");
        }
        assert!(
            provider("http://localhost:1", true)
                .url("http://localhost:1/token")
                .is_ok()
        );
        assert!(
            provider("http://localhost:1", false)
                .url("http://localhost:1/token")
                .is_err()
        );
        assert!(Provider::new(&OidcConfig::default(), true).unwrap().is_none());
    }
}
