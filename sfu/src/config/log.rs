//! Section: what is logged, and how it is written.

use super::Report;
use schemars::JsonSchema;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// What this program calls itself in directives.
const OURS: &str = "invigil_sfu";

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// What is logged to the standard error.
#[derive(Clone, Debug, PartialEq, clap::Args, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// What is logged: error, warn, info, debug or trace, or the syntax of `RUST_LOG`. debug and trace are about this program: what
    /// the libraries under it say there may hold what was sent.
    #[arg(id = "log.level", long = "log", env = "INVIGIL_LOG", value_name = "LEVEL",
          default_value_t = Self::default().level)]
    pub level: String,
    /// Lines for people (text), or one JSON object a line.
    #[arg(
        id = "log.format",
        long = "log-format",
        env = "INVIGIL_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

impl LogConfig {
    pub(super) fn check(&self, report: &mut Report) {
        if let Err(error) = self.filter() {
            report.mistake(
                "log.level",
                format!("{error}; for example info, or warn,invigil_sfu=debug"),
            );
        }
    }

    /// # Errors
    /// The level is none.
    pub fn filter(&self) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
        let chatty = ["debug", "trace"]
            .iter()
            .find(|level| self.level.trim().eq_ignore_ascii_case(level));
        match chatty {
            // Libraries log headers and frames there, and with them tokens.
            Some(level) => EnvFilter::builder().parse(format!("info,{OURS}={level}")),
            None => EnvFilter::builder().parse(&self.level),
        }
    }
}
