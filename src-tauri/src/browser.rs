//! The system's browser, opened at an address: by the program that the desktop has for it.

use std::io;
use std::process::{Command, Stdio};

/// Longest address that is handed on: providers' have a few hundred bytes, Windows takes 2,048.
const MAX_URL: usize = 2_000;

/// Opens the browser. Returns when the desktop has taken it over; with xdg-open that can be when the browser ends, so it is asked on a
/// thread that may wait.
///
/// # Errors
/// There is no such program, or it says that it could not.
pub fn open(url: &str) -> io::Result<()> {
    let mut command = command(url).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let status = command.status()?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("it ended with {status}"))),
    }
}

/// None for what is no address of a page: it comes from a server, and other schemes start other programs.
fn command(url: &str) -> Option<Command> {
    let page =
        url.starts_with("https://") || url.starts_with("http://127.0.0.1:") || url.starts_with("http://localhost:");
    let plain = url
        .bytes()
        .all(|c| c.is_ascii_graphic() && !b"\"'`<>\\^{|}".contains(&c));
    if !page || !plain || url.len() > MAX_URL {
        return None;
    }
    let mut command;
    if cfg!(target_os = "windows") {
        // Without a shell, to which `&` would mean something.
        command = Command::new("rundll32");
        command.arg("url.dll,FileProtocolHandler");
    } else if cfg!(target_os = "macos") {
        command = Command::new("open");
    } else {
        command = Command::new("xdg-open");
        // Meant for our own window alone.
        command.env_remove("WEBKIT_DISABLE_COMPOSITING_MODE");
    }
    command
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_pages_are_handed_on() {
        let url = "https://login.example.org/auth?a=1&b=%20c#d";
        let command = command(url).unwrap();
        assert_eq!(command.get_args().last().unwrap(), url);
        for bad in [
            "",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "--help",
            "http://login.example.org/",
            "http://127.0.0.1.example.org/",
            "https://a b",
            "https://a\nb",
            "https://a\"b",
            "https://a'b",
            "https://a`b",
            "https://ä",
            &format!("https://{}", "a".repeat(MAX_URL)),
        ] {
            assert!(super::command(bad).is_none(), "{bad}");
        }
    }
}
