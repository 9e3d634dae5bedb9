//! The server of a world: shards behind addresses, and a control that passes on what clients ask for.

use crate::candidate::START_US;
use crate::clock::{Clock, Us};
use crate::person::{Message, Person, Request, number_of, participant};
use crate::proctor::Want;
use crate::trace::Trace;
use invigil_sfu::core::gauges::Gauges;
use invigil_sfu::core::io::{Command, CommandResult, Demand, Event, Profile, Reply, ShardId};
use invigil_sfu::core::paths::PathFigures;
use invigil_sfu::core::relay::RelayBatch;
use invigil_sfu::core::transport::{DtlsIdentity, Keying};
use invigil_sfu::core::{CoreConfig, Shard};
use invigil_shared::id::ParticipantId;
use invigil_shared::intent::Intent;
use invigil_shared::publication::PublicationRef;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

/// Only its fingerprint is used, in answers.
static IDENTITY: LazyLock<Arc<DtlsIdentity>> =
    LazyLock::new(|| Arc::new(DtlsIdentity::generate().expect("a certificate")));

/// Who a line of the trace is about when it is about nobody.
pub const NOBODY: u16 = u16::MAX;

struct Core {
    shard: Shard,
    address: SocketAddr,
    /// The timeout that stands on the agenda.
    planned: Us,
}

/// All shards of one process.
pub struct Server {
    cores: Vec<Core>,
    /// The seed of the associations' keys.
    pub keys: [u8; 32],
    dice: StdRng,
    down_until: Us,
}

impl Server {
    pub fn new(seed: u64, shards: usize, clock: Clock) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let keys = dice.random();
        let mut server = Self {
            cores: Vec::new(),
            keys,
            dice,
            down_until: 0,
        };
        server.start(shards, clock);
        server
    }

    fn start(&mut self, shards: usize, clock: Clock) {
        let dice = &mut self.dice;
        let keys = self.keys;
        self.cores = (0..shards)
            .map(|number| {
                let address = SocketAddr::from(([192, 0, 2, 10], 5_000 + number as u16));
                let others = (0..shards).filter(|other| *other != number);
                let config = CoreConfig {
                    shard: ShardId(number as u16),
                    siblings: others.map(|other| ShardId(other as u16)).collect(),
                    candidates: vec![address],
                    identity: Arc::clone(&IDENTITY),
                    keying: Keying::Seeded(keys),
                    seed: dice.random(),
                    unix_us: START_US + clock.now as i64,
                };
                Core {
                    shard: Shard::new(config, clock.instant()),
                    address,
                    planned: Us::MAX,
                }
            })
            .collect();
    }

    /// The process ends, and another one answers from `until` on.
    pub fn restart(&mut self, clock: Clock, until: Us) {
        self.down_until = until;
        let shards = self.cores.len();
        self.start(shards, clock);
    }

    pub fn is_up(&self, now: Us) -> bool {
        now >= self.down_until
    }

    pub fn shards(&self) -> usize {
        self.cores.len()
    }

    pub fn address(&self, shard: usize) -> SocketAddr {
        self.cores[shard].address
    }

    pub fn shard_at(&self, address: SocketAddr) -> Option<usize> {
        self.cores.iter().position(|core| core.address == address)
    }

    pub fn gauges(&self) -> Vec<Gauges> {
        self.cores.iter().map(|core| core.shard.gauges()).collect()
    }

    /// How the paths of everybody who is connected are judged.
    pub fn paths(&self) -> Vec<PathFigures> {
        self.cores.iter().flat_map(|core| core.shard.paths()).collect()
    }

    pub fn datagram(&mut self, clock: Clock, shard: usize, from: SocketAddr, bytes: &mut [u8]) {
        if self.is_up(clock.now) {
            let core = &mut self.cores[shard];
            core.shard.read(clock.instant(), from, core.address, bytes);
            core.shard.fan_out(clock.instant(), usize::MAX);
        }
    }

    pub fn tick(&mut self, clock: Clock, shard: usize) {
        let core = &mut self.cores[shard];
        if core.planned <= clock.now {
            core.planned = Us::MAX;
        }
        let now = clock.instant();
        if core.shard.poll_timeout().is_some_and(|due| due <= now) {
            core.shard.handle_timeout(now);
        }
        core.shard.fan_out(now, usize::MAX);
    }

    fn command(&mut self, clock: Clock, shard: usize, command: Command) -> CommandResult {
        self.cores[shard].shard.handle_command(clock.instant(), command)
    }

    /// Carries out what a client asks for; what it is told.
    pub fn serve(&mut self, clock: Clock, person: &Person, request: Request) -> Vec<Message> {
        let (id, home) = (person.id(), person.home);
        let result = match request {
            Request::Join { transport, sdp } => {
                let add = Command::AddTransport {
                    transport,
                    participant: id,
                    exam: person.exam,
                    direction: person.direction(),
                    profile: Profile::Native,
                    only_from: None,
                };
                let added = self.command(clock, home, add);
                let answer = added.and_then(|_| self.command(clock, home, Command::Offer { transport, sdp }));
                answer.map(|reply| (reply, Some(transport), None))
            }
            Request::Offer { transport, sdp } => {
                let answer = self.command(clock, home, Command::Offer { transport, sdp });
                answer.map(|reply| (reply, Some(transport), None))
            }
            Request::Publish { key, layers } => {
                let publish = Command::Publish {
                    participant: id,
                    publication: key,
                    codec: if key.kind.is_video() {
                        "video/H264"
                    } else {
                        "audio/opus"
                    }
                    .to_owned(),
                    layers,
                };
                self.command(clock, home, publish).map(|reply| (reply, None, Some(key)))
            }
            Request::Unpublish { key } => {
                let unpublish = Command::Unpublish {
                    participant: id,
                    publication: key,
                };
                self.command(clock, home, unpublish).map(|reply| (reply, None, None))
            }
            Request::Want { revision, wants } => {
                let intents = wants.iter().map(intent).collect();
                let set = Command::SetIntents {
                    subscriber: id,
                    revision,
                    intents,
                };
                self.command(clock, home, set).map(|reply| (reply, None, None))
            }
        };
        match result {
            Ok((Reply::Answer(sdp), Some(transport), _)) => vec![Message::Answer { transport, sdp }],
            Ok((Reply::Demand(layers), _, Some(publication))) => {
                vec![Message::Demand(Demand { publication, layers })]
            }
            Ok((Reply::Bindings(bindings), ..)) => vec![Message::Bindings(bindings)],
            Ok(_) => Vec::new(),
            Err(error) => vec![Message::Refused(error.code)],
        }
    }

    /// Carries what shards say to each other until they are quiet: their threads' rings are empty at once here.
    pub fn relay(&mut self, clock: Clock) {
        let now = clock.instant();
        let mut is_quiet = false;
        while !is_quiet {
            is_quiet = true;
            for number in 0..self.cores.len() {
                let from = ShardId(number as u16);
                while let Some((to, message)) = self.cores[number].shard.poll_relay() {
                    is_quiet = false;
                    self.cores[usize::from(to.0)].shard.handle_relay(now, from, message);
                }
                let mut batches: Vec<(ShardId, RelayBatch)> = Vec::new();
                for (to, batch) in self.cores[number].shard.relays() {
                    batches.push((to, std::mem::take(batch)));
                }
                for (to, mut batch) in batches {
                    is_quiet = false;
                    let shard = &mut self.cores[usize::from(to.0)].shard;
                    shard.read_relayed(now, from, &mut batch);
                    shard.fan_out(now, usize::MAX);
                }
            }
        }
    }

    /// What has to be sent, in order.
    pub fn take_datagrams(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut all = Vec::new();
        for core in &mut self.cores {
            for batch in core.shard.transmits() {
                for run in batch.runs() {
                    let datagrams = batch.datagrams(run);
                    all.extend(datagrams.map(|datagram| (run.destination, datagram.to_vec())));
                }
            }
            core.shard.clear_transmits();
        }
        all
    }

    /// What control passes on of the shards' events.
    pub fn take_messages(&mut self, trace: &mut Trace, now: Us) -> Vec<(u16, Message)> {
        let mut all = Vec::new();
        for core in &mut self.cores {
            while let Some(event) = core.shard.poll_event() {
                let person = about(&event).map_or(NOBODY, number_of);
                trace.note(now, person, format_args!("event {event:?}"));
                match event {
                    Event::LayerDemand { demands, .. } => {
                        all.extend(demands.into_iter().map(|demand| (person, Message::Demand(demand))));
                    }
                    Event::Bindings { bindings, .. } => all.push((person, Message::Bindings(bindings))),
                    Event::TransportLost { transport, .. } => all.push((person, Message::Lost { transport })),
                    _ => {}
                }
            }
        }
        all
    }

    /// Timeouts that are not on the agenda yet.
    pub fn take_timeouts(&mut self, clock: Clock) -> Vec<(usize, Us)> {
        let mut all = Vec::new();
        for (number, core) in self.cores.iter_mut().enumerate() {
            let due = [core.shard.poll_timeout(), core.shard.held_until()];
            if let Some(due) = due.into_iter().flatten().min().map(|due| clock.us_of(due))
                && due < core.planned
            {
                core.planned = due;
                all.push((number, due));
            }
        }
        all
    }
}

fn intent(want: &Want) -> Intent {
    Intent {
        slot: want.slot,
        wanted: PublicationRef {
            participant: participant(want.person),
            publication: want.key,
        },
        layer: want.layer,
        priority: want.priority,
    }
}

fn about(event: &Event) -> Option<ParticipantId> {
    match event {
        Event::TransportConnected { participant, .. }
        | Event::TransportLost { participant, .. }
        | Event::LayerDemand { participant, .. }
        | Event::MediaFlow { participant, .. }
        | Event::BrowserPublished { participant, .. } => Some(*participant),
        Event::Bindings { subscriber, .. } | Event::LayerSelected { subscriber, .. } => Some(*subscriber),
        Event::AudioLevels { .. } => None,
    }
}
