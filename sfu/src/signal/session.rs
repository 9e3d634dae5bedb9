//! What a connection may do when: authentication first, fresh tokens in between, then requests.

use super::rate_limit::RateLimit;
use crate::api::Service;
use crate::api::account::Account;
use crate::auth::challenge::{self, Challenge};
use crate::auth::identity::Person;
use crate::clock;
use crate::control::Link;
use crate::control::outbox::Outbox;
use invigil_shared::PROTOCOL_VERSION;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::RequestId;
use invigil_shared::limits::IDLE_S;
use invigil_shared::signal::{ClientFrame, ClientMessage, ServerMessage};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The oldest client that this server serves.
const MIN_CLIENT: &str = "0.1.0";
/// What this server can do beyond version 1's base.
const FEATURES: &[&str] = &["burst_state", "ice_config"];

/// How a connection goes on.
pub enum Progress {
    On,
    Close(ErrorBody),
}

/// One connection's state.
pub struct Session {
    service: Arc<Service>,
    outbox: Outbox,
    address: IpAddr,
    rate: RateLimit,
    /// None before `auth:request` succeeded.
    link: Option<Link>,
    /// To be signed in `resume`; one use.
    challenge: Option<Challenge>,
    expires: Instant,
    /// When the client gets other TURN credentials; none when there are none.
    ice_due: Option<Instant>,
}

impl Session {
    pub fn new(service: Arc<Service>, outbox: Outbox, address: IpAddr) -> Self {
        let now = Instant::now();
        Self {
            service,
            outbox,
            address,
            rate: RateLimit::new(now.into_std()),
            link: None,
            challenge: None,
            expires: now,
            ice_due: None,
        }
    }

    /// When this connection ends unless something happens, and with which reason.
    pub fn deadline(&self, auth: Instant) -> (Instant, ErrorCode) {
        match self.link {
            None => (auth, ErrorCode::NotAuthenticated),
            Some(_) => (self.expires, ErrorCode::TokenExpired),
        }
    }

    /// Returns when the client's TURN credentials are to be replaced.
    pub fn ice_due(&self) -> impl Future<Output = ()> + Send + use<> {
        let due = self.ice_due;
        async move {
            match due {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Tells the client how its media get here, with credentials that begin now.
    pub async fn introduce(&mut self) {
        let control = &self.service.control;
        self.ice_due = control.ice().again_after().map(|after| Instant::now() + after);
        if let Some(link) = &self.link {
            control.introduce(link).await;
        }
    }

    /// The connection has ended.
    pub fn end(&mut self) {
        if let Some(link) = self.link.take() {
            self.service.control.detach(&link);
        }
    }

    /// Carries out a frame and queues its answer.
    pub async fn on_frame(&mut self, frame: ClientFrame) -> Progress {
        let ClientFrame { id, once, message } = frame;
        if let Err(error) = self.rate.admit(&message, std::time::Instant::now()) {
            self.outbox.answer(id, ServerMessage::Error { error });
            return Progress::On;
        }
        let authenticates = matches!(message, ClientMessage::AuthRequest { .. });
        // Boxed: requests differ much in size, and each connection keeps one.
        let answer = Box::pin(self.request(id, once, message)).await;
        match answer {
            Ok(None) => {}
            // Nobody waits for the answer to a message without an id.
            Ok(Some(ServerMessage::Ok)) if id.is_none() => {}
            Ok(Some(message)) => {
                self.outbox.answer(id, message);
            }
            Err(error) => {
                self.outbox.answer(id, ServerMessage::Error { error: error.clone() });
                if authenticates && self.link.is_none() {
                    return Progress::Close(error);
                }
            }
        }
        Progress::On
    }

    async fn request(
        &mut self,
        id: Option<u32>,
        once: Option<RequestId>,
        message: ClientMessage,
    ) -> Result<Option<ServerMessage>, ErrorBody> {
        match message {
            ClientMessage::AuthRequest { token, version, .. } => self.authenticate(&token, version).await.map(Some),
            ClientMessage::AuthRefresh => self.refresh().await.map(Some),
            ClientMessage::Resume { signature } => self.resume(&signature).await.map(Some),
            message => {
                let link = self.link.as_mut().ok_or(ErrorCode::NotAuthenticated)?;
                self.service.control.handle(link, id, once, message).await
            }
        }
    }

    async fn authenticate(&mut self, token: &str, version: u32) -> Result<ServerMessage, ErrorBody> {
        if version < PROTOCOL_VERSION {
            return Err(ErrorBody::from(ErrorCode::VersionTooOld).with("min_version", PROTOCOL_VERSION));
        }
        let account = self.service.authenticate(token).await?;
        let identity = account.identity;
        let first = self.link.is_none();
        match &mut self.link {
            None => {
                self.service.control.attach(&identity, &self.outbox)?;
                let (outbox, name) = (self.outbox.clone(), account.name);
                self.link = Some(Link {
                    identity,
                    name,
                    outbox,
                    room: None,
                    address: Some(self.address),
                    clock_offset: None,
                });
            }
            Some(link) if link.identity.same_person(&identity) => link.identity = identity,
            Some(_) => return Err(ErrorCode::Forbidden.into()),
        }
        self.expire_at(identity.expires_at);
        if first {
            // Before the answer: a client that has read it makes transports.
            self.introduce().await;
        }
        let session = match identity.person {
            Person::Candidate { session, .. } => Some(session),
            Person::User(_) => None,
        };
        self.challenge = session.map(|_| challenge::fresh());
        Ok(ServerMessage::AuthResponse {
            participant: identity.participant,
            role: identity.role,
            expires_at: identity.expires_at,
            features: FEATURES.iter().map(ToString::to_string).collect(),
            min_client: MIN_CLIENT.to_owned(),
            server: concat!("invigil-sfu/", env!("CARGO_PKG_VERSION")).to_owned(),
            challenge: self.challenge.map(|challenge| challenge::encode(&challenge)),
            session,
        })
    }

    fn expire_at(&mut self, unix_s: i64) {
        let left = u64::try_from(unix_s - clock::now_s()).unwrap_or(0);
        self.expires = Instant::now() + Duration::from_secs(left);
    }

    async fn refresh(&mut self) -> Result<ServerMessage, ErrorBody> {
        let identity = self.link.as_ref().ok_or(ErrorCode::NotAuthenticated)?.identity;
        let Account { identity, .. } = self.service.account(identity).await?;
        let token = self.service.tokens.issue(
            identity.participant,
            identity.role,
            identity.person,
            identity.generation,
        )?;
        if let Some(link) = &mut self.link {
            link.identity.expires_at = token.expires_at;
        }
        self.expire_at(token.expires_at);
        Ok(ServerMessage::AuthToken {
            token: token.text,
            expires_at: token.expires_at,
        })
    }

    /// The device key's proof: the session goes on here.
    async fn resume(&mut self, signature: &str) -> Result<ServerMessage, ErrorBody> {
        let link = self.link.as_ref().ok_or(ErrorCode::NotAuthenticated)?;
        let Person::Candidate { session, .. } = link.identity.person else {
            return Err(ErrorCode::Forbidden.into());
        };
        let challenge = self.challenge.take().ok_or(ErrorCode::ResumeRefused)?;
        let record = self
            .service
            .store
            .session(session)
            .await?
            .ok_or(ErrorCode::ResumeRefused)?;
        let key = record.device_key.as_deref().ok_or(ErrorCode::ResumeRefused)?;
        if !challenge::proves(key, session, &challenge, signature) {
            return Err(ErrorCode::ResumeRefused.into());
        }
        Ok(ServerMessage::Resumed {
            session,
            chain: record.chain,
        })
    }
}

// An idle client must be told before its token runs out unnoticed.
const _: () = assert!((IDLE_S as i64) < invigil_shared::limits::REFRESH_BEFORE_S);
