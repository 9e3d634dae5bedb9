//! A candidate's computer in a network namespace of its own. Its cable is pulled: for 20 s here, for ten minutes by `cargo xtask
//! prove outage` (`INVIGIL_OUTAGE_S`); and it changes to another network.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_shared::exam::Policy;
use invigil_shared::id::ParticipantId;
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_shared::timeline::Presence;
use invigil_tests::namespace::Namespace;
use invigil_tests::process::Process;
use invigil_tests::sfu::{Sfu, bin_dir};
use invigil_tests::watcher::Watcher;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(40);

/// How long the cable is pulled, seconds.
fn outage_s() -> u64 {
    std::env::var("INVIGIL_OUTAGE_S").map_or(20, |s| s.parse().unwrap())
}

/// A server, a candidate whose pictures are seen, and who sees them.
struct Stage {
    proctor: Watcher,
    candidate: ParticipantId,
    _process: Process,
    _sfu: Sfu,
    _folder: TempDir,
}

async fn stage(network: &Namespace, seconds: u64) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("{}:0", network.outside_address);
    let sfu = Sfu::start_with(folder.path(), &address, &address, &[]).unwrap();
    let policy = Policy {
        allow_test_picture: true,
        ..Policy::default()
    };
    let exam = sfu.create_exam("Cable", "CABLE-1", &policy).unwrap();
    let link = sfu.add_candidate("CABLE-1", "Candidate 001", None).unwrap();
    let links = folder.path().join("links.txt");
    std::fs::write(&links, link.to_text()).unwrap();
    let mut command = network.command(&bin_dir().join("invigil-load"));
    command
        .args(["candidates", "--seconds", &seconds.to_string(), "--links"])
        .arg(&links);
    let process = Process::start("candidate", &mut command, &folder.path().join("logs")).unwrap();

    let mut proctor = Watcher::enter(&sfu, "ada", exam.id).await.unwrap();
    proctor
        .until(LIMIT, "the candidate", |w, _| w.publications.len() >= 3)
        .await
        .unwrap();
    let candidate = *proctor.participants.keys().next().unwrap();
    proctor
        .want(&[(candidate, PublicationKey::CAMERA, Layer::Low)])
        .unwrap();
    proctor
        .until(LIMIT, "pictures", |w, _| {
            w.of(candidate, PublicationKey::CAMERA).decoded >= 5
        })
        .await
        .unwrap();
    Stage {
        proctor,
        candidate,
        _process: process,
        _sfu: sfu,
        _folder: folder,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_cable_costs_neither_session_nor_pictures() {
    let network = Namespace::create().unwrap();
    let mut stage = stage(&network, 160 + outage_s()).await;
    let (proctor, candidate) = (&mut stage.proctor, stage.candidate);

    network.cut().unwrap();
    let lost = |w: &Watcher, _: &_| w.participants[&candidate].presence == Presence::Lost;
    proctor
        .until(LIMIT, "the candidate to be marked lost", lost)
        .await
        .unwrap();
    proctor.during(Duration::from_secs(outage_s())).await.unwrap();
    network.mend().unwrap();
    let before = proctor.of(candidate, PublicationKey::CAMERA).decoded;
    let back = |w: &Watcher, _: &_| {
        w.participants[&candidate].presence == Presence::Online
            && w.of(candidate, PublicationKey::CAMERA).decoded > before + 5
    };
    proctor
        .until(LIMIT, "live pictures of the same session", back)
        .await
        .unwrap();
    assert_eq!(proctor.participants.len(), 1, "{:?}", proctor.participants);
    println!("outage: {} s, the same session is back with live pictures", outage_s());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_network_costs_neither_session_nor_pictures() {
    let mut network = Namespace::create().unwrap();
    let mut stage = stage(&network, 160).await;
    let (proctor, candidate) = (&mut stage.proctor, stage.candidate);
    network.change_address().unwrap();
    let changed = Instant::now();
    let before = proctor.of(candidate, PublicationKey::CAMERA).decoded;
    for more in [1, 30] {
        let back = |w: &Watcher, _: &_| w.of(candidate, PublicationKey::CAMERA).decoded >= before + more;
        proctor
            .until(LIMIT, "pictures from the new address", back)
            .await
            .unwrap();
        println!("{more} pictures {} ms after the change", changed.elapsed().as_millis());
    }
    proctor
        .until(LIMIT, "the candidate to be there", |w, _| {
            w.participants[&candidate].presence == Presence::Online
        })
        .await
        .unwrap();
    assert_eq!(proctor.participants.len(), 1, "{:?}", proctor.participants);
}
