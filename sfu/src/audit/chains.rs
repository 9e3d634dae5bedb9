//! Reads the chain of events of every session and says where it is not what the candidate's machine sent.

use crate::store::erasure::{ChainLink, ChainOwner, FIRST};
use crate::store::{Store, Stored};
use invigil_shared::chain::{ChainHead, link_hash, payload_hash, unhex};
use invigil_shared::id::SessionId;
use std::fmt::{self, Write};

/// Sessions and events that are read at once.
const PAGE: usize = 500;
/// Findings that are told.
const MAX_FINDINGS: usize = 20;

/// Something that is wrong with a session's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainFinding {
    /// An event is missing before this one.
    Missing(SessionId, u64),
    /// It was edited, or does not continue the one before.
    Edited(SessionId, u64),
    /// What it says is gone, and the candidate's data were not erased.
    Blanked(SessionId, u64),
    /// The chain ends elsewhere than the session says.
    Cut(SessionId, u64),
}

impl fmt::Display for ChainFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(session, seq) => write!(f, "session {session}: an event before {seq} is missing"),
            Self::Edited(session, seq) => write!(f, "session {session}: event {seq} is not the one that was sent"),
            Self::Blanked(session, seq) => write!(
                f,
                "session {session}: what event {seq} says is gone, and the candidate's data were not erased"
            ),
            Self::Cut(session, seq) => write!(
                f,
                "session {session}: its events end at {seq}, and that is not where they ended when they were stored"
            ),
        }
    }
}

/// What a reading found.
#[derive(Debug, Default)]
pub struct Chains {
    pub sessions: u64,
    pub events: u64,
    /// Events of which only the hash is left.
    pub erased: u64,
    pub findings: Vec<ChainFinding>,
}

impl Chains {
    /// The findings, one a line.
    pub fn words(&self) -> String {
        self.findings.iter().fold(String::new(), |mut words, finding| {
            let _ = write!(words, "\n{finding}");
            words
        })
    }

    fn find(&mut self, finding: ChainFinding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    fn take(&mut self, owner: &ChainOwner, head: ChainHead, link: &ChainLink) -> ChainHead {
        let session = owner.session;
        self.events += 1;
        let sent = match &link.content {
            Some((salt, payload)) => {
                unhex(salt).is_some_and(|salt| payload_hash(&salt, payload.as_bytes()) == link.payload_hash)
            }
            None => {
                self.erased += 1;
                if !owner.erased {
                    self.find(ChainFinding::Blanked(session, link.seq));
                }
                true
            }
        };
        let hash = link_hash(session, link.seq, link.prev, link.payload_hash);
        if link.seq != head.seq + 1 {
            self.find(ChainFinding::Missing(session, link.seq));
        } else if !sent || hash != link.hash || link.prev != head.hash {
            self.find(ChainFinding::Edited(session, link.seq));
        }
        ChainHead {
            seq: link.seq,
            hash: link.hash,
        }
    }
}

/// Reads all of them.
pub async fn verify(store: &dyn Store) -> Stored<Chains> {
    let mut chains = Chains::default();
    let mut after = SessionId(FIRST);
    loop {
        let owners = store.chain_owners(after, PAGE).await?;
        for owner in &owners {
            chains.sessions += 1;
            let mut head = ChainHead::new(owner.session);
            loop {
                let links = store.chain_links(owner.session, head.seq, PAGE).await?;
                for link in &links {
                    head = chains.take(owner, head, link);
                }
                if links.len() < PAGE {
                    break;
                }
            }
            // The session was read before its events: what came meanwhile is further, and right.
            if head.seq < owner.head.seq || (head.seq == owner.head.seq && head != owner.head) {
                chains.find(ChainFinding::Cut(owner.session, head.seq));
            }
        }
        match owners.last() {
            Some(last) if owners.len() == PAGE => after = last.session,
            _ => return Ok(chains),
        }
    }
}
