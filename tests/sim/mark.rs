//! What a simulated payload says of itself, so that an oracle recognises it behind the SFU: who made it, where it stands, and
//! bytes that follow from that, so that a change of any of them shows.

use invigil_shared::publication::{Kind, Layer, PublicationKey};

/// Bytes of a mark with its length.
pub const MARK_LEN: usize = 20;

/// A packet's identity. Two packets never share one within a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The publisher's number in its world.
    pub person: u16,
    pub publication: PublicationKey,
    pub layer: Layer,
    /// The publisher's transport, counted from 0: numbering begins anew with it.
    pub generation: u8,
    /// Frames of the layer, counted from 0.
    pub frame: u32,
    /// Packets of the layer, counted from 0, in the publisher's sending order.
    pub index: u32,
    /// Which packet of how many of the frame.
    pub part: u16,
    pub parts: u16,
}

fn kind_number(kind: Kind) -> u8 {
    match kind {
        Kind::Camera => 0,
        Kind::Screen => 1,
        Kind::Microphone => 2,
    }
}

impl Mark {
    fn head(&self, length: usize) -> [u8; MARK_LEN] {
        let mut head = [0; MARK_LEN];
        head[..2].copy_from_slice(&self.person.to_be_bytes());
        head[2] = kind_number(self.publication.kind);
        head[3] = self.publication.instance;
        head[4] = self.layer as u8;
        head[5] = self.generation;
        head[6..10].copy_from_slice(&self.frame.to_be_bytes());
        head[10..14].copy_from_slice(&self.index.to_be_bytes());
        head[14..16].copy_from_slice(&self.part.to_be_bytes());
        head[16..18].copy_from_slice(&self.parts.to_be_bytes());
        head[18..].copy_from_slice(&(length as u16).to_be_bytes());
        head
    }

    /// Appends a payload of `length` bytes, at least [`MARK_LEN`].
    pub fn write(&self, length: usize, out: &mut Vec<u8>) {
        let length = length.max(MARK_LEN);
        let head = self.head(length);
        out.extend_from_slice(&head);
        out.extend(fill(&head).take(length - MARK_LEN));
    }

    /// The mark of a payload; none when any byte is not the one that was sent.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let head: &[u8; MARK_LEN] = payload.first_chunk()?;
        let half = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let kind = *[Kind::Camera, Kind::Screen, Kind::Microphone].get(usize::from(head[2]))?;
        let mark = Self {
            person: half(0),
            publication: PublicationKey {
                kind,
                instance: head[3],
            },
            layer: *Layer::ALL.get(usize::from(head[4]))?,
            generation: head[5],
            frame: word(6),
            index: word(10),
            part: half(14),
            parts: half(16),
        };
        let whole = usize::from(half(18)) == payload.len() && *head == mark.head(payload.len());
        (whole
            && payload[MARK_LEN..]
                .iter()
                .copied()
                .eq(fill(head).take(payload.len() - MARK_LEN)))
        .then_some(mark)
    }

    /// The source of the packet's numbering: publication, layer and transport.
    pub fn stream(&self) -> (u16, PublicationKey, Layer, u8) {
        (self.person, self.publication, self.layer, self.generation)
    }
}

/// Noise that follows from a head: xorshift64* of its FNV-1a hash.
fn fill(head: &[u8; MARK_LEN]) -> impl Iterator<Item = u8> + use<> {
    let mut state = crate::trace::fnv(crate::trace::FNV_START, head) | 1;
    std::iter::repeat_with(move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes()
    })
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_recognised_and_any_changed_byte_is_seen() {
        let mark = Mark {
            person: 7,
            publication: PublicationKey::SCREEN,
            layer: Layer::High,
            generation: 1,
            frame: 5,
            index: 70_000,
            part: 1,
            parts: 3,
        };
        let mut payload = Vec::new();
        mark.write(300, &mut payload);
        assert_eq!((payload.len(), Mark::read(&payload)), (300, Some(mark)));
        for at in 0..payload.len() {
            let mut bent = payload.clone();
            bent[at] ^= 0x40;
            assert_ne!(Mark::read(&bent), Some(mark), "byte {at}");
        }
        assert_eq!(Mark::read(&payload[..299]), None);
    }
}
