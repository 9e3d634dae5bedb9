//! What every demo stands on: a server on a temporary data directory, an exam, its people, and candidates without windows.

use anyhow::{Context, Result};
use invigil_shared::exam::{ExamInfo, Policy, SourceRule};
use invigil_shared::limits::MAX_CANDIDATES_PER_PROCTOR;
use invigil_shared::rest::JoinLink;
use invigil_tests::process::Process;
use invigil_tests::sfu::Sfu;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const PROCTOR_EMAIL: &str = "proctor@demo.example";
pub const EXAM_CODE: &str = "DEMO-204";

pub struct Stage {
    pub sfu: Sfu,
    pub exam: ExamInfo,
    pub password: String,
    /// The candidate with a window.
    pub link: JoinLink,
    /// Those without.
    pub links: Vec<JoinLink>,
    pub logs: PathBuf,
    folder: PathBuf,
    bin_dir: PathBuf,
}

impl Stage {
    /// Starts the server under `folder` and fills the roster with `others` candidates beside the one with a window.
    pub fn set(folder: &Path, bin_dir: &Path, others: usize) -> Result<Self> {
        println!("Starting the SFU on a temporary data directory");
        let sfu = Sfu::start(folder)?;
        // A newcomer's machine may have no microphone; the headless demo judges its sound by what was heard.
        let policy = Policy {
            allow_test_picture: true,
            microphone: SourceRule::Optional,
            // One proctor watches all of them.
            candidates_per_proctor: MAX_CANDIDATES_PER_PROCTOR,
            ..Policy::default()
        };
        let exam = sfu.create_exam("Microbiology II, demo exam", EXAM_CODE, &policy)?;
        let password = uuid_like();
        sfu.add_user(PROCTOR_EMAIL, "Proctor 1", "proctor", &password)?;
        let seat = |n: usize| format!("{}{}", char::from(b'A' + (n / 6) as u8 % 26), n % 6 + 1);
        let add = |n: usize| sfu.add_candidate(EXAM_CODE, &format!("Candidate {:03}", n + 1), Some(&seat(n)));
        let link = add(0)?;
        let links = (1..=others).map(add).collect::<Result<Vec<_>>>()?;
        println!(
            "Exam {EXAM_CODE} is open with {} candidates on its roster",
            links.len() + 1
        );
        Ok(Self {
            sfu,
            exam,
            password,
            link,
            links,
            logs: folder.join("logs"),
            folder: folder.into(),
            bin_dir: bin_dir.into(),
        })
    }

    pub fn binary(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    /// Starts the candidates without windows. When each joined stands in `joins`. `played`: their media is encoded before they
    /// join, so that their encoders, which would each have a machine of their own, take nothing from what is measured.
    pub fn start_others(&self, joins: &Path, pause_ms: u64, played: bool) -> Result<Process> {
        let file = self.folder.join("links.txt");
        let links: Vec<String> = self.links.iter().map(JoinLink::to_text).collect();
        std::fs::write(&file, links.join("\n"))?;
        let mut command = Command::new(self.binary("invigil-load"));
        command
            .arg("candidates")
            .arg("--links")
            .arg(file)
            .arg("--joins")
            .arg(joins)
            .arg("--pause-ms")
            .arg(pause_ms.to_string());
        if played {
            command.arg("--played");
        }
        Process::start("candidates", &mut command, &self.logs)
    }

    /// The candidate's app, which joins by its link and starts by itself.
    pub fn candidate_arguments(&self) -> Vec<String> {
        let data = self.folder.join("candidate-data").to_string_lossy().into_owned();
        let mut arguments = vec![
            "--link".into(),
            self.link.to_text(),
            "--auto".into(),
            "--data-dir".into(),
            data,
        ];
        if !has_camera() {
            arguments.push("--test-picture".into());
        }
        arguments
    }

    /// The proctor's app, which signs in with the password on its standard input and opens the exam.
    pub fn proctor_arguments(&self) -> Vec<String> {
        let data = self.folder.join("proctor-data").to_string_lossy().into_owned();
        let (server, pin) = (self.sfu.ready.https.clone(), self.sfu.ready.certificate_sha256.clone());
        let words = [
            "--server",
            &server,
            "--pin",
            &pin,
            "--email",
            PROCTOR_EMAIL,
            "--password-stdin",
            "--exam",
            EXAM_CODE,
            "--data-dir",
            &data,
        ];
        words.map(str::to_owned).to_vec()
    }
}

/// Whether the system has a camera that could be opened.
pub fn has_camera() -> bool {
    std::fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .flatten()
        .any(|e| e.file_name().to_string_lossy().starts_with("video"))
}

/// A password that nobody has to type.
fn uuid_like() -> String {
    let key = invigil_client::device::DeviceKey::generate();
    key.public()
}

/// Fails early with a sentence when a binary is missing.
pub fn expect(binary: &Path) -> Result<()> {
    binary
        .is_file()
        .then_some(())
        .with_context(|| format!("{} is not built: cargo xtask demo builds it", binary.display()))
}
