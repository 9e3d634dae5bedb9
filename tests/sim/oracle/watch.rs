//! What a world looks at ten times a second: tiles that stand still though everything for them is there, and all that is held
//! somewhere against its bound.

use super::{Promise, Violation};
use crate::clock::{MS, S, Us};
use crate::proctor::Source;
use crate::world::World;
use invigil_sfu::core::MAX_EVENTS;
use invigil_sfu::core::gauges::Gauges;
use invigil_sfu::core::peer::MAX_STREAMS;
use invigil_sfu::core::rtx::MAX_BYTES;
use invigil_shared::binding::BindingState;
use invigil_shared::limits::MAX_INTENTS;
use std::collections::BTreeMap;

/// Between two looks.
pub const EVERY: Us = 100 * MS;

/// What is held at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A tile that could show pictures shows one within this.
    pub still: Us,
    pub gauges: Gauges,
    /// Packets in one assembler of a proctor.
    pub assembler: usize,
}

impl Limits {
    /// The bounds of the code itself, for a world of `people`.
    pub fn of(people: usize) -> Self {
        Self {
            still: 3 * S,
            gauges: Gauges {
                // One that takes over from another lives beside it for the length of a command.
                transports: people,
                participants: people,
                publications: people * 3,
                // A slot carries one thing.
                subscriptions: people * MAX_INTENTS,
                events: MAX_EVENTS,
                unsent_bytes: 0,
                kept_bytes: people * 6 * MAX_BYTES,
                kept_bytes_of_layer: MAX_BYTES,
                streams_of_transport: MAX_STREAMS,
            },
            assembler: 512,
        }
    }
}

/// Since when each tile has had all that it needs.
#[derive(Debug, Default)]
pub struct Watch {
    able: BTreeMap<(u16, Source), Us>,
}

impl Watch {
    /// Looks at the world once.
    pub fn look(&mut self, world: &World) -> Vec<Violation> {
        let mut found = Vec::new();
        let now = world.clock.now;
        let mut report = |person, promise, what| {
            found.push(Violation {
                at: now,
                person,
                promise,
                what,
            });
        };
        for (number, gauges) in world.gauges().into_iter().enumerate() {
            if let Some(what) = exceeded(&gauges, &world.limits.gauges) {
                report(number as u16, Promise::Bounds, format!("shard {number}: {what}"));
            }
        }
        for (number, proctor) in world.proctors() {
            if proctor.held() > world.limits.assembler {
                report(
                    number,
                    Promise::Bounds,
                    format!("an assembler holds {} packets", proctor.held()),
                );
            }
            for want in proctor.wants.iter().filter(|want| want.key.kind.is_video()) {
                let source = (want.person, want.key);
                let refused = proctor
                    .bindings
                    .get(&want.slot)
                    .is_some_and(|binding| matches!(binding.state, BindingState::Bandwidth | BindingState::NotFound));
                let place = (number, source);
                if refused || !world.could_show(number, source) {
                    self.able.remove(&place);
                    continue;
                }
                let able = *self.able.entry(place).or_insert(now);
                let last = proctor.last_shown(source).unwrap_or(0).max(able);
                if now - last > world.limits.still {
                    let binding = proctor.bindings.get(&want.slot).map(|binding| binding.state);
                    report(
                        number,
                        Promise::Tile,
                        format!("{source:?} stands still since {last} us, {binding:?}"),
                    );
                    self.able.insert(place, now);
                }
            }
            let wanted = |place: &(u16, Source)| {
                place.0 != number || proctor.wants.iter().any(|want| (want.person, want.key) == place.1)
            };
            self.able.retain(|place, _| wanted(place));
        }
        found
    }
}

fn exceeded(held: &Gauges, most: &Gauges) -> Option<String> {
    let pairs = [
        ("transports", held.transports, most.transports),
        ("participants", held.participants, most.participants),
        ("publications", held.publications, most.publications),
        ("subscriptions", held.subscriptions, most.subscriptions),
        ("events", held.events, most.events),
        ("unsent bytes", held.unsent_bytes, most.unsent_bytes),
        ("kept bytes", held.kept_bytes, most.kept_bytes),
        (
            "kept bytes of a layer",
            held.kept_bytes_of_layer,
            most.kept_bytes_of_layer,
        ),
        ("streams", held.streams_of_transport, most.streams_of_transport),
    ];
    let over = pairs.into_iter().find(|(_, held, most)| held > most)?;
    Some(format!("{} {}, at most {}", over.1, over.0, over.2))
}
