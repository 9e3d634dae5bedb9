//! The candidate's cameras, microphones and displays: opened, closed, listed. A source that was replaced has no say any more.

use super::actor::Inputs;
use super::feed::{Feed, audio_sink, video_sink};
use super::io::Input;
use super::preview::Previewer;
use super::source::SourceChange;
use crate::media_port::MediaPort;
use invigil_capture::SourceProblem;
use invigil_capture::{CameraConfig, CameraSource, cameras};
use invigil_capture::{Device, SourceHandle};
use invigil_capture::{MicrophoneConfig, MicrophoneSource, microphones};
use invigil_capture::{ScreenConfig, ScreenSource, displays};
use invigil_capture::{TestPictureConfig, TestPictureSource};
use invigil_shared::publication::{Kind, PublicationKey};
use invigil_view::candidate::{DeviceChoice, LevelView};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A screen that nobody looks at is grabbed this often: it has to be known to be live.
const IDLE_SCREEN_FPS: f32 = 1.0;

struct Running {
    feed: Arc<Feed>,
    /// Which opening is the present one.
    opening: Arc<AtomicU64>,
    handle: Option<SourceHandle>,
}

/// See the module.
pub struct Devices {
    inputs: Inputs,
    media: MediaPort,
    running: HashMap<PublicationKey, Running>,
}

/// What is opened for a publication.
pub struct Wanted<'a> {
    pub device: Option<String>,
    pub test_picture: bool,
    /// Written into the test picture.
    pub label: &'a str,
}

impl Devices {
    pub fn new(inputs: Inputs, media: MediaPort) -> Self {
        Self {
            inputs,
            media,
            running: HashMap::new(),
        }
    }

    pub fn feed(&self, publication: PublicationKey) -> Option<&Arc<Feed>> {
        self.running.get(&publication).map(|running| &running.feed)
    }

    pub fn feeds(&self) -> impl Iterator<Item = (PublicationKey, &Arc<Feed>)> {
        self.running.iter().map(|(key, running)| (*key, &running.feed))
    }

    /// Opens a device in place of the one before. `level` hears the microphone.
    pub fn open(
        &mut self,
        publication: PublicationKey,
        wanted: &Wanted<'_>,
        level: impl Fn(LevelView) + Send + 'static,
    ) {
        let running = self.running.entry(publication).or_insert_with(|| Running {
            feed: Arc::new(Feed::new(publication)),
            opening: Arc::new(AtomicU64::new(0)),
            handle: None,
        });
        running.handle = None;
        let number = running.opening.fetch_add(1, Ordering::AcqRel) + 1;
        let (opening, inputs) = (running.opening.clone(), self.inputs.clone());
        let tell = move |change: SourceChange| {
            if opening.load(Ordering::Acquire) == number {
                inputs.send(Input::Source(publication, change));
            }
        };
        let previewer = Previewer::new(self.media.clone(), publication);
        let feed = running.feed.clone();
        let device = wanted.device.clone();
        let opened = match publication.kind {
            Kind::Camera if wanted.test_picture => {
                let config = TestPictureConfig {
                    seed: seed(wanted.label),
                    label: wanted.label.to_owned(),
                    ..Default::default()
                };
                TestPictureSource::start(config, video_sink(feed, previewer, tell))
            }
            Kind::Camera => CameraSource::start(
                CameraConfig {
                    device,
                    ..Default::default()
                },
                video_sink(feed, previewer, tell),
            ),
            Kind::Screen => ScreenSource::start(
                ScreenConfig {
                    display: device,
                    ..Default::default()
                },
                video_sink(feed, previewer, tell),
            ),
            Kind::Microphone => MicrophoneSource::start(MicrophoneConfig { device }, audio_sink(feed, tell, level)),
        };
        match opened {
            Ok(handle) => running.handle = Some(handle),
            Err(problem) => self.inputs.send(Input::Source(
                publication,
                SourceChange::Failed(problem.code.to_owned()),
            )),
        }
        self.list(publication);
    }

    /// Asks the system what there is; the answer comes as an input, whenever a driver is ready to give it.
    fn list(&self, publication: PublicationKey) {
        let inputs = self.inputs.clone();
        tokio::task::spawn_blocking(move || {
            let found: Result<Vec<Device>, SourceProblem> = match publication.kind {
                Kind::Camera => cameras(),
                Kind::Microphone => microphones(),
                Kind::Screen => displays(),
            };
            match found {
                Ok(found) => {
                    let choices = found
                        .into_iter()
                        .map(|device| DeviceChoice {
                            id: device.id,
                            name: device.name,
                        })
                        .collect();
                    inputs.send(Input::Devices(publication, choices));
                }
                Err(problem) => tracing::info!(code = problem.code, detail = problem.detail, "devices can't be listed"),
            }
        });
    }

    /// Grabs as often as the demanded layers need.
    pub fn set_rate(&self, publication: PublicationKey, fps: Option<u8>) {
        let Some(running) = self
            .running
            .get(&publication)
            .filter(|_| publication.kind == Kind::Screen)
        else {
            return;
        };
        if let Some(handle) = &running.handle {
            handle.set_fps(fps.map_or(IDLE_SCREEN_FPS, f32::from));
        }
    }

    /// See [`Feed::set_checking`].
    pub fn set_checking(&self, checking: bool) {
        self.running
            .values()
            .for_each(|running| running.feed.set_checking(checking));
    }

    /// Everything is off when this returns, as far as drivers let go.
    pub fn close(&mut self) {
        for running in self.running.values() {
            running.opening.fetch_add(1, Ordering::AcqRel);
            running.feed.unpublish();
        }
        self.running.clear();
    }
}

/// Different candidates get different looks.
fn seed(label: &str) -> u64 {
    label.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
