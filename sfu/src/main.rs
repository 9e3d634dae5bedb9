//! `invigil-sfu`: see `--help`.

use clap::Parser;
use invigil_sfu::cli::Cli;
use std::io::Write;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "invigil-sfu: {error:#}");
            ExitCode::FAILURE
        }
    }
}
