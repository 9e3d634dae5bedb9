//! The candidate's app.

mod actor;
mod devices;
mod feed;
pub mod io;
mod preview;
pub mod source;
pub mod state;

use crate::environment;
use crate::media_port::Drawing;
use crate::options::CandidateOptions;
use crate::window::{self, CANDIDATE, TauriPort};
pub use actor::{Handle, start};
use clap::Parser;
use invigil_view::candidate::{CandidateCommand, CandidateView};
use invigil_view::common::MediaPort;
use std::sync::Arc;
use std::time::Duration;
use tauri::{Manager, RunEvent, State, WindowEvent};

/// How long the end of the app may take: the server notices by itself.
const LAST_WORDS: Duration = Duration::from_secs(2);

#[tauri::command]
async fn candidate_view(app: State<'_, Handle>) -> Result<CandidateView, String> {
    Ok(app.view())
}

#[tauri::command]
async fn candidate_command(app: State<'_, Handle>, command: CandidateCommand) -> Result<(), String> {
    app.command(command).await.map_err(str::to_owned)
}

#[tauri::command]
async fn media_port(app: State<'_, Handle>) -> Result<MediaPort, String> {
    Ok(app.media().admit(Drawing {
        software_canvas: environment::software_canvas(),
        ..Drawing::default()
    }))
}

/// Runs the app until its window is closed.
///
/// # Errors
/// When there is no display, no data directory or no loopback port.
pub fn run() -> anyhow::Result<()> {
    let options = CandidateOptions::parse();
    environment::prepare()?;
    window::log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    tauri::async_runtime::set(runtime.handle().clone());
    let started = runtime.handle().clone();
    let app = window::builder()
        .invoke_handler(tauri::generate_handler![candidate_view, candidate_command, media_port])
        .setup(move |app| {
            let data_dir = window::data_dir(app.handle(), options.common.data_dir.as_ref())?;
            let port = Arc::new(TauriPort(app.handle().clone()));
            let fullscreen = options.common.fullscreen;
            let handle = started.block_on(start(port, options, &data_dir))?;
            app.manage(handle);
            window::open(app.handle(), CANDIDATE, fullscreen)?;
            Ok(())
        })
        .on_window_event(|window, event| {
            if let (WindowEvent::Focused(focused), Some(handle)) = (event, window.try_state::<Handle>()) {
                handle.focused(*focused);
            }
        })
        .build(window::context(CANDIDATE))?;
    let ending = runtime.handle().clone();
    app.run(move |app, event| {
        if let RunEvent::Exit = event
            && let Some(handle) = app.try_state::<Handle>()
        {
            let closed = ending.block_on(tokio::time::timeout(LAST_WORDS, handle.close()));
            tracing::debug!(in_time = closed.is_ok(), "the end");
        }
    });
    Ok(())
}
