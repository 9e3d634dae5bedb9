//! Every bound that a peer could otherwise push, with its reason.

/// A signalling frame. Room state of 120 participants with 3 publications each is about 48 KiB.
pub const MAX_FRAME: usize = 64 * 1024;
/// A frame that carries SDP: 62 m-lines made 64 KB of answer with stock settings, 128 make less than this with ours.
pub const MAX_SDP: usize = 256 * 1024;
/// Bad messages before a connection is closed: enough for one broken release to be noticed, too few to be a load.
pub const MAX_BAD_MESSAGES: u32 = 8;
/// Mutating messages per window outside of the buckets of their own.
pub const MUTATING_PER_WINDOW: u32 = 60;
pub const MUTATING_WINDOW_S: u64 = 60;
/// Wish lists: a wall that pages and focuses twice a second stays below it.
pub const INTENTS_PER_WINDOW: u32 = 240;
/// Key frame requests: 20 a second for a minute, so that a wall whose decoders lost their way is mended and asks for nothing
/// else's share.
pub const KEYFRAMES_PER_WINDOW: u32 = 1_200;
/// Integrity events: 10 a second for a minute; more is a broken hook.
pub const EVENTS_PER_WINDOW: u32 = 600;
/// Trickled ICE candidates per window.
pub const TRICKLE_PER_WINDOW: u32 = 120;
/// Statistics, freshness and pings per window: each once a second, with room.
pub const REPORTS_PER_WINDOW: u32 = 360;
/// Video slots of a subscribing transport: a page of 30 tiles with insets, and a focus view.
pub const VIDEO_SLOTS: u16 = 64;
/// Audio slots of a subscribing transport: one is listened to, the rest are for a change without a hitch.
pub const AUDIO_SLOTS: u16 = 4;
/// Intents in one wish list: every slot of a pool and of a second one once, so that a wall of 120 publications fits.
pub const MAX_INTENTS: usize = 2 * (VIDEO_SLOTS + AUDIO_SLOTS) as usize;
/// Cameras of one candidate: the one of the machine, and a phone beside it.
pub const MAX_CAMERAS: u8 = 2;
/// Displays of one candidate.
pub const MAX_SCREENS: u8 = 4;
pub const MAX_MICROPHONES: u8 = 2;
/// Publications of one candidate.
pub const MAX_PUBLICATIONS: usize = (MAX_CAMERAS + MAX_SCREENS + MAX_MICROPHONES) as usize;
/// Layers of one publication.
pub const MAX_LAYERS: usize = 3;
/// Memory of one hash of a password, KiB: what OWASP wants of Argon2id at least, and two at once fit a small server. What is checked has
/// its own in its hash, so that raising this asks nobody for a new password.
pub const PASSWORD_MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory: tens of milliseconds.
pub const PASSWORD_PASSES: u32 = 2;
/// Lanes: one thread a hash.
pub const PASSWORD_LANES: u32 = 1;
/// A message between people, characters.
pub const MAX_MESSAGE_CHARS: usize = 2_000;
/// Why a proctor does something to a sitting, characters: a sentence or two, shown on the candidate's screen.
pub const MAX_REASON_CHARS: usize = 300;
/// Extra time that one step gives, and all of them together, minutes: a working day.
pub const MAX_EXTRA_MIN: u16 = 480;
/// A payload of an integrity event, bytes.
pub const MAX_EVENT_PAYLOAD: usize = 4 * 1024;
/// Facts of an integrity event.
pub const MAX_EVENT_FACTS: usize = 16;
/// Integrity events in one message, when a journal is sent again.
pub const MAX_EVENTS_PER_MESSAGE: usize = 8;
/// Messages waiting for one signalling client; beyond it the client is closed with resume, never the room slowed.
pub const MAX_CLIENT_QUEUE: usize = 512;
/// Bytes that tungstenite may buffer towards one client.
pub const MAX_WRITE_BUFFER: usize = 1024 * 1024;
/// Seconds without a frame after which a signalling connection is closed. Clients ping every 5 s.
pub const IDLE_S: u64 = 20;
/// Seconds that an access token is good for.
pub const ACCESS_TOKEN_S: i64 = 15 * 60;
/// Seconds before its expiry at which a client refreshes.
pub const REFRESH_BEFORE_S: i64 = 3 * 60;
/// Wrong secrets for one exam code and address before they are throttled.
pub const MAX_SECRET_TRIES: u32 = 5;
pub const SECRET_WINDOW_S: u64 = 5 * 60;
/// Participants of one room in this version.
pub const MAX_PARTICIPANTS: usize = 600;
/// Signalling connections of one server in this version.
pub const MAX_CONNECTIONS: usize = 4_000;
/// Timeline entries that a proctor receives on joining.
pub const MAX_TIMELINE_BACKLOG: usize = 100;
/// Milliseconds without a packet after which a layer counts as not flowing: three frames of the slowest layer in normal use
/// (screen low, 2 frames a second), with jitter.
pub const FLOW_TIMEOUT_MS: u64 = 2_000;
/// Seconds that a session and its room stay after the exam's end, so that a late reconnect still hands in.
pub const EXAM_GRACE_S: i64 = 30 * 60;
/// Seconds after which a participant without a connection counts as lost: a quick reconnect makes no noise.
pub const PRESENCE_GRACE_S: u64 = 3;
/// Transports of one WHEP viewer; a browser page with a few pictures stays below it.
pub const MAX_BROWSER_RESOURCES: usize = 16;
/// The same for a screen: one that does not change sends next to nothing, and in an emergency a frame in 5 s.
pub const SCREEN_FLOW_TIMEOUT_MS: u64 = 15_000;
/// A roster as CSV, bytes: a thousand rows of 500.
pub const MAX_ROSTER_CSV: usize = 512 * 1024;
/// Transports of one shard: two of each participant of a full room, and those that take over from them.
pub const MAX_TRANSPORTS: usize = 2_048;
/// Candidates that one proctor is given, unless the exam's policy says otherwise.
pub const CANDIDATES_PER_PROCTOR: u16 = 8;
/// The most that a policy may say: a page of the wall.
pub const MAX_CANDIDATES_PER_PROCTOR: u16 = 30;
/// Seconds that a proctor who is away keeps the candidates: a restart of the app, of the server, or another network.
pub const PROCTOR_AWAY_S: i64 = 120;
/// Candidates that one request gives to a proctor: a frame of ids holds more, one write of the store need not.
pub const MAX_REASSIGNED: usize = 100;
/// Broadcasts of one exam in a minute: people can't read more, and each is a message to everybody.
pub const BROADCASTS_PER_MINUTE: usize = 6;
/// Seconds for which the media plane keeps the place of a candidate whose connection is lost: longer than the ten minutes that an outage may
/// take without anything being made anew. The session itself may go on until the exam's end and grace.
pub const MEDIA_RESUME_S: i64 = 15 * 60;
/// Points that are kept of one stay at the rate that was asked for; with each further so many they come half as often, so that a stay
/// of a day is no more than four times this.
pub const STATISTICS_AT_ONE_RATE: u32 = 720;
/// Points of one stay, whatever it was.
pub const MAX_STATISTICS: u32 = 4_000;
/// Steps of the small picture of a stay's connection.
pub const MAX_TREND: usize = 48;
