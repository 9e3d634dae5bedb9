//! Virtual time: microseconds since a world began, and what is due when. Nothing here ever reads a clock but for the one
//! `Instant` that stands for the beginning; the core only ever sees differences to it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Microseconds of virtual time.
pub type Us = u64;
pub const MS: Us = 1_000;
pub const S: Us = 1_000_000;

/// Where virtual time stands.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: Instant,
    pub now: Us,
}

impl Clock {
    pub fn new() -> Self {
        Self {
            base: Instant::now(),
            now: 0,
        }
    }

    pub fn at(&self, time: Us) -> Instant {
        self.base + Duration::from_micros(time)
    }

    /// The other way around; 0 for what was before the beginning.
    pub fn us_of(&self, instant: Instant) -> Us {
        instant.saturating_duration_since(self.base).as_micros() as Us
    }

    pub fn instant(&self) -> Instant {
        self.at(self.now)
    }
}

/// Things to do, by time and then by the order in which they were planned.
#[derive(Debug)]
pub struct Agenda<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    planned: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Us,
    order: u64,
    what: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl<T> Eq for Entry<T> {}
impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl<T> Agenda<T> {
    pub fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            planned: 0,
        }
    }

    pub fn plan(&mut self, at: Us, what: T) {
        self.planned += 1;
        self.heap.push(Reverse(Entry {
            at,
            order: self.planned,
            what,
        }));
    }

    /// The next thing that is due by `until`.
    pub fn take(&mut self, until: Us) -> Option<(Us, T)> {
        if self.heap.peek()?.0.at > until {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }
}
