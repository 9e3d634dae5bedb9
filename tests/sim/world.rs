//! A server of one or more shards, its control, and everyone around it, on one agenda. Whatever happens is decided by the seed.

use crate::candidate::{Candidate, Plan};
use crate::clock::{Agenda, Clock, S, Us};
use crate::endpoint::Incoming;
use crate::link::LinkSpec;
use crate::oracle::watch::{self, Limits, Watch};
use crate::oracle::{Promise, Violation};
use crate::person::{Person, Side, exam, number_of};
use crate::proctor::{Proctor, Source};
use crate::server::Server;
use crate::trace::Trace;
use invigil_sfu::core::gauges::Gauges;
use invigil_sfu::core::transport::{DatagramKind, classify};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Violations that are kept; the first one is what matters.
const MAX_VIOLATIONS: usize = 32;

/// What is due.
enum Due {
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    Person(u16),
    Signal(u16),
    Shard(usize),
    Look,
}

/// Everything.
pub struct World {
    pub seed: u64,
    pub clock: Clock,
    agenda: Agenda<Due>,
    pub people: Vec<Person>,
    pub server: Server,
    /// Who has, or had, an address.
    owners: BTreeMap<SocketAddr, u16>,
    pub trace: Trace,
    pub violations: Vec<Violation>,
    watch: Watch,
    pub limits: Limits,
    /// For negative controls: control allows what the oracles don't hear of.
    pub secretive: bool,
    /// For negative controls: the egress oracle is shown every packet with its last byte changed.
    pub bending: bool,
}

impl World {
    pub fn new(seed: u64, shards: usize) -> Self {
        let clock = Clock::new();
        let mut agenda = Agenda::new();
        agenda.plan(watch::EVERY, Due::Look);
        Self {
            seed,
            clock,
            agenda,
            people: Vec::new(),
            server: Server::new(seed, shards, clock),
            owners: BTreeMap::new(),
            trace: Trace::new(),
            violations: Vec::new(),
            watch: Watch::default(),
            limits: Limits::of(0),
            secretive: false,
            bending: false,
        }
    }

    fn add(&mut self, in_exam: u8, spec: LinkSpec, side: Side) -> u16 {
        let number = self.people.len() as u16;
        let place = (exam(in_exam), usize::from(number) % self.server.shards());
        let seeds = (self.seed, self.server.keys);
        let mut person = Person::new(number, place, side, (spec, spec), seeds);
        person.join_at = self.clock.now;
        self.people.push(person);
        self.limits = Limits {
            gauges: Limits::of(self.people.len()).gauges,
            ..self.limits
        };
        self.replan(number);
        number
    }

    /// Someone who publishes, with the same path in both directions; joins now.
    pub fn candidate(&mut self, in_exam: u8, spec: LinkSpec, plans: Vec<Plan>) -> u16 {
        let number = self.people.len() as u16;
        let candidate = Candidate::new(number, plans, self.seed ^ (u64::from(number) << 16));
        self.add(in_exam, spec, Side::Candidate(Box::new(candidate)))
    }

    /// Someone who watches, with a pool of `slots` lines of video and of audio; joins now.
    pub fn proctor(&mut self, in_exam: u8, spec: LinkSpec, slots: (u16, u16)) -> u16 {
        self.add(in_exam, spec, Side::Proctor(Box::new(Proctor::new(slots.0, slots.1))))
    }

    /// Lets everything happen that is due by `until`.
    pub fn run_until(&mut self, until: Us) {
        while let Some((at, due)) = self.agenda.take(until) {
            self.clock.now = self.clock.now.max(at);
            match due {
                Due::Datagram { from, to, mut bytes } => self.deliver(from, to, &mut bytes),
                Due::Person(number) => self.wake(number),
                Due::Signal(number) => self.signal(number),
                Due::Shard(shard) => {
                    self.server.tick(self.clock, shard);
                    self.drain();
                }
                Due::Look => {
                    self.agenda.plan(self.clock.now + watch::EVERY, Due::Look);
                    let mut watch = std::mem::take(&mut self.watch);
                    let found = watch.look(self);
                    self.watch = watch;
                    found.into_iter().for_each(|violation| self.report(violation));
                    if self.clock.now.is_multiple_of(S) {
                        self.note_paths();
                    }
                }
            }
        }
        self.clock.now = until;
    }

    fn note_paths(&mut self) {
        for path in self.server.paths() {
            let number = number_of(path.participant);
            let (estimate, round_trip) = (path.estimate, path.round_trip);
            let line = format_args!("path {estimate:?} bit/s, {round_trip:?}");
            self.trace.note(self.clock.now, number, line);
        }
    }

    pub fn run_for(&mut self, time: Us) {
        self.run_until(self.clock.now + time);
    }

    pub fn report(&mut self, violation: Violation) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.trace
                .note(violation.at, violation.person, format_args!("VIOLATION {violation}"));
            self.violations.push(violation);
        }
    }

    fn wake(&mut self, number: u16) {
        let at = usize::from(number);
        self.people[at].planned = Us::MAX;
        if self.people[at].next() <= self.clock.now {
            self.act(number);
        }
        self.replan(number);
    }

    /// A person has an address from now on; what still comes to an old one finds nobody.
    pub fn own(&mut self, address: SocketAddr, number: u16) {
        self.owners.insert(address, number);
    }

    /// Puts the next thing that a person does by itself on the agenda, unless something earlier stands there.
    pub fn replan(&mut self, number: u16) {
        let person = &mut self.people[usize::from(number)];
        let next = person.next().max(self.clock.now);
        if person.next() != Us::MAX && next < person.planned {
            person.planned = next;
            self.agenda.plan(next, Due::Person(number));
        }
    }

    fn act(&mut self, number: u16) {
        let (at, now) = (usize::from(number), self.clock.now);
        for request in self.people[at].act(now) {
            self.request(number, request);
        }
        if let Some(endpoint) = &self.people[at].endpoint {
            self.owners.insert(endpoint.address, number);
        }
        let person = &mut self.people[at];
        let Some(endpoint) = person.endpoint.as_mut() else {
            return;
        };
        let mut datagrams: Vec<Vec<u8>> = endpoint.poll(now).into_iter().collect();
        if endpoint.is_connected() {
            let out = match &mut person.side {
                Side::Candidate(candidate) => candidate.poll(now),
                Side::Proctor(proctor) => proctor.poll(&self.clock),
            };
            for packet in out {
                match packet.header {
                    Some(_) => self.trace.rtp(now, number, "out", &packet.bytes),
                    None => self.trace.rtcp(now, number, "out", &packet.bytes),
                }
                datagrams.extend(endpoint.seal(packet.bytes, packet.header));
            }
        }
        for datagram in datagrams {
            self.send(number, &datagram);
        }
    }

    /// A person's datagram goes onto its path.
    fn send(&mut self, number: u16, datagram: &[u8]) {
        let person = &mut self.people[usize::from(number)];
        let Some(from) = person.endpoint.as_ref().map(|endpoint| endpoint.address) else {
            return;
        };
        let to = self.server.address(person.home);
        for (at, bytes) in person.up.send(self.clock.now, datagram) {
            self.agenda.plan(at, Due::Datagram { from, to, bytes });
        }
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: &mut [u8]) {
        if let Some(shard) = self.server.shard_at(to) {
            self.server.datagram(self.clock, shard, from, bytes);
            self.drain();
            return;
        }
        let Some(&number) = self.owners.get(&to) else { return };
        self.receive(number, to, bytes);
        self.replan(number);
    }

    fn receive(&mut self, number: u16, to: SocketAddr, bytes: &mut [u8]) {
        let now = self.clock.now;
        let person = &mut self.people[usize::from(number)];
        if !person.online || person.stalled {
            return;
        }
        let Some(endpoint) = person.endpoint.as_mut().filter(|endpoint| endpoint.address == to) else {
            return;
        };
        let mut replies = Vec::new();
        match endpoint.read(now, bytes, |reply| replies.push(reply)) {
            Incoming::Nothing => {}
            Incoming::Connected => {
                self.trace.note(now, number, format_args!("connected"));
                if let Side::Candidate(candidate) = &mut person.side {
                    candidate.connected(now);
                }
            }
            Incoming::Closed => {
                self.trace.note(now, number, format_args!("closed"));
                person.rejoin(now);
            }
            Incoming::Rtp(length) => {
                self.trace.rtp(now, number, "in", &bytes[..length]);
                match &mut person.side {
                    Side::Proctor(proctor) => proctor.rtp(&self.clock, &bytes[..length]),
                    Side::Candidate(_) => {
                        let what = "a candidate received media".to_owned();
                        self.report(Violation {
                            at: now,
                            person: number,
                            promise: Promise::Isolation,
                            what,
                        });
                    }
                }
            }
            Incoming::Rtcp(length) => {
                self.trace.rtcp(now, number, "in", &bytes[..length]);
                if let Side::Candidate(candidate) = &mut person.side {
                    candidate.rtcp(now, &bytes[..length]);
                }
            }
        }
        for reply in replies {
            self.send(number, &reply);
        }
    }

    /// Takes everything that the server has to say after an input.
    pub fn drain(&mut self) {
        self.server.relay(self.clock);
        for (to, datagram) in self.server.take_datagrams() {
            let Some(&number) = self.owners.get(&to) else { continue };
            let from = self.server.address(self.people[usize::from(number)].home);
            self.observe(number, to, &datagram);
            let person = &mut self.people[usize::from(number)];
            for (at, bytes) in person.down.send(self.clock.now, &datagram) {
                self.agenda.plan(at, Due::Datagram { from, to, bytes });
            }
        }
        for (number, message) in self.server.take_messages(&mut self.trace, self.clock.now) {
            self.tell(number, message);
        }
        for (shard, at) in self.server.take_timeouts(self.clock) {
            self.agenda.plan(self.clock.now.max(at), Due::Shard(shard));
        }
    }

    /// Shows the egress oracle what leaves for a person, also for an address that the transport has left meanwhile.
    fn observe(&mut self, number: u16, to: SocketAddr, datagram: &[u8]) {
        let now = self.clock.now;
        let person = &mut self.people[usize::from(number)];
        let Some(endpoint) = person.endpoint.as_mut().filter(|endpoint| endpoint.has_had(to)) else {
            return;
        };
        if classify(datagram) != Some(DatagramKind::Rtp) {
            return;
        }
        let Some(observer) = endpoint.observer.as_mut() else {
            return;
        };
        let mut packet = datagram.to_vec();
        let Ok(length) = observer.open_rtp(&mut packet) else {
            let what = "the server sent what nobody can open".to_owned();
            return self.report(Violation {
                at: now,
                person: number,
                promise: Promise::Opaque,
                what,
            });
        };
        packet.truncate(length);
        if let Some(last) = packet.last_mut().filter(|_| self.bending) {
            *last ^= 1;
        }
        let (allowed, withdrawn) = (&person.allowed, &person.withdrawn);
        let judged = person.egress.see(&packet, |mark, is_repair| {
            let source: Source = (mark.person, mark.publication);
            let lately = || withdrawn.get(&source).is_some_and(|until| now < until + S);
            allowed.contains(&source) || (is_repair && lately())
        });
        if let Err((promise, what)) = judged {
            self.report(Violation {
                at: now,
                person: number,
                promise,
                what,
            });
        }
    }

    /// Puts a message on its way to a person.
    pub fn tell(&mut self, number: u16, message: crate::person::Message) {
        let person = &mut self.people[usize::from(number)];
        let at = self.clock.now + person.down.spec.delay;
        person.messages.push_back((at, message));
        self.agenda.plan(at, Due::Signal(number));
    }

    /// Puts a request on its way to control.
    pub fn request(&mut self, number: u16, request: crate::person::Request) {
        let person = &mut self.people[usize::from(number)];
        let at = self.clock.now + person.up.spec.delay;
        person.requests.push_back((at, request));
        self.agenda.plan(at, Due::Signal(number));
    }

    /// Carries signalling: in order, and as late as the path makes it.
    fn signal(&mut self, number: u16) {
        let (at, now) = (usize::from(number), self.clock.now);
        let person = &self.people[at];
        if person.up.dead || person.down.dead || person.stalled || !self.server.is_up(now) {
            let waits = !person.requests.is_empty() || !person.messages.is_empty();
            if waits && person.online {
                self.agenda.plan(now + 50 * crate::clock::MS, Due::Signal(number));
            }
            return;
        }
        while let Some((_, request)) = self.people[at].requests.pop_front_if(|(ready, _)| *ready <= now) {
            self.serve(number, request);
        }
        while let Some((_, message)) = self.people[at].messages.pop_front_if(|(ready, _)| *ready <= now) {
            self.trace
                .note(now, number, format_args!("hears {}", describe(&message)));
            self.people[at].hear(&self.clock, message);
        }
        self.replan(number);
    }

    fn serve(&mut self, number: u16, request: crate::person::Request) {
        if let crate::person::Request::Want { wants, .. } = &request
            && !self.secretive
        {
            let now = self.clock.now;
            let own = self.people[usize::from(number)].exam;
            let may = |person: u16| {
                self.people
                    .get(usize::from(person))
                    .is_some_and(|other| other.exam == own && other.candidate().is_some())
            };
            let allowed = wants
                .iter()
                .filter(|want| may(want.person))
                .map(|want| (want.person, want.key));
            let allowed = allowed.collect();
            let person = &mut self.people[usize::from(number)];
            let before = std::mem::replace(&mut person.allowed, allowed);
            let gone = before.difference(&person.allowed).map(|source| (*source, now));
            person.withdrawn.extend(gone);
        }
        let person = &self.people[usize::from(number)];
        let messages = self.server.serve(self.clock, person, request);
        for message in messages {
            self.tell(number, message);
        }
        self.drain();
    }

    pub fn gauges(&self) -> Vec<Gauges> {
        self.server.gauges()
    }

    pub fn proctors(&self) -> impl Iterator<Item = (u16, &Proctor)> {
        self.people
            .iter()
            .filter_map(|person| Some((person.number, person.proctor()?)))
    }

    /// Whether nothing outside of the server keeps a proctor from seeing a publication.
    pub fn could_show(&self, proctor: u16, (person, key): Source) -> bool {
        let (Some(watcher), Some(publisher)) = (
            self.people.get(usize::from(proctor)),
            self.people.get(usize::from(person)),
        ) else {
            return false;
        };
        let published = publisher
            .candidate()
            .is_some_and(|candidate| candidate.plans.iter().any(|plan| plan.key == key) && !candidate.is_hidden(key));
        watcher.is_well() && publisher.is_well() && published && watcher.exam == publisher.exam
    }

    /// What a scenario ends with.
    pub fn verdict(&self) -> Result<(), String> {
        if self.violations.is_empty() {
            return Ok(());
        }
        let list: String = self
            .violations
            .iter()
            .take(8)
            .map(|violation| format!("  {violation}\n"))
            .collect();
        Err(format!(
            "seed {}: {} broken promises\n{list}the end of the trace:\n{}",
            self.seed,
            self.violations.len(),
            self.trace.recent()
        ))
    }
}

fn describe(message: &crate::person::Message) -> String {
    match message {
        // Its fingerprint is of a certificate that no seed makes.
        crate::person::Message::Answer { .. } => "an answer".to_owned(),
        other => format!("{other:?}"),
    }
}
