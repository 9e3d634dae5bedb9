//! The load: publishers that send frames, subscribers that receive all of them, and what was delivered how late.

mod publisher;
mod run;
mod subscriber;

pub use run::Run;

use anyhow::{Context, Result};
use invigil_peer::sdp::Media;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is sent and to how many.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub name: &'static str,
    pub publishers: usize,
    pub subscribers: usize,
    /// What a publisher sends, its number given.
    pub streams: fn(usize) -> &'static [Source],
    /// Audio lines of a subscriber; there is a video line for every video stream.
    pub audio_lines: usize,
    /// Share of the packets that get lost on every link, both ways.
    pub loss: f64,
    /// Whether frames are spread over time as a sender's pacer does; otherwise they go out in one burst.
    pub paced: bool,
}

/// Where a stream's frames come from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// Frames of so many packets of so many bytes.
    Bursts { fps: u32, packets: usize, payload: usize },
    /// A stream of the trace, so many frames a second.
    Trace { name: &'static str, media: Media, fps: u32 },
}

const BURSTS: Source = Source::Bursts {
    fps: 30,
    packets: 5,
    payload: 1_100,
};
const CAMERA: Source = Source::Trace {
    name: "camera-low",
    media: Media::Video,
    fps: 10,
};
const FOCUS: Source = Source::Trace {
    name: "camera-high",
    media: Media::Video,
    fps: 15,
};
const SCREEN: Source = Source::Trace {
    name: "screen-low",
    media: Media::Video,
    fps: 2,
};
const MICROPHONE: Source = Source::Trace {
    name: "microphone",
    media: Media::Audio,
    fps: 50,
};

pub const LOADS: &[Load] = &[
    Load {
        name: "10x10",
        publishers: 10,
        subscribers: 10,
        streams: |_| &[BURSTS],
        audio_lines: 0,
        loss: 0.0,
        paced: false,
    },
    Load {
        name: "20x20",
        publishers: 20,
        subscribers: 20,
        streams: |_| &[BURSTS],
        audio_lines: 0,
        loss: 0.0,
        paced: false,
    },
    Load {
        name: "exam",
        publishers: 30,
        subscribers: 10,
        streams: |index| match index {
            0 => &[FOCUS, SCREEN, MICROPHONE],
            _ => &[CAMERA, SCREEN, MICROPHONE],
        },
        audio_lines: 1,
        loss: 0.01,
        paced: true,
    },
];

impl Load {
    /// Video streams of all publishers: lines of a subscriber.
    pub fn video_streams(&self) -> usize {
        let videos = |index| {
            (self.streams)(index)
                .iter()
                .filter(|s| s.media() == Media::Video)
                .count()
        };
        (0..self.publishers).map(videos).sum()
    }
}

impl Source {
    pub fn media(&self) -> Media {
        match self {
            Source::Bursts { .. } => Media::Video,
            Source::Trace { media, .. } => *media,
        }
    }

    pub fn interval(&self) -> Duration {
        let (Source::Bursts { fps, .. } | Source::Trace { fps, .. }) = self;
        Duration::from_secs(1) / *fps
    }

    /// Ticks of the RTP clock between two frames.
    pub fn ticks(&self) -> u32 {
        let (Source::Bursts { fps, .. } | Source::Trace { fps, .. }) = self;
        let clock = if self.media() == Media::Audio { 48_000 } else { 90_000 };
        clock / fps
    }
}

/// Frame sizes that our encoders made (`invigil-load trace`), in bytes; 0 where discontinuous transmission sends nothing.
pub struct Trace(BTreeMap<&'static str, Vec<usize>>);

impl Trace {
    pub fn read() -> Result<Self> {
        let mut streams: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
        for line in include_str!("../../traces/exam.csv").lines().skip(1) {
            let (name, bytes) = line.split_once(',').context("a line of the trace")?;
            streams.entry(name).or_default().push(bytes.parse()?);
        }
        Ok(Self(streams))
    }

    pub fn of(&self, name: &str) -> Result<&[usize]> {
        self.0
            .get(name)
            .map(Vec::as_slice)
            .with_context(|| format!("the trace has no {name}"))
    }
}

/// What a run delivered.
#[derive(Clone, Default)]
pub struct Delivered {
    pub sent_video: u64,
    pub sent_audio: u64,
    pub received: u64,
    /// Of the received, those that came by retransmission.
    pub mended: u64,
    /// Of those that came at once: time from the send call to their being read.
    pub latencies_us: Vec<u32>,
}

impl Delivered {
    /// Packets that all subscribers together should have received.
    pub fn expected(&self, load: &Load) -> f64 {
        let audio = self.sent_audio as f64 / load.publishers as f64 * load.audio_lines as f64;
        (self.sent_video as f64 + audio) * load.subscribers as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_has_what_the_loads_want() {
        let trace = Trace::read().unwrap();
        for load in LOADS {
            for source in (0..load.publishers).flat_map(|index| (load.streams)(index)) {
                if let Source::Trace { name, fps, .. } = source {
                    let frames = trace.of(name).unwrap();
                    assert!(frames.len() >= *fps as usize && frames[0] > 0, "{name}");
                }
            }
        }
    }
}
