//! The command lines of the two apps. People start them by an icon; the demo, the tests and administrators use these.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// What both apps understand.
#[derive(Clone, Debug, Default, Parser)]
pub struct Common {
    /// SHA-256 of the server's certificate, 64 hexadecimal digits: believed without asking.
    #[arg(long, value_name = "SHA256", value_parser = pin)]
    pub pin: Option<String>,
    /// Keep what the app keeps here, and not in the user's data directory.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Fill the screen.
    #[arg(long)]
    pub fullscreen: bool,
}

fn pin(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase().replace(':', "");
    match invigil_shared::chain::unhex(&text) {
        Some(bytes) if bytes.len() == 32 => Ok(text),
        _ => Err("expected 64 hexadecimal digits".to_owned()),
    }
}

/// Sit an exam with Invigil.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "invigil-candidate", version)]
pub struct CandidateOptions {
    /// Join with this link, invigil://HOST/join?...
    #[arg(long, value_name = "LINK")]
    pub link: Option<String>,
    /// Agree, check and start without a person. Only exams that allow the test picture (demo and tests) honour it.
    #[arg(long)]
    pub auto: bool,
    /// Publish the built-in test picture and not the camera. Only exams that allow it honour it.
    #[arg(long)]
    pub test_picture: bool,
    #[command(flatten)]
    pub common: Common,
}

/// Where the proctor's pictures are decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Decode {
    /// In the app when the window is drawn without a GPU, or when its web view can't; else in the web view.
    #[default]
    Auto,
    App,
    Window,
}

impl Decode {
    /// `software`: the window is drawn without a GPU.
    pub fn in_app(self, software: bool) -> bool {
        match self {
            Decode::Auto => software,
            Decode::App => true,
            Decode::Window => false,
        }
    }
}

/// Watch an exam with Invigil.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "invigil-proctor", version)]
pub struct ProctorOptions {
    /// Sign in to this server, HOST or HOST:PORT.
    #[arg(long, requires = "email", value_name = "HOST:PORT")]
    pub server: Option<String>,
    /// Sign in as this person.
    #[arg(long, value_name = "EMAIL")]
    pub email: Option<String>,
    /// Read the password from the first line of the standard input, and sign in at once.
    #[arg(long, requires_all = ["server", "email"])]
    pub password_stdin: bool,
    /// Open the exam with this code after signing in.
    #[arg(long, value_name = "CODE")]
    pub exam: Option<String>,
    /// Where pictures are decoded: in the app, in the window's web view, or where this machine does it with less work.
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    pub decode: Decode,
    #[command(flatten)]
    pub common: Common,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_lines_are_well_formed() {
        CandidateOptions::command().debug_assert();
        ProctorOptions::command().debug_assert();
    }

    #[test]
    fn a_pin_has_one_spelling() {
        let upper = "AB:".repeat(31) + "AB";
        assert_eq!(pin(&upper), Ok("ab".repeat(32)));
        assert!(pin("abcd").is_err());
        assert!(ProctorOptions::try_parse_from(["p", "--password-stdin"]).is_err());
    }
}
