//! A server of our own with an exam, and links for everybody who will sit it.

use anyhow::Result;
use invigil_shared::exam::{ExamInfo, Policy};
use invigil_shared::rest::JoinLink;
use invigil_tests::canned::Media;
use invigil_tests::light::Engine;
use invigil_tests::light::candidate::Shared;
use invigil_tests::sfu::Sfu;
use std::path::Path;
use std::sync::Arc;

/// Seconds of canned media, played in a loop.
const CLIP_S: u32 = 10;

pub struct Stage {
    pub sfu: Sfu,
    pub exam: ExamInfo,
    pub links: Vec<JoinLink>,
    pub shared: Shared,
}

impl Stage {
    /// Starts the server (the one beside us when none is given) and seats so many candidates.
    pub fn set(binary: Option<&Path>, folder: &Path, candidates: usize) -> Result<Self> {
        let sfu = match binary {
            Some(binary) => Sfu::start_binary(binary, folder)?,
            None => Sfu::start(folder)?,
        };
        let policy = Policy {
            allow_test_picture: true,
            ..Policy::default()
        };
        let exam = sfu.create_exam("Load", "LOAD-1", &policy)?;
        println!("seating {candidates} candidates, encoding {CLIP_S} s of media once");
        let links = (1..=candidates)
            .map(|n| sfu.add_candidate("LOAD-1", &format!("Candidate {n:03}"), None))
            .collect::<Result<Vec<_>>>()?;
        let shared = Shared {
            engine: Engine::start()?,
            media: Media::encode(CLIP_S)?,
            identity: Arc::new(invigil_sfu::core::transport::dtls::DtlsIdentity::generate()?),
        };
        Ok(Self {
            sfu,
            exam,
            links,
            shared,
        })
    }
}
