//! What the check page shows of the sources: small pictures and the microphone's meter.

use super::source::preview_tile;
use crate::media_port::MediaPort;
use crate::media_queue;
use bytes::Bytes;
use invigil_capture::Picture;
use invigil_capture::audio::AudioFrame;
use invigil_capture::convert::{Scaler, to_rgba};
use invigil_shared::publication::PublicationKey;
use invigil_view::candidate::LevelView;
use invigil_view::media::Codec;
use std::sync::Arc;

/// Previews are this wide, pixels.
const PREVIEW_WIDTH: u32 = 480;
/// Shortest time between two previews, microseconds: on the check page, and during the exam.
pub const PREVIEW_CHECK_US: i64 = 90_000;
pub const PREVIEW_EXAM_US: i64 = 500_000;
/// The meter moves four times a second.
const METER_INTERVAL_US: i64 = 250_000;
/// Below this the meter shows silence, -dBov.
const METER_FLOOR_DBOV: u32 = 60;
/// Scales pictures for the check page.
pub struct Previewer {
    port: MediaPort,
    tile: Option<u16>,
    scaler: Scaler,
    shown_at: i64,
}

impl Previewer {
    pub fn new(port: MediaPort, publication: PublicationKey) -> Self {
        Self {
            port,
            tile: preview_tile(publication),
            scaler: Scaler::default(),
            shown_at: 0,
        }
    }

    /// Shows a picture, unless the last one was shown less than `every` microseconds ago.
    pub fn show(&mut self, picture: &Arc<Picture>, every: i64) {
        let early = (0..every).contains(&(picture.captured_at - self.shown_at));
        let Some(tile) = self.tile.filter(|_| !early) else {
            return;
        };
        self.shown_at = picture.captured_at;
        let width = picture.width().min(PREVIEW_WIDTH) & !1;
        let height = (picture.height() * width / picture.width().max(1)).max(2) & !1;
        let planes = match self.scaler.scale(&picture.planes, width, height) {
            Ok(planes) => planes,
            Err(error) => return tracing::error!(%error, "no preview"),
        };
        let data = match to_rgba(&planes) {
            Ok(data) => Bytes::from(data),
            Err(error) => return tracing::error!(%error, "no preview"),
        };
        let pixels = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
        self.port.push(media_queue::Picture {
            tile,
            key: true,
            codec: Codec::Rgba,
            width: pixels(picture.width()),
            height: pixels(picture.height()),
            raw: (pixels(planes.width), pixels(planes.height)),
            captured_at_us: picture.captured_at,
            data,
        });
    }
}

/// The loudest of the last quarter of a second.
#[derive(Default)]
pub struct Meter {
    loudest: Option<u8>,
    clipped: bool,
    shown_at: i64,
}

impl Meter {
    /// What to show now, four times a second.
    pub fn add(&mut self, frame: &AudioFrame) -> Option<LevelView> {
        self.loudest = Some(
            self.loudest
                .map_or(frame.level_dbov, |loudest| loudest.min(frame.level_dbov)),
        );
        self.clipped |= frame.clipped;
        if (0..METER_INTERVAL_US).contains(&(frame.captured_at - self.shown_at)) {
            return None;
        }
        let above = METER_FLOOR_DBOV.saturating_sub(u32::from(self.loudest.unwrap_or(u8::MAX)));
        let view = LevelView {
            level: (above * 100 / METER_FLOOR_DBOV) as u8,
            clipped: self.clipped,
        };
        *self = Self {
            shown_at: frame.captured_at,
            ..Self::default()
        };
        Some(view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(at: i64, level_dbov: u8, clipped: bool) -> AudioFrame {
        AudioFrame {
            samples: Vec::new(),
            captured_at: at,
            rtp_timestamp: 0,
            level_dbov,
            clipped,
        }
    }

    #[test]
    fn the_meter_shows_the_loudest_of_a_quarter_of_a_second() {
        let mut meter = Meter::default();
        assert_eq!(
            meter.add(&frame(1_000_000, 127, false)),
            Some(LevelView {
                level: 0,
                clipped: false
            })
        );
        assert_eq!(meter.add(&frame(1_020_000, 6, true)), None);
        assert_eq!(
            meter.add(&frame(1_260_000, 60, false)),
            Some(LevelView {
                level: 90,
                clipped: true
            })
        );
        assert_eq!(
            meter.add(&frame(1_520_000, 30, false)),
            Some(LevelView {
                level: 50,
                clipped: false
            })
        );
    }
}
