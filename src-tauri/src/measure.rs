//! Measuring: what the window drew and when, as lines that others can recompute every figure from.
//!
//! Switched on by `INVIGIL_MEASURE_DIR`; the demo and the tests set it.

use invigil_shared::publication::{Layer, PublicationRef};
use invigil_view::media::MediaReply;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Where to measure to.
pub const VARIABLE: &str = "INVIGIL_MEASURE_DIR";
const HEAD: &str = "participant,publication,layer,drawn_at_us,code_us,captured_at_us,width,height,fingerprint";

/// The directory that was asked for.
pub fn directory() -> Option<PathBuf> {
    std::env::var_os(VARIABLE)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Writes `frames.csv`. Times are microseconds since the Unix epoch: `drawn_at_us` by this machine's clock,
/// `captured_at_us` server time, `code_us` as read from the picture, empty when it holds no code.
pub struct FrameLog {
    file: BufWriter<File>,
}

impl FrameLog {
    /// Starts the file anew.
    ///
    /// # Errors
    /// When the directory can't be made or the file not be written.
    pub fn create(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut file = BufWriter::new(File::create(directory.join("frames.csv"))?);
        writeln!(file, "{HEAD}")?;
        file.flush()?;
        Ok(Self { file })
    }

    /// One drawn picture. Anything but [`MediaReply::Drawn`] is no line.
    ///
    /// # Errors
    /// When the disk refuses the write.
    pub fn line(&mut self, source: PublicationRef, layer: Option<Layer>, drawn: &MediaReply) -> io::Result<()> {
        let MediaReply::Drawn {
            drawn_at_us,
            captured_at_us,
            code_us,
            width,
            height,
            fingerprint,
            ..
        } = drawn
        else {
            return Ok(());
        };
        let PublicationRef {
            participant,
            publication,
        } = source;
        let layer = layer.map_or("", Layer::as_str);
        let code = code_us.map(|code| code.to_string()).unwrap_or_default();
        let file = &mut self.file;
        writeln!(
            file,
            "{participant},{publication},{layer},{drawn_at_us},{code},{captured_at_us},{width},{height},{fingerprint:08x}"
        )
    }

    /// Brings what was written to the file, so that a reader beside us sees whole lines.
    ///
    /// # Errors
    /// When the disk refuses the write.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::id::ParticipantId;
    use invigil_shared::publication::PublicationKey;

    #[test]
    fn a_drawn_picture_is_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = FrameLog::create(dir.path()).unwrap();
        let participant = ParticipantId::from_parts(1, [0; 10]);
        let source = PublicationRef {
            participant,
            publication: PublicationKey::SCREEN,
        };
        let mut drawn = MediaReply::Drawn {
            tile: 1,
            drawn_at_us: 20,
            captured_at_us: 10,
            code_us: Some(5),
            width: 960,
            height: 540,
            fingerprint: 255,
        };
        log.line(source, Some(Layer::High), &drawn).unwrap();
        if let MediaReply::Drawn { code_us, .. } = &mut drawn {
            *code_us = None;
        }
        log.line(source, None, &drawn).unwrap();
        log.line(source, None, &MediaReply::Ack { sequence: 1 }).unwrap();
        log.flush().unwrap();
        let text = std::fs::read_to_string(dir.path().join("frames.csv")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], HEAD);
        assert_eq!(
            lines[1],
            format!("{participant},screen/0,high,20,5,10,960,540,000000ff")
        );
        assert_eq!(lines[2], format!("{participant},screen/0,,20,,10,960,540,000000ff"));
        assert_eq!(lines.len(), 3);
    }
}
