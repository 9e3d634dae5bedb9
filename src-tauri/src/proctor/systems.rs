//! Carries out what is asked about connected systems.

use super::state::systems::{SystemsAnswer, SystemsCall};
use invigil_client::ClientError;
use invigil_client::rest::Api;

pub async fn ask(api: &Api, token: &str, call: SystemsCall) -> Result<SystemsAnswer, ClientError> {
    Ok(match call {
        SystemsCall::List => {
            let keys = api.api_keys(token).await?;
            SystemsAnswer::Listed(keys, api.webhooks(token).await?)
        }
        SystemsCall::MakeKey(request) => SystemsAnswer::Key(Box::new(api.make_api_key(token, &request).await?)),
        SystemsCall::RevokeKey(key) => {
            api.revoke_api_key(token, key).await?;
            SystemsAnswer::Keys(api.api_keys(token).await?)
        }
        SystemsCall::AddWebhook(new) => SystemsAnswer::Webhook(Box::new(api.add_webhook(token, &new).await?)),
        SystemsCall::ChangeWebhook(webhook, edit) => {
            SystemsAnswer::Changed(Box::new(api.change_webhook(token, webhook, &edit).await?))
        }
        SystemsCall::RemoveWebhook(webhook) => {
            api.remove_webhook(token, webhook).await?;
            SystemsAnswer::Removed(webhook)
        }
        SystemsCall::TestWebhook(webhook) => {
            let test = api.test_webhook(token, webhook).await?;
            SystemsAnswer::Tested(webhook, test, api.webhooks(token).await?)
        }
    })
}
