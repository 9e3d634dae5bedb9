//! A slot of a subscriber's pool, and the subscription that an intent put into it.

use crate::core::forwarder::OutStream;
use crate::core::keyframe;
use crate::core::layer_selector::LayerSelector;
use crate::core::media::Codec;
use invigil_shared::intent::Priority;
use invigil_shared::publication::Layer;
use std::time::{Duration, Instant};

/// A target that brought nothing for this long is helped by a lower layer.
pub const STALL: Duration = Duration::from_secs(2);
/// A key frame that has not begun to come is asked for again, as soon as may be: requests are lost as well.
pub const ASK_AGAIN: Duration = keyframe::INTERVAL;

/// The round trip until one was measured.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// What a slot carries.
#[derive(Debug)]
pub struct Subscription {
    /// The publication's number in its shard.
    pub publication: u64,
    pub wanted: Layer,
    pub priority: Priority,
    pub selector: LayerSelector,
    /// The path is too narrow for it.
    pub denied: bool,
    /// Since when the present target is awaited.
    pub since: Instant,
    pub asked: Option<Instant>,
    /// Where only pictures that stand by themselves fit: from one to the next, so that they take what was granted.
    pub every: Duration,
    /// When such a picture was taken last.
    taken: Option<Instant>,
    /// When a key frame began to leave last, and with which packet of the slot's numbering.
    pub key_began: Option<(Instant, u64)>,
    /// Of the full intra request that was followed last.
    command: Option<u8>,
}

impl Subscription {
    pub fn new(now: Instant, publication: u64, wanted: Layer, priority: Priority) -> Self {
        Self {
            publication,
            wanted,
            priority,
            selector: LayerSelector::default(),
            denied: false,
            since: now,
            asked: None,
            every: Duration::ZERO,
            taken: None,
            key_began: None,
            command: None,
        }
    }

    /// Whether a request for a key frame that comes now was sent before the receiver could know of one that has begun to leave. A
    /// later one may be the only one that says that it came in pieces.
    pub fn crosses_key_frame(&self, now: Instant, round_trip: Option<Duration>) -> bool {
        let known = round_trip.unwrap_or(ROUND_TRIP);
        self.key_began.is_some_and(|(began, _)| now < began + known)
    }

    /// Whether the receiver can't go on without a packet of the slot's numbering: no key frame has begun to leave after it.
    pub fn depends_on(&self, index: u64) -> bool {
        self.key_began.is_none_or(|(_, first)| first <= index)
    }

    /// Takes note of the command (RFC 5104 section 4.3.1) of a request for a key frame. True when it is one that was not followed yet.
    pub fn take_command(&mut self, command: Option<u8>) -> bool {
        let is_new = command.is_some() && command != self.command;
        self.command = command.or(self.command);
        is_new
    }

    /// Whether a picture that stands by itself and begins now may go through. On a path for nothing else each of them has to fit
    /// into what was granted, whoever asked for it: `clear` when nothing of the slot waits any more.
    pub fn takes_picture(&mut self, now: Instant, layer: Layer, clear: bool) -> bool {
        if !self.selector.is_thinned() {
            self.taken = None;
            return true;
        }
        if self.selector.target() != Some(layer) {
            return false;
        }
        let rested = self.taken.is_none_or(|taken| taken + self.every * 3 / 4 <= now);
        let takes = clear && (rested || self.selector.current().is_none());
        if takes {
            self.taken = Some(now);
        } else {
            // The next one is due as if nobody had asked for this one.
            self.asked = self.taken;
        }
        takes
    }

    /// Whether a key frame of the returned layer has to be asked for now, for the first time or again.
    pub fn needs_key_frame(&mut self, now: Instant) -> Option<Layer> {
        let awaited = self.selector.awaited()?;
        if self.asked.is_some_and(|asked| now < asked + ASK_AGAIN) {
            return None;
        }
        self.asked = Some(now);
        Some(awaited)
    }

    /// True when the target has been awaited for [`STALL`] and nothing is shown: the demand changes.
    pub fn check_stall(&mut self, now: Instant) -> bool {
        let stalls = self.selector.current().is_none() && self.selector.target().is_some() && self.since + STALL <= now;
        if stalls {
            self.selector.set_stalled();
            self.since = now;
        }
        stalls
    }
}

/// A slot: an m-line of the subscriber's pool that we send on.
#[derive(Debug)]
pub struct Slot {
    pub out: OutStream,
    /// What its m-line may carry, with the payload types of the codec and of its RTX.
    pub formats: Vec<(Codec, u8, Option<u8>)>,
    pub subscription: Option<Subscription>,
    /// When the next sender report is due; none until something was sent.
    pub report_at: Option<Instant>,
}

impl Slot {
    pub fn new(out: OutStream) -> Self {
        Self {
            out,
            formats: Vec::new(),
            subscription: None,
            report_at: None,
        }
    }

    pub fn can_carry(&self, codec: Codec) -> bool {
        self.formats.iter().any(|(known, ..)| *known == codec)
    }

    /// Sends in `codec` from now on, if that was negotiated.
    pub fn carry(&mut self, codec: Codec) {
        if self.out.config.codec != codec
            && let Some(&(codec, payload_type, rtx)) = self.formats.iter().find(|(known, ..)| *known == codec)
        {
            self.out.change_codec(codec, payload_type, rtx);
        }
    }
}
