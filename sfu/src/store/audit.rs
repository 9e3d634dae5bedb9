//! The audit log: who changed what, from where and when. A record is written in the transaction of its change, and continues a hash
//! chain like that of integrity events: hash = SHA-256(domain, seq, prev, H(salt, record)). The inner hash stands for the record, so
//! that erasing a person can drop what it says and leave the chain verifiable.

use crate::auth::identity::{Identity, Person};
use crate::clock;
use crate::store::Stored;
use async_trait::async_trait;
use invigil_shared::chain::Hash;
use invigil_shared::id::ApiKeyId;
use invigil_shared::role::Role;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// Separate our hashes from every other use of SHA-256.
const DOMAIN: &[u8] = b"invigil.audit.v1\0";
const GENESIS_DOMAIN: &[u8] = b"invigil.audit.genesis.v1\0";
const RECORD_DOMAIN: &[u8] = b"invigil.audit.record.v1\0";
pub const SALT: usize = 16;

/// Who acts, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Id of a user or session; `api-key:ID`; `server`; `operator:NAME` with the account of the operating system; empty when nobody knows.
    pub name: String,
    pub role: &'static str,
    pub address: Option<IpAddr>,
}

impl Actor {
    /// The server by itself.
    pub fn server() -> Self {
        Self {
            name: "server".into(),
            role: "server",
            address: None,
        }
    }

    /// Whoever may read the data directory, at the command line. The name is what the environment says: they can change it, and
    /// the database too, which the checkpoints find.
    pub fn operator() -> Self {
        let account = ["SUDO_USER", "USER", "LOGNAME", "USERNAME"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
        Self {
            name: format!("operator:{}", account.unwrap_or_default().replace(char::is_control, "")),
            role: "operator",
            address: None,
        }
    }

    /// Somebody who has not said who they are, or not rightly.
    pub fn unknown(address: Option<IpAddr>) -> Self {
        Self {
            name: String::new(),
            role: "unknown",
            address,
        }
    }

    /// The bearer of a token.
    pub fn of(identity: &Identity, address: Option<IpAddr>) -> Self {
        Self::person(identity.person, identity.role, address)
    }

    /// An institution's system.
    pub fn api_key(key: ApiKeyId, address: Option<IpAddr>) -> Self {
        Self {
            name: format!("api-key:{key}"),
            role: "api_key",
            address: address.map(|address| address.to_canonical()),
        }
    }

    pub fn person(person: Person, role: Role, address: Option<IpAddr>) -> Self {
        let name = match person {
            Person::Candidate { session, .. } => session.to_string(),
            Person::User(user) => user.to_string(),
        };
        Self {
            name,
            role: role.as_str(),
            address: address.map(|address| address.to_canonical()),
        }
    }
}

/// What was done. Its name is stored, and is never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    SetUp,
    AddUser,
    InviteUser,
    RenewLink,
    AcceptInvitation,
    ChangeUser,
    SignIn,
    /// Wrong passwords of a while, counted.
    SignInRefused,
    ChangePassword,
    OfferSecondFactor,
    ConfirmSecondFactor,
    /// Its owner turned it off.
    DropSecondFactor,
    /// Somebody else took it off an account.
    TakeSecondFactor,
    UseRecoveryCode,
    /// Somebody signed in through the identity provider for the first time.
    LinkOidc,
    /// Somebody else took that off an account.
    UnlinkOidc,
    CreateApiKey,
    RevokeApiKey,
    /// Wrong API keys of a while, counted.
    ApiKeyRefused,
    IssueToken,
    RotateKey,
    AdoptSecretKey,
    CreateExam,
    ChangeExam,
    EditExam,
    AddRosterEntry,
    EditRosterEntry,
    RemoveRosterEntry,
    RenewSecret,
    MakeJoinLink,
    UseJoinLink,
    Join,
    /// Wrong secrets of a while, counted.
    JoinRefused,
    Resume,
    RevokeSession,
    ReinstateSession,
    EnterRoom,
    Finish,
    ChangeSitting,
    /// Candidates were given to proctors.
    Assign,
    /// Somebody who watched was put out of a room.
    RemoveWatcher,
    SendMessage,
    Broadcast,
    Warn,
    AcknowledgeMessage,
    /// An exam or a candidate is kept whatever the policy says.
    Hold,
    Release,
    /// A candidate's data; its metadata say which records of the log lost their content.
    Erase,
    AddWebhook,
    ChangeWebhook,
    RemoveWebhook,
    /// Everything was copied to another place.
    Backup,
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SetUp => "set_up",
            Self::AddUser => "add_user",
            Self::InviteUser => "invite_user",
            Self::RenewLink => "renew_link",
            Self::AcceptInvitation => "accept_invitation",
            Self::ChangeUser => "change_user",
            Self::SignIn => "sign_in",
            Self::SignInRefused => "sign_in_refused",
            Self::ChangePassword => "change_password",
            Self::OfferSecondFactor => "offer_second_factor",
            Self::ConfirmSecondFactor => "confirm_second_factor",
            Self::DropSecondFactor => "drop_second_factor",
            Self::TakeSecondFactor => "take_second_factor",
            Self::UseRecoveryCode => "use_recovery_code",
            Self::LinkOidc => "link_oidc",
            Self::UnlinkOidc => "unlink_oidc",
            Self::CreateApiKey => "create_api_key",
            Self::RevokeApiKey => "revoke_api_key",
            Self::ApiKeyRefused => "api_key_refused",
            Self::IssueToken => "issue_token",
            Self::RotateKey => "rotate_key",
            Self::AdoptSecretKey => "adopt_secret_key",
            Self::CreateExam => "create_exam",
            Self::ChangeExam => "change_exam",
            Self::EditExam => "edit_exam",
            Self::AddRosterEntry => "add_roster_entry",
            Self::EditRosterEntry => "edit_roster_entry",
            Self::RemoveRosterEntry => "remove_roster_entry",
            Self::RenewSecret => "renew_secret",
            Self::MakeJoinLink => "make_join_link",
            Self::UseJoinLink => "use_join_link",
            Self::Join => "join",
            Self::JoinRefused => "join_refused",
            Self::Resume => "resume",
            Self::RevokeSession => "revoke_session",
            Self::ReinstateSession => "reinstate_session",
            Self::EnterRoom => "enter_room",
            Self::Finish => "finish",
            Self::ChangeSitting => "change_sitting",
            Self::Assign => "assign",
            Self::RemoveWatcher => "remove_watcher",
            Self::Broadcast => "broadcast",
            Self::SendMessage => "send_message",
            Self::Warn => "warn",
            Self::AcknowledgeMessage => "acknowledge_message",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Erase => "erase",
            Self::AddWebhook => "add_webhook",
            Self::ChangeWebhook => "change_webhook",
            Self::RemoveWebhook => "remove_webhook",
            Self::Backup => "backup",
        }
    }
}

/// A record as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// 1 for the first, then without a gap.
    pub seq: u64,
    pub prev: Hash,
    pub hash: Hash,
    /// None once what it says was erased.
    pub salt: Option<Vec<u8>>,
    pub record_hash: Hash,
    /// Microseconds since the Unix epoch, UTC.
    pub at: i64,
    pub actor: String,
    pub role: String,
    pub action: String,
    pub target: String,
    /// JSON, as it was written.
    pub metadata: String,
    pub address: Option<String>,
}

impl Record {
    /// The hash of what it says, under its salt.
    pub fn hash_of_content(&self, salt: &[u8]) -> Hash {
        let Self {
            at,
            actor,
            role,
            action,
            target,
            metadata,
            address,
            ..
        } = self;
        // An array of texts and a number has one spelling in JSON.
        let content = serde_json::json!([at, actor, role, action, target, metadata, address]).to_string();
        let length = (salt.len() as u64).to_be_bytes();
        let hasher = Sha256::new()
            .chain_update(RECORD_DOMAIN)
            .chain_update(length)
            .chain_update(salt);
        Hash(hasher.chain_update(content).finalize().into())
    }
}

/// Where the log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// 0 before the first record.
    pub seq: u64,
    pub hash: Hash,
}

impl AuditHead {
    /// An empty log.
    pub fn genesis() -> Self {
        Self {
            seq: 0,
            hash: Hash(Sha256::digest(GENESIS_DOMAIN).into()),
        }
    }

    /// The head after a record of that content.
    pub fn next(self, record: Hash) -> Self {
        let seq = self.seq + 1;
        let hasher = Sha256::new()
            .chain_update(DOMAIN)
            .chain_update(seq.to_be_bytes())
            .chain_update(self.hash.0);
        Self {
            seq,
            hash: Hash(hasher.chain_update(record.0).finalize().into()),
        }
    }
}

/// What the log asks of a database, inside the transaction of a change.
#[async_trait]
pub trait AuditTable: Send {
    async fn audit_head(&mut self) -> Stored<AuditHead>;
    async fn add_record(&mut self, record: &Record) -> Stored<()>;
}

/// Writes that `actor` does `action` to `target`.
pub async fn record(
    table: &mut impl AuditTable,
    actor: &Actor,
    action: Action,
    target: impl ToString,
    metadata: &Value,
) -> Stored<()> {
    let head = table.audit_head().await?;
    let salt = clock::random::<SALT>();
    let mut record = Record {
        seq: head.seq + 1,
        prev: head.hash,
        hash: head.hash,
        salt: Some(salt.to_vec()),
        record_hash: head.hash,
        at: clock::now_us(),
        actor: actor.name.clone(),
        role: actor.role.to_owned(),
        action: action.as_str().to_owned(),
        target: target.to_string(),
        metadata: metadata.to_string(),
        address: actor.address.map(|address| address.to_string()),
    };
    record.record_hash = record.hash_of_content(&salt);
    record.hash = head.next(record.record_hash).hash;
    table.add_record(&record).await
}
