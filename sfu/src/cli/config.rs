//! `config`: what can be set.

use super::output;
use clap::Subcommand;

#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Print the JSON schema of the file that `serve --config` reads.
    Schema,
}

impl ConfigCommand {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Schema => output::line(&serde_json::to_string_pretty(&crate::config::schema())?),
        }
        Ok(())
    }
}
