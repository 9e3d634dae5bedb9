//! What has to be right in the environment before GTK starts. Variables can't be changed soundly once threads run, so the
//! process starts itself again, once, with the environment that it wants.

use std::ffi::OsString;
use std::path::Path;

/// Lets anyone who speaks WebDriver drive the window.
const AUTOMATION: &str = "TAURI_WEBVIEW_AUTOMATION";
/// WebKit's accelerated 2D canvas on a software renderer falls seconds behind; the CPU canvas does not.
const NO_COMPOSITING: &str = "WEBKIT_DISABLE_COMPOSITING_MODE";

/// A change of the environment: a value, or its removal.
pub type Changes = Vec<(&'static str, Option<OsString>)>;

/// Whether pictures are drawn without a GPU: no render node of the kernel's DRM.
pub fn draws_in_software(dri: &Path) -> bool {
    let Ok(nodes) = std::fs::read_dir(dri) else { return true };
    !nodes
        .flatten()
        .any(|node| node.file_name().to_string_lossy().starts_with("renderD"))
}

/// What to change. `released`: a release build never lets itself be driven.
pub fn changes(get: impl Fn(&str) -> Option<OsString>, software: bool, released: bool) -> Changes {
    let mut changes = Changes::new();
    if software && get(NO_COMPOSITING).is_none() {
        changes.push((NO_COMPOSITING, Some("1".into())));
    }
    if released && get(AUTOMATION).is_some() {
        changes.push((AUTOMATION, None));
    }
    changes
}

/// Whether the window should draw on a CPU canvas.
pub fn software_canvas() -> bool {
    cfg!(target_os = "linux") && draws_in_software(Path::new("/dev/dri"))
}

/// Makes the environment right: returns when it is. Call it first in `main`.
///
/// # Errors
/// When the program can't be started again with the environment that it needs.
pub fn prepare() -> std::io::Result<()> {
    let changes = changes(
        |name| std::env::var_os(name),
        software_canvas(),
        !cfg!(debug_assertions),
    );
    if changes.is_empty() {
        return Ok(());
    }
    let mut again = std::process::Command::new(std::env::current_exe()?);
    again.args(std::env::args_os().skip(1));
    for (name, value) in changes {
        match value {
            Some(value) => again.env(name, value),
            None => again.env_remove(name),
        };
    }
    replace(again)
}

#[cfg(unix)]
fn replace(mut again: std::process::Command) -> std::io::Result<()> {
    Err(std::os::unix::process::CommandExt::exec(&mut again))
}

#[cfg(not(unix))]
fn replace(mut again: std::process::Command) -> std::io::Result<()> {
    let status = again.status()?;
    std::process::exit(status.code().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_app_can_not_be_driven() {
        let set = |name: &str| (name == AUTOMATION).then(|| OsString::from("true"));
        assert_eq!(changes(set, false, true), vec![(AUTOMATION, None)]);
        assert!(changes(set, false, false).is_empty());
    }

    #[test]
    fn the_cpu_canvas_is_chosen_once_and_a_person_may_overrule_it() {
        assert_eq!(changes(|_| None, true, true), vec![(NO_COMPOSITING, Some("1".into()))]);
        assert!(changes(|name| (name == NO_COMPOSITING).then(|| "0".into()), true, true).is_empty());
        assert!(changes(|_| None, false, true).is_empty());
    }

    #[test]
    fn a_render_node_is_a_gpu() {
        let dir = tempfile::tempdir().unwrap();
        assert!(draws_in_software(&dir.path().join("missing")));
        std::fs::write(dir.path().join("card0"), "").unwrap();
        assert!(draws_in_software(dir.path()));
        std::fs::write(dir.path().join("renderD128"), "").unwrap();
        assert!(!draws_in_software(dir.path()));
    }
}
