//! What there is, counted for metrics: numbers only, nobody's name.

use super::Control;
use invigil_shared::role::Role;
use invigil_shared::timeline::Presence;
use prometheus_client::metrics::histogram::Histogram;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Seconds. Half a second is what a join may take, 100 ms what an event may; the rest shows how far off it is.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How long things took since the start.
#[derive(Clone, Debug)]
pub struct Durations {
    /// From a candidate's `room:join` to its first connected transport.
    pub join: Histogram,
    /// From the arrival of integrity events to their acknowledgement, which is after the commit.
    pub acknowledge: Histogram,
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            join: Histogram::new(BUCKETS),
            acknowledge: Histogram::new(BUCKETS),
        }
    }
}

/// What there is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub rooms: usize,
    /// Members of rooms.
    pub participants: BTreeMap<(&'static str, &'static str), usize>,
    /// Participants who live on a shard.
    pub placed: usize,
    /// Authenticated signalling connections.
    pub sockets: usize,
    /// Browsers' transports, by WHIP and WHEP.
    pub browsers: usize,
    /// Frames that wait for clients, all together and for the one that is furthest behind.
    pub frames: usize,
    pub most_frames: usize,
}

impl Control {
    pub fn durations(&self) -> &Durations {
        &self.durations
    }

    /// Counts everything: for a scrape, not for every frame.
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        // Each combination always stands there: a series that comes and goes can't be told from one that was lost.
        for role in [Role::Candidate, Role::Proctor, Role::Lead] {
            for presence in [Presence::Online, Presence::Degraded, Presence::Lost, Presence::Finished] {
                census.participants.insert((role.as_str(), name(presence)), 0);
            }
        }
        let rooms: Vec<_> = self.rooms.lock().values().map(Arc::clone).collect();
        census.rooms = rooms.len();
        for room in rooms {
            for member in room.state.lock().members.values() {
                let key = (member.info.role.as_str(), name(member.info.presence));
                *census.participants.entry(key).or_default() += 1;
            }
        }
        census.placed = self.placement.lock().placed();
        let connections = self.connections.lock();
        census.sockets = connections.len();
        for waiting in connections.values().map(|(outbox, _)| outbox.waiting()) {
            census.frames += waiting;
            census.most_frames = census.most_frames.max(waiting);
        }
        drop(connections);
        census.browsers = self.browsers.lock().len();
        census
    }
}

fn name(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Degraded => "degraded",
        Presence::Lost => "lost",
        Presence::Finished => "finished",
        Presence::Unknown => "unknown",
    }
}
