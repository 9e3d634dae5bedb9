//! API keys and webhooks, as an admin lists and changes them.

use super::*;
use invigil_shared::api_key::{ApiKeyInfo, ApiKeyRequest, NewApiKey};
use invigil_shared::id::{ApiKeyId, WebhookId};
use invigil_shared::webhook::{NewWebhook, WebhookEdit, WebhookInfo, WebhookSecret, WebhookTest};
use invigil_view::systems::{HandedSecret, SystemsCommand, SystemsView, TestedWebhook};

/// What is asked of the server.
#[derive(Clone, Debug, PartialEq)]
pub enum SystemsCall {
    List,
    MakeKey(ApiKeyRequest),
    RevokeKey(ApiKeyId),
    AddWebhook(NewWebhook),
    ChangeWebhook(WebhookId, WebhookEdit),
    RemoveWebhook(WebhookId),
    TestWebhook(WebhookId),
}

/// What it answers.
#[derive(Clone)]
pub enum SystemsAnswer {
    Listed(Vec<ApiKeyInfo>, Vec<WebhookInfo>),
    Key(Box<NewApiKey>),
    Keys(Vec<ApiKeyInfo>),
    Webhook(Box<WebhookSecret>),
    Changed(Box<WebhookInfo>),
    Removed(WebhookId),
    Tested(WebhookId, WebhookTest, Vec<WebhookInfo>),
}

// Tokens and secrets are in no log.
impl std::fmt::Debug for SystemsAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Listed(..) => "Listed",
            Self::Key(_) => "Key",
            Self::Keys(_) => "Keys",
            Self::Webhook(_) => "Webhook",
            Self::Changed(_) => "Changed",
            Self::Removed(_) => "Removed",
            Self::Tested(..) => "Tested",
        })
    }
}

impl ProctorState {
    pub(super) fn show_systems(&mut self, effects: &mut Vec<Effect>) {
        let exams = self.step == ProctorStep::Exams && self.office.is_none() && !self.busy;
        if exams && self.role == Some(Role::Admin) {
            (self.step, self.notice) = (ProctorStep::Systems, None);
            self.ask_about_systems(SystemsCall::List, effects);
        }
    }

    pub(super) fn leave_systems(&mut self, effects: &mut Vec<Effect>) {
        if self.step == ProctorStep::Systems {
            (self.step, self.notice, self.systems) = (ProctorStep::Exams, None, SystemsView::default());
            self.busy = true;
            effects.push(Effect::ListExams);
        }
    }

    fn ask_about_systems(&mut self, call: SystemsCall, effects: &mut Vec<Effect>) {
        self.busy = true;
        effects.push(Effect::Systems(call));
    }

    pub(super) fn act_on_systems(&mut self, command: SystemsCommand, effects: &mut Vec<Effect>) {
        if self.step != ProctorStep::Systems {
            return;
        }
        if command == SystemsCommand::PutSecretAway {
            self.systems.secret = None;
            return;
        }
        if self.busy {
            return;
        }
        (self.notice, self.systems.tested) = (None, None);
        match call(command) {
            Ok(Some(call)) => self.ask_about_systems(call, effects),
            Ok(None) => {}
            Err(field) => self.notice = Some(Notice::new("field_missing").with("field", field)),
        }
    }

    pub(super) fn systems_told(&mut self, result: Result<SystemsAnswer, CallFailure>) {
        if self.step != ProctorStep::Systems {
            return;
        }
        self.busy = false;
        let systems = &mut self.systems;
        match result {
            Ok(SystemsAnswer::Listed(keys, webhooks)) => (systems.keys, systems.webhooks) = (keys, webhooks),
            Ok(SystemsAnswer::Keys(keys)) => systems.keys = keys,
            Ok(SystemsAnswer::Key(made)) => {
                let NewApiKey { key, token } = *made;
                let name = key.name.clone();
                systems.keys.push(key);
                systems.secret = Some(HandedSecret::ApiKey { name, token });
            }
            Ok(SystemsAnswer::Webhook(made)) => {
                let WebhookSecret { webhook, secret } = *made;
                let url = webhook.url.clone();
                systems.webhooks.push(webhook);
                systems.secret = Some(HandedSecret::Webhook { url, secret });
            }
            Ok(SystemsAnswer::Changed(changed)) => {
                if let Some(known) = systems.webhooks.iter_mut().find(|known| known.id == changed.id) {
                    *known = *changed;
                }
            }
            Ok(SystemsAnswer::Removed(gone)) => systems.webhooks.retain(|known| known.id != gone),
            Ok(SystemsAnswer::Tested(webhook, test, webhooks)) => {
                systems.webhooks = webhooks;
                systems.tested = Some(TestedWebhook { webhook, test });
            }
            Err(failure) => {
                if failure.ends_sign_in() {
                    (self.step, self.systems) = (ProctorStep::SignIn, SystemsView::default());
                }
                self.notice = Some(failure.notice());
            }
        }
    }
}

/// What a command asks of the server; the field that is missing otherwise.
fn call(command: SystemsCommand) -> Result<Option<SystemsCall>, &'static str> {
    let filled = |text: String, field| match text.trim() {
        "" => Err(field),
        text => Ok(text.to_owned()),
    };
    Ok(Some(match command {
        SystemsCommand::Refresh => SystemsCall::List,
        SystemsCommand::MakeKey {
            name,
            scopes,
            expires_at,
        } => {
            let name = filled(name, "name")?;
            if scopes.is_empty() {
                return Err("scopes");
            }
            SystemsCall::MakeKey(ApiKeyRequest {
                name,
                scopes,
                expires_at,
            })
        }
        SystemsCommand::RevokeKey { key } => SystemsCall::RevokeKey(key),
        SystemsCommand::AddWebhook { url, kinds } => {
            let url = filled(url, "url")?;
            SystemsCall::AddWebhook(NewWebhook { url, kinds })
        }
        SystemsCommand::ChangeWebhook { webhook, url, kinds } => {
            let edit = WebhookEdit {
                url: Some(filled(url, "url")?),
                kinds: Some(kinds),
                active: None,
            };
            SystemsCall::ChangeWebhook(webhook, edit)
        }
        SystemsCommand::SetWebhookActive { webhook, active } => {
            let edit = WebhookEdit {
                active: Some(active),
                ..WebhookEdit::default()
            };
            SystemsCall::ChangeWebhook(webhook, edit)
        }
        SystemsCommand::RemoveWebhook { webhook } => SystemsCall::RemoveWebhook(webhook),
        SystemsCommand::TestWebhook { webhook } => SystemsCall::TestWebhook(webhook),
        SystemsCommand::PutSecretAway => return Ok(None),
    }))
}
