//! Section: the mail server through which invitations reach people. Without it an admin hands the links over.

use super::oidc::read_secret;
use super::{ConfigError, Report};
use crate::mail::{Letter, Mailbox};
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use std::fs;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Longest text of an e-mail, bytes.
const MAX_TEXT: u64 = 16 * 1024;
const EXAMPLE: &str = "for example smtps://mail.example.org, or smtp://mail.example.org:587 for STARTTLS";

/// How people get e-mails.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// The mail server: smtps://HOST[:PORT] with TLS from the first byte, smtp://HOST[:PORT] with STARTTLS, which is required;
    /// smtp://localhost?tls=none for one on this machine. Without it no e-mail is sent.
    #[arg(
        id = "mail.server",
        long = "mail-server",
        env = "INVIGIL_MAIL_SERVER",
        value_name = "URL"
    )]
    pub server: Option<String>,
    /// Whom e-mails come from: exams@example.org, or Exams <exams@example.org>.
    #[arg(
        id = "mail.from",
        long = "mail-from",
        env = "INVIGIL_MAIL_FROM",
        value_name = "ADDRESS"
    )]
    pub from: Option<String>,
    /// Who the server is there, if it has to sign in.
    #[arg(id = "mail.user", long = "mail-user", env = "INVIGIL_MAIL_USER", value_name = "NAME")]
    pub user: Option<String>,
    /// File with the password of mail.user, readable for the server alone.
    #[arg(
        id = "mail.password_file",
        long = "mail-password-file",
        env = "INVIGIL_MAIL_PASSWORD_FILE",
        value_name = "FILE"
    )]
    pub password_file: Option<PathBuf>,
    /// PEM file with certificate authorities that the mail server's certificate may come from, beside those of the system.
    #[arg(
        id = "mail.ca_file",
        long = "mail-ca-file",
        env = "INVIGIL_MAIL_CA_FILE",
        value_name = "FILE"
    )]
    pub ca_file: Option<PathBuf>,
    /// File with the text of invitations, in place of the English one: "Subject: ..." on the first line, then an empty one, then what
    /// is written, with {name}, {email}, {role}, {server}, {until} and {link} where those belong.
    #[arg(
        id = "mail.text_file",
        long = "mail-text-file",
        env = "INVIGIL_MAIL_TEXT_FILE",
        value_name = "FILE"
    )]
    pub text_file: Option<PathBuf>,
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// From the first byte (RFC 8314).
    Implicit,
    /// After STARTTLS (RFC 3207), without which nothing is sent.
    StartTls,
    /// Not at all: it never leaves this machine.
    None,
}

/// Where e-mails are handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailServer {
    pub host: String,
    pub port: u16,
    pub tls: MailTls,
}

impl MailServer {
    /// # Errors
    /// It is no such URL, or would send secrets readable over a network; in words.
    fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("{error}; {EXAMPLE}"))?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| format!("a host is missing; {EXAMPLE}"))?;
        let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        let tls = match (url.scheme(), url.query()) {
            ("smtps", None) => MailTls::Implicit,
            ("smtp", None) => MailTls::StartTls,
            ("smtp", Some("tls=none")) if local => MailTls::None,
            ("smtp", Some("tls=none")) => {
                return Err(
                    "without TLS whoever lies between reads the links: it is possible on this machine alone".into(),
                );
            }
            _ => return Err(EXAMPLE.into()),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("who signs in stands in mail.user and mail.password_file".into());
        }
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(EXAMPLE.into());
        }
        let usual = match tls {
            MailTls::Implicit => 465,
            MailTls::StartTls => 587,
            MailTls::None => 25,
        };
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(usual),
            tls,
        })
    }
}

impl MailConfig {
    pub(super) fn check(&self, report: &mut Report) {
        if let Some(server) = &self.server {
            if let Err(why) = MailServer::parse(server) {
                report.mistake("mail.server", why);
            }
            if self.from.is_none() {
                report.mistake("mail.from", "mail.server needs it: whom e-mails come from");
            }
        } else if *self != Self::default() {
            report.mistake("mail.server", "the rest of [mail] means nothing without it");
        }
        if let Err(error) = self.from() {
            report.mistake("mail.from", error.to_string());
        }
        match (&self.user, &self.password_file) {
            (Some(_), None) => report.mistake("mail.password_file", "mail.user needs it"),
            (None, Some(_)) => report.mistake("mail.user", "mail.password_file means nothing without it"),
            _ => {}
        }
        if let Err(error) = self.password() {
            report.mistake("mail.password_file", error.to_string());
        }
        if let Err(error) = self.authorities() {
            report.mistake("mail.ca_file", error.to_string());
        }
        if let Err(error) = self.letter() {
            report.mistake("mail.text_file", error.to_string());
        }
    }

    /// # Errors
    /// It is no URL of a mail server that can be used.
    pub fn server(&self) -> Result<Option<MailServer>, ConfigError> {
        let parsed = self.server.as_deref().map(MailServer::parse).transpose();
        parsed.map_err(ConfigError::Mail)
    }

    /// # Errors
    /// It is no address (RFC 5322 section 3.4).
    pub fn from(&self) -> Result<Option<Mailbox>, ConfigError> {
        let bad = |_| ConfigError::Invalid("it is no address: exams@example.org, or Exams <exams@example.org>");
        self.from.as_deref().map(str::parse).transpose().map_err(bad)
    }

    /// # Errors
    /// The file can't be read, holds nothing, or can be read by others.
    pub fn password(&self) -> Result<Option<Zeroizing<String>>, ConfigError> {
        self.password_file.as_ref().map(read_secret).transpose()
    }

    /// The authorities' file as it is, and whether it holds what it should.
    ///
    /// # Errors
    /// The file can't be read, or holds no certificate.
    pub fn authorities(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        crate::outgoing::authorities(self.ca_file.as_deref())?;
        let read = |path: &PathBuf| {
            fs::read(path).map_err(|source| ConfigError::File {
                path: path.clone(),
                source,
            })
        };
        self.ca_file.as_ref().map(read).transpose()
    }

    /// What is written to whom is invited.
    ///
    /// # Errors
    /// The file can't be read, or is no such text.
    pub fn letter(&self) -> Result<Letter, ConfigError> {
        let Some(path) = &self.text_file else {
            return Ok(Letter::default());
        };
        let wrap = |source| ConfigError::File {
            path: path.clone(),
            source,
        };
        let bad = |reason| ConfigError::Content {
            path: path.clone(),
            reason,
        };
        if fs::metadata(path).map_err(wrap)?.len() > MAX_TEXT {
            return Err(bad(format!("it has more than {MAX_TEXT} bytes")));
        }
        Letter::parse(&fs::read_to_string(path).map_err(wrap)?).map_err(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_leave_this_machine_under_tls_alone() {
        for (url, host, port, tls) in [
            ("smtps://mail.example.org", "mail.example.org", 465, MailTls::Implicit),
            ("smtp://mail.example.org", "mail.example.org", 587, MailTls::StartTls),
            ("smtp://mail.example.org:25/", "mail.example.org", 25, MailTls::StartTls),
            ("smtp://localhost", "localhost", 587, MailTls::StartTls),
            ("smtp://localhost?tls=none", "localhost", 25, MailTls::None),
            ("smtp://[::1]:2525?tls=none", "::1", 2525, MailTls::None),
        ] {
            let host = host.to_owned();
            assert_eq!(MailServer::parse(url), Ok(MailServer { host, port, tls }), "{url}");
        }
        for url in [
            "smtp://mail.example.org?tls=none",
            "smtp://localhost.example.org?tls=none",
            "smtps://mail.example.org?tls=none",
            "smtps://user:secret@mail.example.org",
            "smtp://mail.example.org/path",
            "https://mail.example.org",
            "mail.example.org:587",
            "smtps://",
            "",
        ] {
            assert!(MailServer::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn an_address_may_have_a_name() {
        let with = |from: &str| MailConfig {
            from: Some(from.into()),
            ..MailConfig::default()
        };
        for good in ["exams@example.org", "Exams <exams@example.org>"] {
            let parsed = with(good).from().unwrap().unwrap();
            assert_eq!(parsed.email.to_string(), "exams@example.org");
        }
        for bad in ["", "exams", "Exams <exams>", "a@b.org\r\nBcc: c@d.org"] {
            assert!(with(bad).from().is_err(), "{bad}");
        }
    }
}
