//! This crate's own bounds, each with its reason. What a server may push is bounded in `invigil_shared::limits`.

use std::time::Duration;

/// Commands from the app waiting for the client's task: an app sends a few a second.
pub const MAX_COMMANDS: usize = 256;
/// Events waiting for the app: 128 slots at 15 frames a second for a second. Past it pictures are dropped, not states.
pub const MAX_EVENTS: usize = 2_048;
/// Encoded frames waiting for the packetiser, per layer: half a second of video; what is older is stale.
pub const MAX_FRAMES_WAITING: usize = 8;
/// Audio packets waiting for the packetiser: 20 ms each.
pub const MAX_AUDIO_WAITING: usize = 16;
/// Frames waiting for a media connection over TCP: half a second of both sources in focus, with sound. What comes then is lost, as
/// on any full path.
pub const MAX_FRAMES_UNSENT: usize = 128;
/// One encoded picture. A 1080p key frame of text is below 400 KB.
pub const MAX_FRAME_BYTES: usize = 2 * 1024 * 1024;
/// RTP payload bytes: 1,200 less RTP header, extensions, GCM tag and room for a tunnel.
pub const PAYLOAD_MTU: usize = 1150;
/// Packets that the frame assembler holds per slot: a key frame of 400 KB, and reordering.
pub const MAX_ASSEMBLY_PACKETS: usize = 512;
/// How long a gap is waited for (retransmissions come in one or two round trips) before a key frame is asked for; a key frame longer.
pub const MAX_GAP_WAIT: Duration = Duration::from_millis(400);
/// How long a repair is still taken: whichever comes first, it or the key frame.
pub const MAX_GAP_PATIENCE: Duration = Duration::from_millis(1_000);
/// Between two requests for a key frame by RTCP, which may be lost. The server makes one of them where one is on its way.
pub const PICTURE_LOSS_INTERVAL: Duration = Duration::from_millis(200);
/// A key frame is asked for at most this often per slot: a round trip and an encode.
pub const KEYFRAME_INTERVAL: Duration = Duration::from_millis(400);
/// Key frames asked for by signalling within one such interval, over all slots: 15 a second, below the server's bucket. A wall
/// whose decoders all lost their way is mended in turn; all at once would lose it again.
pub const KEYFRAMES_AT_ONCE: usize = 6;
/// Unanswered requests on one link.
pub const MAX_PENDING: usize = 256;
/// How long an answer is waited for.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(8);
/// The same where the server asks an identity provider up to five times meanwhile.
pub const FOREIGN_DEADLINE: Duration = Duration::from_secs(30);
/// How long connecting (TCP, TLS, upgrade) may take.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(8);
/// Between pings: keeps the link from idling out and the clock true.
pub const PING_INTERVAL: Duration = Duration::from_secs(5);
/// Without any frame for this long the link is dead: two pings went unanswered.
pub const LINK_SILENCE: Duration = Duration::from_secs(11);
/// Reconnecting starts at this delay and doubles up to [`BACKOFF_MAX`].
pub const BACKOFF_MIN: Duration = Duration::from_millis(250);
pub const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Integrity events kept while the server can't be reached: at 10 a second, 13 minutes. The disk journal is larger.
pub const MAX_JOURNAL: usize = 8_192;
/// A path without a single datagram for this long is dead: four of ICE's own checks went unanswered.
pub const PATH_SILENCE: Duration = Duration::from_secs(1);
/// Between ICE's checks of the selected pair.
pub const ICE_KEEPALIVE: Duration = Duration::from_millis(250);
/// Between looks whether UDP gets through again: a network seldom changes its mind, so the wait doubles up to the second.
pub const UDP_LOOK_MIN: Duration = Duration::from_secs(10);
pub const UDP_LOOK_MAX: Duration = Duration::from_secs(60);
/// How long a restarted ICE may take before the transport is built anew.
pub const RESTART_DEADLINE: Duration = Duration::from_secs(5);
