//! `cargo xtask test`: the gate. Every behaviour once; functional outcomes, no thresholds on time.

use crate::packages::Purpose;
use crate::{build, dist, fuzz, packages, run, tools};
use anyhow::{Result, bail};

/// Seconds that each fuzz target gets after what is committed: enough to find again what was found before, and what is near.
const FUZZ_S: u32 = 20;

/// What the test runners counted.
#[derive(Default)]
struct Totals {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Totals {
    /// Adds libtest's closing line: `test result: ok. 12 passed; 0 failed; 1 ignored; ...`.
    fn add(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else {
            return;
        };
        let count = |word: &str| {
            let mut words = rest
                .split([' ', ';', '.'])
                .filter(|w| !w.is_empty())
                .collect::<Vec<_>>()
                .into_iter()
                .rev();
            words.find(|w| *w == word)?;
            words.next()?.parse::<u64>().ok()
        };
        self.passed += count("passed").unwrap_or(0);
        self.failed += count("failed").unwrap_or(0);
        self.skipped += count("ignored").unwrap_or(0);
    }
}

pub fn gate(arguments: &[String]) -> Result<()> {
    if let Some(first) = arguments.first() {
        bail!(
            "the gate takes no arguments, and so no shortcuts; '{first}' was given. One test: cargo test -p CRATE NAME"
        );
    }
    run::step("What the tests need", || packages::ensure(Purpose::Test))?;
    run::step("Format", || {
        run::check(run::cargo().args(["fmt", "--all", "--check"]))?;
        run::check(run::cargo().args(["fmt", "--check", "--manifest-path", "tests/bench/Cargo.toml"]))
    })?;
    run::step("The windows: packages, types, units, build", || {
        build::npm_install("ui")?;
        build::ui_script("check")?;
        build::ui_script("test")?;
        build::ui_script("build")
    })?;
    run::step("An identity provider for the tests", || {
        build::npm_install("tests/oidc")
    })?;
    run::step("Lints", || {
        run::check(run::cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
    })?;
    run::step("Licences, bans, sources", || {
        let deny = tools::cargo_deny()?;
        run::check(std::process::Command::new(deny).args(["--all-features", "check", "licenses", "bans", "sources"]))
    })?;
    let folder = run::step("The programs", build::binaries)?;
    let mut totals = Totals::default();
    run::step("Tests", || {
        let mut test = run::cargo();
        test.args(["test", "--workspace", "--no-fail-fast"])
            .env("INVIGIL_BIN_DIR", &folder);
        run::check_lines(&mut test, |line| totals.add(line))
    })?;
    run::step("The REST calls against their OpenAPI document", || {
        let schemathesis = tools::schemathesis()?;
        let mut test = std::process::Command::new("bash");
        test.arg("tests/api/run.sh").arg(schemathesis);
        run::check(test.env("INVIGIL_BIN_DIR", &folder))
    })?;
    run::step(&format!("Fuzzing, {FUZZ_S} s a target"), || {
        let out = run::root().join("out/fuzz");
        // What an earlier run found would be taken for a finding of this one.
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        let outcomes = fuzz::run_all(&fuzz::build()?, &out, FUZZ_S)?;
        let findings: Vec<String> = outcomes.into_iter().filter_map(|outcome| outcome.finding).collect();
        if findings.is_empty() {
            return Ok(());
        }
        bail!(
            "{} fuzz targets found something:\n{}",
            findings.len(),
            findings.join("\n")
        )
    })?;
    run::step("The UI's types are those of the code", build::bindings_are_current)?;
    run::step("The windows in a browser", || build::ui_script("e2e"))?;
    run::step("A camera in a small VM", || {
        run::check(
            std::process::Command::new("bash")
                .arg("tests/vm/run.sh")
                // Built with everything else: alone it would get other features, and half of what it needs compiled anew.
                .arg(folder.join("examples/camera_probe")),
        )
    })?;
    run::step("The Debian package on a machine with systemd", || {
        dist::try_deb(&folder.join("invigil-sfu"), &run::root().join("out/deb"), |_| {})
    })?;
    println!(
        "\n{} passed, {} failed, {} skipped",
        totals.passed, totals.failed, totals.skipped
    );
    if totals.passed == 0 || totals.failed > 0 {
        bail!("the gate is closed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Totals;

    #[test]
    fn totals_add_up() {
        let mut totals = Totals::default();
        totals.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        totals.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        totals.add("running 3 tests");
        assert_eq!((totals.passed, totals.failed, totals.skipped), (15, 2, 1));
    }
}
