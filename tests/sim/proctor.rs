//! A simulated proctor: a pool of slots, wishes, NACK timed by the round trip, transport-wide feedback, key frames asked for
//! when nothing else helps, and a record of what was shown when.

use crate::assembler::{Assembler, Part};
use crate::candidate::Out;
use crate::clock::{Clock, MS, S, Us};
use crate::mark::Mark;
use crate::sdp::{FRAME_INFO_ID, TRANSPORT_CC_ID, audio, video};
use invigil_sfu::core::receiver::{Arrival, Receiver};
use invigil_sfu::core::rtcp::{write_fir, write_nack, write_pli, write_receiver_reports, write_transport_feedback};
use invigil_sfu::core::rtp::RtpHeader;
use invigil_sfu::core::twcc::Arrivals;
use invigil_shared::binding::{Binding, BindingState};
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::intent::Priority;
use invigil_shared::publication::{Layer, PublicationKey};
use std::collections::BTreeMap;

/// As the client has them.
const TICK: Us = 10 * MS;
const FEEDBACK: Us = 50 * MS;
const KEYFRAME_INTERVAL: Us = 200 * MS;
/// A compound is sent before it grows past a datagram.
const RTCP_FULL: usize = 900;
/// Our SSRC in RTCP.
const REPORTER: u32 = 77;

/// What a proctor wishes to see on a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    pub slot: u16,
    pub person: u16,
    pub key: PublicationKey,
    pub layer: Layer,
    pub priority: Priority,
}

/// A publication in a world.
pub type Source = (u16, PublicationKey);

/// A picture that a decoder could show, or a packet of audio that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub at: Us,
    pub layer: Layer,
    pub frame: u32,
}

struct Slot {
    ssrc: u32,
    is_audio: bool,
    receiver: Receiver,
    assembler: Assembler,
    asked: Us,
    /// The number of the last command for a key frame, and the torn one that it was about.
    command: u8,
    torn: Option<u32>,
    /// When a packet last came.
    last: Option<Us>,
}

/// The subscribing side of a participant.
pub struct Proctor {
    pub video_slots: u16,
    pub audio_slots: u16,
    slots: Vec<Slot>,
    ssrcs: BTreeMap<u32, (usize, bool)>,
    arrivals: Option<Arrivals>,
    next: Us,
    next_feedback: Us,
    next_report: Us,
    media: u32,
    pub wants: Vec<Want>,
    pub revision: u64,
    pub bindings: BTreeMap<u16, Binding>,
    /// When the server last said that the path is too narrow for a slot.
    pub denied: BTreeMap<u16, Us>,
    /// By publication, in the order of time.
    pub shown: BTreeMap<Source, Vec<Shown>>,
    pub received: u64,
    /// Offers made on the present transport.
    pub offers: u32,
    /// Sends transport-wide feedback; a client that doesn't leaves the server without an estimate.
    pub feedback: bool,
    /// Asks for key frames of everything, all the time: an oracle's negative control.
    pub greedy: bool,
}

impl Proctor {
    pub fn new(video_slots: u16, audio_slots: u16) -> Self {
        Self {
            video_slots,
            audio_slots,
            slots: Vec::new(),
            ssrcs: BTreeMap::new(),
            arrivals: None,
            next: Us::MAX,
            next_feedback: 0,
            next_report: 0,
            media: 0,
            wants: Vec::new(),
            revision: 0,
            bindings: BTreeMap::new(),
            denied: BTreeMap::new(),
            shown: BTreeMap::new(),
            received: 0,
            offers: 0,
            feedback: true,
            greedy: false,
        }
    }

    /// The pool: video lines, then audio lines, so that a slot is the number of its line.
    pub fn media(&self) -> Vec<String> {
        let video = std::iter::repeat_n(video("recvonly"), self.video_slots.into());
        video
            .chain(std::iter::repeat_n(audio("recvonly"), self.audio_slots.into()))
            .collect()
    }

    /// The answer of a new transport named the streams of the pool.
    pub fn begin(&mut self, clock: &Clock, lines: &[(Option<u32>, Option<u32>)]) {
        self.slots.clear();
        self.ssrcs.clear();
        for (at, (ssrc, rtx)) in lines.iter().enumerate() {
            let ssrc = ssrc.unwrap_or(0);
            let is_audio = at >= usize::from(self.video_slots);
            self.slots.push(Slot {
                ssrc,
                is_audio,
                receiver: Receiver::new(if is_audio { 48_000 } else { 90_000 }, !is_audio),
                assembler: Assembler::default(),
                asked: 0,
                command: 0,
                torn: None,
                last: None,
            });
            self.ssrcs.insert(ssrc, (at, false));
            self.ssrcs.extend(rtx.map(|rtx| (rtx, (at, true))));
        }
        self.arrivals = Some(Arrivals::new(clock.at(0)));
        self.next = clock.now + TICK;
        (self.next_feedback, self.next_report) = (clock.now + FEEDBACK, clock.now + S);
    }

    /// Takes a plaintext packet.
    pub fn rtp(&mut self, clock: &Clock, packet: &[u8]) {
        let Some(header) = RtpHeader::parse(packet) else { return };
        self.received += 1;
        let number = header
            .extension(packet, TRANSPORT_CC_ID)
            .and_then(|data| data.first_chunk());
        if let (Some(number), Some(arrivals)) = (number, self.arrivals.as_mut()) {
            arrivals.receive(clock.instant(), u16::from_be_bytes(*number));
            self.media = header.ssrc;
        }
        let Some(&(at, repair)) = self.ssrcs.get(&header.ssrc) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(at) else { return };
        let mut payload = header.payload_of(packet);
        let mut sequence = header.sequence;
        if repair {
            let Some((original, rest)) = payload.split_first_chunk() else {
                return;
            };
            (sequence, payload) = (u16::from_be_bytes(*original), rest);
        }
        let Some(mark) = Mark::read(payload) else { return };
        slot.last = Some(clock.now);
        let Arrival::New { index, restarted } =
            slot.receiver
                .receive(clock.instant(), sequence, header.timestamp, repair)
        else {
            return;
        };
        if restarted {
            slot.assembler = Assembler::default();
        }
        if slot.is_audio {
            self.shown
                .entry((mark.person, mark.publication))
                .or_default()
                .push(Shown {
                    at: clock.now,
                    layer: mark.layer,
                    frame: mark.frame,
                });
            return;
        }
        let Some(frame) = header.extension(packet, FRAME_INFO_ID).and_then(FrameInfo::read) else {
            return;
        };
        let part = Part {
            mark,
            frame,
            timestamp: header.timestamp,
        };
        let shown = slot.assembler.push(clock.now, index, part);
        self.show(clock.now, &shown);
    }

    fn show(&mut self, now: Us, frames: &[Part]) {
        for part in frames {
            let (mark, at) = (part.mark, now);
            self.shown
                .entry((mark.person, mark.publication))
                .or_default()
                .push(Shown {
                    at,
                    layer: mark.layer,
                    frame: mark.frame,
                });
        }
    }

    /// When [`Self::poll`] is due.
    pub fn next(&self) -> Us {
        self.next
    }

    /// The RTCP that has to leave now.
    pub fn poll(&mut self, clock: &Clock) -> Vec<Out> {
        let now = clock.now;
        if self.next > now {
            return Vec::new();
        }
        self.next = now + TICK;
        let mut compounds = Compounds::default();
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            if slot.is_audio {
                continue;
            }
            let shown = slot.assembler.tick(now, |index| slot.receiver.awaits(index));
            slot.receiver.insist(slot.assembler.key_frame(now));
            if slot.receiver.next_request().is_some_and(|due| due <= clock.instant()) {
                let mut lost = Vec::new();
                slot.receiver.requests(clock.instant(), &mut lost);
                if !lost.is_empty() {
                    compounds.add(|out| write_nack(out, REPORTER, slot.ssrc, &lost));
                }
            }
            let stuck = slot.receiver.take_overwhelmed()
                | (slot.assembler.wants_key() && slot.last.is_some_and(|last| last + S > now));
            if (stuck || self.greedy && slot.last.is_some()) && slot.asked + KEYFRAME_INTERVAL <= now {
                slot.asked = now;
                match slot.assembler.torn() {
                    Some(torn) => {
                        if slot.torn.replace(torn) != Some(torn) {
                            slot.command = slot.command.wrapping_add(1);
                        }
                        compounds.add(|out| write_fir(out, REPORTER, slot.ssrc, slot.command));
                    }
                    None => compounds.add(|out| write_pli(out, REPORTER, slot.ssrc)),
                }
            }
            self.show(now, &shown);
        }
        if self.next_feedback <= now {
            self.next_feedback = now + FEEDBACK;
            while let Some(arrivals) = self.arrivals.as_mut().filter(|arrivals| !arrivals.is_empty()) {
                let mut control = Vec::new();
                if !arrivals.write(&mut control) || control.is_empty() || !self.feedback {
                    break;
                }
                compounds.add(|out| write_transport_feedback(out, REPORTER, self.media, &control));
            }
        }
        if self.next_report <= now {
            self.next_report = now + S;
            let blocks: Vec<_> = self
                .slots
                .iter_mut()
                .filter_map(|slot| slot.receiver.report(clock.instant(), slot.ssrc))
                .collect();
            compounds.add(|out| write_receiver_reports(out, REPORTER, &blocks));
        }
        compounds.finish()
    }

    /// The most packets that a slot's assembler holds.
    pub fn held(&self) -> usize {
        self.slots.iter().map(|slot| slot.assembler.held()).max().unwrap_or(0)
    }

    /// What the server decided.
    pub fn bound(&mut self, now: Us, bindings: Vec<Binding>) {
        let new: BTreeMap<u16, Binding> = bindings.into_iter().map(|binding| (binding.slot, binding)).collect();
        let old = std::mem::replace(&mut self.bindings, new);
        let denied = old
            .values()
            .chain(self.bindings.values())
            .filter(|binding| binding.state == BindingState::Bandwidth);
        self.denied.extend(denied.map(|binding| (binding.slot, now)));
    }

    /// When a publication was last seen.
    pub fn last_shown(&self, source: Source) -> Option<Us> {
        self.shown.get(&source)?.last().map(|shown| shown.at)
    }
}

#[derive(Default)]
struct Compounds {
    done: Vec<Out>,
    bytes: Vec<u8>,
}

impl Compounds {
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.bytes.len() > RTCP_FULL {
            self.cut();
        }
        if self.bytes.is_empty() {
            write_receiver_reports(&mut self.bytes, REPORTER, &[]);
        }
        write(&mut self.bytes);
    }

    fn cut(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.done.push(Out { bytes, header: None });
    }

    fn finish(mut self) -> Vec<Out> {
        if !self.bytes.is_empty() {
            self.cut();
        }
        self.done
    }
}
