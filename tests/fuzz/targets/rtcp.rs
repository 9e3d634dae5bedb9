//! RTCP compounds: walked to an end, whatever they say.
#![no_main]

use invigil_sfu::core::rtcp::{Item, nacked, parse};
use invigil_shared::bandwidth::SentPackets;
use libfuzzer_sys::fuzz_target;
use std::time::Instant;

/// Packets on their way.
const SENT: usize = 40;

fuzz_target!(|compound: &[u8]| {
    let now = Instant::now();
    let (mut sent, mut results) = (SentPackets::default(), Vec::new());
    for _ in 0..SENT {
        sent.send(now, 1_000, None);
    }
    let mut items = 0;
    parse(compound, |item| {
        items += 1;
        match item {
            Item::Nack { pairs, .. } => assert!(nacked(pairs).count() <= pairs.len() / 4 * 17),
            Item::TransportFeedback { control } => {
                let before = results.len();
                let read = sent.feedback(control, &mut results);
                assert!(read || results.len() == before, "a refused feedback said something");
            }
            _ => {}
        }
    });
    // Each is told of once as missing and once as arrived.
    assert!(results.len() <= 2 * SENT, "feedback for what was never sent");
    assert!(items <= 256, "{items} items of one compound");
});
