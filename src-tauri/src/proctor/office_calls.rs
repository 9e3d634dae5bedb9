//! Carries out the office's calls. A create that was not answered may have come through: asked for again, it goes out with the same
//! idempotency key, so that it is done once.

use super::actor::Inputs;
use super::state::{Input, OfficeAnswer, OfficeCall};
use crate::server::failure;
use invigil_client::ClientError;
use invigil_client::rest::Api;
use invigil_view::office::OfficeStep;
use parking_lot::Mutex;
use std::sync::Arc;

/// The last create without an answer, and its key.
#[derive(Clone, Default)]
pub struct Keys(Arc<Mutex<Option<(OfficeCall, String)>>>);

impl Keys {
    /// The key of a call: the one that it had before, when nobody knows what became of that.
    fn of(&self, call: &OfficeCall) -> String {
        let mut last = self.0.lock();
        if let Some((_, key)) = last.as_ref().filter(|(before, _)| before == call) {
            return key.clone();
        }
        let key = fresh();
        *last = Some((call.clone(), key.clone()));
        key
    }

    /// The server has answered.
    fn settled(&self) {
        *self.0.lock() = None;
    }
}

/// 128 random bits.
fn fresh() -> String {
    let mut bytes = [0; 16];
    rand::Rng::fill(&mut rand::rng(), &mut bytes);
    invigil_shared::chain::hex(&bytes)
}

/// Calls the server, with a token that is fresh enough, and tells the actor.
pub async fn carry_out(api: Api, token: String, call: OfficeCall, keys: Keys, inputs: Inputs) {
    let result = ask(&api, &token, &call, &keys).await;
    if !matches!(result, Err(ClientError::Unreachable(_))) {
        keys.settled();
    }
    inputs.send(Input::Office(Box::new(call), result.map_err(failure).map(Box::new)));
}

async fn ask(api: &Api, token: &str, call: &OfficeCall, keys: &Keys) -> Result<OfficeAnswer, ClientError> {
    let exam = |exam| OfficeAnswer::Exam(Box::new(exam));
    Ok(match call {
        OfficeCall::Read(id) => {
            let exam = api.exam(token, *id).await?;
            OfficeAnswer::Read(Box::new(exam), api.roster(token, *id).await?)
        }
        OfficeCall::Stays(id) => {
            let exam = api.exam(token, *id).await?;
            OfficeAnswer::Stays(Box::new(exam), api.participations(token, *id).await?)
        }
        OfficeCall::Create(new) => exam(api.create_exam(token, new, &keys.of(call)).await?),
        OfficeCall::Save(id, revision, edit) => exam(api.edit_exam(token, *id, *revision, edit).await?),
        OfficeCall::Step(id, step) => exam(api.step_exam(token, *id, path(*step)).await?),
        OfficeCall::Add(id, entry) => {
            OfficeAnswer::Secrets(vec![api.add_entry(token, *id, entry, &keys.of(call)).await?])
        }
        OfficeCall::Edit(id, entry, edit) => {
            api.edit_entry(token, *id, *entry, edit).await?;
            OfficeAnswer::Done
        }
        OfficeCall::Remove(id, entry) => {
            api.remove_entry(token, *id, *entry).await?;
            OfficeAnswer::Done
        }
        OfficeCall::Link(id, entry) => OfficeAnswer::Secrets(vec![api.join_link(token, *id, *entry).await?]),
        OfficeCall::Hold(id, entry, reason) => {
            api.hold(token, *id, *entry, reason).await?;
            OfficeAnswer::Done
        }
        OfficeCall::Release(id, entry) => {
            api.release(token, *id, *entry).await?;
            OfficeAnswer::Done
        }
        OfficeCall::Erase(id, entry) => {
            api.erase(token, *id, *entry).await?;
            OfficeAnswer::Done
        }
        OfficeCall::Renew(id, entry) => OfficeAnswer::Secrets(vec![api.renew_secret(token, *id, *entry).await?]),
        OfficeCall::Preview(id, csv) => OfficeAnswer::Preview(api.preview_roster(token, *id, csv).await?),
        OfficeCall::Import(id, csv) => {
            let imported = api.import_roster(token, *id, csv, &keys.of(call)).await?;
            OfficeAnswer::Secrets(imported.secrets)
        }
    })
}

fn path(step: OfficeStep) -> &'static str {
    match step {
        OfficeStep::Schedule => "schedule",
        OfficeStep::Unschedule => "unschedule",
        OfficeStep::Archive => "archive",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::id::ExamId;

    #[test]
    fn a_create_without_an_answer_keeps_its_key_and_another_one_has_its_own() {
        let keys = Keys::default();
        let call = |n: u8| OfficeCall::Import(ExamId::from_parts(1, [n; 10]), "label\nAda\n".into());
        let first = keys.of(&call(1));
        assert_eq!(keys.of(&call(1)), first);
        let other = keys.of(&call(2));
        assert_ne!(other, first);
        keys.settled();
        assert_ne!(keys.of(&call(2)), other, "the server has answered: this is a new one");
    }
}
