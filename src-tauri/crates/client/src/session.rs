//! Who this client is to the server, over all of its links: tokens, resume, the room.

use crate::ClientInfo;
use crate::clock::ServerClock;
use crate::device::DeviceKey;
use crate::error::ClientError;
use crate::ice::{self, IceSetup};
use crate::link::{Incoming, Link};
use crate::rest::Api;
use invigil_shared::PROTOCOL_VERSION;
use invigil_shared::chain::ChainHead;
use invigil_shared::error::ErrorCode;
use invigil_shared::id::{ExamId, SessionId};
use invigil_shared::limits::REFRESH_BEFORE_S;
use invigil_shared::signal::{ClientMessage, RoomState, ServerMessage};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A token with less than this left is not worth connecting with, seconds.
const STALE_S: i64 = 20;

/// How a fresh token is got when the old one is no good.
pub(crate) enum Identity {
    /// The device key's proof, by REST.
    Candidate { session: SessionId, key: Box<DeviceKey> },
    /// The old token while it lasts, by REST.
    Person,
}

pub(crate) struct Session {
    pub api: Api,
    pub info: ClientInfo,
    pub identity: Identity,
    pub exam: ExamId,
    pub token: String,
    /// Seconds since the Unix epoch; none until a server has said it.
    pub expires_at: Option<i64>,
    pub clock: ServerClock,
    /// What the server last said of STUN and TURN servers; none until it has.
    pub ice: watch::Sender<Option<IceSetup>>,
    generation: u64,
    /// The room has been entered once: the next link continues the session.
    entered: bool,
    /// The server refused the token: get another before the next try.
    token_refused: bool,
}

/// A link that is in the room.
pub(crate) struct Entered {
    pub link: Link,
    pub incoming: mpsc::Receiver<Incoming>,
    pub room: Box<RoomState>,
    pub chain: Option<ChainHead>,
    /// Messages that came before the room's state did.
    pub early: Vec<ServerMessage>,
}

impl Session {
    pub fn new(
        api: Api,
        info: ClientInfo,
        identity: Identity,
        exam: ExamId,
        token: String,
        expires_at: Option<i64>,
        clock: ServerClock,
    ) -> Self {
        Self {
            api,
            info,
            identity,
            exam,
            token,
            expires_at,
            clock,
            ice: watch::Sender::default(),
            generation: 0,
            entered: false,
            token_refused: false,
        }
    }

    /// One try: token, link, authentication, resume, room. `on_link` runs as soon as requests may follow `room:join` on the
    /// link, before its answer is there: transports are made in the same round trip.
    pub async fn enter(&mut self, on_link: impl FnOnce(&Link)) -> Result<Entered, ClientError> {
        let now_s = self.clock.now_us() / 1_000_000;
        self.token_refused |= self.expires_at.is_some_and(|at| at - now_s < STALE_S);
        if self.token_refused {
            self.fresh_token().await?;
        }
        self.generation += 1;
        let (link, mut incoming) = Link::open(&self.api, self.clock.clone(), self.ice.clone(), self.generation).await?;
        let authenticated = link.request(auth_request(&self.token, &self.info)).await;
        let (expires_at, challenge, features) = match authenticated {
            Ok(ServerMessage::AuthResponse {
                expires_at,
                challenge,
                features,
                ..
            }) => (expires_at, challenge, features),
            Ok(_) => return Err(ClientError::BadAnswer("auth:request".to_owned())),
            Err(error) => {
                let code = error.server_code();
                self.token_refused = matches!(code, Some(ErrorCode::TokenExpired | ErrorCode::TokenInvalid));
                return Err(error);
            }
        };
        self.expires_at = Some(expires_at);
        if !features.iter().any(|feature| feature == ice::FEATURE) {
            self.ice.send_replace(Some(IceSetup::default()));
        }
        let mut chain = None;
        if let (true, Identity::Candidate { session, key }, Some(challenge)) = (self.entered, &self.identity, challenge)
        {
            let signature = key.sign(*session, &challenge)?;
            match link.request(ClientMessage::Resume { signature }).await? {
                ServerMessage::Resumed { chain: head, .. } => chain = Some(head),
                _ => return Err(ClientError::BadAnswer("resume".to_owned())),
            }
        }
        let joined = link.request(ClientMessage::RoomJoin { exam: self.exam });
        on_link(&link);
        let mut early = Vec::new();
        tokio::pin!(joined);
        let room = loop {
            tokio::select! {
                answer = &mut joined => match answer? {
                    ServerMessage::RoomState(room) => break room,
                    _ => return Err(ClientError::BadAnswer("room:join".to_owned())),
                },
                message = incoming.recv() => match message {
                    // The link's own queue bounds what can pile up in one round trip.
                    Some(Incoming::Message(message)) => early.push(*message),
                    Some(Incoming::Closed(Some(code))) => return Err(ClientError::Refused(code.into())),
                    Some(Incoming::Closed(None)) | None => {
                        return Err(ClientError::Unreachable("the link closed".to_owned()));
                    }
                },
            }
        };
        self.clock.seed(room.server_time);
        self.entered = true;
        let chain = chain.or(room.chain);
        Ok(Entered {
            link,
            incoming,
            room,
            chain,
            early,
        })
    }

    async fn fresh_token(&mut self) -> Result<(), ClientError> {
        let (token, expires_at) = match &self.identity {
            Identity::Candidate { session, key } => {
                let join = self.api.resume(*session, key).await?;
                (join.access_token, join.expires_at)
            }
            Identity::Person => {
                let answer = self.api.refresh(&self.token).await?;
                (answer.access_token, answer.expires_at)
            }
        };
        self.token = token;
        self.expires_at = Some(expires_at);
        self.token_refused = false;
        Ok(())
    }

    /// How long until the token is to be refreshed on the open link.
    pub fn refresh_in(&self) -> Duration {
        let now_s = self.clock.now_us() / 1_000_000;
        let left = self
            .expires_at
            .map_or(i64::from(u32::MAX), |at| at - REFRESH_BEFORE_S - now_s);
        // Never a busy loop, even when a server's tokens are shorter than the margin.
        Duration::from_secs(u64::try_from(left).unwrap_or(0).max(5))
    }

    /// Whether an error ends the client: trying again would get the same answer.
    pub fn is_final(&self, error: &ClientError) -> bool {
        match error {
            ClientError::Refused(body) => match body.code {
                // A candidate's device key gets another token; a person has to sign in again.
                ErrorCode::TokenExpired | ErrorCode::TokenInvalid => {
                    matches!(self.identity, Identity::Person) && self.token_refused
                }
                code => is_final_code(code),
            },
            ClientError::BadAuthority | ClientError::DeviceKey(_) => true,
            _ => false,
        }
    }
}

/// Codes after which coming back can't help.
pub(crate) fn is_final_code(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::VersionTooOld
            | ErrorCode::Forbidden
            | ErrorCode::NotFound
            | ErrorCode::ExamClosed
            | ErrorCode::SittingEnded
            | ErrorCode::NotAdmitted
            | ErrorCode::Removed
            | ErrorCode::SessionElsewhere
            | ErrorCode::SessionMoved
            | ErrorCode::ResumeRefused
            | ErrorCode::Replaced
            | ErrorCode::AccessRevoked
            | ErrorCode::SessionRevoked
    )
}

pub(crate) fn auth_request(token: &str, info: &ClientInfo) -> ClientMessage {
    ClientMessage::AuthRequest {
        token: token.to_owned(),
        version: PROTOCOL_VERSION,
        client: info.client.clone(),
        platform: info.platform.clone(),
        features: info.features.clone(),
    }
}

/// Gets a fresh token in-band and presents it: the token and its expiry.
pub(crate) async fn refresh(link: Link, info: ClientInfo) -> Result<(String, i64), ClientError> {
    let ServerMessage::AuthToken { token, .. } = link.request(ClientMessage::AuthRefresh).await? else {
        return Err(ClientError::BadAnswer("auth:refresh".to_owned()));
    };
    match link.request(auth_request(&token, &info)).await? {
        ServerMessage::AuthResponse { expires_at, .. } => Ok((token, expires_at)),
        _ => Err(ClientError::BadAnswer("auth:request".to_owned())),
    }
}
