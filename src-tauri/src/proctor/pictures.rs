//! From a slot to a tile: every frame of the subscription is brought to the window's handle for its source, as it came or
//! decoded here.

use super::decode::Decoder;
use super::room::Room;
use super::slots::SlotTable;
use crate::measure::FrameLog;
use crate::media_port::MediaPort;
use crate::media_queue::{Picture, TILES};
use bytes::Bytes;
use invigil_shared::publication::{Layer, PublicationRef};
use invigil_view::media::{Codec, MediaReply};
use std::path::Path;

/// A frame as the client assembled it.
pub struct Frame {
    pub slot: u16,
    pub source: PublicationRef,
    pub layer: Layer,
    /// H.264 access unit, Annex B.
    pub data: Bytes,
    pub key: bool,
    pub captured_at_us: i64,
}

/// See the module.
pub struct Pictures {
    port: MediaPort,
    decoder: Option<Decoder>,
    /// What each tile carried last.
    carried: Vec<Option<(PublicationRef, Layer)>>,
    log: Option<FrameLog>,
}

impl Pictures {
    /// `measure`: where to write what was drawn.
    pub fn new(port: MediaPort, measure: Option<&Path>) -> Self {
        let log = measure.and_then(|directory| match FrameLog::create(directory) {
            Ok(log) => Some(log),
            Err(error) => {
                tracing::error!(%error, "nothing is measured");
                None
            }
        });
        Self {
            port,
            decoder: None,
            carried: vec![None; TILES],
            log,
        }
    }

    /// From now on pictures are decoded here.
    pub fn decode_here(&mut self) {
        match Decoder::start(self.port.clone()) {
            Ok(decoder) => self.decoder = Some(decoder),
            Err(error) => tracing::error!(%error, "no decoder"),
        }
        self.forget(&(0..TILES as u16).collect::<Vec<_>>());
    }

    /// The tiles show other sources from now on.
    pub fn forget(&mut self, tiles: &[u16]) {
        for &tile in tiles {
            if let Some(decoder) = &self.decoder {
                decoder.forget(tile);
            }
            self.port.forget(tile);
            if let Some(carried) = self.carried.get_mut(usize::from(tile)) {
                *carried = None;
            }
        }
    }

    /// Shows a frame; one of a source that the slot no longer stands for is dropped.
    pub fn frame(&mut self, frame: Frame, slots: &SlotTable, room: &Room) {
        let Some(shown) = slots.slot(frame.slot).filter(|shown| shown.source == frame.source) else {
            return;
        };
        let tile = shown.tile;
        if let Some(carried) = self.carried.get_mut(usize::from(tile)) {
            *carried = Some((frame.source, frame.layer));
        }
        let offered = room.layers(frame.source).iter().find(|offer| offer.rid == frame.layer);
        let (width, height) = offered.map_or((0, 0), |offer| (offer.width, offer.height));
        let picture = Picture {
            tile,
            key: frame.key,
            codec: Codec::H264,
            width,
            height,
            raw: (0, 0),
            captured_at_us: frame.captured_at_us,
            data: frame.data,
        };
        match &self.decoder {
            Some(decoder) => decoder.decode(picture),
            None => self.port.push(picture),
        }
    }

    /// What the tile carries, to ask for its key frame.
    pub fn carried(&self, tile: u16) -> Option<(PublicationRef, Layer)> {
        self.carried.get(usize::from(tile)).copied().flatten()
    }

    /// The window drew a picture.
    pub fn drawn(&mut self, drawn: &MediaReply) {
        let MediaReply::Drawn { tile, .. } = drawn else { return };
        let carried = self.carried(*tile);
        if let (Some(log), Some((source, layer))) = (&mut self.log, carried)
            && let Err(error) = log.line(source, Some(layer), drawn)
        {
            tracing::error!(%error, "measuring ends here");
            self.log = None;
        }
    }

    /// Once a second: others may read the measurements while we run.
    pub fn tick(&mut self) {
        if let Some(Err(error)) = self.log.as_mut().map(FrameLog::flush) {
            tracing::error!(%error, "measuring ends here");
            self.log = None;
        }
    }
}
