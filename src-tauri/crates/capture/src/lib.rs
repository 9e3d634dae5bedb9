//! What the candidate's machine captures and what the proctor's plays: camera, microphone, screen, encoders, decoders.
//! No network and no window. Every source runs on its own threads and reports to a sink; it starts, stops, fails and
//! recovers by itself (see [`source`]). Pictures are I420; sizes, rates and bitrates stand in [`layers`].

pub mod audio;
mod camera;
mod clock;
pub mod convert;
mod decode;
mod encode;
mod error;
mod glyphs;
pub mod layers;
mod luma;
mod picture;
mod pipeline;
mod screen;
pub mod source;
mod test_picture;

pub use audio::microphone::{MicrophoneConfig, MicrophoneSource, microphones};
pub use camera::{CameraConfig, CameraSource, cameras};
pub use clock::now_us;
pub use decode::VideoDecoder;
pub use encode::{Content, Encoded, H264Encoder, VideoEncoder};
pub use error::{CodecError, SourceProblem};
pub use luma::{LumaFacts, LumaMeter};
pub use picture::{Picture, Planes};
pub use pipeline::{EncodedFrame, PipelineThread, VideoPipeline};
pub use screen::{ScreenConfig, ScreenSource, displays};
pub use source::{Device, SourceEvent, SourceFormat, SourceHandle};
pub use test_picture::{TestPainter, TestPictureConfig, TestPictureSource};
