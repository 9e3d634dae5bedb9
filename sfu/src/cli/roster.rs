//! `roster add` prints a candidate's secret once, and the link that carries it; `roster link` a link that is good once; `roster hold`, `release`
//! and `erase`: what is kept of one.

use super::open::Data;
use super::output;
use crate::api::MAX_REASON;
use crate::auth::secret;
use crate::clock;
use crate::config::{DataConfig, ServerFile};
use crate::control::office;
use crate::store::StoreError;
use crate::store::erasure::{self, Cause, Kept};
use crate::store::join_links::NewJoinLink;
use crate::store::records::NewRosterEntry;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use invigil_shared::exam::{Allowances, ExamInfo, ExamStatus, RosterEntry};
use invigil_shared::id::RosterEntryId;
use serde_json::json;

const HOUR_US: i64 = 3_600_000_000;

#[derive(Subcommand, Debug)]
pub enum RosterCommand {
    /// Add a candidate to an exam's roster.
    Add(Add),
    /// Make a link with which a candidate comes in once, apart from the secret. The link before is void.
    Link(Link),
    /// Keep what is kept of a candidate, whatever the exam's policy says.
    Hold(Hold),
    /// Take that back.
    Release(Candidate),
    /// Erase what is kept of a candidate, once the exam is over. It can't be taken back.
    Erase(Candidate),
}

/// Which candidate.
#[derive(Args, Debug)]
pub struct Candidate {
    #[command(flatten)]
    data: DataConfig,
    /// Code of the exam.
    #[arg(long)]
    exam: String,
    /// As the roster has the candidate.
    #[arg(long)]
    label: String,
}

#[derive(Args, Debug)]
pub struct Hold {
    #[command(flatten)]
    candidate: Candidate,
    /// Why, for leads and admins; without names.
    #[arg(long)]
    reason: String,
}

#[derive(Args, Debug)]
pub struct Link {
    #[command(flatten)]
    candidate: Candidate,
    /// Hours that it is good for; without it, until the exam's end.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=8_784))]
    hours: Option<u32>,
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub struct Add {
    #[command(flatten)]
    data: DataConfig,
    /// Code of the exam.
    #[arg(long)]
    exam: String,
    /// As proctors see the candidate: "Candidate 014" or a name.
    #[arg(long)]
    label: String,
    #[arg(long)]
    seat: Option<String>,
    /// Extra time, percent of the scheduled duration.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=300))]
    extra_time_percent: u16,
    #[arg(long)]
    json: bool,
}

impl RosterCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            RosterCommand::Add(add) => add.run().await,
            RosterCommand::Link(link) => link.run().await,
            RosterCommand::Hold(hold) => hold.run().await,
            RosterCommand::Release(candidate) => candidate.release().await,
            RosterCommand::Erase(candidate) => candidate.erase().await,
        }
    }
}

/// The link that carries a secret; none while nobody knows the server's address.
fn join_link(data: &Data, exam: &ExamInfo, secret: &str) -> anyhow::Result<Option<String>> {
    let server = ServerFile::read(&data.directory)?;
    Ok(server.map(|server| server.join_link(&exam.code, secret)))
}

const NO_ADDRESS: &str = "Start `serve` once to get join links: the server's address is not known yet";

impl Candidate {
    async fn find(&self) -> anyhow::Result<(Data, RosterEntry)> {
        let (data, _, entry) = self.find_with_exam().await?;
        Ok((data, entry))
    }

    async fn find_with_exam(&self) -> anyhow::Result<(Data, ExamInfo, RosterEntry)> {
        let data = Data::open(&self.data).await?;
        let exam = data.exam(&self.exam).await?;
        let entry = data.store.entry_by_label(exam.id, self.label.trim()).await?;
        let entry = entry.with_context(|| format!("exam {} has no {} on its roster", exam.code, self.label))?;
        Ok((data, exam, entry))
    }

    async fn release(self) -> anyhow::Result<()> {
        let (data, entry) = self.find().await?;
        data.store.set_hold(Kept::Candidate(entry.exam, entry.id), None).await?;
        data.store.close().await;
        output::line("Released");
        Ok(())
    }

    async fn erase(self) -> anyhow::Result<()> {
        let (data, entry) = self.find().await?;
        let now = clock::now_us();
        match data.store.erase(entry.exam, entry.id, Cause::Asked, now).await {
            Err(StoreError::Held) => bail!("a legal hold is on the candidate or the exam: release it first"),
            Err(StoreError::Running) => bail!("the exam is not over: data are erased once it is closed"),
            other => drop(other?),
        }
        data.store.mark_erased(entry.exam, now).await?;
        data.store.close().await;
        output::line("Erased. Backups that were made before have the data still");
        Ok(())
    }
}

impl Hold {
    async fn run(self) -> anyhow::Result<()> {
        let reason = office::line(&self.reason, MAX_REASON).context("a reason has 1 to 200 characters")?;
        let (data, entry) = self.candidate.find().await?;
        let at = clock::now_us();
        let hold = erasure::Hold { at, reason };
        data.store
            .set_hold(Kept::Candidate(entry.exam, entry.id), Some(hold))
            .await?;
        data.store.close().await;
        output::line("Held until it is released");
        Ok(())
    }
}

impl Link {
    async fn run(self) -> anyhow::Result<()> {
        let (data, exam, entry) = self.candidate.find_with_exam().await?;
        if matches!(exam.status, ExamStatus::Closed | ExamStatus::Archived) {
            bail!("exam {} is over", exam.code);
        }
        let created_at = clock::now_us();
        let expires_at = match self.hours {
            Some(hours) => created_at + i64::from(hours) * HOUR_US,
            None => exam.ends_at,
        };
        if expires_at <= created_at {
            bail!("the exam's end has passed: say with --hours how long the link is good");
        }
        let token = secret::join_token();
        // Before it is made: the one before would be void, and nobody would have another.
        let Some(link) = join_link(&data, &exam, &token)? else {
            bail!("{NO_ADDRESS}")
        };
        let normalised = secret::normalise(&token).context("the link can't be read back")?;
        let new = NewJoinLink {
            exam: exam.id,
            entry: entry.id,
            token_hash: data.secrets.join_link(exam.id, &normalised),
            created_at,
            expires_at,
        };
        if !data.store.put_join_link(new).await? {
            bail!("{} was taken off the roster just now", entry.label);
        }
        data.store.close().await;
        if self.json {
            output::json(&json!({
                "entry": entry.id, "label": entry.label, "exam": exam.code, "link": link, "once_until": expires_at,
            }));
        } else {
            output::line(&format!("Join link, good once (shown once): {link}"));
        }
        Ok(())
    }
}

impl Add {
    async fn run(self) -> anyhow::Result<()> {
        let label = self.label.trim().to_owned();
        if label.is_empty() || label.chars().count() > 200 {
            bail!("a label has 1 to 200 characters");
        }
        let data = Data::open(&self.data).await?;
        let exam = data.exam(&self.exam).await?;
        let typed = secret::roster_secret();
        let normalised = secret::normalise(&typed).context("the secret can't be read back")?;
        let entry = RosterEntry {
            id: clock::fresh(RosterEntryId::from_parts),
            exam: exam.id,
            label,
            seat: self.seat,
            allowances: Allowances {
                extra_time_percent: self.extra_time_percent,
                ..Allowances::default()
            },
        };
        let secret_hash = data.secrets.roster(exam.id, &normalised);
        let new = NewRosterEntry {
            entry: entry.clone(),
            secret_hash,
            created_at: clock::now_us(),
        };
        match data.store.add_entry(new).await {
            Err(StoreError::Exists) => bail!("exam {} has {} on its roster already", exam.code, entry.label),
            Err(StoreError::Full { capacity }) => bail!("exam {} has {capacity} places, and all are taken", exam.code),
            other => other?,
        }
        data.store.close().await;
        let link = join_link(&data, &exam, &typed)?;
        if self.json {
            output::json(&json!({
                "entry": entry.id, "label": entry.label, "exam": exam.code, "secret": typed, "link": link,
            }));
            return Ok(());
        }
        output::line(&format!("Secret (shown once): {typed}"));
        match link {
            Some(link) => output::line(&format!("Join link: {link}")),
            None => output::say(NO_ADDRESS),
        }
        Ok(())
    }
}
