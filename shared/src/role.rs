//! Who someone is in the deployment and in a room.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `candidate`, `proctor` and `lead` act in rooms; `reviewer` and `admin` act outside of them.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Role {
    Candidate,
    Proctor,
    Lead,
    Reviewer,
    Admin,
    /// A role of a later version. It is never granted anything.
    #[serde(other)]
    Unknown,
}

impl Role {
    /// Whether the role watches candidates in a room.
    pub fn watches(self) -> bool {
        matches!(self, Role::Proctor | Role::Lead)
    }
    /// Whether the role takes part in rooms at all.
    pub fn enters_rooms(self) -> bool {
        self.watches() || self == Role::Candidate
    }
    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Candidate => "candidate",
            Role::Proctor => "proctor",
            Role::Lead => "lead",
            Role::Reviewer => "reviewer",
            Role::Admin => "admin",
            Role::Unknown => "unknown",
        }
    }
    /// The inverse of [`Role::as_str`]; anything else is [`Role::Unknown`].
    pub fn parse(s: &str) -> Self {
        match s {
            "candidate" => Role::Candidate,
            "proctor" => Role::Proctor,
            "lead" => Role::Lead,
            "reviewer" => Role::Reviewer,
            "admin" => Role::Admin,
            _ => Role::Unknown,
        }
    }
}
