//! Bodies of WHIP and WHEP: what an offer would publish has one name a line, and a fragment says something.
#![no_main]

use invigil_sfu::core::browser::read_announced;
use invigil_sfu::core::transport::sdp::{Codec, Fragment, MAX_FRAGMENT, MAX_MEDIA, write_fragment};
use invigil_shared::limits::MAX_LAYERS;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;

fuzz_target!(|text: &str| {
    if let Ok(fragment) = Fragment::parse(text) {
        assert!(fragment.ice.is_some() || fragment.candidates > 0 || fragment.ended);
        assert!(text.len() <= MAX_FRAGMENT);
        if let Some(ice) = &fragment.ice {
            let again = Fragment::parse(&write_fragment("", ice, &[])).expect("what we write can be read");
            assert_eq!(again.ice.as_ref(), Some(ice));
        }
    }
    let Ok(announced) = read_announced(text) else { return };
    assert!((1..=MAX_MEDIA).contains(&announced.len()));
    let names: BTreeSet<_> = announced.iter().map(|each| each.publication).collect();
    let lines: BTreeSet<_> = announced.iter().map(|each| each.line).collect();
    assert_eq!((names.len(), lines.len()), (announced.len(), announced.len()));
    for each in &announced {
        assert_eq!(each.publication.kind.is_video(), each.codec != Codec::Opus);
        assert!((1..=MAX_LAYERS).contains(&each.layers.len()));
        assert!(each.rids.is_empty() || each.rids.len() == each.layers.len());
        let layers: BTreeSet<_> = each.layers.iter().map(|layer| layer.rid).collect();
        assert_eq!(layers.len(), each.layers.len());
    }
});
