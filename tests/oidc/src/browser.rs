//! Somebody at the provider's pages: follows redirections, keeps cookies, fills the forms in.

use anyhow::{Context, Result, bail};
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Signing in takes eight.
const MAX_STEPS: usize = 20;
const DEADLINE: Duration = Duration::from_secs(30);

pub struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new(authority: &Path) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority)?)?;
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(DEADLINE)
            .build()?;
        Ok(Self {
            client,
            cookies: BTreeMap::new(),
        })
    }

    /// Goes to `url`, signs in as `login` where it is asked to, agrees to what is asked, and returns where the provider sends the browser in
    /// the end: a place without TLS on this machine.
    pub async fn sign_in(&mut self, url: &str, login: &str) -> Result<Url> {
        self.walk(url, Some(login)).await
    }

    /// The same, but turns away at the first page.
    pub async fn turn_away(&mut self, url: &str) -> Result<Url> {
        self.walk(url, None).await
    }

    /// What the browser shows where it was sent in the end.
    pub async fn land(&self, url: &Url) -> Result<String> {
        Ok(self.client.get(url.clone()).send().await?.text().await?)
    }

    async fn walk(&mut self, url: &str, login: Option<&str>) -> Result<Url> {
        let mut here = Url::parse(url)?;
        let mut answer = self.go(&here, None).await?;
        for _ in 0..MAX_STEPS {
            if let Some(location) = answer.headers().get(LOCATION) {
                here = here.join(location.to_str()?)?;
                if here.scheme() == "http" {
                    return Ok(here);
                }
                answer = self.go(&here, None).await?;
                continue;
            }
            let status = answer.status();
            let page = answer.text().await?;
            let (target, form) = match login {
                Some(login) => {
                    let action = between(&page, "action=\"", "\"").with_context(|| format!("{status}: {page}"))?;
                    let form = match page.contains("value=\"login\"") {
                        true => format!("prompt=login&login={login}&password=anything"),
                        false => "prompt=consent".to_owned(),
                    };
                    (action, Some(form))
                }
                None => (between(&page, "<a href=\"", "\"").context("no way back")?, None),
            };
            here = here.join(&target)?;
            answer = self.go(&here, form).await?;
        }
        bail!("the provider leads nowhere")
    }

    async fn go(&mut self, url: &Url, form: Option<String>) -> Result<Response> {
        let request = match form {
            Some(form) => {
                let post = self.client.post(url.clone());
                post.header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form)
            }
            None => self.client.get(url.clone()),
        };
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let answer = request.header(COOKIE, cookies.join("; ")).send().await?;
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("no cookie")?;
            match value {
                "" => drop(self.cookies.remove(name)),
                value => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        Ok(answer)
    }
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0.to_owned())
}
