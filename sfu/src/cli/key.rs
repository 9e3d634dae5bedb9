//! `key rotate`: a new key for access tokens; `key adopt`: the database goes on with this directory's secret key.

use super::open::Data;
use super::output;
use crate::auth::keys;
use crate::clock;
use crate::config::DataConfig;
use crate::store::audit::Action;
use clap::{Args, Subcommand};
use serde_json::json;

#[derive(Subcommand, Debug)]
pub enum KeyCommand {
    /// Sign access tokens with a new key from now on. Tokens of the key before stay good until they end.
    Rotate(Rotate),
    /// Go on with the secret key of this data directory when the one that the database was made with is lost. Candidates' secrets, links,
    /// API keys, second factors and webhooks' signatures that were made with that one are void.
    Adopt(Adopt),
}

#[derive(Args, Debug)]
pub struct Rotate {
    #[command(flatten)]
    data: DataConfig,
    /// Somebody else has the key: refuse its tokens at once. Candidates come back by themselves, people sign in again.
    #[arg(long)]
    now: bool,
}

#[derive(Args, Debug)]
pub struct Adopt {
    #[command(flatten)]
    data: DataConfig,
}

impl KeyCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            KeyCommand::Rotate(rotate) => rotate.run().await,
            KeyCommand::Adopt(adopt) => adopt.run().await,
        }
    }
}

impl Adopt {
    async fn run(self) -> anyhow::Result<()> {
        let data = Data::open_any(&self.data).await?;
        data.store.claim_secret_key(data.secrets.fingerprint(), true).await?;
        data.store.close().await;
        output::line(
            "The database goes on with this directory's secret key; every other server of it needs the same file",
        );
        Ok(())
    }
}

impl Rotate {
    async fn run(self) -> anyhow::Result<()> {
        let data = Data::open(&self.data).await?;
        keys::rotate(&data.directory, clock::now_s(), self.now)?;
        let said = json!({ "now": self.now });
        data.store.note(Action::RotateKey, String::new(), said).await?;
        data.store.close().await;
        output::line("Tokens are signed with a new key; a running server follows within a second");
        Ok(())
    }
}
