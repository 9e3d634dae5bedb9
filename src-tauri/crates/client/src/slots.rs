//! How slots are numbered: a pool is [`VIDEO_SLOTS`] of video and then [`AUDIO_SLOTS`] of sound, and slot N is m-line N of the
//! subscribing transport. A second pool, as large, stands behind the first once a wish list reaches into it.

use invigil_shared::intent::Intent;
use invigil_shared::limits::{AUDIO_SLOTS, VIDEO_SLOTS};

/// Slots of one pool.
pub const POOL: u16 = VIDEO_SLOTS + AUDIO_SLOTS;
/// Pools of one subscriber (DESIGN.md section 3, slots).
pub const MAX_POOLS: u16 = 2;

/// Whether a slot carries video; else it carries sound.
pub const fn is_video(slot: u16) -> bool {
    slot % POOL < VIDEO_SLOTS
}

/// The slot of the video that has this number, counted from 0 over both pools.
pub const fn video_slot(number: u16) -> u16 {
    number / VIDEO_SLOTS * POOL + number % VIDEO_SLOTS
}

/// The slot of the sound that has this number, counted from 0 over both pools.
pub const fn audio_slot(number: u16) -> u16 {
    number / AUDIO_SLOTS * POOL + VIDEO_SLOTS + number % AUDIO_SLOTS
}

/// Whether each wish stands in a slot that exists, carries its kind, and is nobody else's.
pub fn are_valid(intents: &[Intent]) -> bool {
    let mut taken = [false; (POOL * MAX_POOLS) as usize];
    intents.iter().all(|intent| {
        let free = taken.get_mut(usize::from(intent.slot));
        free.is_some_and(|taken| !std::mem::replace(taken, true))
            && is_video(intent.slot) == intent.wanted.publication.kind.is_video()
    })
}

/// The pools that a wish list reaches into.
pub(crate) fn pools_of(intents: &[Intent]) -> u16 {
    intents.iter().map(|intent| intent.slot / POOL + 1).max().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::id::ParticipantId;
    use invigil_shared::intent::Priority;
    use invigil_shared::publication::{Layer, PublicationKey, PublicationRef};

    fn wish(slot: u16, publication: PublicationKey) -> Intent {
        let participant = ParticipantId::from_parts(1, [slot as u8; 10]);
        Intent {
            slot,
            wanted: PublicationRef {
                participant,
                publication,
            },
            layer: Layer::Low,
            priority: Priority::Tile,
        }
    }

    #[test]
    fn two_pools_hold_every_number_once() {
        let video = (0..MAX_POOLS * VIDEO_SLOTS).map(video_slot);
        let audio = (0..MAX_POOLS * AUDIO_SLOTS).map(audio_slot);
        assert!(video.clone().all(is_video) && !audio.clone().any(is_video));
        let mut all: Vec<u16> = video.chain(audio).collect();
        all.sort_unstable();
        assert_eq!(all, (0..MAX_POOLS * POOL).collect::<Vec<_>>());
        assert_eq!([63, 64].map(video_slot), [63, 68]);
        assert_eq!([3, 4].map(audio_slot), [67, 132]);
    }

    #[test]
    fn a_wish_list_is_taken_whole_or_refused() {
        let (camera, sound) = (PublicationKey::CAMERA, PublicationKey::MICROPHONE);
        let mut wall: Vec<Intent> = (0..120).map(|n| wish(video_slot(n), camera)).collect();
        wall.push(wish(audio_slot(4), sound));
        assert!(are_valid(&wall) && are_valid(&[]));
        assert_eq!((pools_of(&wall), pools_of(&wall[..64]), pools_of(&[])), (2, 1, 1));
        for bad in [
            wish(64, camera),
            wish(5, sound),
            wish(wall[7].slot, camera),
            wish(136, camera),
        ] {
            let mut wall = wall.clone();
            wall.push(bad);
            assert!(!are_valid(&wall), "{bad:?}");
        }
    }
}
