//! H.264 to pictures, for the path without WebCodecs and for tests. Every frame is hostile: an error, never a panic.

use crate::convert::MAX_PIXELS;
use crate::error::CodecError;
use crate::picture::Planes;
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;

/// The largest access unit that is decoded, bytes. A 1080p keyframe of a text screen has about 200 KB.
const MAX_UNIT: usize = 4 * 1024 * 1024;

/// Decodes one layer. After an error the caller drops frames until the next keyframe.
pub struct VideoDecoder {
    decoder: Decoder,
}

impl VideoDecoder {
    /// # Errors
    /// `H264` when the decoder can't be made.
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self {
            decoder: Decoder::new()?,
        })
    }

    /// Decodes one access unit in Annex B. `None`: no picture came out of it (parameter sets alone).
    ///
    /// # Errors
    /// `H264` for a broken stream, `BadFrame` for sizes out of bounds.
    pub fn decode(&mut self, unit: &[u8]) -> Result<Option<Planes>, CodecError> {
        if unit.len() > MAX_UNIT {
            return Err(CodecError::BadFrame("access unit too large"));
        }
        let Some(picture) = self.decoder.decode(unit)? else {
            return Ok(None);
        };
        let (width, height) = picture.dimensions();
        let (ys, us, vs) = picture.strides();
        if width < 2
            || height < 2
            || (width * height) as u64 > MAX_PIXELS
            || ys < width
            || us < width / 2
            || vs < width / 2
        {
            return Err(CodecError::BadFrame("size"));
        }
        let (w, h) = (u32::try_from(width).unwrap_or(2), u32::try_from(height).unwrap_or(2));
        let mut planes = Planes::new(w, h);
        let (w, h) = (planes.width as usize, planes.height as usize);
        copy(picture.y(), ys, &mut planes.y, w, h);
        copy(picture.u(), us, &mut planes.u, w / 2, h / 2);
        copy(picture.v(), vs, &mut planes.v, w / 2, h / 2);
        Ok(Some(planes))
    }
}

fn copy(from: &[u8], stride: usize, to: &mut [u8], width: usize, height: usize) {
    for (to, from) in to.chunks_exact_mut(width).zip(from.chunks(stride)).take(height) {
        if let Some(row) = from.get(..width) {
            to.copy_from_slice(row);
        }
    }
}
