//! The proctor's app.

mod account;
mod actor;
mod acts;
mod browsing;
mod decode;
mod listen;
mod office_calls;
mod people;
mod pictures;
pub mod room;
pub mod slots;
pub mod state;
mod systems;
mod voices;

use crate::environment;
use crate::measure;
use crate::media_port::Drawing;
use crate::options::ProctorOptions;
use crate::window::{self, PROCTOR, TauriPort};
pub use actor::{Handle, start};
use clap::Parser;
use invigil_view::common::MediaPort;
use invigil_view::proctor::{ProctorCommand, ProctorView};
use std::sync::Arc;
use std::time::Duration;
use tauri::{Manager, RunEvent, State};

/// How long the end of the app may take: the server notices by itself.
const LAST_WORDS: Duration = Duration::from_secs(2);

#[tauri::command]
async fn proctor_view(app: State<'_, Handle>) -> Result<ProctorView, String> {
    Ok(app.view())
}

#[tauri::command]
async fn proctor_command(app: State<'_, Handle>, command: ProctorCommand) -> Result<(), String> {
    app.command(command).await.map_err(str::to_owned)
}

#[tauri::command]
async fn media_port(app: State<'_, Handle>, drawing: State<'_, Drawing>) -> Result<MediaPort, String> {
    Ok(app.media().admit(*drawing))
}

/// Runs the app until its window is closed.
///
/// # Errors
/// When there is no display, no data directory or no loopback port.
pub fn run() -> anyhow::Result<()> {
    let options = ProctorOptions::parse();
    environment::prepare()?;
    window::log();
    let password = if options.password_stdin {
        Some(read_password()?)
    } else {
        None
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    tauri::async_runtime::set(runtime.handle().clone());
    let software_canvas = environment::software_canvas();
    let drawing = Drawing {
        software_canvas,
        decode_in_app: options.decode.in_app(software_canvas),
        measure: measure::directory().is_some(),
    };
    let started = runtime.handle().clone();
    let app = window::builder()
        .invoke_handler(tauri::generate_handler![proctor_view, proctor_command, media_port])
        .setup(move |app| {
            let data_dir = window::data_dir(app.handle(), options.common.data_dir.as_ref())?;
            let port = Arc::new(TauriPort(app.handle().clone()));
            let fullscreen = options.common.fullscreen;
            let handle = started.block_on(start(port, options, password, &data_dir))?;
            app.manage(handle);
            app.manage(drawing);
            window::open(app.handle(), PROCTOR, fullscreen)?;
            Ok(())
        })
        .build(window::context(PROCTOR))?;
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

/// The first line of the standard input, without its end.
fn read_password() -> std::io::Result<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
