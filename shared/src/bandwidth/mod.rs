//! How much a path carries, judged from what its far end reports, and what a publisher gives up when that is less than it
//! needs. Both sides use it: the SFU for each subscriber, the client for its publishing transport. Pure: time comes in as an
//! argument, nothing is sent from here.
//!
//! A path counts as wide until something speaks against it: the estimate begins as none, so that a wall of pictures opens at
//! once on the networks that most have. The first queue that builds up makes a limit, and from then on the estimator grows it,
//! probes for more and lifts it when it has held everything that was wanted for a while.

mod acknowledged;
mod allocation;
mod delay;
mod estimator;
mod history;
mod loss;
mod pace;
mod probe;
mod window;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use allocation::{
    AUDIO_BPS, AUDIO_EMERGENCY_BPS, LayerNeed, LayerPlan, Plan, audio_wire_bps, plan, video_wire_bps,
};
pub use estimator::PathEstimator;
pub use history::SentPackets;
pub use pace::Pace;
pub use probe::ProbeId;

use std::time::{Duration, Instant};

/// Bytes that the network adds to a datagram: IPv4 and UDP headers. A narrow link counts them, so we do.
pub const DATAGRAM_OVERHEAD: usize = 28;
/// What an RTP packet adds to its payload on the wire: those, 12 bytes of RTP header, about 20 of extensions, 16 of tag.
pub const PACKET_OVERHEAD: usize = DATAGRAM_OVERHEAD + 48;

/// What became of one packet, as far as the newest report tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketResult {
    pub sent: Instant,
    /// Receiver's clock, microseconds, any origin. None: it had not arrived when the receiver reported.
    pub arrived_us: Option<i64>,
    /// On the wire.
    pub bytes: u32,
    /// The probe that it was part of.
    pub probe: Option<ProbeId>,
    /// An earlier report called it missing.
    pub late: bool,
}

/// How a path does, for people and for logs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PathState {
    /// Bits per second; none while nothing speaks for a limit.
    pub estimate: Option<u64>,
    /// What was wanted of it, bits per second.
    pub wanted: u64,
    /// What arrived at the far end in the last half second, bits per second.
    pub acknowledged: u64,
    pub round_trip: Option<Duration>,
    /// How long packets wait in the path now.
    pub queue: Duration,
    /// Share of packets lost lately, 0 to 1.
    pub lost: f64,
}

impl PathState {
    /// The path carries clearly less than is wanted, or loses so much that people see it.
    pub fn is_weak(&self) -> bool {
        let narrow = self.estimate.is_some_and(|estimate| estimate * 4 < self.wanted * 3);
        narrow || self.lost >= 0.08 || self.queue >= Duration::from_millis(400)
    }
}

/// Judges what one path carries. Bytes are those on the wire ([`PACKET_OVERHEAD`]), rates bits per second.
pub trait BandwidthEstimator: Send {
    /// A packet leaves now. The probe that it has to be counted to, for [`PacketResult::probe`].
    fn on_sent(&mut self, now: Instant, bytes: usize) -> Option<ProbeId>;
    /// The far end reported on these packets, in the order in which they were sent.
    fn on_feedback(&mut self, now: Instant, results: &[PacketResult]);
    /// The sum of everything that should be sent now: nothing grows beyond it, and below it nothing is probed for.
    fn set_wanted(&mut self, bps: u64);
    /// A bound that the far end names itself (REMB), where it doesn't report packets.
    fn set_ceiling(&mut self, ceiling: Option<u64>);
    /// Bytes of padding that a running probe needs now; 0 nearly always. To be asked every 10 ms or so, and only where padding
    /// can be sent.
    fn padding(&mut self, now: Instant) -> usize;
    /// Bits per second; none while nothing speaks for a limit.
    fn estimate(&self) -> Option<u64>;
    /// What the path carries in the long run, bits per second: the estimate without the pauses that drain a queue. Layers follow
    /// it, which can't change for a moment only.
    fn sustained(&self) -> Option<u64>;
    /// The estimate is lower than what is known of the path only to see what becomes of its losses.
    fn is_testing(&self) -> bool;
    /// None before the first report.
    fn round_trip(&self) -> Option<Duration>;
    fn state(&self) -> PathState;
}
