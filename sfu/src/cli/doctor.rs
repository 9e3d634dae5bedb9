//! `doctor`: says what is wrong with a deployment, and what to do.

use super::output;
use crate::clock;
use crate::config::Settings;
use crate::doctor::{Finding, Level, examine};
use clap::Args;
use std::process::ExitCode;

/// Takes the settings as `serve` does.
#[derive(Args, Debug)]
pub struct DoctorCommand {
    #[command(flatten)]
    settings: Settings,
    /// Print the findings as one JSON array.
    #[arg(long)]
    json: bool,
}

impl DoctorCommand {
    /// Success without an error; warnings are none.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let findings = match self.settings.load(|name| std::env::var_os(name)) {
            Ok(config) => examine(&config, clock::now_s()).await,
            // Without settings there is nothing to look at.
            Err(mistakes) => mistakes
                .0
                .iter()
                .map(|mistake| Finding {
                    check: "settings",
                    level: Level::Error,
                    words: mistake.to_string(),
                    fix: "Correct it; serve --check-config says the same".to_owned(),
                })
                .collect(),
        };
        if self.json {
            output::json(&serde_json::to_value(&findings)?);
        } else {
            findings.iter().for_each(show);
        }
        let failed = findings.iter().any(|finding| finding.level == Level::Error);
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn show(finding: &Finding) {
    let level = match finding.level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Error => "ERROR",
    };
    output::line(&format!("{level:<8} {:<8} {}", finding.check, finding.words));
    if !finding.fix.is_empty() {
        output::line(&format!("{:<17} -> {}", "", finding.fix));
    }
}
