//! What the tests and the demo stand on: the real binaries, real X servers, real sound, real browsers, each started on a free
//! port and ended by its process id.

pub mod bot;
pub mod canned;
pub mod chromium;
pub mod coturn;
pub mod detour;
pub mod figures;
pub mod firefox;
pub mod gateway;
pub mod light;
pub mod namespace;
pub mod page;
pub mod process;
pub mod reel;
pub mod relay;
pub mod screen;
pub mod sfu;
pub mod sound;
pub mod stage;
pub mod timecode;
pub mod usage;
pub mod wait;
pub mod watcher;
pub mod webdriver;
