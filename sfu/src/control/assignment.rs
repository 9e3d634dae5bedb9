//! Who watches whom in one room: candidates are given to the proctors that are there, the least loaded first, and stay theirs until a
//! proctor has gone for good or a lead says otherwise. It decides whose work a candidate is, not who may look: everybody who watches may
//! look at every candidate of the exam. Candidates never learn of any of it.

use crate::store::records::AssignmentMove;
use invigil_shared::id::{ParticipantId, SessionId, UserId};
use invigil_shared::limits::PROCTOR_AWAY_S;
use invigil_shared::role::Role;
use invigil_shared::signal::{ProctorLoad, ServerMessage};
use std::collections::{BTreeMap, BTreeSet};

const AWAY_US: i64 = PROCTOR_AWAY_S * 1_000_000;

/// Somebody who watches, or did.
#[derive(Clone, Debug)]
struct Proctor {
    name: String,
    role: Role,
    /// Connections in the room.
    here: BTreeSet<ParticipantId>,
    /// When the first of them came, or when the last one went; server time, microseconds.
    since: i64,
    /// Not coming back: what they had is given to others at once.
    gone: bool,
}

/// A candidate who has not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sitter {
    pub participant: ParticipantId,
    pub session: SessionId,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Assignments {
    proctors: BTreeMap<UserId, Proctor>,
    of: BTreeMap<ParticipantId, UserId>,
    /// Those who watch have not been told yet.
    untold: bool,
}

impl Assignments {
    /// What the store says, when a room is opened: whoever is named there is expected back.
    pub fn stored(of: BTreeMap<ParticipantId, UserId>, known: &BTreeMap<UserId, (String, Role)>, now: i64) -> Self {
        let away = |(user, (name, role)): (&UserId, &(String, Role))| {
            let proctor = Proctor {
                name: name.clone(),
                role: *role,
                here: BTreeSet::new(),
                since: now,
                gone: false,
            };
            (*user, proctor)
        };
        Self {
            proctors: known.iter().map(away).collect(),
            of,
            untold: true,
        }
    }

    /// The store says something else than was known here.
    pub fn replace(&mut self, of: BTreeMap<ParticipantId, UserId>) {
        (self.of, self.untold) = (of, true);
    }

    pub fn came(&mut self, user: UserId, (name, role): (&str, Role), connection: ParticipantId, now: i64) {
        let proctor = self.proctors.entry(user).or_insert_with(|| Proctor {
            name: String::new(),
            role,
            here: BTreeSet::new(),
            since: now,
            gone: false,
        });
        if proctor.here.is_empty() {
            proctor.since = now;
        }
        name.clone_into(&mut proctor.name);
        (proctor.role, proctor.gone) = (role, false);
        proctor.here.insert(connection);
        self.untold = true;
    }

    /// A connection is gone from the room; `for_good`: on purpose.
    pub fn went(&mut self, connection: ParticipantId, for_good: bool, now: i64) {
        let with = |proctor: &&mut Proctor| proctor.here.contains(&connection);
        if let Some(proctor) = self.proctors.values_mut().find(with) {
            proctor.here.remove(&connection);
            if proctor.here.is_empty() {
                (proctor.since, proctor.gone) = (now, for_good);
            }
            self.untold = true;
        }
    }

    /// A candidate has come or finished: loads are other ones.
    pub fn touch(&mut self) {
        self.untold = true;
    }

    pub fn of(&self, participant: ParticipantId) -> Option<UserId> {
        self.of.get(&participant).copied()
    }

    /// The name of somebody who is in the room now.
    pub fn name_here(&self, user: UserId) -> Option<&str> {
        let proctor = self.proctors.get(&user).filter(|proctor| !proctor.here.is_empty());
        proctor.map(|proctor| proctor.name.as_str())
    }

    fn has_gone(&self, user: UserId, now: i64) -> bool {
        self.proctors.get(&user).is_none_or(|proctor| {
            proctor.here.is_empty() && (proctor.gone || now.saturating_sub(proctor.since) >= AWAY_US)
        })
    }

    /// What has to change by itself: whoever has nobody, or somebody who has gone, is given to the proctor with the fewest, as far as
    /// the ratio reaches. `sitters`: in the order in which they are given.
    pub fn due(&self, sitters: &[Sitter], ratio: u16, now: i64) -> Vec<AssignmentMove> {
        let mut loads: BTreeMap<UserId, u16> = self
            .proctors
            .iter()
            .filter(|(_, proctor)| proctor.role == Role::Proctor && !proctor.here.is_empty())
            .map(|(user, _)| (*user, 0))
            .collect();
        let mut homeless = Vec::new();
        for sitter in sitters {
            match self.of(sitter.participant) {
                Some(user) if !self.has_gone(user, now) => {
                    if let Some(load) = loads.get_mut(&user) {
                        *load += 1;
                    }
                }
                before => homeless.push((*sitter, before)),
            }
        }
        let mut moves = Vec::new();
        for (sitter, from) in homeless {
            let since = |user: &UserId| self.proctors.get(user).map_or(0, |proctor| proctor.since);
            let free = loads.iter_mut().filter(|(_, load)| **load < ratio);
            let least = free.min_by_key(|(user, load)| (**load, since(user), **user));
            let to = least.map(|(user, load)| {
                *load += 1;
                *user
            });
            if from != to {
                moves.push(sitter.moved(from, to));
            }
        }
        moves
    }

    /// The moves that give candidates to somebody, for those who have somebody else.
    pub fn given(&self, sitters: impl IntoIterator<Item = Sitter>, to: UserId) -> Vec<AssignmentMove> {
        let moved = sitters.into_iter().filter_map(|sitter| {
            let from = self.of(sitter.participant);
            (from != Some(to)).then(|| sitter.moved(from, Some(to)))
        });
        moved.collect()
    }

    /// Takes over what was stored.
    pub fn apply(&mut self, moves: &[AssignmentMove]) {
        for AssignmentMove { participant, to, .. } in moves {
            match to {
                Some(user) => self.of.insert(*participant, *user),
                None => self.of.remove(participant),
            };
        }
        self.untold |= !moves.is_empty();
    }

    /// The whole of it, for those who watch; whoever has gone is left out.
    pub fn message(&self, ratio: u16, now: i64) -> ServerMessage {
        let mut candidates: BTreeMap<UserId, Vec<ParticipantId>> = BTreeMap::new();
        for (participant, user) in &self.of {
            candidates.entry(*user).or_default().push(*participant);
        }
        let shown = self.proctors.iter().filter(|(user, _)| !self.has_gone(**user, now));
        let load = |(user, proctor): (&UserId, &Proctor)| ProctorLoad {
            proctor: *user,
            name: proctor.name.clone(),
            role: proctor.role,
            here: proctor.here.iter().copied().collect(),
            candidates: candidates.get(user).cloned().unwrap_or_default(),
        };
        ServerMessage::Assignments {
            ratio,
            proctors: shown.map(load).collect(),
        }
    }

    /// Whether those who watch have to be told; once.
    pub fn take_untold(&mut self) -> bool {
        std::mem::take(&mut self.untold)
    }
}

impl Sitter {
    fn moved(self, from: Option<UserId>, to: Option<UserId>) -> AssignmentMove {
        AssignmentMove {
            session: self.session,
            participant: self.participant,
            from,
            to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sitter(n: u8) -> Sitter {
        Sitter {
            participant: ParticipantId::from_parts(1, [n; 10]),
            session: SessionId::from_parts(2, [n; 10]),
        }
    }
    fn user(n: u8) -> UserId {
        UserId::from_parts(3, [n; 10])
    }
    fn connection(n: u8) -> ParticipantId {
        ParticipantId::from_parts(4, [n; 10])
    }
    fn sitters(n: u8) -> Vec<Sitter> {
        (1..=n).map(sitter).collect()
    }
    fn with(proctors: &[u8]) -> Assignments {
        let mut all = Assignments::default();
        for n in proctors {
            all.came(user(*n), ("P", Role::Proctor), connection(*n), i64::from(*n));
        }
        all
    }
    /// Settles what is due; how many each of the users then has, and how many have nobody.
    fn settle(all: &mut Assignments, sitters: &[Sitter], ratio: u16, now: i64) -> (Vec<usize>, usize) {
        let moves = all.due(sitters, ratio, now);
        all.apply(&moves);
        assert!(all.due(sitters, ratio, now).is_empty(), "settled means nothing is due");
        let count = |wanted: Option<UserId>| sitters.iter().filter(|s| all.of(s.participant) == wanted).count();
        ((1..=3).map(|n| count(Some(user(n)))).collect(), count(None))
    }

    #[test]
    fn the_least_loaded_get_the_next_and_the_ratio_is_the_end_of_it() {
        let mut all = with(&[1, 2]);
        assert_eq!(settle(&mut all, &sitters(3), 8, 10), (vec![2, 1, 0], 0));
        assert_eq!(settle(&mut all, &sitters(4), 8, 10), (vec![2, 2, 0], 0));
        assert_eq!(settle(&mut all, &sitters(20), 8, 10), (vec![8, 8, 0], 4));
        let kept = all.of.clone();
        all.came(user(3), ("P", Role::Proctor), connection(3), 20);
        assert_eq!(settle(&mut all, &sitters(20), 8, 20), (vec![8, 8, 4], 0));
        assert!(
            kept.iter().all(|(who, by)| all.of(*who) == Some(*by)),
            "nobody is moved for balance"
        );
    }

    #[test]
    fn leads_are_given_nobody_by_themselves() {
        let mut all = Assignments::default();
        all.came(user(1), ("L", Role::Lead), connection(1), 1);
        assert_eq!(settle(&mut all, &sitters(2), 8, 2), (vec![0, 0, 0], 2));
        let moves = all.given(sitters(1), user(1));
        all.apply(&moves);
        assert_eq!(settle(&mut all, &sitters(2), 8, 2), (vec![1, 0, 0], 1));
        assert!(all.given(sitters(1), user(1)).is_empty(), "who has somebody keeps them");
    }

    #[test]
    fn who_is_away_keeps_them_until_the_time_is_over_and_who_left_does_not() {
        let mut all = with(&[1, 2]);
        settle(&mut all, &sitters(6), 8, 10);
        all.went(connection(1), false, 100);
        assert_eq!(settle(&mut all, &sitters(6), 8, 100 + AWAY_US - 1), (vec![3, 3, 0], 0));
        let mut back = all.clone();
        back.came(user(1), ("P", Role::Proctor), connection(9), 100 + AWAY_US - 1);
        assert_eq!(settle(&mut back, &sitters(6), 8, 10 * AWAY_US), (vec![3, 3, 0], 0));
        assert_eq!(settle(&mut all, &sitters(6), 4, 100 + AWAY_US), (vec![0, 4, 0], 2));
        all.went(connection(2), true, 200 + AWAY_US);
        assert_eq!(settle(&mut all, &sitters(6), 4, 200 + AWAY_US), (vec![0, 0, 0], 6));
    }

    #[test]
    fn a_second_connection_of_a_person_keeps_the_work() {
        let mut all = with(&[1]);
        all.came(user(1), ("P", Role::Proctor), connection(7), 5);
        settle(&mut all, &sitters(2), 8, 10);
        all.went(connection(1), true, 20);
        assert_eq!(settle(&mut all, &sitters(2), 8, 10 * AWAY_US), (vec![2, 0, 0], 0));
    }

    #[test]
    fn after_a_restart_whoever_is_stored_is_expected_back() {
        let of: BTreeMap<_, _> = sitters(2).iter().map(|s| (s.participant, user(1))).collect();
        let known = BTreeMap::from([(user(1), ("P".to_owned(), Role::Proctor))]);
        let mut all = Assignments::stored(of, &known, 50);
        all.came(user(2), ("P", Role::Proctor), connection(2), 60);
        assert_eq!(settle(&mut all, &sitters(2), 8, 50 + AWAY_US - 1), (vec![2, 0, 0], 0));
        assert_eq!(settle(&mut all, &sitters(2), 8, 50 + AWAY_US), (vec![0, 2, 0], 0));
    }

    #[test]
    fn who_has_finished_counts_for_nobody() {
        let mut all = with(&[1]);
        assert_eq!(settle(&mut all, &sitters(3), 2, 10), (vec![2, 0, 0], 1));
        let (_, rest) = (sitter(1), &sitters(3)[1..]);
        assert_eq!(settle(&mut all, rest, 2, 10), (vec![2, 0, 0], 0));
    }
}
