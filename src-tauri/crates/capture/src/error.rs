//! Why a source is not live, by stable code: the window's catalogue has the words.

/// A source's failure. `detail` is for the log; people read the catalogue's words for `code`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct SourceProblem {
    /// `camera_none`, `camera_denied`, `camera_in_use`, `camera_gone`, `camera_unsupported`, `microphone_none`,
    /// `microphone_denied`, `microphone_in_use`, `microphone_silent`, `microphone_gone`, `screen_denied`, `screen_gone`,
    /// `screen_unsupported`, `speaker_none`, `speaker_gone`.
    pub code: &'static str,
    pub detail: String,
}

impl SourceProblem {
    pub(crate) fn new(code: &'static str, detail: impl std::fmt::Display) -> Self {
        Self {
            code,
            detail: detail.to_string(),
        }
    }
}

/// A picture or packet that could not be converted, encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("pixel conversion: {0}")]
    Convert(String),
    #[error("scaling: {0}")]
    Scale(String),
    #[error("H.264: {0}")]
    H264(#[from] openh264::Error),
    #[error("Opus: {0}")]
    Opus(#[from] opus::Error),
    #[error("JPEG: {0}")]
    Jpeg(String),
    /// Not a whole picture, or one larger than we decode.
    #[error("bad frame: {0}")]
    BadFrame(&'static str),
}
