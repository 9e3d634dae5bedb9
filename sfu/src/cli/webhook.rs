//! `webhook add`, `list` and `remove`: whom the server tells what happens.

use super::open::Data;
use super::output;
use crate::api::{checked_url, fresh_webhook};
use crate::config::DataConfig;
use crate::store::StoreError;
use crate::webhook;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use invigil_shared::id::WebhookId;
use invigil_shared::webhook::EventKind;

#[derive(Subcommand, Debug)]
pub enum WebhookCommand {
    /// Tell one more what happens from now on; prints the key of the signatures, once.
    Add(Add),
    /// List them, with how far each was told.
    List(List),
    /// Tell one nothing any more.
    Remove(Remove),
}

#[derive(Args, Debug)]
pub struct Add {
    #[command(flatten)]
    data: DataConfig,
    /// `https://…`
    #[arg(long)]
    url: String,
    /// What it wants, such as exam.changed; everything when none is named.
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
}

#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    data: DataConfig,
}

#[derive(Args, Debug)]
pub struct Remove {
    #[command(flatten)]
    data: DataConfig,
    /// As `list` shows it.
    #[arg(long)]
    id: WebhookId,
}

impl WebhookCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.run().await,
            Self::List(list) => list.run().await,
            Self::Remove(remove) => remove.run().await,
        }
    }
}

/// A kind by its name on the wire.
fn kind(name: &str) -> anyhow::Result<EventKind> {
    serde_json::from_value(name.into()).with_context(|| {
        let all = EventKind::ALL.map(|kind| serde_json::to_value(kind).unwrap_or_default().to_string());
        format!("{name} is none of {}", all.join(", ").replace('"', ""))
    })
}

impl Add {
    async fn run(self) -> anyhow::Result<()> {
        let Ok(url) = checked_url(&self.url) else {
            bail!("a webhook's address begins with https:// and has no user, password or fragment in it");
        };
        let kinds = self
            .kinds
            .iter()
            .map(|name| kind(name))
            .collect::<anyhow::Result<_>>()?;
        let data = Data::open(&self.data).await?;
        let new = fresh_webhook(url, kinds);
        let secret = webhook::shown(&data.secrets.webhook(&new.salt));
        let id = new.id;
        match data.store.add_webhook(new, None).await {
            Err(StoreError::Full { capacity }) => bail!("a server has {capacity} webhooks at most"),
            added => drop(added?),
        }
        data.store.close().await;
        output::line(&format!("Webhook {id}"));
        output::line(&format!("Key of the signatures (shown once): {secret}"));
        Ok(())
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let data = Data::open(&self.data).await?;
        let all = data.store.webhooks().await?;
        data.store.close().await;
        for webhook in all {
            let state = match (&webhook.stopped, &webhook.progress.last_error) {
                (Some(why), _) => format!("stopped: {why}"),
                (None, Some(error)) => format!("{} failed: {error}", webhook.progress.attempts),
                (None, None) => "ok".to_owned(),
            };
            output::line(&format!("{}  {}  {state}", webhook.id, webhook.url));
        }
        Ok(())
    }
}

impl Remove {
    async fn run(self) -> anyhow::Result<()> {
        let data = Data::open(&self.data).await?;
        let removed = data.store.remove_webhook(self.id).await?;
        data.store.close().await;
        if !removed {
            bail!("there is no webhook {}", self.id);
        }
        output::line("Removed");
        Ok(())
    }
}
