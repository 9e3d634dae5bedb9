//! A lead who runs the exam office of a real server over bare HTTP.

use super::{World, text};
use invigil_sfu::clock::now_us;
use invigil_sfu::store::records::ExamChange;
use invigil_shared::exam::ExamStatus;
use invigil_shared::id::ExamId;
use invigil_shared::role::Role;
use serde_json::{Value, json};

pub const HOUR_US: i64 = 3_600_000_000;

pub struct Office {
    pub world: World,
    pub lead: String,
}

/// Status, head and body of an answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The body of an answer with that status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{body}");
        assert!(
            self.head.contains("content-type: application/problem+json"),
            "{}",
            self.head
        );
        body["params"].clone()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let line = self
            .head
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.map(str::trim)
    }
}

impl Office {
    pub async fn open() -> Self {
        let world = World::start().await;
        let lead = world.user_token("l@x.org", Role::Lead).await;
        Self { world, lead }
    }

    pub async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.lead);
        let mut all = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        all.extend(headers);
        let path = format!("/api/v1/{path}");
        let (status, head, text) = self.world.http(method, &path, &all, body.as_bytes()).await;
        Answer { status, head, text }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, &[], &body.to_string()).await
    }

    pub async fn keyed(&self, path: &str, key: &str, body: &str) -> Answer {
        self.call("POST", path, &[("idempotency-key", key)], body).await
    }

    pub async fn patch(&self, exam: &str, body: Value) -> Answer {
        self.call("PATCH", &format!("exams/{exam}"), &[], &body.to_string())
            .await
    }

    /// A draft that starts in an hour, and its id.
    pub async fn draft(&self, code: &str) -> String {
        let made = self.post("exams", &new_exam(code)).await.expect(201);
        text(&made["id"]).to_owned()
    }

    pub async fn add(&self, exam: &str, label: &str) -> Value {
        let path = format!("exams/{exam}/roster");
        self.post(&path, &json!({ "label": label })).await.expect(201)
    }

    pub async fn import(&self, exam: &str, query: &str, csv: &str) -> Answer {
        self.call("POST", &format!("exams/{exam}/roster/import{query}"), &[], csv)
            .await
    }

    pub async fn roster(&self, exam: &str) -> Vec<Value> {
        let list = self.get(&format!("exams/{exam}/roster")).await.expect(200);
        list.as_array().unwrap().clone()
    }

    /// Another hand on the database brings an exam to another status.
    pub async fn set_status(&self, exam: &str, from: ExamStatus, to: ExamStatus) {
        let exam: ExamId = exam.parse().unwrap();
        let (longer_us, at) = (0, now_us());
        let change = ExamChange {
            exam,
            from,
            to,
            longer_us,
            at,
        };
        assert!(self.world.store.change_exam(change).await.unwrap());
    }
}

pub fn new_exam(code: &str) -> Value {
    let starts_at = now_us() + HOUR_US;
    json!({ "title": "Mathematics", "code": code, "starts_at": starts_at, "ends_at": starts_at + HOUR_US })
}
