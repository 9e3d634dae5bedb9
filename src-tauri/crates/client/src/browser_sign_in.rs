//! Signing in through the system browser (RFC 8252): a listener on a loopback port takes what the identity provider sends back with the
//! browser, once. The secret that binds it to this app never leaves it before (RFC 7636).

mod page;

use crate::error::ClientError;
use crate::rest::Api;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use invigil_shared::oidc::{OidcFinishRequest, REDIRECT_PATH};
use invigil_shared::rest::SignInResponse;
use rand::RngCore;
use reqwest::Url;
use sha2::{Digest, Sha256};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long the browser may take: somebody signs in, with a phone beside it.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// A browser sends its request at once; connections that it only opens in advance say nothing.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// A request line with code, state and issuer, and a browser's header fields, cookies of other loopback programs among them.
const MAX_HEAD: usize = 16 * 1024;
/// Connections at once: a browser opens up to six, others on this machine may too.
const MAX_CONNECTIONS: usize = 16;
/// Requests that are not the awaited one, before something is wrong.
const MAX_STRAYS: usize = 100;

/// How waiting for the browser ended, when it did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrowserError {
    #[error("nothing came back in time")]
    TimedOut,
    /// The person turned away at the provider.
    #[error("the sign-in was turned away")]
    TurnedAway,
    /// The provider's own code (RFC 6749 section 4.1.2.1).
    #[error("the identity provider refuses: {0}")]
    Refused(String),
    #[error("no loopback port: {0}")]
    Port(String),
}

/// A sign-in that waits for the browser.
pub struct BrowserSignIn {
    listener: TcpListener,
    /// Address and port, as the browser names them.
    host: String,
    verifier: String,
    state: String,
    url: String,
    patience: Duration,
    api: Api,
}

/// What came back.
#[derive(Clone, PartialEq, Eq)]
struct Back {
    code: String,
    iss: Option<String>,
}

impl BrowserSignIn {
    /// Opens a port and begins at the server.
    ///
    /// # Errors
    /// No port, or the server does not begin.
    pub async fn begin(api: Api) -> Result<Self, ClientError> {
        let port = |error: io::Error| ClientError::Unreachable(BrowserError::Port(error.to_string()).to_string());
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .map_err(port)?;
        let host = listener.local_addr().map_err(port)?.to_string();
        let redirect_uri = format!("http://{host}{REDIRECT_PATH}");
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        let verifier = URL_SAFE_NO_PAD.encode(bytes);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let begun = api.begin_oidc(&challenge, &redirect_uri).await?;
        if !is_a_page(&begun.url) {
            return Err(ClientError::BadAnswer(
                "the address of the identity provider is none".into(),
            ));
        }
        Ok(Self {
            listener,
            host,
            verifier,
            state: begun.state,
            url: begun.url,
            patience: PATIENCE,
            api,
        })
    }

    /// To be opened in the browser: `https`, or a provider on this machine.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until the browser comes back, and signs in with what it brings. Dropping it closes the port.
    ///
    /// # Errors
    /// [`BrowserError`], or the server's answer.
    pub async fn finish(self) -> Result<Result<SignInResponse, ClientError>, BrowserError> {
        let came = timeout(self.patience, self.come_back()).await;
        let back = came.map_err(|_| BrowserError::TimedOut)??;
        let request = OidcFinishRequest {
            state: self.state,
            code: back.code,
            verifier: self.verifier,
            iss: back.iss,
        };
        // Nobody else is answered any more.
        drop(self.listener);
        Ok(self.api.finish_oidc(&request).await)
    }

    async fn come_back(&self) -> Result<Back, BrowserError> {
        let mut connections = JoinSet::new();
        let mut strays = 0;
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(timeout(REQUEST_TIME, request(stream)))),
                    Err(error) => return Err(BrowserError::Port(error.to_string())),
                },
                Some(read) = connections.join_next(), if !connections.is_empty() => {
                    let Ok(Ok(Some((mut stream, target, host)))) = read else { continue };
                    let (page, end) = self.judge(&target, &host);
                    // Told whoever it is, before the port goes away; a browser that does not read is not waited for.
                    let _ = timeout(REQUEST_TIME, answer(&mut stream, &page)).await;
                    if let Some(end) = end {
                        return end;
                    }
                    strays += 1;
                    if strays >= MAX_STRAYS {
                        return Err(BrowserError::TimedOut);
                    }
                }
            }
        }
    }

    /// What is answered to a request, and the end if it is the one that is awaited. Only what carries the state is: whatever else is on
    /// this machine can neither sign in nor end it.
    fn judge(&self, target: &str, host: &str) -> (page::Page, Option<Result<Back, BrowserError>>) {
        let url = Url::parse(&format!("http://{}{target}", self.host)).ok();
        let Some(url) = url.filter(|url| host == self.host && target.starts_with('/') && url.path() == REDIRECT_PATH)
        else {
            return (page::nothing_here(), None);
        };
        let value = |name: &str| {
            let mut values = url
                .query_pairs()
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned());
            values.next().filter(|_| values.next().is_none())
        };
        if value("state").as_deref() != Some(&self.state) {
            return (page::not_awaited(), None);
        }
        match (value("code"), value("error")) {
            (Some(code), None) => {
                let iss = value("iss");
                (page::come_back(), Some(Ok(Back { code, iss })))
            }
            (_, Some(error)) if error == "access_denied" => (page::turned_away(), Some(Err(BrowserError::TurnedAway))),
            (_, error) => {
                let error = error
                    .unwrap_or_default()
                    .chars()
                    .filter(char::is_ascii_graphic)
                    .take(64)
                    .collect();
                (page::refused(), Some(Err(BrowserError::Refused(error))))
            }
        }
    }
}

/// Whether a browser may be sent there: the server says where, and it is no local file or another program's scheme.
fn is_a_page(url: &str) -> bool {
    let local = |url: &Url| matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    Url::parse(url).is_ok_and(|url| url.scheme() == "https" || url.scheme() == "http" && local(&url))
}

/// The target and host of a request that reads (RFC 9112 section 3), if it is one.
async fn request(mut stream: TcpStream) -> Option<(TcpStream, String, String)> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut chunk = [0; 2_048];
        let read = stream.read(&mut chunk).await.ok()?;
        if read == 0 || head.len() + read > MAX_HEAD {
            return None;
        }
        head.extend_from_slice(&chunk[..read]);
    }
    let text = String::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let target = lines
        .next()?
        .strip_prefix("GET ")?
        .strip_suffix(" HTTP/1.1")?
        .to_owned();
    let mut hosts = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
    });
    let host = hosts.next()?;
    Some((stream, target, host))
}

async fn answer(stream: &mut TcpStream, page: &page::Page) -> io::Result<()> {
    stream.write_all(page.to_http().as_bytes()).await?;
    stream.shutdown().await?;
    // Until the browser has read it: closing at once could take it away.
    let mut rest = [0; 512];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests;
