//! The window itself: the one place that knows Tauri. It is told what to show, and tells what happened to it.

use crate::ui_port::UiPort;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;
use tauri::{AppHandle, Emitter, Manager, Runtime, WebviewUrl, WebviewWindowBuilder};

/// What differs between the two apps' windows. The label is what the capability files grant to.
#[derive(Clone, Copy, Debug)]
pub struct WindowKind {
    pub label: &'static str,
    pub identifier: &'static str,
    pub title: &'static str,
    pub page: &'static str,
    /// Logical pixels.
    pub size: (f64, f64),
    pub smallest: (f64, f64),
}

pub const CANDIDATE: WindowKind = WindowKind {
    label: "candidate",
    identifier: "org.invigil.candidate",
    title: "Invigil",
    page: "candidate.html",
    size: (1180.0, 800.0),
    smallest: (760.0, 560.0),
};

pub const PROCTOR: WindowKind = WindowKind {
    label: "proctor",
    identifier: "org.invigil.proctor",
    title: "Invigil Proctor",
    page: "proctor.html",
    size: (1440.0, 900.0),
    smallest: (1024.0, 700.0),
};

/// A reload after the web process ended; its own end again at once would otherwise turn in a circle.
const RELOAD_PAUSE: Duration = Duration::from_millis(250);

/// Sends to the app's window.
pub struct TauriPort<R: Runtime>(pub AppHandle<R>);

impl<R: Runtime, View: Serialize, Levels: Serialize> UiPort<View, Levels> for TauriPort<R> {
    fn view(&self, view: &View) {
        self.send("view", view);
    }
    fn levels(&self, levels: &Levels) {
        self.send("levels", levels);
    }
}

impl<R: Runtime> TauriPort<R> {
    fn send(&self, event: &str, payload: &impl Serialize) {
        if let Err(error) = self.0.emit(event, payload) {
            tracing::debug!(%error, event, "the window was not told");
        }
    }
}

/// The pages, the permissions and the icon, compiled in.
pub fn context(kind: WindowKind) -> tauri::Context {
    let mut context = tauri::generate_context!();
    kind.identifier.clone_into(&mut context.config_mut().identifier);
    context
}

/// Where the app keeps its few files.
///
/// # Errors
/// When the system names no data directory for this user.
pub fn data_dir<R: Runtime>(app: &AppHandle<R>, asked: Option<&PathBuf>) -> tauri::Result<PathBuf> {
    match asked {
        Some(directory) => Ok(directory.clone()),
        None => app.path().app_data_dir(),
    }
}

/// Opens the app's only window.
///
/// # Errors
/// When the system gives no window.
pub fn open<R: Runtime>(app: &AppHandle<R>, kind: WindowKind, fullscreen: bool) -> tauri::Result<()> {
    let window = WebviewWindowBuilder::new(app, kind.label, WebviewUrl::App(kind.page.into()))
        .title(kind.title)
        .inner_size(kind.size.0, kind.size.1)
        .min_inner_size(kind.smallest.0, kind.smallest.1)
        .fullscreen(fullscreen)
        .center()
        // The window shows our own pages and nothing else, ever.
        .on_navigation(|url| url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost"))
        .build()?;
    revive(&window)
}

/// Loads the page again when its web process ends: the state is here, so it comes back with what it showed.
#[cfg(target_os = "linux")]
fn revive<R: Runtime>(window: &tauri::WebviewWindow<R>) -> tauri::Result<()> {
    use webkit2gtk::WebViewExt;
    window.with_webview(|webview| {
        webview.inner().connect_web_process_terminated(|view, reason| {
            tracing::warn!(?reason, "the web process ended; the page is loaded again");
            let view = view.clone();
            webkit2gtk::glib::timeout_add_local_once(RELOAD_PAUSE, move || view.reload());
        });
    })
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps)] // the other system's can fail
fn revive<R: Runtime>(_window: &tauri::WebviewWindow<R>) -> tauri::Result<()> {
    Ok(())
}

/// Where the system tells Tauri that a web process ended, Tauri tells us.
pub fn builder() -> tauri::Builder<tauri::Wry> {
    let builder = tauri::Builder::default();
    #[cfg(target_os = "macos")]
    let builder = builder.on_web_content_process_terminate(|webview| {
        tracing::warn!("the web process ended; the page is loaded again");
        if let Err(error) = webview.reload() {
            tracing::error!(%error, "the page can't be loaded again");
        }
    });
    builder
}

/// Sends the log to the standard error; `INVIGIL_LOG` chooses what (`info`, `invigil_client=debug`).
pub fn log() {
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("INVIGIL_LOG").unwrap_or_else(|_| "warn,invigil=info".into());
    let set = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    if let Err(error) = set {
        tracing::debug!(%error, "another log was set up before");
    }
}
