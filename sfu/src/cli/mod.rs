//! The command line. `serve` runs the server; the other commands work on its data directory, also while it runs.

mod api_key;
mod audit;
mod backup;
mod config;
mod doctor;
mod exam;
mod key;
mod open;
mod output;
mod roster;
mod serve;
mod token;
mod user;
mod webhook;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Invigil's media server.
#[derive(Parser, Debug)]
#[command(name = "invigil-sfu", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve until SIGTERM or Ctrl+C.
    Serve(Box<serve::ServeCommand>),
    /// What can be set.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Look at the deployment and say what to fix; exit 1 when there is an error.
    Doctor(Box<doctor::DoctorCommand>),
    /// Create and list exams.
    #[command(subcommand)]
    Exam(exam::ExamCommand),
    /// Add candidates to an exam.
    #[command(subcommand)]
    Roster(roster::RosterCommand),
    /// Add people with an account.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Make, list and revoke keys of institutions' systems.
    #[command(subcommand)]
    ApiKey(api_key::ApiKeyCommand),
    /// Read the audit log, and find out whether it was changed.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Copy everything to a new directory, also while the server runs.
    Backup(backup::BackupCommand),
    /// Put a backup into a new data directory.
    Restore(backup::RestoreCommand),
    /// Change the key that signs access tokens.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Whom the server tells what happens.
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Print an access token, for scripts and tests.
    Token(token::TokenCommand),
}

impl Cli {
    /// Carries the command out.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Doctor(command) => return command.run().await,
            Command::Serve(command) => command.run().await,
            Command::Config(command) => command.run(),
            Command::Exam(command) => command.run().await,
            Command::Roster(command) => command.run().await,
            Command::User(command) => command.run().await,
            Command::ApiKey(command) => command.run().await,
            Command::Audit(command) => command.run().await,
            Command::Backup(command) => command.run().await,
            Command::Restore(command) => command.run().await,
            Command::Key(command) => command.run().await,
            Command::Webhook(command) => command.run().await,
            Command::Token(command) => command.run().await,
        }?;
        Ok(ExitCode::SUCCESS)
    }
}
