//! `user add`.

use super::open::Data;
use super::output;
use crate::api::{normalise_email, normalise_name};
use crate::auth::password;
use crate::clock;
use crate::config::DataConfig;
use crate::store::StoreError;
use crate::store::records::UserRecord;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use invigil_shared::id::UserId;
use invigil_shared::role::Role;
use std::io::BufRead;
use zeroize::Zeroizing;

#[derive(Subcommand, Debug)]
pub enum UserCommand {
    /// Add a person with an account.
    Add(Add),
}

#[derive(Args, Debug)]
pub struct Add {
    #[command(flatten)]
    data: DataConfig,
    #[arg(long)]
    email: String,
    #[arg(long)]
    name: String,
    #[arg(long, value_parser = role)]
    role: Role,
    /// Read the password from the first line of stdin. Without it the account can't sign in, only use `token`.
    #[arg(long)]
    password_stdin: bool,
}

/// Roles of people with an account.
pub fn role(text: &str) -> Result<Role, String> {
    match Role::parse(text) {
        role @ (Role::Proctor | Role::Lead | Role::Admin) => Ok(role),
        _ => Err("one of proctor, lead, admin".to_owned()),
    }
}

impl UserCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            UserCommand::Add(add) => add.run().await,
        }
    }
}

impl Add {
    async fn run(self) -> anyhow::Result<()> {
        let email = normalise_email(&self.email).context("not an e-mail address")?;
        let name = normalise_name(&self.name).context("a name has 1 to 200 characters")?;
        let password_hash = self.password_stdin.then(read_password).transpose()?;
        let data = Data::open(&self.data).await?;
        let id = clock::fresh(UserId::from_parts);
        let user = UserRecord {
            id,
            email: email.clone(),
            name,
            role: self.role,
            password_hash,
            created_at: clock::now_us(),
        };
        match data.store.add_user(user).await {
            Err(StoreError::Exists) => bail!("there is an account {email} already"),
            other => other?,
        }
        data.store.close().await;
        output::line(&format!("Added {email} as {}", self.role.as_str()));
        Ok(())
    }
}

fn read_password() -> anyhow::Result<String> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("cannot read the password from stdin")?;
    let typed = line.trim_end_matches(['\r', '\n']);
    if !password::acceptable(typed) {
        bail!(
            "a password has at least {} characters and at most {} bytes",
            password::MIN_CHARS,
            password::MAX_BYTES
        );
    }
    Ok(password::hash(typed)?)
}
