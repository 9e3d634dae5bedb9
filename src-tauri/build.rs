//! Declares every command that a window can call, so that none is granted which no capability names, and embeds the UI.

const COMMANDS: &[&str] = &[
    "candidate_view",
    "candidate_command",
    "proctor_view",
    "proctor_command",
    "media_port",
];

fn main() {
    // The pages are embedded at compile time; a new build of the UI has to reach the binaries.
    println!("cargo:rerun-if-changed=../ui/dist");
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        println!("cargo::error={error:#}");
        std::process::exit(1);
    }
}
