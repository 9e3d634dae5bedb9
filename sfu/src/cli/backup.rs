//! `backup` and `restore`.

use super::output;
use crate::backup::{BackupError, make, restore};
use crate::cli::open::Data;
use crate::config::DataConfig;
use crate::store::audit::Action;
use crate::store::sqlite::DATABASE_FILE;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

const MIB: u64 = 1024 * 1024;

#[derive(Args, Debug)]
pub struct BackupCommand {
    #[command(flatten)]
    data: DataConfig,
    /// Directory to make; it must not exist, and is there when the backup is whole.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

#[derive(Args, Debug)]
pub struct RestoreCommand {
    /// A backup.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The data directory to make; missing or empty.
    #[arg(long = "data-dir", env = "INVIGIL_DATA_DIR", value_name = "DIR")]
    data_dir: PathBuf,
}

impl BackupCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        if self.data.database().is_some() {
            bail!(
                "the data are in PostgreSQL: copy the data directory (its keys) first, then the database by PostgreSQL's own \
                 tools, such as `pg_dump --format=custom`"
            );
        }
        // Opening it would make one.
        if !self.data.data_dir.join(DATABASE_FILE).is_file() {
            return Err(BackupError::NoDatabase(self.data.data_dir).into());
        }
        let data = Data::open(&self.data).await?;
        let target = self.to.display().to_string();
        data.store.note(Action::Backup, target, json!({})).await?;
        data.store.close().await;
        let terminal = std::io::stderr().is_terminal();
        let progress = move |there: u64, total: u64| {
            let (there, total, end) = (there / MIB, total / MIB, if terminal { "\r" } else { "\n" });
            let _ = write!(std::io::stderr(), "database: {there} of {total} MiB{end}");
        };
        let manifest = make(&data.directory, &self.to, progress)
            .await
            .with_context(|| format!("no backup was made at {}", self.to.display()))?;
        output::line(&format!(
            "{} files, {} KiB, at {}. Keep it as you keep a key: who has it can be anyone here",
            manifest.files.len(),
            manifest.total() / 1024,
            self.to.display()
        ));
        Ok(())
    }
}

impl RestoreCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        let restored = restore(&self.from, &self.data_dir).await?;
        let audit = restored.audit;
        if !audit.findings.is_empty() {
            bail!(
                "{} was restored as it was backed up, but its audit log is not what was written:{}",
                self.data_dir.display(),
                audit.words()
            );
        }
        output::line(&format!(
            "{} is as the backup of version {} was; {} records of its audit log are as they were written",
            self.data_dir.display(),
            restored.manifest.version,
            audit.head.seq
        ));
        Ok(())
    }
}
