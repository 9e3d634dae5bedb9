//! What the server said of STUN and TURN servers, as of its last `ice:config`.

use crate::peer::relay::server::TurnServer;
use invigil_shared::signal::IceServer;

/// How media gets to the server where the straight way is shut, or must not be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IceSetup {
    pub servers: Vec<IceServer>,
    /// No other way may be taken.
    pub relay_only: bool,
}

/// Among the features of a server that sends `ice:config`. Others have no relays for us.
pub(crate) const FEATURE: &str = "ice_config";

impl IceSetup {
    /// There is a TURN server that this client can use.
    pub fn has_relay(&self) -> bool {
        !TurnServer::of(&self.servers).is_empty()
    }
}
