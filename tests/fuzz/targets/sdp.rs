//! Offers, as WHIP and WHEP bodies and in our protocol: an answer has the offer's m-lines and stays small.
#![no_main]

use invigil_sfu::core::transport::credentials::{Fingerprint, IceCredentials};
use invigil_sfu::core::transport::sdp::{AnswerParams, Codec, Offer, plan, write_answer};
use invigil_shared::limits::MAX_SDP;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(offer) = Offer::parse(text) else { return };
    let plan = plan(&offer, &[Codec::H264, Codec::Vp8]);
    let local = IceCredentials::from_random(std::array::from_fn(|at| at as u8));
    let candidates = ["192.0.2.1:7443".parse().expect("an address")];
    let params = AnswerParams {
        session_id: 1,
        session_version: 1,
        local: &local,
        fingerprint: Fingerprint::of_certificate(b"certificate"),
        role: offer.answer_role(),
        candidates: &candidates,
        tcp: true,
    };
    if let Ok(answer) = write_answer(&offer, &plan, &params, &[]) {
        assert!(answer.len() <= MAX_SDP);
        let lines = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
        assert_eq!(lines(&answer), offer.media.len());
    }
});
