//! `audit list` and `audit verify`.

use super::open::Data;
use super::output;
use crate::audit::checkpoint::public_key;
use crate::audit::{CHECKPOINT_FILE, chains, verify};
use crate::config::DataConfig;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::ErrorKind;
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub enum AuditCommand {
    /// Print the newest records of the audit log, oldest first.
    List(List),
    /// Compare the audit log with its chain and its checkpoints, and every session's events with theirs: says where they were changed, and
    /// exits with 1.
    Verify(Verify),
}

#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    data: DataConfig,
    /// Records at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub struct Verify {
    #[command(flatten)]
    data: DataConfig,
    /// Checkpoints, such as a copy that was kept elsewhere; else those of the data directory.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

impl AuditCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            AuditCommand::List(list) => list.run().await,
            AuditCommand::Verify(verify) => verify.run().await,
        }
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let data = Data::open_any(&self.data).await?;
        let limit = usize::from(self.limit);
        let head = data.store.audit_head().await?;
        let after = head.seq.saturating_sub(u64::from(self.limit));
        let records = data.store.audit_records(after, limit).await?;
        data.store.close().await;
        for record in records {
            if self.json {
                output::line(
                    &json!({
                        "seq": record.seq, "at": record.at, "actor": record.actor, "role": record.role,
                        "action": record.action, "target": record.target, "metadata": record.metadata,
                        "address": record.address, "hash": record.hash,
                    })
                    .to_string(),
                );
            } else {
                let (seq, at, actor, role) = (record.seq, record.at, record.actor, record.role);
                let (action, target, metadata) = (record.action, record.target, record.metadata);
                let address = record.address.unwrap_or_default();
                output::line(&format!(
                    "{seq:>6}  {at}  {action:<20}  {role} {actor} {address}  {target}  {metadata}"
                ));
            }
        }
        Ok(())
    }
}

impl Verify {
    async fn run(self) -> anyhow::Result<()> {
        let data = Data::open_any(&self.data).await?;
        let path = self.checkpoint.unwrap_or_else(|| data.directory.join(CHECKPOINT_FILE));
        let checkpoints = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let public = public_key(&data.directory)?;
        let verdict = verify::verify(&*data.store, &checkpoints, &public).await?;
        let chains = chains::verify(&*data.store).await?;
        data.store.close().await;
        if !verdict.findings.is_empty() {
            bail!("the audit log is not what was written:{}", verdict.words());
        }
        output::line(&format!(
            "{} records ({} of them erased) are as they were written, and as {} checkpoints saw them",
            verdict.head.seq, verdict.erased, verdict.checkpoints
        ));
        if !chains.findings.is_empty() {
            bail!("events are not what was sent:{}", chains.words());
        }
        output::line(&format!(
            "{} events of {} sessions ({} of them erased) are as they were sent",
            chains.events, chains.sessions, chains.erased
        ));
        Ok(())
    }
}
