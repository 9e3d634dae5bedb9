//! What a shard has counted since it began, for metrics. Plain numbers that its own thread adds to where it decides anyway;
//! whoever wants them asks the thread for a copy.

use crate::core::io::TransmitBatch;

/// Counts; none of them ever falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub datagrams_received: u64,
    pub bytes_received: u64,
    /// Handed to the system, or to a TCP connection's queue.
    pub datagrams_sent: u64,
    pub bytes_sent: u64,
    /// Belong to no transport: strangers, and what is late for one that has gone.
    pub unroutable: u64,
    /// Came from a transport's address, and are forged, damaged, or repeated.
    pub refused: u64,
    /// Asked for a path that is no relay's, on a transport for relays only. They were not answered.
    pub not_relayed: u64,
    /// Packets that publishers were asked for again.
    pub losses_asked: u64,
    /// Packets that subscribers asked for again.
    pub losses_told: u64,
    /// Packets that subscribers got again.
    pub retransmitted: u64,
    /// PLI sent to publishers.
    pub key_frames_asked: u64,
    /// PLI and FIR of subscribers.
    pub key_frames_wanted: u64,
}

impl Tally {
    pub(super) fn received(&mut self, datagram: &[u8]) {
        self.datagrams_received += 1;
        self.bytes_received += datagram.len() as u64;
    }

    pub(super) fn sent(&mut self, batch: &TransmitBatch) {
        self.datagrams_sent += batch.runs().iter().map(|run| run.count as u64).sum::<u64>();
        self.bytes_sent += batch.bytes().len() as u64;
    }
}
