//! The media port: one packed binary message per tick from Rust to the window, small JSON texts back.
//!
//! All numbers are little-endian. Message: `u8 version, u8 reserved, u16 records, u32 sequence, f64 sent_at_us`, then the
//! records. Record: `u16 tile, u8 flags (bit 0 key), u8 codec, u16 width, u16 height, f64 captured_at_us, u32 length,
//! u16 columns, u16 rows`, then `length` bytes, then zeros up to a multiple of 8.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub const VERSION: u8 = 1;
pub const MESSAGE_HEAD: usize = 16;
pub const RECORD_HEAD: usize = 24;
/// Bytes of one message: a page of key frames, or of raw pictures as large as their tiles.
pub const MAX_MESSAGE: usize = 8 * 1024 * 1024;
/// Pixels of a raw picture at most, so that one fits into a message; the window enlarges it where it shows it larger.
pub const MAX_RAW_PIXELS: u32 = 1_800_000;
/// Messages sent and not yet acknowledged before frames are dropped up to the next key frame.
pub const MAX_UNACKNOWLEDGED: u32 = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// Annex B access unit.
    H264 = 0,
    Vp8 = 1,
    /// Red, green, blue and 255, row by row, no padding: what a canvas takes without converting.
    Rgba = 2,
}

/// One picture on its way to the window.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    pub tile: u16,
    pub key: bool,
    pub codec: Codec,
    /// As it was captured.
    pub width: u16,
    pub height: u16,
    /// Of raw pictures: columns and rows of `data`; else 0, 0.
    pub raw: (u16, u16),
    /// Server time, microseconds since the Unix epoch.
    pub captured_at_us: f64,
    pub data: &'a [u8],
}

/// Packs one message.
pub fn pack(sequence: u32, sent_at_us: f64, records: &[Record<'_>]) -> Vec<u8> {
    let size = records
        .iter()
        .map(|r| RECORD_HEAD + r.data.len().next_multiple_of(8))
        .sum::<usize>()
        + MESSAGE_HEAD;
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(&[VERSION, 0]);
    out.extend_from_slice(&(records.len() as u16).to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&sent_at_us.to_le_bytes());
    for record in records {
        out.extend_from_slice(&record.tile.to_le_bytes());
        out.extend_from_slice(&[u8::from(record.key), record.codec as u8]);
        out.extend_from_slice(&record.width.to_le_bytes());
        out.extend_from_slice(&record.height.to_le_bytes());
        out.extend_from_slice(&record.captured_at_us.to_le_bytes());
        out.extend_from_slice(&(record.data.len() as u32).to_le_bytes());
        out.extend_from_slice(&record.raw.0.to_le_bytes());
        out.extend_from_slice(&record.raw.1.to_le_bytes());
        out.extend_from_slice(record.data);
        out.resize(out.len().next_multiple_of(8), 0);
    }
    out
}

/// From the window, as JSON text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[ts(export)]
pub enum MediaReply {
    /// Everything up to this sequence has been taken over.
    Ack { sequence: u32 },
    /// The tile's decoder needs a key frame.
    Key { tile: u16 },
    /// The tile shows pictures in a box of this size, device pixels. Raw pictures come as large as they fit into it.
    Size { tile: u16, width: u16, height: u16 },
    /// A picture was drawn. Only when [`crate::common::MediaPort::measure`] is set. `code_us` is the time code read from
    /// the picture, if it holds one.
    Drawn {
        tile: u16,
        #[ts(type = "number")]
        drawn_at_us: i64,
        #[ts(type = "number")]
        captured_at_us: i64,
        #[ts(type = "number | null")]
        code_us: Option<i64>,
        width: u16,
        height: u16,
        /// A hash of a few pixels, to tell pictures apart.
        fingerprint: u32,
    },
}
