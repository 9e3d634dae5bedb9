//! What goes wrong in a world, each thing as one function on it.

use crate::candidate::Candidate;
use crate::clock::Us;
use crate::link::LinkSpec;
use crate::person::Request;
use crate::proctor::Want;
use crate::server::NOBODY;
use crate::world::World;
use invigil_shared::publication::PublicationKey;

impl World {
    /// A proctor's whole wish list, on its way now.
    pub fn want(&mut self, number: u16, wants: Vec<Want>) {
        let Some(proctor) = self.people[usize::from(number)].proctor_mut() else {
            return;
        };
        proctor.wants.clone_from(&wants);
        proctor.revision += 1;
        let revision = proctor.revision;
        // One that is not there yet sends it when it joins.
        if self.people[usize::from(number)].endpoint.is_some() {
            self.request(number, Request::Want { revision, wants });
        }
    }

    /// A candidate joins, and publishes nothing yet.
    pub fn hold_back(&mut self, number: u16) {
        self.people[usize::from(number)].holds_back = true;
    }

    /// What was held back is published.
    pub fn publish_all(&mut self, number: u16) {
        let person = &mut self.people[usize::from(number)];
        person.holds_back = false;
        for request in std::mem::take(&mut person.held) {
            self.request(number, request);
        }
    }

    /// Packets of media that a candidate has sent on its transport.
    pub fn sent_media(&self, number: u16) -> u64 {
        let candidate = self.people[usize::from(number)].candidate();
        candidate.map_or(0, Candidate::sent)
    }

    fn note(&mut self, number: u16, what: &str) {
        let now = self.clock.now;
        self.trace.note(now, number, format_args!("fault: {what}"));
    }

    /// A path's qualities change in both directions.
    pub fn set_path(&mut self, number: u16, spec: LinkSpec) {
        self.set_paths(number, spec, spec);
    }

    pub fn set_paths(&mut self, number: u16, up: LinkSpec, down: LinkSpec) {
        let person = &mut self.people[usize::from(number)];
        (person.up.spec, person.down.spec) = (up, down);
        self.note(number, "another path");
    }

    /// Nothing passes any more, or again.
    pub fn cut(&mut self, number: u16, dead: bool) {
        let person = &mut self.people[usize::from(number)];
        (person.up.dead, person.down.dead) = (dead, dead);
        self.note(number, if dead { "cut" } else { "mended" });
    }

    /// The program is killed and started again after `away`.
    pub fn crash(&mut self, number: u16, away: Us) {
        let now = self.clock.now;
        let person = &mut self.people[usize::from(number)];
        person.requests.clear();
        person.messages.clear();
        person.rejoin(now + away);
        self.note(number, "crash");
        self.replan(number);
    }

    /// The process is suspended: it neither reads nor sends.
    pub fn stall(&mut self, number: u16) {
        self.people[usize::from(number)].stalled = true;
        self.note(number, "stalled");
    }

    /// The process goes on where it stood.
    pub fn wake_up(&mut self, number: u16) {
        self.people[usize::from(number)].stalled = false;
        self.note(number, "awake");
        self.replan(number);
    }

    /// New ICE credentials, as after a network event.
    pub fn restart_ice(&mut self, number: u16) {
        let now = self.clock.now;
        self.note(number, "ICE restart");
        if let Some(request) = self.people[usize::from(number)].restart_ice(now) {
            self.request(number, request);
        }
        self.replan(number);
    }

    /// The network switches: another address, no new session.
    pub fn change_address(&mut self, number: u16) {
        let now = self.clock.now;
        self.note(number, "another address");
        if let Some(address) = self.people[usize::from(number)].change_address(now) {
            self.own(address, number);
        }
        self.replan(number);
    }

    /// The server's process is killed; the next one answers after `away`. Everybody's signalling breaks with it.
    pub fn restart_server(&mut self, away: Us) {
        self.note(NOBODY, "server restart");
        let until = self.clock.now + away;
        self.server.restart(self.clock, until);
        for number in 0..self.people.len() as u16 {
            let person = &mut self.people[usize::from(number)];
            person.requests.clear();
            person.messages.clear();
            if person.online && person.join_at == Us::MAX {
                person.rejoin(until);
            }
            self.replan(number);
        }
    }

    /// A publication ends, or begins again with the same streams.
    pub fn set_published(&mut self, number: u16, key: PublicationKey, published: bool) {
        let person = &mut self.people[usize::from(number)];
        let Some(candidate) = person.candidate_mut() else {
            return;
        };
        let request = match published {
            true => {
                let layers = candidate.republish(key);
                Request::Publish { key, layers }
            }
            false => {
                candidate.unpublish(key);
                Request::Unpublish { key }
            }
        };
        self.note(number, if published { "published" } else { "unpublished" });
        self.request(number, request);
        self.replan(number);
    }
}
