//! The ways that a transport may take besides UDP: tried where UDP brings nothing back, and left again once it does.

use super::Live;
use crate::bounds::{UDP_LOOK_MAX, UDP_LOOK_MIN};
use crate::peer::carrier::{Carrier, Target};
use std::time::{Duration, Instant};

/// Ways of one negotiation: a server's addresses by TCP, and TLS.
pub(super) const MAX_UNTRIED: usize = 16;

/// Looks for UDP while another carrier serves.
pub(super) struct UdpLook {
    at: Instant,
    wait: Duration,
    running: Option<tokio::task::JoinHandle<bool>>,
}

impl UdpLook {
    pub fn new(now: Instant) -> Self {
        Self {
            at: now + UDP_LOOK_MIN,
            wait: UDP_LOOK_MIN,
            running: None,
        }
    }
}

/// True once when the server has answered by UDP, while something else carries the transport.
pub(super) async fn look_for_udp(live: &mut Live, last: Carrier, bind: &[String]) -> bool {
    let look = &mut live.look;
    if let Some(running) = look.running.take_if(|running| running.is_finished()) {
        let found = running.await.unwrap_or(false);
        look.wait = if found {
            UDP_LOOK_MIN
        } else {
            (look.wait * 2).min(UDP_LOOK_MAX)
        };
        look.at = Instant::now() + look.wait;
        return found && last != Carrier::Udp && live.restarted.is_none();
    }
    if last == Carrier::Udp {
        look.at = Instant::now() + look.wait;
    } else if look.running.is_none()
        && look.at <= Instant::now()
        && live.restarted.is_none()
        && let Some(probe) = live.peer.probe.clone()
    {
        look.running = Some(tokio::spawn(probe.look(bind.to_vec())));
    }
    false
}

/// Whether nothing has come back since a negotiation, neither straight away nor for long enough to try a relay.
pub(super) fn wants_relay(live: &Live, last: Carrier) -> bool {
    hears_nothing(live) && Carrier::Relay.is_due(live.since.elapsed(), last)
}

fn hears_nothing(live: &Live) -> bool {
    let since = live.since.elapsed();
    let heard = live.peer.tap.silence().is_some_and(|silence| silence < since);
    let negotiated = live.transport.is_some() && !live.restart_wanted;
    negotiated && !heard
}

/// Where UDP brings nothing back, ICE tries the others, each in its time.
pub(super) async fn try_others(live: &mut Live, last: Carrier) {
    if !hears_nothing(live) {
        return;
    }
    let since = live.since.elapsed();
    let (due, rest) = std::mem::take(&mut live.untried)
        .into_iter()
        .partition(|(target, _)| target.carrier().is_due(since, last));
    live.untried = rest;
    let due: Vec<(Target, String)> = due;
    for (target, mid) in due {
        tracing::debug!(?target, "nothing came back yet: another way is tried");
        if let Err(error) = live.peer.try_target(target, mid).await {
            tracing::debug!(%error, "a candidate was not taken");
        }
    }
}
