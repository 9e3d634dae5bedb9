//! A participant as a program on a machine: it joins, keeps its path alive, and starts over when that fails. What it publishes
//! or watches is its side's business.

use crate::candidate::Candidate;
use crate::clock::{Clock, MS, S, Us};
use crate::endpoint::Endpoint;
use crate::link::{Link, LinkSpec};
use crate::oracle::egress::Egress;
use crate::proctor::{Proctor, Source, Want};
use crate::sdp;
use invigil_sfu::core::transport::IceCredentials;
use invigil_shared::binding::Binding;
use invigil_shared::error::ErrorCode;
use invigil_shared::id::{ExamId, ParticipantId, TransportId};
use invigil_shared::publication::{LayerOffer, PublicationKey};
use invigil_shared::signal::{Demand, Direction};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

/// As the client has them.
const PATH_SILENCE: Us = S;
const RESTART_DEADLINE: Us = 5 * S;
const JOIN_DEADLINE: Us = 8 * S;
/// Beyond this loss `scenarios/loss.rs` says what pictures are still worth; the promise of a moving tile is for other paths.
const ROUGH: f64 = 0.1;
const BACKOFF: (Us, Us) = (250 * MS, 500 * MS);

pub fn participant(number: u16) -> ParticipantId {
    let [high, low] = number.to_be_bytes();
    ParticipantId::from_parts(1, [1, 1, 1, 1, 1, 1, 1, 1, high, low])
}

/// The number behind [`participant`].
pub fn number_of(id: ParticipantId) -> u16 {
    let text = id.to_string();
    u16::from_str_radix(&text[text.len() - 4..], 16).expect("a UUID ends in hexadecimal digits")
}

pub fn exam(number: u8) -> ExamId {
    ExamId::from_parts(1, [number; 10])
}

/// What a client asks of control.
#[derive(Clone, Debug)]
pub enum Request {
    Join {
        transport: TransportId,
        sdp: String,
    },
    Offer {
        transport: TransportId,
        sdp: String,
    },
    Publish {
        key: PublicationKey,
        layers: Vec<LayerOffer>,
    },
    Unpublish {
        key: PublicationKey,
    },
    Want {
        revision: u64,
        wants: Vec<Want>,
    },
}

/// What control tells a client.
#[derive(Clone, Debug)]
pub enum Message {
    Answer { transport: TransportId, sdp: String },
    Demand(Demand),
    Bindings(Vec<Binding>),
    Lost { transport: TransportId },
    Refused(ErrorCode),
}

/// What a participant is here for.
pub enum Side {
    Candidate(Box<Candidate>),
    Proctor(Box<Proctor>),
}

/// One participant.
pub struct Person {
    pub number: u16,
    pub exam: ExamId,
    /// The shard that it lives on.
    pub home: usize,
    pub side: Side,
    pub up: Link,
    pub down: Link,
    pub endpoint: Option<Endpoint>,
    pub generation: u16,
    /// Network switches so far.
    pub moves: u8,
    /// Its program runs.
    pub online: bool,
    /// It runs, but does nothing: a suspended process.
    pub stalled: bool,
    /// It publishes only when [`World::publish_all`](crate::world::World::publish_all) says so.
    pub holds_back: bool,
    pub held: Vec<Request>,
    pub join_at: Us,
    joined_at: Us,
    pub egress: Egress,
    /// What control has allowed it to see, and what it had until when.
    pub allowed: BTreeSet<Source>,
    pub withdrawn: BTreeMap<Source, Us>,
    pub requests: VecDeque<(Us, Request)>,
    pub messages: VecDeque<(Us, Message)>,
    pub refusals: Vec<ErrorCode>,
    /// The earliest wake that stands on the agenda.
    pub planned: Us,
    dice: StdRng,
    seed: [u8; 32],
}

impl Person {
    pub fn new(
        number: u16,
        (exam, home): (ExamId, usize),
        side: Side,
        (up, down): (LinkSpec, LinkSpec),
        (seed, keys): (u64, [u8; 32]),
    ) -> Self {
        let own = seed ^ (u64::from(number) << 32);
        Self {
            number,
            exam,
            home,
            side,
            up: Link::new(up, own ^ 1),
            down: Link::new(down, own ^ 2),
            endpoint: None,
            generation: 0,
            moves: 0,
            online: true,
            stalled: false,
            holds_back: false,
            held: Vec::new(),
            join_at: Us::MAX,
            joined_at: 0,
            egress: Egress::default(),
            allowed: BTreeSet::new(),
            withdrawn: BTreeMap::new(),
            requests: VecDeque::new(),
            messages: VecDeque::new(),
            refusals: Vec::new(),
            planned: Us::MAX,
            dice: StdRng::seed_from_u64(own ^ 3),
            seed: keys,
        }
    }

    pub fn id(&self) -> ParticipantId {
        participant(self.number)
    }

    pub fn direction(&self) -> Direction {
        match self.side {
            Side::Candidate(_) => Direction::Publish,
            Side::Proctor(_) => Direction::Subscribe,
        }
    }

    pub fn candidate(&self) -> Option<&Candidate> {
        match &self.side {
            Side::Candidate(candidate) => Some(candidate),
            Side::Proctor(_) => None,
        }
    }

    pub fn candidate_mut(&mut self) -> Option<&mut Candidate> {
        match &mut self.side {
            Side::Candidate(candidate) => Some(candidate),
            Side::Proctor(_) => None,
        }
    }

    pub fn proctor(&self) -> Option<&Proctor> {
        match &self.side {
            Side::Proctor(proctor) => Some(proctor),
            Side::Candidate(_) => None,
        }
    }

    pub fn proctor_mut(&mut self) -> Option<&mut Proctor> {
        match &mut self.side {
            Side::Proctor(proctor) => Some(proctor),
            Side::Candidate(_) => None,
        }
    }

    /// Media can flow both ways, as far as the machine and its network go.
    pub fn is_well(&self) -> bool {
        let connected = self
            .endpoint
            .as_ref()
            .is_some_and(|endpoint| endpoint.is_connected() && endpoint.restarting.is_none());
        let passes = |link: &Link| !link.dead && link.spec.loss <= ROUGH;
        self.online && !self.stalled && connected && passes(&self.up) && passes(&self.down)
    }

    fn credentials(&mut self) -> IceCredentials {
        IceCredentials::from_random(self.dice.random())
    }

    fn address(&self) -> SocketAddr {
        let [high, low] = self.number.to_be_bytes();
        SocketAddr::from(([10, self.moves, high, low], 40_000 + self.generation))
    }

    fn offer(&self, local: &IceCredentials) -> String {
        let media = match &self.side {
            Side::Candidate(candidate) => candidate.media(),
            Side::Proctor(proctor) => proctor.media(),
        };
        sdp::offer(local, &media)
    }

    /// Starts a transport over, later: a program that starts, a link that broke.
    pub fn rejoin(&mut self, now: Us) {
        self.endpoint = None;
        self.join_at = now + self.dice.random_range(BACKOFF.0..BACKOFF.1);
    }

    /// Makes a transport; what to ask for.
    fn join(&mut self, now: Us) -> Vec<Request> {
        self.join_at = Us::MAX;
        self.joined_at = now;
        self.generation += 1;
        let local = self.credentials();
        let mut name = [2; 10];
        name[..2].copy_from_slice(&self.number.to_be_bytes());
        name[2..4].copy_from_slice(&self.generation.to_be_bytes());
        let transport = TransportId::from_parts(2, name);
        let sdp = self.offer(&local);
        self.endpoint = Some(Endpoint::new(self.seed, transport, self.address(), local, now));
        let mut requests = vec![Request::Join { transport, sdp }];
        match &mut self.side {
            Side::Candidate(candidate) => {
                let publish = |(key, layers)| Request::Publish { key, layers };
                let publish = candidate.begin(now).into_iter().map(publish);
                if self.holds_back {
                    self.held = publish.collect();
                } else {
                    requests.extend(publish);
                }
            }
            Side::Proctor(proctor) => {
                proctor.offers = 1;
                proctor.bindings.clear();
                proctor.revision = 1;
                let (revision, wants) = (proctor.revision, proctor.wants.clone());
                requests.push(Request::Want { revision, wants });
            }
        }
        requests
    }

    /// New ICE credentials for the same transport (RFC 8445 section 2.4).
    pub fn restart_ice(&mut self, now: Us) -> Option<Request> {
        let local = self.credentials();
        let sdp = self.offer(&local);
        let endpoint = self.endpoint.as_mut().filter(|endpoint| endpoint.is_connected())?;
        endpoint.local = local;
        endpoint.restarting = Some(now);
        let transport = endpoint.transport;
        if let Side::Proctor(proctor) = &mut self.side {
            proctor.offers += 1;
        }
        Some(Request::Offer { transport, sdp })
    }

    /// Its network has changed: another address, the same sockets' session, checked at once.
    pub fn change_address(&mut self, now: Us) -> Option<SocketAddr> {
        self.moves += 1;
        let address = self.address();
        let endpoint = self.endpoint.as_mut()?;
        endpoint.address = address;
        endpoint.check_now(now);
        Some(address)
    }

    /// When [`Self::act`] is due.
    pub fn next(&self) -> Us {
        if !self.online || self.stalled {
            return Us::MAX;
        }
        let Some(endpoint) = &self.endpoint else {
            return self.join_at;
        };
        let patience = match endpoint.restarting {
            Some(since) => since + RESTART_DEADLINE,
            None if endpoint.is_connected() => endpoint.heard + PATH_SILENCE,
            None => self.joined_at + JOIN_DEADLINE,
        };
        let media = match &self.side {
            _ if !endpoint.is_connected() => Us::MAX,
            Side::Candidate(candidate) => candidate.next(),
            Side::Proctor(proctor) => proctor.next(),
        };
        self.join_at.min(endpoint.next()).min(patience).min(media)
    }

    /// What it does by itself now.
    pub fn act(&mut self, now: Us) -> Vec<Request> {
        if self.join_at <= now {
            return self.join(now);
        }
        let Some(endpoint) = &self.endpoint else {
            return Vec::new();
        };
        if let Some(since) = endpoint.restarting {
            if since + RESTART_DEADLINE <= now {
                self.rejoin(now);
            }
        } else if endpoint.is_connected() {
            if endpoint.heard + PATH_SILENCE <= now {
                return self.restart_ice(now).into_iter().collect();
            }
        } else if self.joined_at + JOIN_DEADLINE <= now {
            self.rejoin(now);
        }
        Vec::new()
    }

    /// Takes a message of control.
    pub fn hear(&mut self, clock: &Clock, message: Message) {
        let now = clock.now;
        match (message, &mut self.side) {
            (Message::Answer { transport, sdp }, side) => {
                let Some(endpoint) = self.endpoint.as_mut().filter(|own| own.transport == transport) else {
                    return;
                };
                let is_first = !endpoint.is_answered();
                endpoint.answered(&sdp, now, clock.instant());
                if is_first {
                    self.egress = Egress::new(&endpoint.lines);
                    if let Side::Proctor(proctor) = side {
                        proctor.begin(clock, &endpoint.lines);
                    }
                }
            }
            (Message::Demand(demand), Side::Candidate(candidate)) => candidate.demand(now, &demand),
            (Message::Bindings(bindings), Side::Proctor(proctor)) => proctor.bound(now, bindings),
            (Message::Lost { transport }, _) => {
                if self.endpoint.as_ref().is_some_and(|own| own.transport == transport) {
                    self.rejoin(now);
                }
            }
            (Message::Refused(code), _) => self.refusals.push(code),
            (Message::Demand(_) | Message::Bindings(_), _) => {}
        }
    }
}
