//! `api-key`: keys of institutions' systems. `create` prints the key, once.

use super::open::Data;
use super::output;
use crate::api::{api_key_info, new_api_key};
use crate::clock;
use crate::config::DataConfig;
use crate::store::StoreError;
use crate::store::audit::Actor;
use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use invigil_shared::api_key::{ApiKeyInfo, ApiKeyRequest, ApiScope};
use invigil_shared::id::ApiKeyId;
use serde_json::json;

const DAY_US: i64 = 24 * 3_600 * 1_000_000;
/// Keys that are read at once.
const PAGE: usize = 500;

#[derive(Subcommand, Debug)]
pub enum ApiKeyCommand {
    /// Make a key and print it, once.
    Create(Create),
    /// List the keys, revoked ones too.
    List(List),
    /// Refuse a key from now on, on every server of the database.
    Revoke(Revoke),
}

#[derive(Args, Debug)]
pub struct Create {
    #[command(flatten)]
    data: DataConfig,
    /// Which system it is for.
    #[arg(long)]
    name: String,
    /// exams:read, exams:write, rosters:read, rosters:write; may be given more than once.
    #[arg(long = "scope", required = true, value_parser = scope)]
    scopes: Vec<ApiScope>,
    /// Days that it is good for; without it, until it is revoked.
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=3_650))]
    expires_days: Option<i64>,
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    data: DataConfig,
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub struct Revoke {
    #[command(flatten)]
    data: DataConfig,
    /// As `list` shows it.
    #[arg(long)]
    id: ApiKeyId,
}

fn scope(text: &str) -> Result<ApiScope, String> {
    let names = ApiScope::ALL.map(ApiScope::as_str).join(", ");
    ApiScope::parse(text).ok_or_else(|| format!("one of {names}"))
}

impl ApiKeyCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            ApiKeyCommand::Create(create) => create.run().await,
            ApiKeyCommand::List(list) => list.run().await,
            ApiKeyCommand::Revoke(revoke) => revoke.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let data = Data::open(&self.data).await?;
        let asked = ApiKeyRequest {
            name: self.name,
            scopes: self.scopes,
            expires_at: self.expires_days.map(|days| clock::now_us() + days * DAY_US),
        };
        let made = new_api_key(&data.secrets, asked, &clock::random::<32>(), Actor::operator().name);
        let (key, token) = made.map_err(|_| anyhow!("a name has 1 to 200 characters"))?;
        data.store.add_api_key(key.clone(), None).await?;
        data.store.close().await;
        if self.json {
            output::json(&json!({ "key": api_key_info(key), "token": token }));
        } else {
            output::line(&format!("Key (shown once): {token}"));
        }
        Ok(())
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let data = Data::open(&self.data).await?;
        let mut keys = Vec::new();
        loop {
            let after = keys.last().map(|last: &ApiKeyInfo| last.id);
            let page = data.store.api_keys(after, PAGE).await?;
            let last = page.len() < PAGE;
            keys.extend(page.into_iter().map(api_key_info));
            if last {
                break;
            }
        }
        data.store.close().await;
        if self.json {
            output::json(&json!(keys));
            return Ok(());
        }
        for key in keys {
            let state = match (key.revoked_at, key.expires_at) {
                (Some(_), _) => "revoked",
                (None, Some(at)) if at <= clock::now_us() => "expired",
                _ => "good",
            };
            let used = match key.last_used_at {
                Some(at) => format!("used {} min ago", (clock::now_us() - at).max(0) / 60_000_000),
                None => "never used".to_owned(),
            };
            let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
            output::line(&format!(
                "{}  {state}  {used}  {}  {}",
                key.id,
                scopes.join(" "),
                key.name
            ));
        }
        Ok(())
    }
}

impl Revoke {
    async fn run(self) -> anyhow::Result<()> {
        let data = Data::open(&self.data).await?;
        let revoked = data.store.revoke_api_key(self.id, clock::now_us()).await;
        match revoked {
            Err(StoreError::Missing) => bail!("there is no key {}", self.id),
            other => other?,
        };
        data.store.close().await;
        output::line(&format!("{} is refused from now on", self.id));
        Ok(())
    }
}
