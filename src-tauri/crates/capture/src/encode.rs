//! Video encoders behind one trait, so that another codec can stand beside OpenH264.
#![allow(unsafe_code)] // bitrate and log level can only be set in place through openh264's raw API

use crate::error::CodecError;
use crate::picture::Planes;
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Profile, RateControlMode,
    UsageType, VuiConfig,
};
use openh264::formats::YUVSource;
use openh264_sys2::{
    ENCODER_OPTION, ENCODER_OPTION_BITRATE, ENCODER_OPTION_MAX_BITRATE, ENCODER_OPTION_TRACE_LEVEL, SBitrateInfo,
    SPATIAL_LAYER_0, WELS_LOG_QUIET,
};

/// What is in the picture: it decides the encoder's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Camera,
    /// Text has to stay legible: 25 dB in camera mode, 35 dB in screen mode at the same bitrate.
    Screen,
}

/// One encoded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// An access unit in Annex B (ITU-T H.264 annex B). Keyframes carry SPS and PPS.
    pub data: Vec<u8>,
    /// An IDR picture.
    pub key: bool,
}

/// Encodes one layer.
pub trait VideoEncoder: Send {
    /// Encodes a picture; with `force_key` as a keyframe. `None`: the rate control skipped it. A new size restarts with a keyframe.
    ///
    /// # Errors
    /// `H264` from the encoder.
    fn encode(&mut self, planes: &Planes, at_us: i64, force_key: bool) -> Result<Option<Encoded>, CodecError>;
    /// Target from the next frame on, kilobits per second.
    ///
    /// # Errors
    /// `H264` when the encoder refuses the value.
    fn set_bitrate(&mut self, kbps: u32) -> Result<(), CodecError>;
}

/// H.264 constrained baseline by OpenH264.
pub struct H264Encoder {
    encoder: Encoder,
    /// Of the last picture; the bitrate is an option of a started encoder only.
    size: Option<(u32, u32)>,
    /// What the encoder starts with, also after a change of size.
    made_kbps: u32,
    max_kbps: u32,
    kbps: u32,
    wanted_kbps: u32,
}

impl H264Encoder {
    /// `fps` is the rate that the rate control plans for, `kbps` its target.
    ///
    /// # Errors
    /// `H264` when the encoder can't be made.
    pub fn new(content: Content, fps: u8, kbps: u32) -> Result<Self, CodecError> {
        let screen = content == Content::Screen;
        let made_kbps = kbps.max(10);
        let config = EncoderConfig::new()
            .usage_type(if screen {
                UsageType::ScreenContentRealTime
            } else {
                UsageType::CameraVideoRealTime
            })
            .profile(Profile::Baseline)
            .bitrate(BitRate::from_bps(made_kbps.saturating_mul(1000)))
            .max_frame_rate(FrameRate::from_hz(f32::from(fps.max(1))))
            .rate_control_mode(RateControlMode::Bitrate)
            .complexity(Complexity::Low)
            .num_threads(1)
            .skip_frames(screen)
            // On, it costs 2 dB and makes stray keyframes.
            .scene_change_detect(false)
            .adaptive_quantization(!screen)
            .background_detection(!screen)
            .intra_frame_period(IntraFramePeriod::from_num_frames(0))
            .vui(VuiConfig::bt601());
        let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config)?;
        let mut level = WELS_LOG_QUIET;
        // SAFETY: this option is allowed before the start, its argument is an integer that outlives the call.
        let code = unsafe {
            encoder
                .raw_api()
                .set_option(ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast())
        };
        if code != 0 {
            return Err(CodecError::BadFrame("the encoder refused its log level"));
        }
        Ok(Self {
            encoder,
            size: None,
            made_kbps,
            max_kbps: made_kbps,
            kbps: made_kbps,
            wanted_kbps: made_kbps,
        })
    }

    /// Sets the target of a started encoder.
    fn apply(&mut self, kbps: u32) -> Result<(), CodecError> {
        if self.size.is_none() || self.kbps == kbps {
            return Ok(());
        }
        // A target above the maximum is refused.
        if kbps > self.max_kbps {
            self.option(ENCODER_OPTION_MAX_BITRATE, kbps)?;
            self.max_kbps = kbps;
        }
        self.option(ENCODER_OPTION_BITRATE, kbps)?;
        self.kbps = kbps;
        Ok(())
    }

    fn option(&mut self, option: ENCODER_OPTION, kbps: u32) -> Result<(), CodecError> {
        let mut info = SBitrateInfo {
            iLayer: SPATIAL_LAYER_0,
            iBitrate: i32::try_from(kbps.saturating_mul(1000)).unwrap_or(i32::MAX),
        };
        // SAFETY: the encoder is initialised (it has a size), the option's argument is an SBitrateInfo that outlives the call.
        let code = unsafe { self.encoder.raw_api().set_option(option, (&raw mut info).cast()) };
        if code == 0 {
            Ok(())
        } else {
            Err(CodecError::BadFrame("the encoder refused the bitrate"))
        }
    }
}

impl VideoEncoder for H264Encoder {
    fn encode(&mut self, planes: &Planes, at_us: i64, force_key: bool) -> Result<Option<Encoded>, CodecError> {
        let size = (planes.width, planes.height);
        if self.size != Some(size) {
            // It starts anew, with what it was made with.
            (self.kbps, self.max_kbps) = (self.made_kbps, self.made_kbps);
        } else {
            self.apply(self.wanted_kbps)?;
            if force_key {
                self.encoder.force_intra_frame();
            }
        }
        let at = openh264::Timestamp::from_millis(u64::try_from(at_us / 1000).unwrap_or(0));
        let stream = self.encoder.encode_at(&Source(planes), at)?;
        self.size = Some(size);
        let key = stream.frame_type() == FrameType::IDR;
        let data = stream.to_vec();
        Ok((!data.is_empty()).then_some(Encoded { data, key }))
    }

    fn set_bitrate(&mut self, kbps: u32) -> Result<(), CodecError> {
        self.wanted_kbps = kbps.max(10);
        self.apply(self.wanted_kbps)
    }
}

struct Source<'a>(&'a Planes);

impl YUVSource for Source<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (self.0.width as usize, self.0.height as usize)
    }
    fn strides(&self) -> (usize, usize, usize) {
        let w = self.0.width as usize;
        (w, w / 2, w / 2)
    }
    fn y(&self) -> &[u8] {
        &self.0.y
    }
    fn u(&self) -> &[u8] {
        &self.0.u
    }
    fn v(&self) -> &[u8] {
        &self.0.v
    }
}
