//! Intents: the whole wish list of a proctor, in one message.

use crate::publication::{Layer, PublicationRef};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How much an intent matters when bandwidth is short. Ordered from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Priority {
    /// Insets of the wall: given up first.
    Inset,
    /// A tile of the wall.
    Tile,
    /// A tile whose candidate is flagged or speaking.
    Flagged,
    /// The focus view.
    Focus,
}

/// What a proctor wants to receive. `slot` is the m-line index within the subscriber's pool, chosen by the client, so that
/// paging the wall re-maps slots and makes no SDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Intent {
    pub slot: u16,
    #[serde(flatten)]
    pub wanted: PublicationRef,
    /// The best layer that the tile's size can use.
    pub layer: Layer,
    pub priority: Priority,
}
