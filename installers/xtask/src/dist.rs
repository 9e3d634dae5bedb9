//! `cargo xtask dist deb`: the server as a Debian package.

use crate::{build, packages, run};
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `installers/linux` goes in the package: file, place, mode.
const FILES: &[(&str, &str, u32)] = &[
    (
        "installers/linux/invigil-sfu.service",
        "usr/lib/systemd/system/invigil-sfu.service",
        0o644,
    ),
    (
        "installers/linux/invigil-sfu.toml",
        "etc/invigil/invigil-sfu.toml",
        0o640,
    ),
    (
        "installers/grafana/invigil-sfu.json",
        "usr/share/invigil/grafana.json",
        0o644,
    ),
    ("sfu/README.md", "usr/share/doc/invigil-sfu/README.md", 0o644),
];
const SCRIPTS: &[&str] = &["postinst", "prerm", "postrm"];

pub fn dist(arguments: &[String]) -> Result<()> {
    match arguments.split_first().map(|(what, rest)| (what.as_str(), rest)) {
        Some(("deb", rest)) => {
            let package = deb(&Options::parse(rest)?)?;
            println!("{}", package.display());
            Ok(())
        }
        _ => bail!("dist knows 'deb'"),
    }
}

/// Packages a server twice, the first a version older, and has a machine with systemd install, upgrade and remove it
/// (`tests/deb`). `each` gets what the machine says.
pub fn try_deb(binary: &Path, out: &Path, each: impl FnMut(&str)) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let package = |version: String| {
        deb(&Options {
            binary: Some(binary.to_owned()),
            version: Some(version),
            out: out.to_owned(),
        })
    };
    let (old, new) = (package(format!("{version}~old"))?, package(version.to_owned())?);
    let mut script = packages::as_root("bash")?;
    script
        .arg("tests/deb/run.sh")
        .arg(old)
        .arg(new)
        .current_dir(run::root());
    run::check_lines(&mut script, each)
}

/// What a package is made of.
pub struct Options {
    /// A built server; none: the release build is made.
    pub binary: Option<PathBuf>,
    /// Debian's version; none: the workspace's.
    pub version: Option<String>,
    pub out: PathBuf,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            binary: None,
            version: None,
            out: run::root().join("out/dist"),
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest.next().with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--binary" => options.binary = Some(value.into()),
                "--version" => options.version = Some(value.clone()),
                "--out" => options.out = value.into(),
                _ => bail!("dist deb knows --binary FILE, --version VERSION and --out DIR, not {name}"),
            }
        }
        Ok(options)
    }
}

/// Makes the package and returns its file.
pub fn deb(options: &Options) -> Result<PathBuf> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => build::release_sfu()?,
    };
    let version = options
        .version
        .clone()
        .unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
    let tree = options.out.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree).context("an older tree is in the way")?;
    }
    let root = run::root();
    let program = tree.join("usr/bin/invigil-sfu");
    install(&binary, &program, 0o755)?;
    // What is debugged with is no part of a server.
    run::check(Command::new("strip").arg("--strip-unneeded").arg(&program))?;
    for (from, to, mode) in FILES {
        install(&root.join(from), &tree.join(to), *mode)?;
    }
    let licences: Vec<String> = ["LICENSE-APACHE", "LICENSE-MIT"]
        .iter()
        .map(|name| fs::read_to_string(root.join(name)).with_context(|| format!("{name} is missing")))
        .collect::<Result<_>>()?;
    let copyright = format!(
        "Invigil is under the Apache License 2.0 or the MIT license, at your choice.\n\n{}",
        licences.join("\n\n")
    );
    write(&tree.join("usr/share/doc/invigil-sfu/copyright"), &copyright, 0o644)?;
    let from = root.join("installers/linux/deb");
    let architecture = run::output("dpkg", &["--print-architecture"]).context("dpkg is missing")?;
    // What it was linked with is what it needs: 2.36 of 2.36-9+deb12u13.
    let libc = run::output("dpkg-query", &["-W", "-f", "${Version}", "libc6"]).context("libc6 is not Debian's")?;
    let libc = libc.split('-').next().unwrap_or_default();
    let control = fs::read_to_string(from.join("control"))?
        .replace("@LIBC@", libc)
        .replace("@VERSION@", &version)
        .replace("@ARCHITECTURE@", architecture.trim())
        .replace("@SIZE@", &size_kib(&tree)?.to_string());
    write(&tree.join("DEBIAN/control"), &control, 0o644)?;
    install(&from.join("conffiles"), &tree.join("DEBIAN/conffiles"), 0o644)?;
    for script in SCRIPTS {
        install(&from.join(script), &tree.join("DEBIAN").join(script), 0o755)?;
    }
    let package = options
        .out
        .join(format!("invigil-sfu_{version}_{}.deb", architecture.trim()));
    run::check(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "--build"])
            .arg(&tree)
            .arg(&package)
            .stdout(std::process::Stdio::null()),
    )?;
    Ok(package)
}

fn install(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("can't read {}", from.display()))?;
    write(to, bytes, mode)
}

fn write(to: &Path, content: impl AsRef<[u8]>, mode: u32) -> Result<()> {
    let mut folder = to.parent();
    if let Some(parent) = folder {
        fs::create_dir_all(parent)?;
    }
    fs::write(to, content).with_context(|| format!("can't write {}", to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    // Whatever the umask of whoever builds it.
    while let Some(one) = folder.filter(|one| one.file_name().is_some_and(|name| name != "tree")) {
        fs::set_permissions(one, fs::Permissions::from_mode(0o755))?;
        folder = one.parent();
        if folder.is_some_and(|up| up.ends_with("tree")) {
            break;
        }
    }
    Ok(())
}

fn size_kib(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for found in fs::read_dir(folder)? {
        let found = found?;
        sum += if found.file_type()?.is_dir() {
            size_kib(&found.path())?
        } else {
            found.metadata()?.len().div_ceil(1024)
        };
    }
    Ok(sum)
}
