//! Signs in through the system's browser, and asks servers whether they have an identity provider.

use super::actor::{Inputs, SignedIn};
use super::state::Input;
use crate::browser;
use crate::call::CallFailure;
use crate::server::failure;
use invigil_client::browser_sign_in::{BrowserError, BrowserSignIn};
use invigil_client::rest::Api;
use invigil_view::common::Notice;
use tokio::task::AbortHandle;

pub async fn ask(authority: String, api: Result<Api, CallFailure>, inputs: Inputs) {
    let name = match api {
        Ok(api) => api.oidc_offer().await.map_err(failure),
        Err(failure) => Err(failure),
    };
    let name = name.map(|offer| offer.provider.map(|provider| provider.name));
    inputs.send(Input::Provider { authority, name });
}

/// Waits for the system's browser; one at a time. Left, it closes the port, and what comes back later finds nobody.
#[derive(Default)]
pub struct Browsing(Option<AbortHandle>);

impl Browsing {
    pub fn begin(&mut self, api: Result<Api, CallFailure>, signed_in: SignedIn, inputs: Inputs) {
        self.leave();
        self.0 = Some(tokio::spawn(sign_in(api, signed_in, inputs)).abort_handle());
    }

    pub fn leave(&mut self) {
        if let Some(waiting) = self.0.take() {
            waiting.abort();
        }
    }
}

async fn sign_in(api: Result<Api, CallFailure>, signed_in: SignedIn, inputs: Inputs) {
    let begun = match api {
        Ok(api) => BrowserSignIn::begin(api.clone())
            .await
            .map(|begun| (api, begun))
            .map_err(failure),
        Err(failure) => Err(failure),
    };
    let (api, begun) = match begun {
        Ok(begun) => begun,
        Err(failure) => return inputs.send(Input::SignedIn(Err(failure))),
    };
    inputs.send(Input::BrowserSent(begun.url().to_owned()));
    match begun.finish().await {
        Ok(Ok(answer)) => {
            // Nobody has typed it.
            if let Ok(own) = api.account(&answer.access_token).await {
                inputs.send(Input::Known { email: own.email });
            }
            *signed_in.lock() = Some((api, answer.access_token.clone()));
            inputs.send(Input::SignedIn(Ok(Box::new(answer))));
        }
        Ok(Err(error)) => inputs.send(Input::SignedIn(Err(failure(error)))),
        Err(error) => inputs.send(Input::BrowserEnded(notice(&error))),
    }
}

fn notice(error: &BrowserError) -> Notice {
    match error {
        BrowserError::TimedOut => Notice::new("browser_timed_out"),
        BrowserError::TurnedAway => Notice::new("browser_turned_away"),
        BrowserError::Refused(code) => {
            tracing::warn!(code, "the identity provider refused");
            Notice::new("browser_refused")
        }
        BrowserError::Port(reason) => {
            tracing::error!(reason, "no loopback port");
            Notice::new("browser_refused")
        }
    }
}

/// On a thread of its own: the program that opens it may wait for its end.
pub fn open(url: String, inputs: Inputs) {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = browser::open(&url) {
            tracing::warn!(%error, "the system's browser can't be opened");
            inputs.send(Input::BrowserMissing);
        }
    });
}
