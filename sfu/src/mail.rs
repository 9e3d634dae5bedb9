//! E-mails: the link of an invitation, for institutions that name a mail server. It is handed in while the admin waits, so that who
//! made the link hears whether it is on its way; nothing is kept to be sent later, because the link is a secret.

mod letter;

pub use letter::{Letter, Words};
pub use lettre::message::Mailbox;

use crate::clock;
use crate::config::{ConfigError, MailConfig, MailTls};
use invigil_shared::id::MessageId;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::time::Duration;

/// A mail server that takes longer is called dead: somebody waits at a window.
const DEADLINE: Duration = Duration::from_secs(15);
/// RFC 3834 section 5: nobody's holiday answers it.
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// Hands e-mails to the institution's mail server.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    letter: Letter,
    /// Where: for people who look after it.
    pub server: String,
}

impl Mailer {
    /// None when no mail server is set. Nothing is sent, and nobody connected to.
    ///
    /// # Errors
    /// The settings can't be used.
    pub fn new(config: &MailConfig) -> Result<Option<Self>, ConfigError> {
        let (Some(server), Some(from)) = (config.server()?, config.from()?) else {
            return Ok(None);
        };
        let bad = |error: lettre::transport::smtp::Error| ConfigError::Mail(error.to_string());
        let mut parameters = TlsParameters::builder(server.host.clone());
        if let Some(pem) = config.authorities()? {
            parameters = parameters.add_root_certificate(Certificate::from_pem(&pem).map_err(bad)?);
        }
        let tls = match server.tls {
            MailTls::Implicit => Tls::Wrapper(parameters.build_rustls().map_err(bad)?),
            MailTls::StartTls => Tls::Required(parameters.build_rustls().map_err(bad)?),
            MailTls::None => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host.clone())
            .port(server.port)
            .tls(tls)
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(DEADLINE));
        if let (Some(user), Some(password)) = (&config.user, config.password()?) {
            transport = transport.credentials(Credentials::new(user.clone(), password.to_string()));
        }
        Ok(Some(Self {
            transport: transport.build(),
            from,
            letter: config.letter()?,
            server: format!("{}:{}", server.host, server.port),
        }))
    }

    /// Connects, protects the connection and signs in, without an e-mail.
    ///
    /// # Errors
    /// Why that can't be done; in words.
    pub async fn look(&self) -> Result<(), String> {
        match tokio::time::timeout(DEADLINE, self.transport.test_connection()).await {
            Err(_) => Err(late()),
            Ok(Err(error)) => Err(reason(&error)),
            Ok(Ok(false)) => Err("it answered that it is not ready".into()),
            Ok(Ok(true)) => Ok(()),
        }
    }

    /// Sends somebody their link. Done when the mail server has taken it, which is not when it arrives.
    ///
    /// # Errors
    /// It was not taken; in words, without the link.
    pub async fn send(&self, words: &Words<'_>) -> Result<(), String> {
        let message = self.message(words)?;
        match tokio::time::timeout(DEADLINE, self.transport.send(message)).await {
            Err(_) => Err(late()),
            Ok(Err(error)) => Err(reason(&error)),
            Ok(Ok(_)) => Ok(()),
        }
    }

    fn message(&self, words: &Words<'_>) -> Result<Message, String> {
        let address: Address = words
            .email
            .parse()
            .map_err(|_| "no e-mail can be sent to that address".to_owned())?;
        let (subject, body) = self.letter.fill(words);
        let id = clock::fresh(MessageId::from_parts);
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(Some(words.name.to_owned()), address))
            .subject(subject)
            .date_now()
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".into()))
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|error| error.to_string())
    }
}

fn late() -> String {
    format!("no answer within {} s", DEADLINE.as_secs())
}

/// What the mail server said; else the innermost reason, because the outer ones say only that a connection failed.
fn reason(error: &lettre::transport::smtp::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    if !error.is_response() && error.status().is_none() {
        while let Some(source) = innermost.source() {
            innermost = source;
        }
    }
    innermost.to_string()
}
