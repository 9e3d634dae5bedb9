//! How clients get their media here where the straight way is shut: STUN and TURN servers, with credentials of each client's own,
//! and exams whose media may take no other way.

use super::{Control, Link};
use crate::auth::Identity;
use crate::auth::identity::Person;
use crate::auth::relay::RelayCredentials;
use crate::clock;
use crate::config::{ConfigError, IceConfig};
use crate::core::network::Network;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::Policy;
use invigil_shared::id::ExamId;
use invigil_shared::signal::{IceServer, ServerMessage};
use std::sync::Arc;
use std::time::Duration;

/// What this server knows of others that help to reach it.
#[derive(Default)]
pub struct Ice {
    stun: Vec<String>,
    turn: Vec<String>,
    credentials: Option<RelayCredentials>,
    good_for: Duration,
    /// Where the relays' media comes from; none when nobody said.
    relays: Option<Arc<[Network]>>,
}

impl Ice {
    /// # Errors
    /// [`IceConfig::secret`], [`IceConfig::relays`].
    pub fn new(config: &IceConfig) -> Result<Self, ConfigError> {
        let secret = config.secret()?;
        let relays = config.relays()?;
        Ok(Self {
            stun: config.stun.clone(),
            turn: config.turn.clone(),
            credentials: secret.map(|secret| RelayCredentials::new(&secret, config.turn_credential_s)),
            good_for: Duration::from_secs(u64::try_from(config.turn_credential_s).unwrap_or(0)),
            relays: (!relays.is_empty()).then(|| relays.into()),
        })
    }

    /// The TURN servers' credentials; none when nobody can relay.
    fn relay(&self) -> Option<&RelayCredentials> {
        self.credentials.as_ref().filter(|_| !self.turn.is_empty())
    }

    /// STUN, then TURN with credentials of the client's own.
    pub fn servers(&self, identity: &Identity) -> Vec<IceServer> {
        let mut servers = Vec::new();
        if !self.stun.is_empty() {
            servers.push(IceServer {
                urls: self.stun.clone(),
                username: None,
                credential: None,
            });
        }
        if let Some(credentials) = self.relay() {
            let (username, credential) = credentials.issue(identity.participant, clock::now_s());
            servers.push(IceServer {
                urls: self.turn.clone(),
                username: Some(username),
                credential: Some(credential),
            });
        }
        servers
    }

    /// When a client should have other credentials: with as much left of the old ones as has gone. None when nothing expires.
    pub fn again_after(&self) -> Option<Duration> {
        self.relay().map(|_| self.good_for / 2)
    }

    /// Whether an exam with this policy can be held here.
    ///
    /// # Errors
    /// `relay_missing` with the setting, when it wants relays and there are none.
    pub fn can_hold(&self, policy: &Policy) -> Result<(), ErrorBody> {
        if policy.relay_only && self.relay().is_none() {
            return Err(ErrorBody::from(ErrorCode::RelayMissing).with("setting", "ice.turn"));
        }
        Ok(())
    }

    /// From where the media of an exam with this policy may come; none for anywhere.
    fn only_from(&self, policy: &Policy) -> Option<Arc<[Network]>> {
        self.relays.clone().filter(|_| policy.relay_only)
    }
}

impl Control {
    /// STUN and TURN servers, and exams that need them.
    pub fn ice(&self) -> &Ice {
        &self.ice
    }

    /// From where the media of an open exam may come; none for anywhere.
    pub(super) fn media_from(&self, exam: ExamId) -> Option<Arc<[Network]>> {
        let room = self.room_of_exam(exam)?;
        let state = room.state.lock();
        self.ice.only_from(&state.exam.policy)
    }

    /// Whether the exam of a candidate, or the one that a connection has entered, wants relays only; none before that is known.
    ///
    /// # Errors
    /// `storage_failed`.
    pub async fn relay_only(&self, identity: &Identity, link: Option<&Link>) -> Result<Option<bool>, ErrorBody> {
        if let Some(room) = link.and_then(|link| link.room.as_ref()) {
            return Ok(Some(room.state.lock().exam.policy.relay_only));
        }
        let Person::Candidate { exam, .. } = identity.person else {
            return Ok(None);
        };
        if let Some(room) = self.room_of_exam(exam) {
            return Ok(Some(room.state.lock().exam.policy.relay_only));
        }
        Ok(self.store.exam(exam).await?.map(|exam| exam.policy.relay_only))
    }

    pub(super) fn tell_ice(&self, link: &Link, relay_only: bool) {
        link.outbox.send(ServerMessage::IceConfig {
            servers: self.ice.servers(&link.identity),
            relay_only,
        });
    }

    /// Tells a connection how its media get here, as soon as that can be said.
    pub async fn introduce(&self, link: &Link) {
        match self.relay_only(&link.identity, Some(link)).await {
            Ok(Some(relay_only)) => self.tell_ice(link, relay_only),
            Ok(None) => {}
            // It makes no transport without; its next connection asks again.
            Err(error) => tracing::warn!(%error, "a client does not learn how its media get here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exam_for_relays_needs_one() {
        let relayed = Policy {
            relay_only: true,
            ..Policy::default()
        };
        let bare = Ice::default();
        assert_eq!(bare.can_hold(&Policy::default()), Ok(()));
        let refused = bare.can_hold(&relayed).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RelayMissing);
        assert_eq!(refused.params["setting"], "ice.turn");
        assert_eq!(bare.again_after(), None);
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "0123456789abcdef").unwrap();
        let config = IceConfig {
            turn: vec!["turn:a.example.org".to_owned()],
            turn_secret_file: Some(secret),
            relay_addresses: vec!["192.0.2.7".to_owned()],
            turn_credential_s: 600,
            ..IceConfig::default()
        };
        let ice = Ice::new(&config).unwrap();
        assert_eq!(ice.can_hold(&relayed), Ok(()));
        assert_eq!(ice.again_after(), Some(Duration::from_secs(300)));
        assert!(ice.only_from(&relayed).is_some() && ice.only_from(&Policy::default()).is_none());
    }
}
