//! `invigil-candidate`: sit an exam.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

fn main() -> anyhow::Result<()> {
    invigil_desktop::candidate::run()
}
