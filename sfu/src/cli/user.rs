//! `user`: people with an account. `invite` and `link` print a one-time link, once.

use super::open::Data;
use super::output;
use crate::api::{new_link, normalise_email, normalise_name, user_info};
use crate::auth::password;
use crate::clock;
use crate::config::{DataConfig, ServerFile};
use crate::store::StoreError;
use crate::store::people::UserChange;
use crate::store::records::UserRecord;
use crate::store::second_factors::Off;
use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use invigil_shared::id::UserId;
use invigil_shared::people::{AccountState, UserInfo};
use invigil_shared::role::Role;
use serde_json::json;
use std::io::BufRead;
use zeroize::Zeroizing;

#[derive(Subcommand, Debug)]
pub enum UserCommand {
    /// Add a person with an account.
    Add(Add),
    /// Add a person without a password and print the link with which they choose one.
    Invite(Invite),
    /// Print a new link for somebody who lost theirs, or the password. Using it voids the old password.
    Link(Whom),
    /// Give an account another role.
    Role(ChangeRole),
    /// Refuse an account everywhere, within a second.
    Deactivate(Whom),
    /// Let a deactivated account in again.
    Activate(Whom),
    /// Take the second factor off somebody who has lost it. They are signed out, and sign in with the password alone.
    TotpOff(Whom),
    /// Takes the link with the identity provider off an account, and signs its owner out.
    Unlink(Whom),
    /// List the accounts.
    List(List),
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
            UserCommand::Invite(invite) => invite.run().await,
            UserCommand::Link(whom) => whom.link().await,
            UserCommand::Role(change) => change.run().await,
            UserCommand::Deactivate(whom) => whom.set_active(false).await,
            UserCommand::Activate(whom) => whom.set_active(true).await,
            UserCommand::TotpOff(whom) => whom.totp_off().await,
            UserCommand::Unlink(whom) => whom.unlink().await,
            UserCommand::List(list) => list.run().await,
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
            deactivated_at: None,
            generation: 0,
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

#[derive(Args, Debug)]
pub struct Invite {
    #[command(flatten)]
    data: DataConfig,
    #[arg(long)]
    email: String,
    #[arg(long)]
    name: String,
    #[arg(long, value_parser = role)]
    role: Role,
    #[arg(long)]
    json: bool,
}

/// Somebody who has an account.
#[derive(Args, Debug)]
pub struct Whom {
    #[command(flatten)]
    data: DataConfig,
    #[arg(long)]
    email: String,
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub struct ChangeRole {
    #[command(flatten)]
    whom: Whom,
    #[arg(long, value_parser = role)]
    role: Role,
}

#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    data: DataConfig,
    #[arg(long)]
    json: bool,
}

impl Invite {
    async fn run(self) -> anyhow::Result<()> {
        let email = normalise_email(&self.email).context("not an e-mail address")?;
        let name = normalise_name(&self.name).context("a name has 1 to 200 characters")?;
        let data = Data::open(&self.data).await?;
        let user = UserRecord {
            id: clock::fresh(UserId::from_parts),
            email: email.clone(),
            name,
            role: self.role,
            password_hash: None,
            created_at: clock::now_us(),
            deactivated_at: None,
            generation: 0,
        };
        let (link, invitation) = new_link(&server(&data)?, &data.secrets, user.id, &clock::random::<32>());
        let expires_at = invitation.expires_at;
        match data.store.invite(user, invitation, None).await {
            Err(StoreError::Exists) => bail!("there is an account {email} already"),
            invited => drop(invited?),
        }
        data.store.close().await;
        tell_link(&email, &link, expires_at, self.json);
        Ok(())
    }
}

/// How clients reach the server of this data directory.
fn server(data: &Data) -> anyhow::Result<ServerFile> {
    ServerFile::read(&data.directory)?.context("start `serve` once: the server's address is not known yet")
}

fn tell_link(email: &str, link: &str, expires_at: i64, as_json: bool) {
    if as_json {
        output::json(&json!({ "email": email, "link": link, "expires_at": expires_at }));
    } else {
        output::line(&format!(
            "Link for {email} (shown once, good once, for 72 hours): {link}"
        ));
    }
}

impl Whom {
    async fn find(&self) -> anyhow::Result<(Data, UserRecord)> {
        let email = normalise_email(&self.email).context("not an e-mail address")?;
        let data = Data::open(&self.data).await?;
        let user = data.store.user_by_email(&email).await?;
        let user = user.ok_or_else(|| anyhow!("there is no account {email}"))?;
        Ok((data, user))
    }

    async fn link(self) -> anyhow::Result<()> {
        let (data, user) = self.find().await?;
        if !user.active() {
            bail!("{} is deactivated", user.email);
        }
        let (link, invitation) = new_link(&server(&data)?, &data.secrets, user.id, &clock::random::<32>());
        let expires_at = invitation.expires_at;
        data.store.renew_link(invitation).await?;
        data.store.close().await;
        tell_link(&user.email, &link, expires_at, self.json);
        Ok(())
    }

    async fn change(self, change: UserChange) -> anyhow::Result<()> {
        let (data, user) = self.find().await?;
        let user = data.store.change_user(user.id, change, clock::now_us()).await?;
        data.store.close().await;
        let state = if user.active() { "active" } else { "deactivated" };
        if self.json {
            output::json(&json!({ "id": user.id, "email": user.email, "role": user.role, "state": state }));
        } else {
            output::line(&format!("{} is {}, {state}", user.email, user.role.as_str()));
        }
        Ok(())
    }

    async fn totp_off(self) -> anyhow::Result<()> {
        let (data, user) = self.find().await?;
        match data.store.drop_second_factor(user.id, Off::Taken).await {
            Err(StoreError::Missing) => bail!("{} has no second factor", user.email),
            dropped => dropped?,
        }
        data.store.close().await;
        if self.json {
            output::json(&json!({ "id": user.id, "email": user.email, "second_factor": false }));
        } else {
            output::line(&format!("{} signs in with the password alone", user.email));
        }
        Ok(())
    }

    async fn unlink(self) -> anyhow::Result<()> {
        let (data, user) = self.find().await?;
        match data.store.unlink_oidc(user.id).await {
            Err(StoreError::Missing) => bail!("{} is not linked with the identity provider", user.email),
            unlinked => unlinked?,
        }
        data.store.close().await;
        if self.json {
            output::json(&json!({ "id": user.id, "email": user.email, "oidc_linked": false }));
        } else {
            output::line(&format!(
                "{} is no longer linked with the identity provider",
                user.email
            ));
        }
        Ok(())
    }

    async fn set_active(self, active: bool) -> anyhow::Result<()> {
        let active = Some(active);
        let change = UserChange {
            active,
            ..UserChange::default()
        };
        self.change(change).await
    }
}

impl ChangeRole {
    async fn run(self) -> anyhow::Result<()> {
        let change = UserChange {
            role: Some(self.role),
            ..UserChange::default()
        };
        self.whom.change(change).await
    }
}

/// Accounts that are read at once.
const PAGE: usize = 500;

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let data = Data::open(&self.data).await?;
        let mut users = Vec::new();
        loop {
            let after = users.last().map(|last: &UserInfo| last.id);
            let page = data.store.users(after, PAGE).await?;
            let last = page.len() < PAGE;
            users.extend(page.into_iter().map(user_info));
            if last {
                break;
            }
        }
        data.store.close().await;
        if self.json {
            output::json(&json!(users));
            return Ok(());
        }
        for user in users {
            let state = match user.state {
                AccountState::Invited => "invited",
                AccountState::Deactivated => "deactivated",
                AccountState::Active | AccountState::Unknown => "active",
            };
            output::line(&format!(
                "{}  {}  {state}  {}",
                user.email,
                user.role.as_str(),
                user.name
            ));
        }
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
