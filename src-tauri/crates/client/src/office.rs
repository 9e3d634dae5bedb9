//! The exam office's calls: exams and rosters, for leads and admins.

use crate::error::ClientError;
use crate::rest::{Api, read_within, transport};
use invigil_shared::id::{ExamId, RosterEntryId};
use invigil_shared::limits::MAX_ROSTER_CSV;
use invigil_shared::office::{
    EntryEdit, EntrySecret, ExamEdit, HoldRequest, ImportPreview, Imported, JoinLinkRequest, NewExam, RosterItem,
};
use invigil_shared::participation::Participation;
use invigil_shared::rest::ExamListItem;
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;

/// A preview repeats the file's cells as JSON, a row of secrets is about 400 bytes: four times the largest file holds both.
const MAX_ANSWER: usize = 4 * MAX_ROSTER_CSV;
/// Items of a page, and pages that are read: more than the largest roster, and that many candidates three times.
const PAGE: usize = 200;
const MAX_PAGES: usize = 8;

fn hold_path(exam: ExamId, candidate: Option<RosterEntryId>) -> String {
    match candidate {
        Some(entry) => format!("exams/{exam}/roster/{entry}/hold"),
        None => format!("exams/{exam}/hold"),
    }
}

impl Api {
    pub(crate) fn ask(&self, token: &str, method: Method, path: &str) -> RequestBuilder {
        self.http().request(method, self.url(path)).bearer_auth(token)
    }

    pub(crate) async fn answer<A: DeserializeOwned>(&self, request: RequestBuilder) -> Result<A, ClientError> {
        read_within(request.send().await.map_err(|e| transport(&e))?, MAX_ANSWER).await
    }

    /// A request that is answered with nothing: 204.
    pub(crate) async fn done(&self, request: RequestBuilder) -> Result<(), ClientError> {
        let response = request.send().await.map_err(|e| transport(&e))?;
        if response.status().is_success() {
            return Ok(());
        }
        read_within::<serde_json::Value>(response, MAX_ANSWER).await.map(drop)
    }

    pub async fn exam(&self, token: &str, exam: ExamId) -> Result<ExamListItem, ClientError> {
        self.answer(self.ask(token, Method::GET, &format!("exams/{exam}")))
            .await
    }

    /// `key`: the same for the same request again, when nobody knows whether it came through.
    pub async fn create_exam(&self, token: &str, exam: &NewExam, key: &str) -> Result<ExamListItem, ClientError> {
        let request = self.ask(token, Method::POST, "exams").header("idempotency-key", key);
        self.answer(request.json(exam)).await
    }

    /// Edits the revision that was read, or nothing.
    pub async fn edit_exam(
        &self,
        token: &str,
        exam: ExamId,
        revision: u32,
        edit: &ExamEdit,
    ) -> Result<ExamListItem, ClientError> {
        let request = self.ask(token, Method::PATCH, &format!("exams/{exam}"));
        self.answer(request.header("if-match", format!("\"{revision}\"")).json(edit))
            .await
    }

    /// `step`: `schedule`, `unschedule`, `archive`.
    pub async fn step_exam(&self, token: &str, exam: ExamId, step: &str) -> Result<ExamListItem, ClientError> {
        self.answer(self.ask(token, Method::POST, &format!("exams/{exam}/{step}")))
            .await
    }

    /// The whole roster.
    pub async fn roster(&self, token: &str, exam: ExamId) -> Result<Vec<RosterItem>, ClientError> {
        let mut all: Vec<RosterItem> = Vec::new();
        for _ in 0..MAX_PAGES {
            let cursor = all.last().map(|item| format!("&cursor={}", item.entry.id));
            let path = format!("exams/{exam}/roster?limit={PAGE}{}", cursor.unwrap_or_default());
            let page: Vec<RosterItem> = self.answer(self.ask(token, Method::GET, &path)).await?;
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                break;
            }
        }
        Ok(all)
    }

    /// Who was in the exam's room, in the order in which they came.
    pub async fn participations(&self, token: &str, exam: ExamId) -> Result<Vec<Participation>, ClientError> {
        let mut all: Vec<Participation> = Vec::new();
        for _ in 0..MAX_PAGES {
            let cursor = all.last().map(|stay| format!("&cursor={}", stay.id));
            let path = format!("exams/{exam}/participations?limit={PAGE}{}", cursor.unwrap_or_default());
            let page: Vec<Participation> = self.answer(self.ask(token, Method::GET, &path)).await?;
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                break;
            }
        }
        Ok(all)
    }

    pub async fn add_entry(
        &self,
        token: &str,
        exam: ExamId,
        entry: &EntryEdit,
        key: &str,
    ) -> Result<EntrySecret, ClientError> {
        let request = self.ask(token, Method::POST, &format!("exams/{exam}/roster"));
        self.answer(request.header("idempotency-key", key).json(entry)).await
    }

    pub async fn edit_entry(
        &self,
        token: &str,
        exam: ExamId,
        id: RosterEntryId,
        entry: &EntryEdit,
    ) -> Result<RosterItem, ClientError> {
        let request = self.ask(token, Method::PUT, &format!("exams/{exam}/roster/{id}"));
        self.answer(request.json(entry)).await
    }

    pub async fn remove_entry(&self, token: &str, exam: ExamId, id: RosterEntryId) -> Result<(), ClientError> {
        self.done(self.ask(token, Method::DELETE, &format!("exams/{exam}/roster/{id}")))
            .await
    }

    /// Keeps the data of an exam, or of one of its candidates, whatever the policy says.
    pub async fn hold(
        &self,
        token: &str,
        exam: ExamId,
        candidate: Option<RosterEntryId>,
        reason: &str,
    ) -> Result<(), ClientError> {
        let reason = reason.to_owned();
        let request = self.ask(token, Method::PUT, &hold_path(exam, candidate));
        self.done(request.json(&HoldRequest { reason })).await
    }

    /// Takes that back.
    pub async fn release(
        &self,
        token: &str,
        exam: ExamId,
        candidate: Option<RosterEntryId>,
    ) -> Result<(), ClientError> {
        self.done(self.ask(token, Method::DELETE, &hold_path(exam, candidate)))
            .await
    }

    /// Erases what is kept of a candidate, for good.
    pub async fn erase(&self, token: &str, exam: ExamId, id: RosterEntryId) -> Result<(), ClientError> {
        self.done(self.ask(token, Method::POST, &format!("exams/{exam}/roster/{id}/erase")))
            .await
    }

    pub async fn renew_secret(&self, token: &str, exam: ExamId, id: RosterEntryId) -> Result<EntrySecret, ClientError> {
        let path = format!("exams/{exam}/roster/{id}/secret");
        self.answer(self.ask(token, Method::POST, &path)).await
    }

    /// A join link that is good once.
    pub async fn join_link(&self, token: &str, exam: ExamId, id: RosterEntryId) -> Result<EntrySecret, ClientError> {
        let path = format!("exams/{exam}/roster/{id}/link");
        let asked = self.ask(token, Method::POST, &path).json(&JoinLinkRequest::default());
        self.answer(asked).await
    }

    /// What a file says and what is wrong with it.
    pub async fn preview_roster(&self, token: &str, exam: ExamId, csv: &str) -> Result<ImportPreview, ClientError> {
        let path = format!("exams/{exam}/roster/import?dry_run=true");
        let request = self.ask(token, Method::POST, &path).header("content-type", "text/csv");
        self.answer(request.body(csv.to_owned())).await
    }

    pub async fn import_roster(
        &self,
        token: &str,
        exam: ExamId,
        csv: &str,
        key: &str,
    ) -> Result<Imported, ClientError> {
        let request = self.ask(token, Method::POST, &format!("exams/{exam}/roster/import"));
        let request = request
            .header("content-type", "text/csv")
            .header("idempotency-key", key);
        self.answer(request.body(csv.to_owned())).await
    }
}
