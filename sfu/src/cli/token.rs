//! `token`: an access token for someone who exists, without a password or secret: whoever reads the data directory may.

use super::open::Data;
use super::output;
use crate::api::normalise_email;
use crate::auth::Tokens;
use crate::auth::identity::Person;
use crate::clock;
use crate::config::{AuthConfig, DataConfig};
use crate::store::audit::{Action, Actor};
use crate::store::records::SessionRecord;
use anyhow::{Context, anyhow, bail};
use clap::Args;
use invigil_shared::chain::ChainHead;
use invigil_shared::id::{ParticipantId, SessionId};
use invigil_shared::role::Role;
use invigil_shared::sitting::Sitting;
use serde_json::json;

#[derive(Args, Debug)]
pub struct TokenCommand {
    #[command(flatten)]
    data: DataConfig,
    #[command(flatten)]
    auth: AuthConfig,
    /// candidate, proctor, lead or admin.
    #[arg(long, value_parser = |text: &str| match Role::parse(text) {
        Role::Candidate => Ok(Role::Candidate),
        _ => super::user::role(text),
    })]
    role: Role,
    /// E-mail of an account of that role.
    #[arg(long, conflicts_with_all = ["exam", "entry"], required_unless_present = "exam")]
    user: Option<String>,
    /// Code of a candidate's exam.
    #[arg(long, requires = "entry")]
    exam: Option<String>,
    /// Label of the candidate on that exam's roster.
    #[arg(long, requires = "exam")]
    entry: Option<String>,
    #[arg(long)]
    json: bool,
}

impl TokenCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        let data = Data::open(&self.data).await?;
        let (participant, (person, generation), exam) = match (&self.user, &self.exam, &self.entry) {
            (Some(email), _, _) => {
                let (participant, person) = user(&data, self.role, email).await?;
                (participant, person, None)
            }
            (None, Some(exam), Some(entry)) => {
                if self.role != Role::Candidate {
                    bail!("--exam and --entry belong to --role candidate");
                }
                let (participant, person, exam) = candidate(&data, exam, entry).await?;
                (participant, person, Some(exam))
            }
            _ => bail!("give --user, or --exam and --entry"),
        };
        let said = json!({ "role": self.role.as_str(), "participant": participant });
        let target = Actor::person(person, self.role, None).name;
        data.store.note(Action::IssueToken, target, said).await?;
        data.store.close().await;
        let tokens = Tokens::new(&data.keys, &self.auth);
        let token = tokens.issue(participant, self.role, person, generation)?;
        if self.json {
            output::json(&json!({
                "access_token": token.text, "expires_at": token.expires_at, "participant": participant, "exam": exam,
            }));
        } else {
            output::line(&token.text);
        }
        Ok(())
    }
}

async fn user(data: &Data, role: Role, email: &str) -> anyhow::Result<(ParticipantId, (Person, u64))> {
    let email = normalise_email(email).context("not an e-mail address")?;
    let user = data
        .store
        .user_by_email(&email)
        .await?
        .ok_or_else(|| anyhow!("there is no account {email}"))?;
    if user.role != role {
        bail!("{email} is {}, not {}", user.role.as_str(), role.as_str());
    }
    if !user.active() {
        bail!("{email} is deactivated");
    }
    let participant = clock::fresh(ParticipantId::from_parts);
    Ok((participant, (Person::User(user.id), user.generation)))
}

async fn candidate(
    data: &Data,
    code: &str,
    label: &str,
) -> anyhow::Result<(ParticipantId, (Person, u64), invigil_shared::id::ExamId)> {
    let exam = data.exam(code).await?;
    let entry = data.store.entry_by_label(exam.id, label).await?;
    let entry = entry.ok_or_else(|| anyhow!("exam {} has no {label} on its roster", exam.code))?;
    let id = clock::fresh(SessionId::from_parts);
    let fresh = SessionRecord {
        id,
        exam: exam.id,
        entry: entry.id,
        participant: clock::fresh(ParticipantId::from_parts),
        device_key: None,
        created_at: clock::now_us(),
        joined_at: None,
        finished_at: None,
        looked_at: 0,
        revoked_at: None,
        generation: 0,
        chain: ChainHead::new(id),
        sitting: Sitting::default(),
        sitting_revision: 0,
        proctor: None,
    };
    let record = data.store.open_session(fresh).await?;
    if record.finished_at.is_some() {
        bail!("{label} has finished exam {}", exam.code);
    }
    if record.revoked_at.is_some() {
        bail!("the sitting of {label} was revoked");
    }
    let person = Person::Candidate {
        session: record.id,
        exam: exam.id,
    };
    Ok((record.participant, (person, record.generation), exam.id))
}
