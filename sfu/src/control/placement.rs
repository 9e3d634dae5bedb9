//! Which shard each participant lives on: the one that has the least to do when it comes, for as long as both stay.

use crate::shard::{ShardHandle, ShardId};
use invigil_shared::error::ErrorCode;
use invigil_shared::id::{ExamId, ParticipantId};
use invigil_shared::role::Role;
use std::collections::HashMap;

/// What a participant costs its shard, in candidates. A candidate's low layers and sound are about 80 packets a second that come
/// in; a wall of 30 tiles with a focus view is about 750 that go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u32);

impl Weight {
    pub fn of_role(role: Role) -> Self {
        Self(if role == Role::Candidate { 1 } else { 10 })
    }

    /// A browser that plays that many publications.
    pub fn of_player(publications: usize) -> Self {
        Self(1 + u32::try_from(publications / 3).unwrap_or(u32::MAX / 2))
    }
}

struct Spot {
    id: ShardId,
    handle: ShardHandle,
    load: u32,
}

struct Place {
    exam: ExamId,
    shard: ShardId,
    weight: Weight,
}

/// The living shards and who is where.
pub struct Placement {
    spots: Vec<Spot>,
    places: HashMap<ParticipantId, Place>,
}

impl Placement {
    pub fn new(shards: Vec<(ShardId, ShardHandle)>) -> Self {
        let spot = |(id, handle)| Spot { id, handle, load: 0 };
        Self {
            spots: shards.into_iter().map(spot).collect(),
            places: HashMap::new(),
        }
    }

    /// The shard of a participant of an exam; when it has none, the least loaded one, which it has from now on.
    ///
    /// # Errors
    /// `server_draining` when no shard is left; `not_in_room` when it is in another exam, which it has to leave first.
    pub fn place(
        &mut self,
        participant: ParticipantId,
        exam: ExamId,
        weight: Weight,
    ) -> Result<&ShardHandle, ErrorCode> {
        let shard = match self.places.get(&participant) {
            Some(place) if place.exam != exam => return Err(ErrorCode::NotInRoom),
            Some(place) => place.shard,
            None => {
                let spot = self.spots.iter_mut().min_by_key(|spot| (spot.load, spot.id));
                let spot = spot.ok_or(ErrorCode::ServerDraining)?;
                spot.load = spot.load.saturating_add(weight.0);
                let shard = spot.id;
                self.places.insert(participant, Place { exam, shard, weight });
                shard
            }
        };
        self.handle(shard).ok_or(ErrorCode::ServerDraining)
    }

    /// The shard of a participant, if it has one.
    pub fn shard_of(&self, participant: ParticipantId) -> Option<&ShardHandle> {
        self.handle(self.places.get(&participant)?.shard)
    }

    pub fn exam_of(&self, participant: ParticipantId) -> Option<ExamId> {
        self.places.get(&participant).map(|place| place.exam)
    }

    /// A participant leaves an exam, unless it is in another one by now; its shard has to forget it.
    pub fn leave(&mut self, participant: ParticipantId, exam: ExamId) -> Option<&ShardHandle> {
        if self.exam_of(participant) != Some(exam) {
            return None;
        }
        self.remove(participant)
    }

    /// A participant leaves; its shard has to forget it.
    pub fn remove(&mut self, participant: ParticipantId) -> Option<&ShardHandle> {
        let place = self.places.remove(&participant)?;
        let spot = self.spots.iter_mut().find(|spot| spot.id == place.shard)?;
        spot.load = spot.load.saturating_sub(place.weight.0);
        Some(&spot.handle)
    }

    /// A shard is gone. Returns who lived there, in the order of their ids; they have no place now.
    pub fn remove_shard(&mut self, shard: ShardId) -> Vec<(ParticipantId, ExamId)> {
        self.spots.retain(|spot| spot.id != shard);
        let gone = self.places.extract_if(|_, place| place.shard == shard);
        let mut gone: Vec<_> = gone.map(|(participant, place)| (participant, place.exam)).collect();
        gone.sort_by_key(|(participant, _)| *participant);
        gone
    }

    /// All living shards.
    pub fn shards(&self) -> Vec<ShardHandle> {
        self.spots.iter().map(|spot| spot.handle.clone()).collect()
    }

    /// Participants who have a place.
    pub fn placed(&self) -> usize {
        self.places.len()
    }

    /// Whether no shard is left.
    pub fn is_empty(&self) -> bool {
        self.spots.is_empty()
    }

    fn handle(&self, shard: ShardId) -> Option<&ShardHandle> {
        let spot = self.spots.iter().find(|spot| spot.id == shard);
        spot.map(|spot| &spot.handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::mailbox::unmanned;
    use std::collections::BTreeMap;

    fn person(n: u8) -> ParticipantId {
        ParticipantId::from_parts(1, [n; 10])
    }
    fn exam() -> ExamId {
        ExamId::from_parts(1, [1; 10])
    }
    fn placement(shards: u16) -> Placement {
        Placement::new((0..shards).map(|id| (ShardId(id), unmanned())).collect())
    }
    fn put(placement: &mut Placement, who: u8, role: Role) -> ShardId {
        placement
            .place(person(who), exam(), Weight::of_role(role))
            .map(drop)
            .unwrap();
        placement.places[&person(who)].shard
    }

    #[test]
    fn everyone_goes_where_the_least_is_to_do_and_stays() {
        let mut placement = placement(3);
        let proctor = put(&mut placement, 100, Role::Proctor);
        let mut candidates: BTreeMap<ShardId, u32> = BTreeMap::new();
        for who in 0..20 {
            *candidates.entry(put(&mut placement, who, Role::Candidate)).or_default() += 1;
        }
        assert_eq!(proctor, ShardId(0));
        assert_eq!(
            candidates.into_iter().collect::<Vec<_>>(),
            [(ShardId(1), 10), (ShardId(2), 10)]
        );
        let another = put(&mut placement, 101, Role::Lead);
        assert_eq!(
            put(&mut placement, 101, Role::Lead),
            another,
            "the second time nothing is decided"
        );
        assert_eq!(placement.spots.iter().map(|spot| spot.load).sum::<u32>(), 40);
    }

    #[test]
    fn who_leaves_makes_room() {
        let mut placement = placement(2);
        for who in 0..4 {
            put(&mut placement, who, Role::Candidate);
        }
        for who in [0, 2] {
            assert!(placement.remove(person(who)).is_some());
        }
        assert!(placement.remove(person(0)).is_none());
        assert!(placement.shard_of(person(0)).is_none() && placement.shard_of(person(1)).is_some());
        let places: Vec<ShardId> = (4..6).map(|who| put(&mut placement, who, Role::Candidate)).collect();
        assert_eq!(places, [ShardId(0), ShardId(0)]);
    }

    #[test]
    fn nobody_is_forgotten_for_an_exam_that_they_have_left() {
        let mut placement = placement(2);
        let (who, other) = (person(7), ExamId::from_parts(1, [2; 10]));
        put(&mut placement, 7, Role::Proctor);
        let weight = Weight::of_role(Role::Proctor);
        let both = placement.place(who, other, weight).map(drop);
        assert_eq!(both, Err(ErrorCode::NotInRoom), "one exam at a time");
        assert!(placement.leave(who, exam()).is_some());
        placement.place(who, other, weight).map(drop).unwrap();
        assert!(placement.leave(who, exam()).is_none() && placement.shard_of(who).is_some());
    }

    #[test]
    fn those_of_a_dead_shard_find_a_living_one() {
        let mut placement = placement(2);
        for who in 0..4 {
            put(&mut placement, who, Role::Candidate);
        }
        let homeless = placement.remove_shard(ShardId(0));
        assert_eq!(homeless, [(person(0), exam()), (person(2), exam())]);
        assert_eq!(put(&mut placement, 0, Role::Candidate), ShardId(1));
        assert_eq!(placement.remove_shard(ShardId(1)).len(), 3);
        assert!(placement.is_empty());
        let nowhere = placement.place(person(0), exam(), Weight::of_role(Role::Candidate));
        assert_eq!(nowhere.map(drop), Err(ErrorCode::ServerDraining));
    }

    #[test]
    fn a_player_weighs_what_it_plays() {
        assert!(Weight::of_player(1) < Weight::of_player(30));
        assert!(Weight::of_player(30) > Weight::of_role(Role::Proctor));
    }
}
