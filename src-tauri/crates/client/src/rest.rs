//! The few REST calls that come before signalling.

use crate::bounds::{CONNECT_DEADLINE, FOREIGN_DEADLINE, REQUEST_DEADLINE};
use crate::device::DeviceKey;
use crate::error::ClientError;
use crate::trust::{Authority, CertificateTrust, tls_config, untrusted};
use invigil_shared::account::{
    ChangePasswordRequest, ChangePasswordResponse, ConfirmSecondFactorRequest, DropSecondFactorRequest,
    OfferSecondFactorRequest, OwnAccount, RecoveryCodes, SecondFactorOffer,
};
use invigil_shared::id::{SessionId, UserId};
use invigil_shared::limits::MAX_FRAME;
use invigil_shared::oidc::{OidcBeginRequest, OidcBegun, OidcFinishRequest, OidcOffer};
use invigil_shared::people::{
    AcceptRequest, ChangeUserRequest, InvitationInfo, InvitationRequest, InviteRequest, UserInfo, UserLink,
};
use invigil_shared::rest::{
    ExamListItem, JoinRequest, JoinResponse, Problem, ResumeChallenge, ResumeChallengeRequest, ResumeRequest,
    SetupRequest, SignInRequest, SignInResponse,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// People that one answer holds: they stay far below [`MAX_FRAME`].
pub const PEOPLE_PAGE: usize = 50;

/// One server, as this client trusts it. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    authority: Authority,
    http: reqwest::Client,
    tls: Arc<rustls::ClientConfig>,
    trust: CertificateTrust,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Api({})", self.authority)
    }
}

impl Api {
    /// `authority`: `host`, `host:port` or `[v6]:port`. Nothing is sent.
    pub fn new(authority: &str, trust: CertificateTrust) -> Result<Self, ClientError> {
        let authority = Authority::parse(authority)?;
        let tls = tls_config(trust)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_DEADLINE)
            .timeout(REQUEST_DEADLINE)
            .build()
            .map_err(|e| ClientError::Unreachable(e.to_string()))?;
        Ok(Self {
            authority,
            http,
            tls,
            trust,
        })
    }

    pub fn authority(&self) -> &Authority {
        &self.authority
    }
    pub(crate) fn tls(&self) -> Arc<rustls::ClientConfig> {
        self.tls.clone()
    }
    pub(crate) fn trust(&self) -> CertificateTrust {
        self.trust
    }

    /// Joins with an exam code and a secret. The first join registers the device key.
    pub async fn join(&self, exam_code: &str, secret: &str, key: &DeviceKey) -> Result<JoinResponse, ClientError> {
        let body = JoinRequest {
            exam_code: exam_code.to_owned(),
            secret: secret.to_owned(),
            device_key: key.public(),
        };
        self.post("join", None, &body).await
    }

    pub async fn resume_challenge(&self, session: SessionId) -> Result<ResumeChallenge, ClientError> {
        self.post("resume/challenge", None, &ResumeChallengeRequest { session })
            .await
    }

    /// Back into a session by its device key, without a secret: asks for a challenge and answers it.
    pub async fn resume(&self, session: SessionId, key: &DeviceKey) -> Result<JoinResponse, ClientError> {
        let challenge = self.resume_challenge(session).await?.challenge;
        let signature = key.sign(session, &challenge)?;
        self.post(
            "resume",
            None,
            &ResumeRequest {
                session,
                challenge,
                signature,
            },
        )
        .await
    }

    /// Makes the first admin with the one-time setup code.
    pub async fn set_up(&self, request: &SetupRequest) -> Result<SignInResponse, ClientError> {
        self.post("setup", None, request).await
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Result<SignInResponse, ClientError> {
        self.sign_in_with(email, password, None).await
    }

    /// `code`: of the second factor, once it was asked for.
    pub async fn sign_in_with(
        &self,
        email: &str,
        password: &str,
        code: Option<&str>,
    ) -> Result<SignInResponse, ClientError> {
        let body = SignInRequest {
            email: email.to_owned(),
            password: password.to_owned(),
            code: code.map(str::to_owned),
        };
        self.post("sign-in", None, &body).await
    }

    /// Through whom people sign in beside their passwords.
    pub async fn oidc_offer(&self) -> Result<OidcOffer, ClientError> {
        let request = self.http.get(self.url("oidc"));
        read(request.send().await.map_err(|e| transport(&e))?).await
    }

    pub(crate) async fn begin_oidc(&self, challenge: &str, redirect_uri: &str) -> Result<OidcBegun, ClientError> {
        let (challenge, redirect_uri) = (challenge.to_owned(), redirect_uri.to_owned());
        let request = OidcBeginRequest {
            challenge,
            redirect_uri,
        };
        self.post_patiently("oidc/begin", &request).await
    }

    pub(crate) async fn finish_oidc(&self, request: &OidcFinishRequest) -> Result<SignInResponse, ClientError> {
        self.post_patiently("oidc/finish", request).await
    }

    /// The server asks somebody else meanwhile.
    async fn post_patiently<B: Serialize, A: DeserializeOwned>(&self, path: &str, body: &B) -> Result<A, ClientError> {
        let request = self.http.post(self.url(path)).json(body).timeout(FOREIGN_DEADLINE);
        read(request.send().await.map_err(|e| transport(&e))?).await
    }

    /// Takes the link with the identity provider off an account.
    pub async fn unlink_oidc(&self, token: &str, user: UserId) -> Result<UserInfo, ClientError> {
        self.post(
            &format!("users/{user}/oidc/unlink"),
            Some(token),
            &serde_json::json!({}),
        )
        .await
    }

    /// A fresh token for a token that is still good.
    pub async fn refresh(&self, token: &str) -> Result<SignInResponse, ClientError> {
        self.post("refresh", Some(token), &serde_json::json!({})).await
    }

    pub async fn account(&self, token: &str) -> Result<OwnAccount, ClientError> {
        let request = self.http.get(self.url("account")).bearer_auth(token);
        read(request.send().await.map_err(|e| transport(&e))?).await
    }

    /// Another password. The token is void then: the answer has the one that is good.
    pub async fn change_password(
        &self,
        token: &str,
        password: &str,
        new_password: &str,
    ) -> Result<ChangePasswordResponse, ClientError> {
        let body = ChangePasswordRequest {
            password: password.to_owned(),
            new_password: new_password.to_owned(),
        };
        self.post("account/password", Some(token), &body).await
    }

    /// A secret for an authenticator app, to be confirmed by a code of it.
    pub async fn offer_second_factor(&self, token: &str, password: &str) -> Result<SecondFactorOffer, ClientError> {
        let password = password.to_owned();
        self.post(
            "account/second-factor",
            Some(token),
            &OfferSecondFactorRequest { password },
        )
        .await
    }

    /// From now on signing in takes a code; answered with recovery codes.
    pub async fn confirm_second_factor(&self, token: &str, code: &str) -> Result<RecoveryCodes, ClientError> {
        let code = code.to_owned();
        self.post(
            "account/second-factor/confirm",
            Some(token),
            &ConfirmSecondFactorRequest { code },
        )
        .await
    }

    pub async fn drop_second_factor(&self, token: &str, password: &str, code: &str) -> Result<OwnAccount, ClientError> {
        let body = DropSecondFactorRequest {
            password: password.to_owned(),
            code: code.to_owned(),
        };
        self.post("account/second-factor/off", Some(token), &body).await
    }

    /// Takes the second factor off somebody who has lost it.
    pub async fn take_second_factor(&self, token: &str, user: UserId) -> Result<UserInfo, ClientError> {
        let path = format!("users/{user}/second-factor/off");
        self.post(&path, Some(token), &serde_json::json!({})).await
    }

    /// The exams that this person may watch.
    pub async fn exams(&self, token: &str) -> Result<Vec<ExamListItem>, ClientError> {
        let request = self.http.get(self.url("exams")).bearer_auth(token);
        // 200 exams with their policies are about 120 KiB.
        read_within(request.send().await.map_err(|e| transport(&e))?, 4 * MAX_FRAME).await
    }

    /// Whom an invitation is for.
    pub async fn look_at_invitation(&self, token: &str) -> Result<InvitationInfo, ClientError> {
        let token = token.to_owned();
        self.post("invitations/look", None, &InvitationRequest { token }).await
    }

    /// Chooses the password of an invitation's account. Signing in is the next step.
    pub async fn accept_invitation(&self, token: &str, password: &str) -> Result<InvitationInfo, ClientError> {
        let body = AcceptRequest {
            token: token.to_owned(),
            password: password.to_owned(),
        };
        self.post("invitations/accept", None, &body).await
    }

    /// Accounts after one, at most [`PEOPLE_PAGE`].
    pub async fn users(&self, token: &str, after: Option<UserId>) -> Result<Vec<UserInfo>, ClientError> {
        let cursor = after.map(|id| format!("&cursor={id}")).unwrap_or_default();
        let url = self.url(&format!("users?limit={PEOPLE_PAGE}{cursor}"));
        let request = self.http.get(url).bearer_auth(token);
        read(request.send().await.map_err(|e| transport(&e))?).await
    }

    /// Makes an account and the link with which its owner chooses a password.
    pub async fn invite(&self, token: &str, request: &InviteRequest) -> Result<UserLink, ClientError> {
        self.post("users", Some(token), request).await
    }

    /// A new link for an account; used, it voids the password.
    pub async fn renew_link(&self, token: &str, user: UserId) -> Result<UserLink, ClientError> {
        self.post(&format!("users/{user}/link"), Some(token), &serde_json::json!({}))
            .await
    }

    pub async fn change_user(
        &self,
        token: &str,
        user: UserId,
        change: &ChangeUserRequest,
    ) -> Result<UserInfo, ClientError> {
        let request = self.http.patch(self.url(&format!("users/{user}"))).json(change);
        read(request.bearer_auth(token).send().await.map_err(|e| transport(&e))?).await
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}/api/v1/{path}", self.authority)
    }

    async fn post<B: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        token: Option<&str>,
        body: &B,
    ) -> Result<A, ClientError> {
        let mut request = self.http.post(self.url(path)).json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        read(request.send().await.map_err(|e| transport(&e))?).await
    }
}

pub(crate) fn transport(error: &reqwest::Error) -> ClientError {
    match untrusted(error) {
        Some(reason) => ClientError::Untrusted(reason),
        None => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                text = cause.to_string();
                source = cause.source();
            }
            ClientError::Unreachable(text)
        }
    }
}

/// Reads an answer of at most [`MAX_FRAME`] bytes, a problem document included.
async fn read<A: DeserializeOwned>(response: reqwest::Response) -> Result<A, ClientError> {
    read_within(response, MAX_FRAME).await
}

/// The same with another bound.
pub(crate) async fn read_within<A: DeserializeOwned>(
    mut response: reqwest::Response,
    most: usize,
) -> Result<A, ClientError> {
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| transport(&e))? {
        if body.len() + chunk.len() > most {
            return Err(ClientError::BadAnswer("too large".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|e| ClientError::BadAnswer(e.to_string()));
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Err(ClientError::Refused(problem.error)),
        Err(_) => Err(ClientError::BadAnswer(format!("HTTP {status}"))),
    }
}
