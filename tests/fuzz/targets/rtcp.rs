//! RTCP compounds: walked to an end, whatever they say.
#![no_main]

use invigil_sfu::core::rtcp::{Item, nacked, parse};
use invigil_sfu::core::twcc::Sent;
use libfuzzer_sys::fuzz_target;
use std::time::Instant;

fuzz_target!(|compound: &[u8]| {
    let now = Instant::now();
    let mut sent = Sent::default();
    for _ in 0..40 {
        sent.send(now, 1_000);
    }
    let mut items = 0;
    parse(compound, |item| {
        items += 1;
        match item {
            Item::Nack { pairs, .. } => assert!(nacked(pairs).count() <= pairs.len() / 4 * 17),
            Item::TransportFeedback { control } => {
                if let Some(feedback) = sent.feedback(control) {
                    assert!(
                        feedback.received + feedback.lost <= 40,
                        "feedback for what was never sent"
                    );
                }
            }
            _ => {}
        }
    });
    assert!(items <= 256, "{items} items of one compound");
});
