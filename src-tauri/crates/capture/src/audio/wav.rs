//! A WAV file of what was heard: 48 kHz mono, 16 bit. Its header is kept true while it grows, so that a killed process
//! leaves a readable file.

use super::RATE;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// Samples between header updates: 1 s.
const HEADER_EVERY: u32 = RATE;

pub struct WavWriter {
    file: File,
    samples: u32,
    unwritten: u32,
}

impl WavWriter {
    /// # Errors
    /// When the file can't be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut writer = Self {
            file: File::create(path)?,
            samples: 0,
            unwritten: 0,
        };
        writer.header()?;
        Ok(writer)
    }

    /// # Errors
    /// When the disk refuses, or the file reached the format's 4 GiB.
    #[allow(clippy::cast_possible_truncation)] // clamped
    pub fn write(&mut self, samples: &[f32]) -> io::Result<()> {
        let more = u32::try_from(samples.len()).map_err(io::Error::other)?;
        let total = self.samples.checked_add(more).filter(|n| *n < u32::MAX / 2 - 64);
        let total = total.ok_or_else(|| io::Error::other("a WAV file ends at 4 GiB"))?;
        let bytes: Vec<u8> = samples
            .iter()
            .flat_map(|s| ((s.clamp(-1.0, 1.0) * 32_767.0).round() as i16).to_le_bytes())
            .collect();
        self.file.write_all(&bytes)?;
        (self.samples, self.unwritten) = (total, self.unwritten + more);
        if self.unwritten >= HEADER_EVERY {
            self.header()
        } else {
            Ok(())
        }
    }

    /// # Errors
    /// When the disk refuses.
    pub fn finish(mut self) -> io::Result<()> {
        self.header()?;
        self.file.sync_all()
    }

    fn header(&mut self) -> io::Result<()> {
        let data = self.samples * 2;
        let mut header = Vec::with_capacity(44);
        header.extend_from_slice(b"RIFF");
        header.extend_from_slice(&(36 + data).to_le_bytes());
        header.extend_from_slice(b"WAVEfmt ");
        header.extend_from_slice(&16u32.to_le_bytes());
        header.extend_from_slice(&1u16.to_le_bytes());
        header.extend_from_slice(&1u16.to_le_bytes());
        header.extend_from_slice(&RATE.to_le_bytes());
        header.extend_from_slice(&(RATE * 2).to_le_bytes());
        header.extend_from_slice(&2u16.to_le_bytes());
        header.extend_from_slice(&16u16.to_le_bytes());
        header.extend_from_slice(b"data");
        header.extend_from_slice(&data.to_le_bytes());
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header)?;
        self.file.seek(SeekFrom::End(0))?;
        self.unwritten = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_counts_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let mut wav = WavWriter::create(&path).unwrap();
        wav.write(&[0.0, 1.0, -1.0, 2.0]).unwrap();
        wav.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 44 + 8);
        assert_eq!(u32::from_le_bytes(bytes[40..44].try_into().unwrap()), 8);
        assert_eq!(&bytes[44..], [0, 0, 0xff, 0x7f, 0x01, 0x80, 0xff, 0x7f]);
    }
}
