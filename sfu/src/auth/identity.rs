//! Who speaks: what a checked token says. Identity never comes from a payload.

use invigil_shared::error::ErrorCode;
use invigil_shared::id::{ExamId, ParticipantId, SessionId, UserId};
use invigil_shared::role::Role;
use invigil_shared::token::Claims;
use sqlx::types::Uuid;

/// The bearer of a valid token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub participant: ParticipantId,
    pub role: Role,
    pub person: Person,
    /// Which generation of the account or sitting the token is of.
    pub generation: u64,
    /// Seconds since the Unix epoch.
    pub expires_at: i64,
}

/// The two kinds of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// A sitting of the only exam that its candidate may enter.
    Candidate { session: SessionId, exam: ExamId },
    /// Someone with an account.
    User(UserId),
}

/// Whose tokens are revoked together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    User(UserId),
    Session(SessionId),
}

impl Person {
    pub fn subject(&self) -> Subject {
        match *self {
            Person::User(user) => Subject::User(user),
            Person::Candidate { session, .. } => Subject::Session(session),
        }
    }
}

impl Subject {
    pub fn id(&self) -> Uuid {
        match self {
            Subject::User(user) => user.0,
            Subject::Session(session) => session.0,
        }
    }

    /// What the bearer of a revoked token is told.
    pub fn revoked(&self) -> ErrorCode {
        match self {
            Subject::User(_) => ErrorCode::AccessRevoked,
            Subject::Session(_) => ErrorCode::SessionRevoked,
        }
    }
}

impl Identity {
    /// None when the claims contradict each other.
    pub fn from_claims(claims: &Claims) -> Option<Self> {
        let person = match (claims.role, claims.session, claims.exam, claims.user) {
            (Role::Candidate, Some(session), Some(exam), None) => Person::Candidate { session, exam },
            (Role::Candidate | Role::Unknown, ..) => return None,
            (_, None, None, Some(user)) => Person::User(user),
            _ => return None,
        };
        Some(Self {
            participant: claims.participant,
            role: claims.role,
            person,
            generation: claims.generation,
            expires_at: claims.exp,
        })
    }

    /// Whether another token speaks for the same person in the same role.
    pub fn same_person(&self, other: &Self) -> bool {
        (self.participant, self.role, self.person) == (other.participant, other.role, other.person)
    }
}
