//! `exam create`, `exam list`, and keeping an exam's data: `exam hold` and `exam release`.

use super::open::Data;
use super::output;
use crate::api::MAX_REASON;
use crate::auth::secret::normalise_exam_code;
use crate::clock;
use crate::config::{DataConfig, MOST_CAPACITY};
use crate::control::office;
use crate::store::StoreError;
use crate::store::erasure::{self, Kept};
use crate::store::records::StoredExam;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use invigil_shared::exam::{ExamInfo, ExamStatus, Policy};
use invigil_shared::id::ExamId;
use invigil_shared::office::DEFAULT_CAPACITY;
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub enum ExamCommand {
    /// Create an exam that starts now.
    Create(Create),
    /// List the newest exams.
    List(List),
    /// Keep what is kept of an exam's candidates, whatever its policy says.
    Hold(Hold),
    /// Take that back.
    Release(Release),
}

#[derive(Args, Debug)]
pub struct Create {
    #[command(flatten)]
    data: DataConfig,
    #[arg(long)]
    title: String,
    /// What candidates type: 4 to 16 of A-Z, 0-9 and -.
    #[arg(long)]
    code: String,
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=10_080))]
    duration_min: u32,
    /// JSON file with what the exam asks for and keeps; what is left out has its default.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Candidates that its roster holds at most.
    #[arg(long, default_value_t = DEFAULT_CAPACITY, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_CAPACITY)))]
    capacity: u32,
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
pub struct Hold {
    #[command(flatten)]
    data: DataConfig,
    /// Code of the exam.
    #[arg(long)]
    exam: String,
    /// Why, for leads and admins; without names.
    #[arg(long)]
    reason: String,
}

#[derive(Args, Debug)]
pub struct Release {
    #[command(flatten)]
    data: DataConfig,
    /// Code of the exam.
    #[arg(long)]
    exam: String,
}

impl ExamCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            ExamCommand::Create(create) => create.run().await,
            ExamCommand::List(list) => list.run().await,
            ExamCommand::Hold(hold) => hold.run().await,
            ExamCommand::Release(release) => release.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let code = normalise_exam_code(&self.code).context("an exam code has 4 to 16 of A-Z, 0-9 and -")?;
        let title = self.title.trim().to_owned();
        if title.is_empty() || title.chars().count() > 200 {
            bail!("a title has 1 to 200 characters");
        }
        let policy: Policy = match &self.policy {
            None => Policy::default(),
            Some(path) => {
                let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                serde_json::from_slice(&text).with_context(|| format!("{} is not a policy", path.display()))?
            }
        };
        if policy.keeps_video {
            bail!(
                "this version keeps no video: keeps_video has to be false, or candidates would be told what is not true"
            );
        }
        let data = Data::open(&self.data).await?;
        let starts_at = clock::now_us();
        let ends_at = starts_at + i64::from(self.duration_min) * 60 * 1_000_000;
        let id = clock::fresh(ExamId::from_parts);
        let exam = ExamInfo {
            id,
            title,
            code,
            status: ExamStatus::Active,
            starts_at,
            ends_at,
            policy,
        };
        match data.store.make_exam(exam.clone(), self.capacity, None).await {
            Err(StoreError::Exists) => bail!("there is an exam {} already", exam.code),
            other => drop(other?),
        }
        data.store.close().await;
        if self.json {
            output::json(&serde_json::to_value(&exam)?);
        } else {
            output::line(&format!(
                "Exam {} ({}) is open for {} minutes",
                exam.code, exam.title, self.duration_min
            ));
        }
        Ok(())
    }
}

impl Hold {
    async fn run(self) -> anyhow::Result<()> {
        let reason = office::line(&self.reason, MAX_REASON).context("a reason has 1 to 200 characters")?;
        let data = Data::open(&self.data).await?;
        let exam = data.exam(&self.exam).await?;
        let at = clock::now_us();
        let hold = erasure::Hold { at, reason };
        data.store.set_hold(Kept::Exam(exam.id), Some(hold)).await?;
        data.store.close().await;
        output::line(&format!(
            "What is kept of exam {} stays until it is released",
            exam.code
        ));
        Ok(())
    }
}

impl Release {
    async fn run(self) -> anyhow::Result<()> {
        let data = Data::open(&self.data).await?;
        let exam = data.exam(&self.exam).await?;
        data.store.set_hold(Kept::Exam(exam.id), None).await?;
        data.store.close().await;
        let days = exam.policy.retention_days;
        output::line(&format!(
            "What is kept of exam {} is erased {days} days after its end",
            exam.code
        ));
        Ok(())
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let data = Data::open(&self.data).await?;
        let exams = data.store.exams().await?;
        data.store.close().await;
        if self.json {
            let list = exams.iter().map(|exam| {
                let mut value = serde_json::to_value(&exam.info)?;
                value["roster"] = exam.candidates.into();
                Ok(value)
            });
            output::json(&list.collect::<anyhow::Result<Vec<_>>>()?.into());
        } else {
            for StoredExam {
                info,
                candidates: roster,
                ..
            } in exams
            {
                let (code, status, title) = (info.code, info.status.as_str(), info.title);
                output::line(&format!("{code:<16}  {status:<9}  {roster:>4} candidates  {title}"));
            }
        }
        Ok(())
    }
}
