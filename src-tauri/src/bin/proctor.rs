//! `invigil-proctor`: watch an exam.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

fn main() -> anyhow::Result<()> {
    invigil_desktop::proctor::run()
}
