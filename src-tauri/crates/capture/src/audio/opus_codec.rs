//! Opus as DESIGN.md section 5 has it: 48 kHz mono, 20 ms, 24 kbps, DTX and in-band FEC.

use super::{AudioFrame, FRAME, RATE, level_dbov};
use crate::error::CodecError;
use opus::{Application, Bitrate, Channels, Decoder, Encoder};

/// The largest packet of one 20 ms frame (RFC 6716 section 3.4).
const MAX_PACKET: usize = 1275;
/// A packet of this size or less says "nothing to send" (DTX) and is not transmitted.
const DTX_PACKET: usize = 2;
/// From 7 on the encoder analyses tonality. Below it, its voice detector takes a steady tone for noise, discontinuous
/// transmission cuts holes of 360 ms into it, and what was heard in the room would be missing from the evidence.
const COMPLEXITY: i32 = 7;
/// 120 ms, the longest packet that Opus allows.
const MAX_DECODED: usize = FRAME * 6;

/// One encoded frame, for an RTP packet of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpusPacket {
    pub data: Vec<u8>,
    pub captured_at: i64,
    pub rtp_timestamp: u32,
    /// RFC 6464.
    pub level_dbov: u8,
}

pub struct OpusEncoder {
    encoder: Encoder,
    buffer: Vec<u8>,
}

impl OpusEncoder {
    /// `bps`: bits per second.
    ///
    /// # Errors
    /// `Opus` when the encoder can't be made.
    pub fn new(bps: i32) -> Result<Self, CodecError> {
        let mut encoder = Encoder::new(RATE, Channels::Mono, Application::Voip)?;
        encoder.set_bitrate(Bitrate::Bits(bps))?;
        encoder.set_dtx(true)?;
        encoder.set_inband_fec(true)?;
        // FEC is only written when losses are expected.
        encoder.set_packet_loss_perc(10)?;
        encoder.set_complexity(COMPLEXITY)?;
        Ok(Self {
            encoder,
            buffer: vec![0; MAX_PACKET],
        })
    }

    /// # Errors
    /// `Opus` for a value that it refuses.
    pub fn set_bps(&mut self, bps: i32) -> Result<(), CodecError> {
        Ok(self.encoder.set_bitrate(Bitrate::Bits(bps))?)
    }

    /// Encodes a frame; `None` while discontinuous transmission has nothing to say. RTP sequence numbers then stay
    /// contiguous while its timestamp moves on: receivers tell silence from loss by that.
    ///
    /// # Errors
    /// `BadFrame` for a frame of another length, `Opus` from the encoder.
    pub fn encode(&mut self, frame: &AudioFrame) -> Result<Option<OpusPacket>, CodecError> {
        if frame.samples.len() != FRAME {
            return Err(CodecError::BadFrame("length"));
        }
        let n = self.encoder.encode_float(&frame.samples, &mut self.buffer)?;
        Ok((n > DTX_PACKET).then(|| OpusPacket {
            data: self.buffer[..n].to_vec(),
            captured_at: frame.captured_at,
            rtp_timestamp: frame.rtp_timestamp,
            level_dbov: level_dbov(&frame.samples),
        }))
    }
}

pub struct OpusDecoder {
    decoder: Decoder,
}

impl OpusDecoder {
    /// # Errors
    /// `Opus` when the decoder can't be made.
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self {
            decoder: Decoder::new(RATE, Channels::Mono)?,
        })
    }

    /// Decodes a packet, appended to `out`.
    ///
    /// # Errors
    /// `Opus` for a broken packet.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> Result<(), CodecError> {
        if packet.is_empty() {
            return Err(CodecError::BadFrame("empty packet"));
        }
        self.run(packet, MAX_DECODED, false, out)
    }

    /// Recovers the frame before `next` from its in-band redundancy; concealment where it has none.
    ///
    /// # Errors
    /// `Opus` for a broken packet.
    pub fn recover(&mut self, next: &[u8], out: &mut Vec<f32>) -> Result<(), CodecError> {
        self.run(next, FRAME, true, out)
    }

    /// Guesses one frame that is missing.
    ///
    /// # Errors
    /// `Opus` from the decoder.
    pub fn conceal(&mut self, out: &mut Vec<f32>) -> Result<(), CodecError> {
        self.run(&[], FRAME, false, out)
    }

    fn run(&mut self, packet: &[u8], room: usize, fec: bool, out: &mut Vec<f32>) -> Result<(), CodecError> {
        let start = out.len();
        out.resize(start + room, 0.0);
        match self.decoder.decode_float(packet, &mut out[start..], fec) {
            Ok(n) => {
                out.truncate(start + n);
                Ok(())
            }
            Err(e) => {
                out.truncate(start);
                Err(e.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(n: usize, f: impl Fn(usize) -> f32) -> impl Iterator<Item = AudioFrame> {
        (0..n).map(move |i| {
            let samples: Vec<f32> = (i * FRAME..(i + 1) * FRAME).map(&f).collect();
            let level = level_dbov(&samples);
            AudioFrame {
                samples,
                captured_at: 0,
                rtp_timestamp: (i * FRAME) as u32,
                level_dbov: level,
                clipped: false,
            }
        })
    }
    fn tone(i: usize) -> f32 {
        (std::f32::consts::TAU * 440.0 * (i % 48_000) as f32 / 48_000.0).sin() * 0.5
    }
    fn crossings_per_second(samples: &[f32]) -> f32 {
        let n = samples.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0).count();
        n as f32 * 48_000.0 / samples.len() as f32
    }

    #[test]
    fn a_steady_tone_is_never_taken_for_silence() {
        let mut encoder = OpusEncoder::new(24_000).unwrap();
        let packets: Vec<_> = frames(750, tone).filter_map(|f| encoder.encode(&f).unwrap()).collect();
        assert_eq!(packets.len(), 750);
        assert!(packets.iter().all(|p| p.level_dbov == 9), "RMS of 0.5 is -9 dBov");
        let bits: usize = packets.iter().map(|p| p.data.len() * 8).sum();
        assert!((150_000..450_000).contains(&bits), "15 s at about 24 kbps: {bits}");
    }

    #[test]
    fn silence_is_not_transmitted() {
        let mut encoder = OpusEncoder::new(24_000).unwrap();
        let sent = frames(250, |_| 0.0).filter_map(|f| encoder.encode(&f).unwrap()).count();
        assert!(sent < 50, "{sent} of 250");
        assert_eq!(level_dbov(&[0.0; 960]), 127);
        assert_eq!(level_dbov(&[1.0; 960]), 0);
    }

    #[test]
    fn a_lost_frame_is_recovered_from_the_next_one() {
        let mut encoder = OpusEncoder::new(24_000).unwrap();
        let packets: Vec<_> = frames(50, tone).filter_map(|f| encoder.encode(&f).unwrap()).collect();
        let mut decoder = OpusDecoder::new().unwrap();
        let mut out = Vec::new();
        for (i, packet) in packets.iter().enumerate() {
            match i {
                20 => decoder.recover(&packets[21].data, &mut out).unwrap(),
                30 => decoder.conceal(&mut out).unwrap(),
                _ => decoder.decode(&packet.data, &mut out).unwrap(),
            }
        }
        assert_eq!(out.len(), 50 * FRAME);
        for lost in [20, 30] {
            let around = &out[lost * FRAME..(lost + 2) * FRAME];
            assert!(
                (crossings_per_second(around) - 440.0).abs() < 30.0,
                "{lost}: {}",
                crossings_per_second(around)
            );
        }
    }

    #[test]
    fn garbage_is_an_error_or_sound_never_a_panic() {
        let mut decoder = OpusDecoder::new().unwrap();
        let mut out = Vec::new();
        for seed in 0..2000u32 {
            let length = (seed % 300) as usize;
            let bytes: Vec<u8> = (0..length)
                .map(|i| (seed.wrapping_mul(2_654_435_761) >> (i % 24)) as u8)
                .collect();
            let _ = decoder.decode(&bytes, &mut out);
            assert!(out.len() <= MAX_DECODED);
            out.clear();
        }
    }

    #[test]
    fn a_steady_tone_is_no_silence() {
        let mut encoder = OpusEncoder::new(24_000).unwrap();
        let frame = |n: usize| {
            let sample =
                |i: usize| 0.3 * (std::f32::consts::TAU * 440.0 * ((n * FRAME + i) % 48_000) as f32 / 48_000.0).sin();
            AudioFrame {
                samples: (0..FRAME).map(sample).collect(),
                captured_at: 0,
                rtp_timestamp: (n * FRAME) as u32,
                level_dbov: 10,
                clipped: false,
            }
        };
        let sent = (0..250)
            .filter(|&n| encoder.encode(&frame(n)).unwrap().is_some())
            .count();
        assert_eq!(sent, 250, "every frame of a tone is sent");
    }
}
