//! The data directory: who can read it, how much room it has, and whether time has gone backwards since it was written.

use super::Look;
use crate::api::health::free_bytes;
use crate::audit::checkpoint::{AUDIT_KEY_FILE, CHECKPOINT_FILE};
use crate::auth::keys::{SECRET_KEY_FILE, is_token_key};
use crate::config::{CERTIFICATE_KEY_FILE, ServeConfig};
use crate::store::sqlite::DATABASE_FILE;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

const MIB: u64 = 1 << 20;
/// With less than this many times what the server asks for, somebody should make room before the next exam.
const COMFORT: u64 = 8;
/// Clocks of one machine and its file server differ by less.
const CLOCK_TOLERANCE_S: i64 = 60;

/// What holds secrets, or what is personal.
fn private(config: &ServeConfig) -> Vec<PathBuf> {
    let own = [
        SECRET_KEY_FILE,
        AUDIT_KEY_FILE,
        CHECKPOINT_FILE,
        CERTIFICATE_KEY_FILE,
        DATABASE_FILE,
    ];
    let mut files: Vec<_> = own.iter().map(|name| config.data.data_dir.join(name)).collect();
    let entries = fs::read_dir(&config.data.data_dir).into_iter().flatten().flatten();
    let keys = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_token_key));
    files.extend(keys.map(|entry| entry.path()));
    files.extend(config.http.key.clone());
    files.extend(config.ice.turn_secret_file.clone());
    files.extend(config.oidc.client_secret_file.clone());
    files.extend(config.mail.password_file.clone());
    files.retain(|file| file.exists());
    files
}

#[cfg(unix)]
pub(super) fn modes(config: &ServeConfig, look: &mut Look<'_>) {
    use std::os::unix::fs::MetadataExt;
    let directory = &config.data.data_dir;
    let Ok(own) = fs::metadata(directory) else {
        let fix = "The first start of serve makes it; its parent has to be writable for the server";
        return look.warning(format!("{} does not exist yet", directory.display()), fix);
    };
    let mut good = is_private(directory, own.mode(), 0o700, look);
    for file in private(config) {
        let found = match fs::metadata(&file) {
            Ok(found) => found,
            Err(error) => {
                good = false;
                look.error(
                    format!("{} can't be looked at: {error}", file.display()),
                    "Run this as the server's user",
                );
                continue;
            }
        };
        // A group for the key of a certificate is usual: ssl-cert on Debian.
        good &= if !file.starts_with(directory) && is_mounted(&file) {
            // A container's secret: who may read it there was decided by whoever mounted it, and is nobody outside.
            is_private(&file, found.mode() & !0o044, 0o644, look)
        } else if config.http.key.as_ref() == Some(&file) {
            is_private(&file, found.mode() & !0o070, 0o640, look)
        } else {
            is_private(&file, found.mode(), 0o600, look)
        };
        if file.starts_with(directory) && found.uid() != own.uid() {
            good = false;
            let (file, uid, owner) = (file.display(), found.uid(), own.uid());
            look.error(
                format!(
                    "{file} belongs to user {uid}, its directory to user {owner}: a command was run as somebody else"
                ),
                format!("chown {owner} {file}"),
            );
        }
    }
    if good {
        look.ok(format!(
            "{} and what is secret in it belong to one user alone",
            directory.display()
        ));
    }
}

/// Whether a file is a mount of its own: it is on another file system than the directory that shows it.
#[cfg(unix)]
fn is_mounted(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let file = fs::symlink_metadata(path);
    let parent = path.parent().map(fs::metadata);
    matches!((file, parent), (Ok(file), Some(Ok(parent))) if file.dev() != parent.dev())
}

#[cfg(unix)]
fn is_private(path: &Path, found: u32, wanted: u32, look: &mut Look<'_>) -> bool {
    if found & 0o077 == 0 {
        return true;
    }
    let path = path.display();
    look.error(
        format!("{path} can be read or changed by others (mode {:04o})", found & 0o7777),
        format!("chmod {wanted:04o} {path}"),
    );
    false
}

#[cfg(not(unix))]
pub(super) fn modes(_: &ServeConfig, look: &mut Look<'_>) {
    look.warning(
        "who can read the data directory is not known on this system",
        "See to it by hand",
    );
}

pub(super) fn disk(config: &ServeConfig, look: &mut Look<'_>) {
    let existing = config.data.data_dir.ancestors().find(|path| path.exists());
    let free = free_bytes(existing.unwrap_or(Path::new("/")));
    let wanted = config.limits.free_disk_mib;
    match free {
        Ok(free) if free < wanted.saturating_mul(MIB) => look.error(
            format!(
                "{} MiB are free, and below {wanted} the server is not ready",
                free / MIB
            ),
            "Make room, or set limits.free_disk_mib",
        ),
        Ok(free) if free < wanted.saturating_mul(COMFORT * MIB) => {
            look.warning(
                format!("only {} MiB are free", free / MIB),
                "Make room before the next exam",
            );
        }
        Ok(free) => look.ok(format!("{} MiB are free", free / MIB)),
        Err(error) => look.error(
            format!("how much is free is not known: {error}"),
            "See whether the disk is mounted",
        ),
    }
}

pub(super) fn clock(config: &ServeConfig, now: i64, look: &mut Look<'_>) {
    // The server writes these all the time, and at its start.
    let files = ["invigil.sqlite", "invigil.sqlite-wal", "server.json", "certificate.pem"];
    let written = |name: &&str| {
        let modified = fs::metadata(config.data.data_dir.join(name)).ok()?.modified().ok()?;
        i64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
    };
    match files.iter().filter_map(written).max() {
        Some(newest) if newest > now + CLOCK_TOLERANCE_S => look.error(
            format!("the clock is {} s behind what was written here last", newest - now),
            "Set it, and let chrony or systemd-timesyncd keep it: schedules, tokens and certificates go by it",
        ),
        Some(_) => look.ok("the clock has not gone back since the data directory was written"),
        None => look.ok("nothing was written yet that the clock could be held against"),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::is_mounted;
    use std::path::Path;

    #[test]
    fn a_mount_is_told_from_a_link_to_another_file_system() {
        assert!(is_mounted(Path::new("/proc")), "procfs is mounted there");
        assert!(!is_mounted(Path::new("/proc/version")));
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("secret");
        std::os::unix::fs::symlink("/proc/version", &link).unwrap();
        assert!(!is_mounted(&link));
    }
}
