//! Which picture travels in which slot of the subscribing transport.
//!
//! A slot keeps its picture for as long as the picture is wanted, so that paging the wall, or opening the focus view, moves
//! only what changed: an unmoved picture needs no key frame and shows no gap.

use invigil_shared::intent::{Intent, Priority};
use invigil_shared::limits::{AUDIO_SLOTS, VIDEO_SLOTS};
use invigil_shared::publication::{Layer, LayerOffer, PublicationRef};
use invigil_view::proctor::{PictureRole, WantedPicture};
use std::collections::HashMap;

/// A picture gets the larger layer when the smaller one would be stretched by more than this, in percent.
const STRETCH_PERCENT: u32 = 125;

/// A slot that carries a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub source: PublicationRef,
    pub role: PictureRole,
    /// The window's handle.
    pub tile: u16,
    /// Physical pixels.
    pub width: u16,
}

/// Whether a slot's picture can go on as a wanted one.
type Fits = fn(&Shown, &WantedPicture) -> bool;

/// The video slots of one subscriber.
#[derive(Debug)]
pub struct SlotTable {
    slots: Vec<Option<Shown>>,
    /// When each slot was freed, counted in calls: the longest free one is taken first, so that late packets of the picture
    /// before have drained.
    freed: Vec<u64>,
    calls: u64,
}

impl Default for SlotTable {
    fn default() -> Self {
        let slots = usize::from(VIDEO_SLOTS);
        Self {
            slots: vec![None; slots],
            freed: vec![0; slots],
            calls: 0,
        }
    }
}

impl SlotTable {
    /// Takes the window's wish list over: all that is visible. Pictures past the last slot are left out, insets first.
    /// Returns the tiles whose source changed or ended.
    pub fn show(&mut self, wanted: &[WantedPicture]) -> Vec<u16> {
        self.calls += 1;
        let before: HashMap<u16, PublicationRef> = self
            .slots
            .iter()
            .flatten()
            .map(|shown| (shown.tile, shown.source))
            .collect();
        let mut wanted: Vec<WantedPicture> = wanted
            .iter()
            .copied()
            .filter(|picture| picture.tile < VIDEO_SLOTS && picture.source.publication.kind.is_video())
            .collect();
        wanted.sort_by_key(|picture| std::cmp::Reverse(priority(picture.role)));
        wanted.truncate(self.slots.len());
        let old = std::mem::replace(&mut self.slots, vec![None; usize::from(VIDEO_SLOTS)]);
        let mut taken = vec![false; old.len()];
        let mut homeless = Vec::new();
        let same_role =
            |shown: &Shown, picture: &WantedPicture| shown.source == picture.source && shown.role == picture.role;
        let same_source = |shown: &Shown, picture: &WantedPicture| shown.source == picture.source;
        let passes: [Fits; 2] = [same_role, same_source];
        let mut left = wanted;
        for fits in passes {
            for picture in std::mem::take(&mut left) {
                let slot =
                    (0..old.len()).find(|&i| !taken[i] && old[i].as_ref().is_some_and(|shown| fits(shown, &picture)));
                match slot {
                    Some(slot) => {
                        taken[slot] = true;
                        self.slots[slot] = Some(shown(&picture));
                    }
                    None => left.push(picture),
                }
            }
        }
        homeless.append(&mut left);
        for (slot, was) in old.iter().enumerate() {
            if was.is_some() && self.slots[slot].is_none() {
                self.freed[slot] = self.calls;
            }
        }
        for picture in homeless {
            let free = (0..self.slots.len())
                .filter(|&i| self.slots[i].is_none())
                .min_by_key(|&i| self.freed[i]);
            if let Some(slot) = free {
                self.slots[slot] = Some(shown(&picture));
            }
        }
        let after: HashMap<u16, PublicationRef> = self
            .slots
            .iter()
            .flatten()
            .map(|shown| (shown.tile, shown.source))
            .collect();
        let mut changed: Vec<u16> = before
            .iter()
            .filter(|(tile, source)| after.get(tile) != Some(source))
            .map(|(&tile, _)| tile)
            .collect();
        changed.extend(after.keys().filter(|tile| !before.contains_key(tile)));
        changed.sort_unstable();
        changed
    }

    /// What a slot carries.
    pub fn slot(&self, slot: u16) -> Option<&Shown> {
        self.slots.get(usize::from(slot)).and_then(Option::as_ref)
    }

    /// The slot and picture of a tile.
    pub fn tile(&self, tile: u16) -> Option<(u16, &Shown)> {
        self.iter().find(|(_, shown)| shown.tile == tile)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u16, &Shown)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(slot, shown)| shown.as_ref().map(|shown| (slot as u16, shown)))
    }

    /// The wish list. `layers`: what a publication offers, empty when it is not known; `stands_out`: whether its candidate has an
    /// open signal or speaks.
    pub fn intents<'a>(
        &self,
        layers: impl Fn(PublicationRef) -> &'a [LayerOffer],
        stands_out: impl Fn(PublicationRef) -> bool,
    ) -> Vec<Intent> {
        self.iter()
            .map(|(slot, shown)| {
                let mut priority = priority(shown.role);
                if priority == Priority::Tile && stands_out(shown.source) {
                    priority = Priority::Flagged;
                }
                Intent {
                    slot,
                    wanted: shown.source,
                    layer: layer_for(shown.role, shown.width, layers(shown.source)),
                    priority,
                }
            })
            .collect()
    }
}

fn shown(picture: &WantedPicture) -> Shown {
    Shown {
        source: picture.source,
        role: picture.role,
        tile: picture.tile,
        width: picture.width,
    }
}

fn priority(role: PictureRole) -> Priority {
    match role {
        PictureRole::Inset => Priority::Inset,
        PictureRole::Tile => Priority::Tile,
        PictureRole::Focus => Priority::Focus,
    }
}

/// The smallest layer that a picture of `width` physical pixels can be drawn from without being stretched too much; the
/// largest when none is, and for the focus view, whose rate and legible text matter more than its size. Low when nothing
/// is offered yet.
pub fn layer_for(role: PictureRole, width: u16, offered: &[LayerOffer]) -> Layer {
    let stretched = |offer: &LayerOffer| u32::from(offer.width) * STRETCH_PERCENT < u32::from(width) * 100;
    let fits = |offer: &&LayerOffer| role != PictureRole::Focus && !stretched(offer);
    let smallest = offered.iter().filter(fits).min_by_key(|offer| offer.width);
    smallest
        .or_else(|| offered.iter().max_by_key(|offer| offer.width))
        .map_or(Layer::Low, |offer| offer.rid)
}

/// The audio slots: who is listened to moves on to the next slot with every change, so that the end of one voice is never
/// heard as the start of another.
#[derive(Debug, Default)]
pub struct AudioSlots {
    next: u16,
    current: Option<(u16, PublicationRef)>,
}

impl AudioSlots {
    pub fn listen(&mut self, source: Option<PublicationRef>) {
        if self.current.map(|(_, source)| source) == source {
            return;
        }
        self.current = source.map(|source| {
            let slot = VIDEO_SLOTS + self.next;
            self.next = (self.next + 1) % AUDIO_SLOTS;
            (slot, source)
        });
    }

    /// The slot and source that are heard.
    pub fn current(&self) -> Option<(u16, PublicationRef)> {
        self.current
    }

    pub fn intent(&self) -> Option<Intent> {
        self.current.map(|(slot, wanted)| Intent {
            slot,
            wanted,
            layer: Layer::Low,
            priority: Priority::Focus,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::id::ParticipantId;
    use invigil_shared::publication::PublicationKey;

    fn source(n: u8, publication: PublicationKey) -> PublicationRef {
        PublicationRef {
            participant: ParticipantId::from_parts(1, [n; 10]),
            publication,
        }
    }
    fn wanted(tile: u16, n: u8, role: PictureRole) -> WantedPicture {
        WantedPicture {
            tile,
            source: source(n, PublicationKey::CAMERA),
            width: 207,
            role,
        }
    }
    fn offers() -> Vec<LayerOffer> {
        let offer = |rid, width| LayerOffer {
            rid,
            ssrc: None,
            rtx_ssrc: None,
            width,
            height: 0,
            fps: 10,
            kbps: 100,
        };
        vec![offer(Layer::Low, 320), offer(Layer::High, 640)]
    }

    #[test]
    fn a_picture_that_stays_keeps_its_slot() {
        let mut table = SlotTable::default();
        table.show(&[wanted(0, 1, PictureRole::Tile), wanted(1, 2, PictureRole::Tile)]);
        let (slot, _) = table.tile(1).unwrap();
        let changed = table.show(&[wanted(1, 2, PictureRole::Tile), wanted(2, 3, PictureRole::Tile)]);
        assert_eq!(table.tile(1).unwrap().0, slot);
        assert_eq!(changed, [0, 2]);
        let changed = table.show(&[wanted(1, 2, PictureRole::Focus)]);
        assert_eq!(
            (table.tile(1).unwrap().0, changed),
            (slot, vec![2]),
            "a new role is the same picture"
        );
    }

    #[test]
    fn a_freed_slot_rests_before_it_is_used_again() {
        let mut table = SlotTable::default();
        table.show(&[wanted(0, 1, PictureRole::Tile)]);
        table.show(&[wanted(1, 2, PictureRole::Tile)]);
        assert_ne!(table.tile(1).unwrap().0, 0);
    }

    #[test]
    fn the_pool_is_never_exceeded_and_insets_go_first() {
        let mut table = SlotTable::default();
        let mut pictures: Vec<_> = (0..60).map(|n| wanted(u16::from(n), n, PictureRole::Inset)).collect();
        pictures.extend((60..90).map(|n| wanted(u16::from(n % 64), n, PictureRole::Tile)));
        table.show(&pictures);
        assert_eq!(table.iter().count(), 64);
        assert_eq!(
            table
                .iter()
                .filter(|(_, shown)| shown.role == PictureRole::Tile)
                .count(),
            30
        );
        let far = WantedPicture {
            tile: 64,
            ..wanted(0, 1, PictureRole::Tile)
        };
        let voice = WantedPicture {
            source: source(1, PublicationKey::MICROPHONE),
            ..wanted(0, 1, PictureRole::Tile)
        };
        table.show(&[far, voice]);
        assert_eq!(table.iter().count(), 0);
    }

    #[test]
    fn the_layer_follows_the_size_on_the_screen() {
        assert_eq!(layer_for(PictureRole::Tile, 207, &offers()), Layer::Low);
        assert_eq!(layer_for(PictureRole::Tile, 400, &offers()), Layer::Low);
        assert_eq!(layer_for(PictureRole::Tile, 401, &offers()), Layer::High);
        assert_eq!(layer_for(PictureRole::Tile, 4000, &offers()), Layer::High);
        assert_eq!(layer_for(PictureRole::Focus, 207, &offers()), Layer::High);
        assert_eq!(layer_for(PictureRole::Tile, 4000, &[]), Layer::Low);
    }

    #[test]
    fn an_open_signal_raises_a_tile_and_nothing_else() {
        let mut table = SlotTable::default();
        table.show(&[
            wanted(0, 1, PictureRole::Tile),
            wanted(1, 1, PictureRole::Inset),
            wanted(2, 2, PictureRole::Tile),
        ]);
        let offers = offers();
        let intents = table.intents(
            |_| &offers,
            |s| s.participant == source(1, PublicationKey::CAMERA).participant,
        );
        let priority = |tile| {
            intents
                .iter()
                .find(|i| i.slot == table.tile(tile).unwrap().0)
                .unwrap()
                .priority
        };
        assert_eq!(
            [priority(0), priority(1), priority(2)],
            [Priority::Flagged, Priority::Inset, Priority::Tile]
        );
    }

    #[test]
    fn another_voice_takes_another_slot() {
        let mut audio = AudioSlots::default();
        let voice = |n| Some(source(n, PublicationKey::MICROPHONE));
        audio.listen(voice(1));
        let first = audio.current().unwrap().0;
        audio.listen(voice(1));
        assert_eq!(audio.current().unwrap().0, first);
        audio.listen(voice(2));
        assert_ne!(audio.current().unwrap().0, first);
        audio.listen(None);
        assert_eq!(audio.intent(), None);
    }
}
