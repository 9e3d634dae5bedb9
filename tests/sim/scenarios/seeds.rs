//! Whole exams in which everything goes wrong that can, chosen by a seed, and in which nothing may stay broken.
//!
//! In the gate the seeds are fixed. `cargo xtask prove sim` runs new ones: `INVIGIL_SIM_MINUTES` says for how long and
//! `INVIGIL_SIM_SEED` where they begin. With `INVIGIL_SIM_SEED` alone that one seed is run again.

use super::{POOL, focus, tile, want};
use crate::candidate::{camera, microphone, usual};
use crate::clock::{MS, S};
use crate::link::LinkSpec;
use crate::oracle::pictures::seen;
use crate::proctor::Want;
use crate::world::World;
use invigil_shared::binding::BindingState;
use invigil_shared::intent::Priority;
use invigil_shared::publication::{Layer, PublicationKey};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Of the gate: chosen once, by counting; the last ones have found something.
const FIXED: [u64; 27] = [
    101, 102, 103, 104, 105, 106, 107, 2064, 2081, 5247, 7037, 7095, 7100, 9180, 20_142, 20_363, 21_120, 21_170,
    22_350, 41_483, 61_850, 63_452, 70_598, 83_043, 100_947, 101_283, 106_286,
];
/// Those in which `prove sim` has found something.
const PROVED: [u64; 3] = [1_795_757_318_650_379, 1_795_757_318_650_682, 1_795_764_023_826_513];
/// Faults within [`STORM`].
const FAULTS: u32 = 10;
const STORM: u64 = 20 * S;
/// After the last fault: the longest backoff, a join, and time for a picture to be missed.
const CALM: u64 = 10 * S;

fn path(dice: &mut StdRng) -> LinkSpec {
    LinkSpec {
        jitter: dice.random_range(0..15 * MS),
        loss: f64::from(dice.random_range(0..5)) / 100.0,
        reorder: f64::from(dice.random_range(0..3)) / 100.0,
        duplicate: f64::from(dice.random_range(0..2)) / 100.0,
        corrupt: f64::from(dice.random_range(0..5)) / 1_000.0,
        ..LinkSpec::clean(dice.random_range(2 * MS..70 * MS))
    }
}

/// A wish list: every camera, one candidate in focus, and something of the other exam that must not come.
fn wishes(dice: &mut StdRng, mine: &[u16], others: &[u16]) -> Vec<Want> {
    let chosen = mine[dice.random_range(0..mine.len())];
    let mut wants = focus(0, POOL.0, chosen);
    let rest = mine.iter().filter(|who| **who != chosen && dice.random::<f64>() < 0.8);
    wants.extend(rest.zip(2..).map(|(who, slot)| tile(slot, *who)));
    if let Some(other) = others.first() {
        let high = (PublicationKey::CAMERA, Layer::High, Priority::Focus);
        wants.push(want(POOL.0 - 1, *other, high.0, high.1, high.2));
    }
    wants
}

struct Stage {
    world: World,
    dice: StdRng,
    candidates: [Vec<u16>; 2],
    proctors: Vec<(u16, usize)>,
}

impl Stage {
    fn new(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut world = World::new(seed, if dice.random() { 1 } else { 4 });
        let (mut candidates, mut proctors) = ([Vec::new(), Vec::new()], Vec::new());
        for _ in 0..dice.random_range(4..8) {
            let in_exam = usize::from(dice.random::<f64>() < 0.3);
            let plans = if dice.random::<f64>() < 0.2 {
                vec![camera(), microphone()]
            } else {
                usual()
            };
            let spec = path(&mut dice);
            candidates[in_exam].push(world.candidate(in_exam as u8 + 1, spec, plans));
        }
        if candidates[0].is_empty() {
            let spec = path(&mut dice);
            candidates[0].push(world.candidate(1, spec, usual()));
        }
        for nth in 0..dice.random_range(2..5) {
            let in_exam = usize::from(nth == 1 && !candidates[1].is_empty());
            let spec = path(&mut dice);
            proctors.push((world.proctor(in_exam as u8 + 1, spec, POOL), in_exam));
        }
        Self {
            world,
            dice,
            candidates,
            proctors,
        }
    }

    fn wish(&mut self, (proctor, in_exam): (u16, usize)) {
        let (mine, others) = (&self.candidates[in_exam], &self.candidates[1 - in_exam]);
        let wants = wishes(&mut self.dice, mine, others);
        self.world.want(proctor, wants);
    }

    fn anyone(&mut self) -> u16 {
        self.dice.random_range(0..self.world.people.len() as u16)
    }

    fn publisher(&mut self) -> u16 {
        let all: Vec<u16> = self.candidates.iter().flatten().copied().collect();
        all[self.dice.random_range(0..all.len())]
    }

    /// Something goes wrong. What has an end is ended by [`Self::heal`].
    fn fault(&mut self) {
        let who = self.anyone();
        let away = self.dice.random_range(0..3 * S);
        match self.dice.random_range(0..10) {
            0 => self.world.crash(who, away),
            1 => self.world.cut(who, true),
            2 => self.world.restart_ice(who),
            3 => self.world.change_address(who),
            4 => self.world.restart_server(away / 2),
            5 => {
                let bad = LinkSpec {
                    loss: 0.25,
                    corrupt: 0.05,
                    jitter: 60 * MS,
                    reorder: 0.1,
                    ..path(&mut self.dice)
                };
                self.world.set_path(who, bad);
            }
            6 => {
                let publisher = self.publisher();
                self.world.set_published(publisher, PublicationKey::CAMERA, false);
            }
            7 => {
                let publisher = self.publisher();
                self.world.crash(publisher, 0);
            }
            8 => self.world.stall(who),
            _ => {
                let proctor = self.proctors[self.dice.random_range(0..self.proctors.len())];
                self.wish(proctor);
            }
        }
    }

    /// Everything that lasts comes to an end.
    fn heal(&mut self) {
        for number in 0..self.world.people.len() as u16 {
            let person = &self.world.people[usize::from(number)];
            let (dead, stalled, bad) = (person.up.dead, person.stalled, person.up.spec.loss > 0.1);
            let hidden = person
                .candidate()
                .is_some_and(|candidate| candidate.is_hidden(PublicationKey::CAMERA));
            if dead {
                self.world.cut(number, false);
            }
            if stalled {
                self.world.wake_up(number);
            }
            if bad {
                let spec = path(&mut self.dice);
                self.world.set_path(number, spec);
            }
            if hidden {
                self.world.set_published(number, PublicationKey::CAMERA, true);
            }
        }
    }

    fn run(mut self) -> World {
        for proctor in self.proctors.clone() {
            self.wish(proctor);
        }
        self.world.run_for(3 * S);
        for _ in 0..FAULTS {
            self.fault();
            let pause = self.dice.random_range(0..2 * STORM / u64::from(FAULTS));
            self.world.run_for(pause);
            if self.dice.random::<f64>() < 0.4 {
                self.heal();
            }
        }
        self.heal();
        self.world.run_for(CALM);
        self.world
    }
}

/// Runs one seed; what was broken, if anything.
fn judge(seed: u64) -> Result<(), String> {
    let world = catch_unwind(AssertUnwindSafe(|| Stage::new(seed).run()))
        .map_err(|_| format!("seed {seed}: a panic, which is a bug of ours"))?;
    world.verdict()?;
    let end = world.clock.now;
    for (number, proctor) in world.proctors() {
        for want in proctor
            .wants
            .iter()
            .filter(|want| world.could_show(number, (want.person, want.key)))
        {
            let shown = proctor
                .shown
                .get(&(want.person, want.key))
                .map_or(&[][..], Vec::as_slice);
            // The server may think that a path which loses packets is narrow, as long as it says so.
            let binding = proctor.bindings.get(&want.slot);
            let is_denied = binding.is_some_and(|binding| binding.state == BindingState::Bandwidth);
            if is_denied || proctor.denied.get(&want.slot).is_some_and(|at| at + 5 * S > end) {
                continue;
            }
            let last = seen(shown, end - 4 * S, end);
            let wanted = match (want.key, want.layer) {
                (PublicationKey::MICROPHONE, _) => 35.0,
                (PublicationKey::CAMERA, Layer::Low) => 6.0,
                (PublicationKey::CAMERA, _) => 8.0,
                _ => 1.0,
            };
            if last.fps < wanted {
                return Err(format!(
                    "seed {seed}: proctor {number} has {:.1} of {wanted} a second of {:?} {:?} at the end\n{}",
                    last.fps,
                    want.person,
                    want.key,
                    world.trace.recent()
                ));
            }
        }
    }
    Ok(())
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not '{text}'")),
    )
}

#[test]
fn whatever_goes_wrong_every_promise_holds_and_everything_is_back() {
    let (first, minutes) = (number("INVIGIL_SIM_SEED"), number("INVIGIL_SIM_MINUTES"));
    let mut run = 0;
    let mut failed = Vec::new();
    let mut one = |seed: u64| {
        run += 1;
        if let Err(why) = judge(seed) {
            println!("sim: seed {seed} FAILED\n{why}");
            failed.push(seed);
        }
    };
    match (first, minutes) {
        (Some(first), Some(minutes)) => {
            let until = Instant::now() + Duration::from_secs(60 * minutes);
            for seed in first.. {
                if Instant::now() >= until {
                    break;
                }
                one(seed);
            }
        }
        (Some(seed), None) => one(seed),
        (None, _) => FIXED.into_iter().chain(PROVED).for_each(one),
    }
    println!("sim: {run} seeds, {} failed", failed.len());
    assert!(
        failed.is_empty(),
        "failed seeds: {failed:?}; again: INVIGIL_SIM_SEED={} cargo test -p invigil-tests --test sim seeds",
        failed[0]
    );
}
