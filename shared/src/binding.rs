//! Bindings: what the server decided for a subscriber's slots.

use crate::publication::{Layer, PublicationRef};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Why a slot carries what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum BindingState {
    /// Packets of `layer` flow.
    Active,
    /// The layer was chosen; its key frame has been asked for.
    WaitingKeyFrame,
    /// The publication exists but sends nothing now.
    NoMedia,
    /// There is no such publication for this subscriber.
    NotFound,
    /// The subscriber's bandwidth does not allow it.
    Bandwidth,
    #[serde(other)]
    Unknown,
}

/// One slot's binding. A slot without a binding carries nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Binding {
    pub slot: u16,
    #[serde(flatten)]
    pub source: PublicationRef,
    /// The layer that flows or is awaited; none when nothing is.
    pub layer: Option<Layer>,
    pub state: BindingState,
}
