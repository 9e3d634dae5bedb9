//! What happened, as far as it can be compared: decisions and plaintext headers, hashed for each participant and for the whole
//! world. Two runs are equal when their hashes are.

use crate::clock::Us;
use invigil_sfu::core::rtcp::{Item, parse};
use invigil_sfu::core::rtp::RtpHeader;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write};
use std::io::Write as _;

/// FNV-1a's offset basis.
pub const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits: the same on every machine and in every version.
pub fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Lines kept to show what led to a violation.
const RECENT: usize = 60;

/// A world's record.
pub struct Trace {
    pub all: u64,
    /// By a participant's number.
    pub people: BTreeMap<u16, u64>,
    pub lines: u64,
    recent: VecDeque<String>,
    line: String,
    /// The whole of it, when `INVIGIL_SIM_TRACE` names a file.
    file: Option<std::io::BufWriter<std::fs::File>>,
}

impl Trace {
    pub fn new() -> Self {
        let file = std::env::var_os("INVIGIL_SIM_TRACE")
            .map(|path| std::io::BufWriter::new(std::fs::File::create(path).expect("INVIGIL_SIM_TRACE names a file")));
        Self {
            all: FNV_START,
            people: BTreeMap::new(),
            lines: 0,
            recent: VecDeque::new(),
            line: String::new(),
            file,
        }
    }

    /// Notes something that `person` did or that happened to them.
    pub fn note(&mut self, now: Us, person: u16, what: fmt::Arguments<'_>) {
        self.line.clear();
        write!(self.line, "{now} {person} {what}").expect("a string takes everything");
        let bytes = self.line.as_bytes();
        self.all = fnv(self.all, bytes);
        let own = self.people.entry(person).or_insert(FNV_START);
        *own = fnv(*own, bytes);
        self.lines += 1;
        if let Some(file) = &mut self.file {
            writeln!(file, "{}", self.line).expect("the trace's file takes a line");
        }
        let mut kept = if self.recent.len() == RECENT {
            self.recent.pop_front().unwrap_or_default()
        } else {
            String::new()
        };
        kept.clone_from(&self.line);
        self.recent.push_back(kept);
    }

    /// Notes a plaintext RTP packet by its header.
    pub fn rtp(&mut self, now: Us, person: u16, way: &str, packet: &[u8]) {
        let Some(header) = RtpHeader::parse(packet) else {
            return self.note(now, person, format_args!("{way} rtp {}", packet.len()));
        };
        let head = fnv(FNV_START, &packet[..header.payload.0]);
        self.note(
            now,
            person,
            format_args!(
                "{way} rtp {:x} {} {} {} {} {head:x}",
                header.ssrc,
                header.payload_type,
                header.sequence,
                header.timestamp,
                packet.len()
            ),
        );
    }

    /// Notes a plaintext RTCP compound, item by item.
    pub fn rtcp(&mut self, now: Us, person: u16, way: &str, compound: &[u8]) {
        let mut items = String::new();
        parse(compound, |item| {
            match item {
                Item::TransportFeedback { control } => write!(items, " twcc {:x}", fnv(FNV_START, control)),
                other => write!(items, " {other:?}"),
            }
            .expect("a string takes everything");
        });
        self.note(now, person, format_args!("{way} rtcp{items}"));
    }

    /// The last lines.
    pub fn recent(&self) -> String {
        self.recent.iter().fold(String::new(), |all, line| all + line + "\n")
    }
}
