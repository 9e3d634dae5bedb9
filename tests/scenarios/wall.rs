//! A wall of 120 publications on one subscriber: pages turn, tiles come and go, and every tile gets whole pictures of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_client::proctor::ProctorEvent;
use invigil_shared::exam::Policy;
use invigil_shared::id::ExamId;
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_tests::canned::Media;
use invigil_tests::light::Engine;
use invigil_tests::light::candidate::{Candidate, Seat, Shared};
use invigil_tests::light::proctor::Wanted;
use invigil_tests::sfu::Sfu;
use invigil_tests::watcher::Watcher;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const LIMIT: Duration = Duration::from_secs(60);
/// A camera and a screen each: 128 publications of video, of which the wall shows 120.
const CANDIDATES: usize = 64;
const WALL: usize = 120;
/// Tiles that every page shows, and those that change.
const STAY: usize = 112;
/// Of those that stay, the ones that are never taken down.
const ALWAYS: usize = 60;
const CLIP_S: u32 = 4;

struct Stage {
    _folder: tempfile::TempDir,
    sfu: Sfu,
    exam: ExamId,
    /// Every publication of video.
    all: Vec<Wanted>,
    _candidates: JoinSet<()>,
}

impl Stage {
    async fn set(code: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sfu = Sfu::start(folder.path()).unwrap();
        let policy = Policy {
            allow_test_picture: true,
            ..Policy::default()
        };
        let exam = sfu.create_exam("Wall", code, &policy).unwrap().id;
        let shared = Shared {
            engine: Engine::start().unwrap(),
            media: Media::encode(CLIP_S).unwrap(),
            identity: Arc::new(invigil_sfu::core::transport::dtls::DtlsIdentity::generate().unwrap()),
        };
        let (mut all, mut candidates) = (Vec::new(), JoinSet::new());
        for n in 1..=CANDIDATES {
            let link = sfu.add_candidate(code, &format!("Candidate {n:03}"), None).unwrap();
            let mut candidate = Candidate::join(&mut Seat::new(link), &shared).await.unwrap();
            let kinds = [PublicationKey::CAMERA, PublicationKey::SCREEN];
            all.extend(kinds.map(|kind| (candidate.participant, kind, Layer::Low)));
            // It ends with the server; whoever ends before is missed on the wall.
            candidates.spawn(async move { drop(candidate.run().await) });
        }
        Self {
            _folder: folder,
            sfu,
            exam,
            all,
            _candidates: candidates,
        }
    }

    /// The wall with the tiles behind [`STAY`] turned to page `number`.
    fn page(&self, number: usize) -> Vec<Wanted> {
        let (stay, rest) = self.all.split_at(STAY);
        let turning = WALL - STAY;
        let page = rest.chunks(turning).nth(number % (rest.len() / turning)).unwrap();
        stay.iter().chain(page).copied().collect()
    }
}

/// Waits until each of these has so many more pictures than now.
async fn pictures(proctor: &mut Watcher, wanted: &[Wanted], more: u32, what: &str) {
    let counts = |w: &Watcher| -> Vec<u32> { wanted.iter().map(|&(who, kind, _)| w.of(who, kind).decoded).collect() };
    let before = counts(proctor);
    let enough = |w: &Watcher, event: &ProctorEvent| {
        matches!(event, ProctorEvent::VideoFrame { .. })
            && counts(w).iter().zip(&before).all(|(now, then)| *now >= then + more)
    };
    proctor.until(LIMIT, what, enough).await.unwrap();
}

/// Our client: the first list fits one pool of slots, the second opens the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_wall_of_120_turns_its_pages() {
    let stage = Stage::set("WALL-1").await;
    let mut proctor = Watcher::enter(&stage.sfu, "ada", stage.exam).await.unwrap();
    proctor.want(&stage.all[..ALWAYS]).unwrap();
    pictures(&mut proctor, &stage.all[..ALWAYS], 5, "a wall of one pool").await;
    for number in 0..=4 {
        proctor.want(&stage.page(number)).unwrap();
        pictures(&mut proctor, &stage.page(number), 2, &format!("page {number}")).await;
    }
    proctor.want(&stage.all[..ALWAYS]).unwrap();
    pictures(&mut proctor, &stage.all[..ALWAYS], 3, "the wall with tiles removed").await;
    proctor.want(&stage.page(0)).unwrap();
    pictures(&mut proctor, &stage.page(0), 2, "the wall with tiles added again").await;
    for &(who, kind, _) in &stage.all {
        let seen = proctor.of(who, kind);
        assert_eq!((seen.refused, seen.backwards), (0, 0), "{who} {kind}: {seen:?}");
    }
}
