//! Offers of real peers (captured; Firefox's is from `rtc`'s own tests), and offers that nobody should send.

use super::super::credentials::{Fingerprint, IceCredentials};
use super::super::dtls::DtlsRole;
use super::*;
use invigil_shared::error::ErrorCode;
use invigil_shared::frame_info::FRAME_INFO_URI;
use invigil_shared::limits::{AUDIO_SLOTS, MAX_SDP, VIDEO_SLOTS};
use proptest::prelude::*;
use std::fmt::Write;
use std::net::SocketAddr;

const CHROMIUM: &str = include_str!("fixtures/chromium_simulcast_and_data.sdp");
const CHROMIUM_RECVONLY: &str = include_str!("fixtures/chromium_recvonly.sdp");
const FIREFOX: &str = include_str!("fixtures/firefox_simulcast.sdp");
const BOTH: [Codec; 2] = [Codec::H264, Codec::Vp8];

fn answer(offer: &Offer, plan: &[SectionPlan], sends: &[Option<SendStream>]) -> Result<String, SdpError> {
    let local = IceCredentials {
        ufrag: "abcdefgh".into(),
        pwd: "p".repeat(24),
    };
    let candidates: [SocketAddr; 2] = ["192.0.2.1:5000".parse().unwrap(), "[2001:db8::1]:5000".parse().unwrap()];
    let params = AnswerParams {
        session_id: 7,
        session_version: 2,
        local: &local,
        fingerprint: Fingerprint([0xab; 32]),
        role: offer.answer_role(),
        candidates: &candidates,
        tcp: false,
    };
    write_answer(offer, plan, &params, sends)
}

fn stream(ssrc: u32) -> SendStream {
    SendStream {
        ssrc,
        rtx_ssrc: Some(ssrc + 1),
        cname: "c".into(),
        stream: "s".into(),
        track: "t".into(),
    }
}

/// The lines of one m-section.
fn section(sdp: &str, index: usize) -> Vec<&str> {
    let at = sdp
        .match_indices("m=")
        .filter(|(at, _)| sdp[..*at].ends_with('\n'))
        .nth(index)
        .unwrap()
        .0;
    sdp[at..]
        .lines()
        .enumerate()
        .take_while(|(line, text)| *line == 0 || !text.starts_with("m="))
        .map(|(_, text)| text)
        .collect()
}

#[test]
fn chromium_simulcast() {
    let offer = Offer::parse(CHROMIUM).unwrap();
    assert_eq!(offer.media.len(), 3);
    assert_eq!(
        (offer.setup, offer.answer_role(), offer.extmap_allow_mixed),
        (Setup::ActPass, DtlsRole::Client, true)
    );
    assert_eq!(offer.media[0].rids, ["low", "mid", "high"]);
    assert!(offer.media[0].ssrcs.is_empty());
    assert_eq!(offer.media[1].ssrcs.len(), 1);
    assert_eq!((offer.media[2].kind, offer.media[2].usable), (MediaKind::Other, false));

    let planned = plan(&offer, &BOTH);
    let video = planned[0].codec.clone().unwrap();
    // Not 102, which is 42001f: plain baseline may use tools that decoders of the constrained one lack.
    assert_eq!((video.codec, video.pt, video.rtx_pt), (Codec::H264, 108, Some(109)));
    assert_eq!(video.feedback, ["nack", "nack pli", "ccm fir", "transport-cc"]);
    let ids = planned[0].extensions;
    assert_eq!(
        (ids.mid, ids.rid, ids.repaired_rid, ids.transport_cc),
        (Some(9), Some(10), Some(11), Some(4))
    );
    assert_eq!((ids.audio_level, planned[1].extensions.audio_level), (None, Some(12)));
    assert_eq!(
        planned[1].codec.as_ref().map(|codec| (codec.codec, codec.pt)),
        Some((Codec::Opus, 111))
    );
    assert!(planned[0].receives && !planned[0].may_send && planned[2].codec.is_none());

    let text = answer(&offer, &planned, &[]).unwrap();
    let lines = section(&text, 0);
    for wanted in [
        "m=video 9 UDP/TLS/RTP/SAVPF 108 109",
        "a=recvonly",
        "a=setup:active",
        "a=rtcp-mux",
        "a=rtpmap:108 H264/90000",
        "a=fmtp:109 apt=108",
        "a=rid:low recv",
        "a=simulcast:recv low;mid;high",
        "a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host",
        "a=candidate:2 1 udp 2130706175 2001:db8::1 5000 typ host",
        "a=end-of-candidates",
    ] {
        assert!(lines.contains(&wanted), "{wanted} is not in\n{text}");
    }
    assert!(!text.contains("toffset") && !text.contains("dependency-descriptor"));
    assert!(text.starts_with("v=0\r\no=- 7 2 IN IP4 0.0.0.0\r\n") && text.contains("\r\na=ice-lite\r\n"));
    let mids: Vec<&str> = offer.media.iter().map(|section| section.mid.as_str()).collect();
    assert!(text.contains(&format!("\r\na=group:BUNDLE {} {}\r\n", mids[0], mids[1])));
    assert!(section(&text, 1).iter().all(|line| !line.starts_with("a=candidate")));
    assert!(section(&text, 2)[0].starts_with("m=application 0 UDP/DTLS/SCTP webrtc-datachannel"));
    // VP8 where policy says so.
    assert_eq!(
        plan(&offer, &[Codec::Vp8])[0].codec.as_ref().map(|codec| codec.pt),
        Some(96)
    );
}

#[test]
fn chromium_receives() {
    let offer = Offer::parse(CHROMIUM_RECVONLY).unwrap();
    let planned = plan(&offer, &BOTH);
    assert!(planned.iter().all(|section| section.may_send && !section.receives));
    let text = answer(&offer, &planned, &[Some(stream(1_000)), None]).unwrap();
    let lines = section(&text, 0);
    for wanted in [
        "a=sendonly",
        "a=ssrc-group:FID 1000 1001",
        "a=ssrc:1000 cname:c",
        "a=ssrc:1001 msid:s t",
        "a=msid:s t",
    ] {
        assert!(lines.contains(&wanted), "{wanted} is not in\n{text}");
    }
    assert!(section(&text, 1).contains(&"a=inactive"));
    let audio = answer(&offer, &planned, &[None, Some(stream(5))]).unwrap();
    assert!(!audio.contains("FID"), "opus has no RTX");
}

#[test]
fn firefox_simulcast() {
    let offer = Offer::parse(FIREFOX).unwrap();
    assert_eq!(offer.media[0].rids.len(), 3);
    let planned = plan(&offer, &BOTH);
    let video = planned[0].codec.clone().unwrap();
    assert_eq!((video.codec, video.pt, video.rtx_pt), (Codec::Vp8, 120, Some(124)));
    let text = answer(&offer, &planned, &[]).unwrap();
    assert!(
        text.contains("a=extmap:9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"),
        "{text}"
    );
    assert!(text.contains(&format!("a=simulcast:recv {}\r\n", offer.media[0].rids.join(";"))));
    assert!(Offer::parse(&FIREFOX.replace("\r\n", "\n")).is_ok());
}

/// What `rtc-sdp` reads of our answers is what we meant.
#[test]
fn another_parser_reads_the_answer() {
    for (text, sends) in [
        (CHROMIUM, vec![]),
        (CHROMIUM_RECVONLY, vec![Some(stream(9)), Some(stream(11))]),
        (FIREFOX, vec![]),
    ] {
        let offer = Offer::parse(text).unwrap();
        let text = answer(&offer, &plan(&offer, &BOTH), &sends).unwrap();
        let read = rtc_sdp::SessionDescription::unmarshal(&mut std::io::Cursor::new(text.as_bytes())).unwrap();
        assert_eq!(read.marshal(), text);
        assert_eq!(read.media_descriptions.len(), offer.media.len());
    }
}

/// The offer of a subscribing client with `pools` pools of slots.
fn native_offer(pools: u16) -> String {
    let count = pools * (VIDEO_SLOTS + AUDIO_SLOTS);
    let mids: Vec<String> = (0..count).map(|mid| mid.to_string()).collect();
    let fingerprint = Fingerprint([1; 32]);
    let mut sdp = format!(
        "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:{fingerprint}\r\na=group:BUNDLE {}\r\n",
        mids.join(" ")
    );
    for mid in 0..count {
        let audio = mid % (VIDEO_SLOTS + AUDIO_SLOTS) >= VIDEO_SLOTS;
        let (m, codec) = if audio {
            (
                "audio 9 UDP/TLS/RTP/SAVPF 111",
                "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1;usedtx=1\r\n",
            )
        } else {
            (
                "video 9 UDP/TLS/RTP/SAVPF 102 103",
                "a=rtpmap:102 H264/90000\r\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
                 a=rtcp-fb:102 nack\r\na=rtcp-fb:102 nack pli\r\na=rtcp-fb:* transport-cc\r\na=rtpmap:103 rtx/90000\r\n\
                 a=fmtp:103 apt=102\r\n",
            )
        };
        write!(
            sdp,
            "m={m}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=recvonly\r\na=rtcp-mux\r\na=setup:actpass\r\na=ice-ufrag:zzzz\r\n\
             a=ice-pwd:{}\r\na=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:5 {FRAME_INFO_URI}\r\n{codec}",
            "q".repeat(24)
        )
        .unwrap();
    }
    sdp
}

#[test]
fn two_pools_of_slots_fit() {
    let offer = Offer::parse(&native_offer(2)).unwrap();
    assert_eq!(offer.media.len(), 136);
    let planned = plan(&offer, &BOTH);
    assert!(
        planned
            .iter()
            .all(|section| section.may_send && section.extensions.frame_info == Some(5))
    );
    let sends: Vec<_> = (0..136)
        .map(|at| {
            Some(SendStream {
                stream: "x".repeat(36),
                track: "y".repeat(36),
                ..stream(4_000_000_000 + at * 2)
            })
        })
        .collect();
    let text = answer(&offer, &planned, &sends).unwrap();
    assert!(text.len() < MAX_SDP, "{}", text.len());
    assert_eq!(text.matches("a=sendonly\r\n").count(), 136);
    assert_eq!(text.matches("a=ssrc-group:FID").count(), 128);
    assert!(text.contains("a=rtcp-fb:102 transport-cc\r\n"));
}

#[test]
fn sources_with_their_retransmissions() {
    let ssrcs = "a=ssrc:5 cname:x\r\na=ssrc:6 cname:x\r\na=ssrc-group:FID 5 6\r\na=msid:stream track\r\n";
    let offer = native_offer(1).replacen("a=recvonly\r\n", &format!("a=sendonly\r\n{ssrcs}"), 1);
    let offer = Offer::parse(&offer).unwrap();
    assert_eq!(offer.media[0].ssrcs, [SsrcOffer { ssrc: 5, rtx: Some(6) }]);
    assert_eq!(offer.media[0].msid, Some(("stream".into(), Some("track".into()))));
}

#[test]
fn what_is_refused() {
    let good = native_offer(1);
    let refused = |sdp: &str| Offer::parse(sdp).err();
    assert_eq!(refused(&good), None);
    assert_eq!(refused(&"x".repeat(MAX_SDP + 1)), Some(SdpError::TooLarge));
    assert_eq!(refused("hello"), Some(SdpError::Malformed));
    assert_eq!(refused(&native_offer(3)), Some(SdpError::TooMany("m-lines")));
    assert_eq!(
        refused(&good.replace("sha-256", "sha-1")),
        Some(SdpError::NoFingerprint)
    );
    assert_eq!(SdpError::NoFingerprint.code(), ErrorCode::FingerprintMismatch);
    assert_eq!(
        refused(&good.replace("a=ice-ufrag:zzzz", "a=ice-ufrag:z z")),
        Some(SdpError::Attribute("ice credentials"))
    );
    assert_eq!(
        refused(&good.replace("a=setup:actpass", "a=setup:holdconn")),
        Some(SdpError::Attribute("setup"))
    );
    assert_eq!(
        refused(&good.replacen("a=mid:1\r\n", "a=mid:0\r\n", 1)),
        Some(SdpError::Attribute("mid"))
    );
    assert_eq!(
        refused(&good.replacen("a=mid:1\r\n", "", 1)),
        Some(SdpError::Attribute("mid"))
    );
    assert_eq!(
        refused(&good.replace("a=rtcp-mux\r\n", "")),
        Some(SdpError::NothingAcceptable)
    );
    let many: String = (0..=MAX_SSRCS)
        .map(|ssrc| format!("a=ssrc:{} cname:x\r\n", ssrc + 1))
        .collect();
    assert_eq!(
        refused(&good.replacen("a=recvonly\r\n", &format!("a=sendonly\r\n{many}"), 1)),
        Some(SdpError::TooMany("sources"))
    );
}

#[test]
fn m_lines_that_are_not_ours_are_refused_one_by_one() {
    // Not in the bundle, disabled, unknown codec, other profile.
    let offer = native_offer(1)
        .replacen("BUNDLE 0 1 ", "BUNDLE 1 ", 1)
        .replacen("m=video 9", "m=video 0", 2)
        .replacen("m=video 0", "m=video 9", 1)
        .replace("a=mid:2\r\na=recvonly", "a=mid:2\r\na=recvonly\r\na=x-marker");
    let offer = Offer::parse(&offer).unwrap();
    let planned = plan(&offer, &[Codec::H264]);
    assert!(planned[0].codec.is_none() && planned[1].codec.is_none() && planned[2].codec.is_some());
    let text = answer(&offer, &planned, &[]).unwrap();
    assert!(text.contains("a=group:BUNDLE 2 3 "));
    assert!(section(&text, 0)[0].starts_with("m=video 0 "));
    assert!(
        section(&text, 2).contains(&"a=end-of-candidates"),
        "the first accepted m-line carries the candidates"
    );

    let other_profile =
        Offer::parse(&native_offer(1).replace("profile-level-id=42e01f", "profile-level-id=640c1f")).unwrap();
    let planned = plan(&other_profile, &BOTH);
    assert!(
        planned
            .iter()
            .take(usize::from(VIDEO_SLOTS))
            .all(|section| section.codec.is_none())
    );
    let only_video: Vec<SectionPlan> = planned
        .iter()
        .map(|section| SectionPlan {
            codec: None,
            ..section.clone()
        })
        .collect();
    assert_eq!(
        answer(&other_profile, &only_video, &[]),
        Err(SdpError::NothingAcceptable)
    );
}

#[test]
fn the_roles() {
    let role = |setup: &str| {
        Offer::parse(&native_offer(1).replace("a=setup:actpass", setup))
            .unwrap()
            .answer_role()
    };
    assert_eq!(role("a=setup:passive"), DtlsRole::Client);
    assert_eq!(role("a=setup:active"), DtlsRole::Server);
    let offer = Offer::parse(&native_offer(1).replace("a=setup:actpass", "a=setup:active")).unwrap();
    assert!(
        answer(&offer, &plan(&offer, &BOTH), &[])
            .unwrap()
            .contains("a=setup:passive\r\n")
    );
}

#[test]
fn nothing_of_ours_breaks_a_line() {
    let offer = Offer::parse(CHROMIUM_RECVONLY).unwrap();
    let evil = SendStream {
        cname: "a\r\na=evil".into(),
        stream: "b\nc".into(),
        track: "d e".into(),
        ..stream(1)
    };
    let text = answer(&offer, &plan(&offer, &BOTH), &[Some(evil)]).unwrap();
    assert!(!text.contains("\na=evil") && text.contains("a=msid:bc de\r\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Bytes changed, lines dropped, doubled and swapped: an error or an answer that another parser reads, never a panic.
    #[test]
    fn mutated_offers_never_panic(
        which in 0usize..3,
        bytes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        lines in prop::collection::vec((any::<prop::sample::Index>(), 0u8..3), 0..6),
    ) {
        let mut raw = [CHROMIUM, CHROMIUM_RECVONLY, FIREFOX][which].as_bytes().to_vec();
        for (at, byte) in bytes {
            let at = at.index(raw.len());
            raw[at] = byte;
        }
        let text = String::from_utf8_lossy(&raw).into_owned();
        let mut all: Vec<&str> = text.split_inclusive('\n').collect();
        for (at, what) in lines {
            let at = at.index(all.len());
            match what {
                0 if all.len() > 1 => { all.remove(at); }
                1 => all.insert(at, all[at]),
                _ => { let other = all.len() / 2; all.swap(at, other); }
            }
        }
        if let Ok(offer) = Offer::parse(&all.concat()) {
            let planned = plan(&offer, &BOTH);
            let sends: Vec<_> = (0..offer.media.len() as u32).map(|at| Some(stream(at * 2 + 1))).collect();
            if let Ok(text) = answer(&offer, &planned, &sends) {
                let read = rtc_sdp::SessionDescription::unmarshal(&mut std::io::Cursor::new(text.as_bytes()));
                prop_assert!(read.is_ok(), "{}", text);
            }
        }
    }
}

#[test]
fn a_line_that_can_not_carry_what_is_wanted_leaves_it_to_the_next() {
    let mut offer = Offer::parse(CHROMIUM_RECVONLY).unwrap();
    let video = offer.media.iter().find(|section| section.kind == MediaKind::Video);
    let video = video.unwrap().clone();
    let mut without = video.clone();
    without.codecs.retain(|codec| codec.name != "VP8");
    offer.media = vec![without, video.clone(), video];
    let planned = plan_for(&offer, &[Some(Codec::Vp8), Some(Codec::H264)], &BOTH);
    let codecs: Vec<Option<Codec>> = planned.iter().map(|p| p.codec.as_ref().map(|c| c.codec)).collect();
    assert_eq!(codecs, [None, Some(Codec::Vp8), Some(Codec::H264)]);
}
