//! The fuzz targets (`tests/fuzz`): built with libFuzzer's counters by the compiler that builds everything else, run over what is
//! committed and then over bytes that nobody wrote.
//!
//! cargo-fuzz isn't needed: what is fuzzed is safe Rust, so there is no sanitizer and no flag that a stable compiler lacks.

use crate::{build, run};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// What is fuzzed: every parser of what peers send.
pub const TARGETS: &[&str] = &[
    "stun",
    "dtls",
    "rtp",
    "rtcp",
    "sdp",
    "browser",
    "signalling",
    "frame_info",
    "token",
    "framing",
    "turn_frames",
];
/// Megabytes past which an input that makes us keep memory is a finding.
const MEMORY_MB: u32 = 1_024;
/// Seconds after which one input is a finding.
const SLOW_S: u32 = 5;
/// As cargo-fuzz gives them: 8-bit counters with their places, and the operands of comparisons.
const COUNTERS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// What became of one target.
pub struct Outcome {
    pub target: &'static str,
    /// Committed inputs that were run again, and inputs that were tried.
    pub replayed: usize,
    pub tried: u64,
    /// What was found, and how to see it again.
    pub finding: Option<String>,
}

/// Builds all targets and returns the folder of the programs. They have a folder of their own below cargo's: everything in it is
/// compiled with counters.
pub fn build() -> Result<PathBuf> {
    let folder = build::target_dir()?.join("fuzz");
    let host = run::output("rustc", &["-vV"]).context("rustc does not start")?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc names no host")?;
    let mut command = run::cargo();
    command
        .args(["build", "--release", "--manifest-path", "tests/fuzz/Cargo.toml"])
        // With a target named, flags are not those of build scripts and macros, which run without libFuzzer.
        .args(["--target", host, "--target-dir"])
        .arg(&folder)
        .env("RUSTFLAGS", COUNTERS)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_RUSTFLAGS");
    run::check(&mut command)?;
    Ok(folder.join(host).join("release"))
}

/// Runs every target for so many seconds, as many at once as there are cores; logs, new inputs and findings stay in `out`.
pub fn run_all(programs: &Path, out: &Path, seconds: u32) -> Result<Vec<Outcome>> {
    let (waiting, done) = (Mutex::new(TARGETS.iter()), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(TARGETS.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().ok().and_then(|mut waiting| waiting.next());
                    let Some(&target) = next else { return };
                    let outcome = one(programs, out, target, seconds);
                    match &outcome {
                        Ok(Outcome {
                            finding: Some(finding), ..
                        }) => println!("{target}: {finding}"),
                        Ok(o) => println!("{target}: {} committed inputs, {} more, clean", o.replayed, o.tried),
                        Err(error) => println!("{target}: {error:#}"),
                    }
                    if let Ok(mut done) = done.lock() {
                        done.push(outcome);
                    }
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_default();
    let mut outcomes = done.into_iter().collect::<Result<Vec<Outcome>>>()?;
    outcomes.sort_by_key(|outcome| TARGETS.iter().position(|target| *target == outcome.target));
    if outcomes.len() != TARGETS.len() {
        bail!("only {} of {} targets ran", outcomes.len(), TARGETS.len());
    }
    Ok(outcomes)
}

fn one(programs: &Path, out: &Path, target: &'static str, seconds: u32) -> Result<Outcome> {
    let program = programs.join(target);
    let (grown, found) = (out.join("corpus").join(target), out.join("found").join(target));
    for folder in [&grown, &found] {
        std::fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    }
    let log = out.join(format!("{target}.log"));
    let committed = committed(target)?;
    if committed.is_empty() {
        bail!("nothing is committed to start from");
    }
    let limits = [
        format!("-rss_limit_mb={MEMORY_MB}"),
        format!("-timeout={SLOW_S}"),
        format!("-artifact_prefix={}/", found.display()),
    ];
    let replays = logged(Command::new(&program).args(&limits).args(&committed), &log)?;
    if !replays {
        let finding = format!(
            "a committed input fails; see {}, and again with\n    {} {}",
            log.display(),
            program.display(),
            last_input(&log).unwrap_or_else(|| "FILE".into())
        );
        return Ok(finding_of(target, finding));
    }
    let mut fuzz = Command::new(&program);
    fuzz.args(&limits)
        .arg(format!("-max_total_time={seconds}"))
        .arg("-print_final_stats=1")
        .arg(&grown)
        .args(folders(target));
    let clean = logged(&mut fuzz, &log)?;
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let tried = text
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .and_then(|units| units.trim().parse().ok());
    if let (true, Some(tried)) = (clean, tried) {
        return Ok(Outcome {
            target,
            replayed: committed.len(),
            tried,
            finding: None,
        });
    }
    let input = std::fs::read_dir(&found)?.flatten().map(|entry| entry.path()).next();
    let finding = match input {
        Some(input) => format!(
            "found {}; see {}, and again with\n    {} {}",
            input.display(),
            log.display(),
            program.display(),
            input.display()
        ),
        None => format!("did not run to its end; see {}", log.display()),
    };
    Ok(finding_of(target, finding))
}

fn finding_of(target: &'static str, finding: String) -> Outcome {
    Outcome {
        target,
        replayed: 0,
        tried: 0,
        finding: Some(finding),
    }
}

/// Runs a command with all that it prints in `log`; whether it succeeded.
fn logged(command: &mut Command, log: &Path) -> Result<bool> {
    let file = std::fs::File::create(log).with_context(|| format!("can't write {}", log.display()))?;
    let status = command.stdout(file.try_clone()?).stderr(file).status();
    Ok(status
        .with_context(|| format!("can't start {:?}", command.get_program()))?
        .success())
}

/// The input that libFuzzer was at when it ended.
fn last_input(log: &Path) -> Option<String> {
    let text = std::fs::read_to_string(log).ok()?;
    text.lines()
        .filter_map(|line| line.strip_prefix("Running: "))
        .next_back()
        .map(str::to_owned)
}

/// Folders of committed inputs: what runs have found worth keeping, and what tests use as well.
fn folders(target: &str) -> Vec<PathBuf> {
    // Targets that start from what tests use as well need none of their own.
    let own = run::root().join("tests/fuzz/corpus").join(target);
    let mut folders: Vec<PathBuf> = Some(own).into_iter().filter(|own| own.is_dir()).collect();
    match target {
        "signalling" => folders.push(run::root().join("shared/tests/golden/v1")),
        "sdp" | "browser" => folders.push(run::root().join("sfu/src/core/transport/sdp/fixtures")),
        _ => {}
    }
    folders
}

/// Every file in those folders, however deep.
fn committed(target: &str) -> Result<Vec<PathBuf>> {
    let mut waiting = folders(target);
    let mut files = Vec::new();
    while let Some(folder) = waiting.pop() {
        let entries = std::fs::read_dir(&folder).with_context(|| format!("can't read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
