//! `doctor`: looks at a deployment as its operator left it, and says what to fix. It changes nothing, also beside a running server.

mod files;
mod mail;
mod network;
mod oidc;
mod relay;
mod tls;

use crate::config::ServeConfig;
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// It works, for some or for now.
    Warning,
    /// Clients will fail.
    Error,
}

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    pub level: Level,
    pub words: String,
    /// What to do; empty when nothing is.
    pub fix: String,
}

/// Collects findings of one check.
pub(super) struct Look<'f> {
    check: &'static str,
    findings: &'f mut Vec<Finding>,
}

impl Look<'_> {
    fn ok(&mut self, words: impl Into<String>) {
        self.push(Level::Ok, words.into(), String::new());
    }

    fn warning(&mut self, words: impl Into<String>, fix: impl Into<String>) {
        self.push(Level::Warning, words.into(), fix.into());
    }

    fn error(&mut self, words: impl Into<String>, fix: impl Into<String>) {
        self.push(Level::Error, words.into(), fix.into());
    }

    fn push(&mut self, level: Level, words: String, fix: String) {
        self.findings.push(Finding {
            check: self.check,
            level,
            words,
            fix,
        });
    }
}

fn look<'f>(check: &'static str, findings: &'f mut Vec<Finding>) -> Look<'f> {
    Look { check, findings }
}

/// Looks at everything that the settings name. `now`: seconds since the Unix epoch.
pub async fn examine(config: &ServeConfig, now: i64) -> Vec<Finding> {
    let mut findings = Vec::new();
    files::modes(config, &mut look("files", &mut findings));
    files::disk(config, &mut look("disk", &mut findings));
    files::clock(config, now, &mut look("clock", &mut findings));
    tls::certificate(config, now, &mut look("tls", &mut findings));
    network::ports(config, &mut look("ports", &mut findings)).await;
    network::names(config, &mut look("dns", &mut findings)).await;
    relay::servers(config, now, &mut look("turn", &mut findings)).await;
    oidc::provider(config, &mut look("oidc", &mut findings)).await;
    mail::server(config, &mut look("mail", &mut findings)).await;
    findings
}

#[cfg(all(test, unix))]
mod tests;
