//! Signing in through the identity provider: whether the server has one, and the time in which the browser is waited for.

use super::signing_in::Wanted;
use super::*;

impl ProctorState {
    pub(super) fn ask_server(&mut self, server: &str, effects: &mut Vec<Effect>) {
        let authority = authority::parse(server.trim());
        if self.step != ProctorStep::SignIn || self.asked == authority {
            return;
        }
        (self.asked, self.provider.name) = (authority.clone(), None);
        effects.extend(authority.map(|authority| Effect::AskProvider { authority }));
    }

    /// Asked in the background: what goes wrong is told when somebody signs in.
    pub(super) fn provider_told(&mut self, authority: &str, name: Result<Option<String>, CallFailure>) {
        if self.asked.as_deref() != Some(authority) {
            return;
        }
        self.provider.name = match name {
            Ok(name) => name,
            Err(CallFailure::Untrusted) => Some(String::new()),
            Err(_) => {
                // Perhaps it answers the next time.
                self.asked = None;
                None
            }
        };
    }

    pub(super) fn sign_in_browser(&mut self, server: &str, effects: &mut Vec<Effect>) {
        if self.step != ProctorStep::SignIn || self.busy {
            return;
        }
        (self.server, self.notice, self.certificate) = (server.trim().to_owned(), None, None);
        match authority::parse(&self.server) {
            Some(authority) => self.ask_for(authority, Wanted::Browser, effects),
            None => self.notice = Some(Notice::new("unreachable").with("field", "server")),
        }
    }

    pub(super) fn browser_sent(&mut self, url: String, effects: &mut Vec<Effect>) {
        if self.pending_wants(&Wanted::Browser) {
            effects.push(Effect::OpenBrowser(url.clone()));
            self.provider.waiting = Some(url);
        }
    }

    pub(super) fn browser_missing(&mut self) {
        if self.provider.waiting.is_some() {
            self.notice = Some(Notice::new("browser_missing"));
        }
    }

    pub(super) fn open_browser_again(&mut self, effects: &mut Vec<Effect>) {
        if let Some(url) = &self.provider.waiting {
            self.notice = None;
            effects.push(Effect::OpenBrowser(url.clone()));
        }
    }

    pub(super) fn leave_browser(&mut self, effects: &mut Vec<Effect>) {
        if self.provider.waiting.take().is_some() {
            effects.push(Effect::LeaveBrowser);
            (self.busy, self.pending, self.notice) = (false, None, None);
        }
    }

    pub(super) fn browser_ended(&mut self, notice: Notice) {
        if self.provider.waiting.take().is_some() {
            (self.busy, self.pending, self.notice) = (false, None, Some(notice));
        }
    }
}
