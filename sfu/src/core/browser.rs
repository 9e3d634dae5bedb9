//! What a browser publishes through WHIP: which m-line of its offer is which publication, and the layers that it announces.

use crate::core::io::Event;
use crate::core::media::{Codec, mime_of};
use crate::core::peer::Incoming;
use crate::core::publication::Publication;
use crate::core::state::Shard;
use crate::core::transport::sdp::{self, MediaKind, MediaSection, Offer, SdpError, SectionPlan};
use invigil_shared::publication::{Kind, Layer, LayerOffer, PublicationKey};
use std::collections::BTreeSet;

/// The video codecs that browsers are answered with, the best first.
pub const PREFERENCE: [Codec; 2] = [Codec::H264, Codec::Vp8];

/// What an m-line without a name of ours is: the first video is the camera, the second the screen; sound is the microphone.
const IN_ORDER: [PublicationKey; 3] = [
    PublicationKey::CAMERA,
    PublicationKey::SCREEN,
    PublicationKey::MICROPHONE,
];

/// An m-line that a browser publishes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Its place in the offer.
    pub line: usize,
    pub publication: PublicationKey,
    pub codec: Codec,
    /// Rids as the browser names them; none without simulcast.
    pub rids: Vec<(String, Layer)>,
    pub layers: Vec<LayerOffer>,
}

/// Reads what an offer would publish, without taking it.
///
/// # Errors
/// As [`Offer::parse`] and [`announced`].
pub fn read_announced(sdp: &str) -> Result<Vec<Announced>, SdpError> {
    let offer = Offer::parse(sdp)?;
    announced(&offer, &sdp::plan(&offer, &PREFERENCE))
}

/// Names each m-line that the offer sends on: by the track, the stream or the mid where one of them is a publication's name
/// (`camera-0`, `screen-1`, `microphone-0`), the rest in their order by the names that nobody took of `camera-0`, `screen-0`,
/// `microphone-0`.
///
/// # Errors
/// [`SdpError::Publication`] when a line can't be taken or named, or two have one name: a session that is half there misleads
/// whoever watches (RFC 9725 section 4.4.3). [`SdpError::NothingAcceptable`] when nothing is sent.
pub fn announced(offer: &Offer, plan: &[SectionPlan]) -> Result<Vec<Announced>, SdpError> {
    let sends = |section: &MediaSection| section.kind != MediaKind::Other && section.direction.sends();
    let lines: Vec<(usize, &MediaSection, Codec)> = offer
        .media
        .iter()
        .zip(plan)
        .enumerate()
        .filter(|(_, (section, _))| sends(section))
        .map(|(line, (section, planned))| {
            let chosen = planned.codec.as_ref().filter(|_| planned.receives);
            chosen
                .map(|chosen| (line, section, chosen.codec))
                .ok_or(SdpError::Publication("an m-line has no codec of ours"))
        })
        .collect::<Result<_, _>>()?;
    if lines.is_empty() {
        return Err(SdpError::NothingAcceptable);
    }
    let mut names: Vec<Option<PublicationKey>> = lines.iter().map(|(_, section, _)| name_of(section)).collect();
    let given: BTreeSet<PublicationKey> = names.iter().flatten().copied().collect();
    if given.len() != names.iter().flatten().count() {
        return Err(SdpError::Publication("two m-lines are one publication"));
    }
    let mut free: Vec<PublicationKey> = IN_ORDER.into_iter().filter(|name| !given.contains(name)).collect();
    for (name, (_, section, _)) in names.iter_mut().zip(&lines) {
        if name.is_none() {
            let fitting = free.iter().position(|free| fits(free.kind, section.kind));
            *name = fitting.map(|at| free.remove(at));
        }
    }
    lines
        .into_iter()
        .zip(names)
        .map(|((line, section, codec), name)| {
            let rids = name_rids(&section.rids);
            Ok(Announced {
                line,
                publication: name.ok_or(SdpError::Publication("an m-line has no name of a publication"))?,
                codec,
                layers: layers_of(section, &rids),
                rids,
            })
        })
        .collect()
}

fn fits(kind: Kind, media: MediaKind) -> bool {
    kind.is_video() == (media == MediaKind::Video)
}

/// The publication that a line is named for. A name of the other medium doesn't count: in a stream called `screen-0` its sound
/// is no screen.
fn name_of(section: &MediaSection) -> Option<PublicationKey> {
    let (stream, track) = match &section.msid {
        Some((stream, track)) => (Some(stream.as_str()), track.as_deref()),
        None => (None, None),
    };
    let key = |text: &str| -> Option<PublicationKey> {
        let (kind, instance) = text.split_once('-')?;
        format!("{kind}/{instance}").parse().ok()
    };
    [track, stream, Some(section.mid.as_str())]
        .into_iter()
        .flatten()
        .filter_map(key)
        .find(|key| fits(key.kind, section.kind))
}

impl Shard {
    /// Makes the publications of a browser's transport what its offer announced.
    pub(super) fn take_announced(&mut self, key: u32, offer: &Offer, announced: Vec<Announced>) {
        let Some(person) = self.peers.get(&key).map(|peer| peer.participant) else {
            return;
        };
        let mut incoming = Vec::new();
        for Announced {
            line,
            publication: name,
            codec,
            rids,
            layers,
        } in announced
        {
            let Some(section) = offer.media.get(line) else { continue };
            let known = self
                .participants
                .get(&person)
                .and_then(|known| known.publications.get(&name))
                .copied();
            let same = known.filter(|number| self.publications.get(number).is_some_and(|known| known.codec == codec));
            if let (Some(old), None) = (known, same) {
                self.remove_publication(old);
            }
            let number = same.unwrap_or_else(|| self.add_publication(Publication::new(person, name, codec, false)));
            let Some(publication) = self.publications.get_mut(&number) else {
                continue;
            };
            let changed = publication.set_layers(&layers);
            self.renumber(number, &changed);
            incoming.push(Incoming {
                mid: section.mid.clone(),
                publication: number,
                rids,
            });
            if same.is_none() {
                self.emit(Event::BrowserPublished {
                    participant: person,
                    publication: name,
                    codec: mime_of(codec).to_owned(),
                    layers,
                });
            }
        }
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.incoming = incoming;
        }
        self.rebuild_streams(person);
        self.touch_room_of(person);
    }
}

/// Which layer each rid is: by the names that are in use, or else by their order, smallest first.
fn name_rids(rids: &[String]) -> Vec<(String, Layer)> {
    let by_name = |rid: &str| match rid {
        "low" | "l" | "q" => Some(Layer::Low),
        "mid" | "m" | "h" => Some(Layer::Mid),
        "high" | "f" => Some(Layer::High),
        _ => None,
    };
    let named: Vec<Layer> = rids.iter().filter_map(|rid| by_name(rid)).collect();
    let distinct: BTreeSet<Layer> = named.iter().copied().collect();
    if named.len() == rids.len() && distinct.len() == rids.len() {
        return rids.iter().cloned().zip(named).collect();
    }
    rids.iter().cloned().zip(Layer::ALL).collect()
}

fn layers_of(section: &MediaSection, rids: &[(String, Layer)]) -> Vec<LayerOffer> {
    let offer = |rid, ssrc, rtx_ssrc| LayerOffer {
        rid,
        ssrc,
        rtx_ssrc,
        width: 0,
        height: 0,
        fps: 0,
        kbps: 0,
    };
    if rids.is_empty() {
        let source = section.ssrcs.first();
        return vec![offer(
            Layer::High,
            source.map(|source| source.ssrc),
            source.and_then(|source| source.rtx),
        )];
    }
    rids.iter().map(|(_, layer)| offer(*layer, None, None)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn rids_are_layers_by_name_or_by_order() {
        let named = |rids: &[&str]| -> Vec<Layer> {
            name_rids(&rids.iter().map(|rid| (*rid).to_owned()).collect::<Vec<_>>())
                .into_iter()
                .map(|(_, layer)| layer)
                .collect()
        };
        assert_eq!(named(&["high", "low"]), [Layer::High, Layer::Low]);
        assert_eq!(named(&["f", "h", "q"]), [Layer::High, Layer::Mid, Layer::Low]);
        assert_eq!(named(&["1", "2", "3"]), [Layer::Low, Layer::Mid, Layer::High]);
        assert_eq!(named(&["low", "x"]), [Layer::Low, Layer::Mid]);
    }

    /// An offer of lines: medium, direction, msid.
    fn offer(lines: &[(&str, &str, &str)]) -> String {
        let mut sdp = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
        let mids: Vec<String> = (0..lines.len()).map(|mid| mid.to_string()).collect();
        write!(
            sdp,
            "a=group:BUNDLE {}\r\na=fingerprint:sha-256 {}\r\n",
            mids.join(" "),
            ["AB"; 32].join(":")
        )
        .unwrap();
        sdp += "a=setup:actpass\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef012345\r\n";
        for (mid, (media, direction, msid)) in lines.iter().enumerate() {
            let (pt, map) = if *media == "audio" {
                (111, "opus/48000/2")
            } else {
                (96, "VP8/90000")
            };
            write!(
                sdp,
                "m={media} 9 UDP/TLS/RTP/SAVPF {pt}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\n"
            )
            .unwrap();
            write!(sdp, "a=rtcp-mux\r\na=rtpmap:{pt} {map}\r\n").unwrap();
            if !msid.is_empty() {
                write!(sdp, "a=msid:{msid}\r\n").unwrap();
            }
        }
        sdp
    }

    fn named(lines: &[(&str, &str, &str)]) -> Result<Vec<String>, SdpError> {
        let announced = read_announced(&offer(lines))?;
        Ok(announced.iter().map(|each| each.publication.to_string()).collect())
    }

    #[test]
    fn lines_are_publications_by_name_and_the_rest_by_order() {
        let video = |msid| ("video", "sendonly", msid);
        let audio = |msid| ("audio", "sendonly", msid);
        for (lines, expected) in [
            (
                vec![audio("s t"), video("s t2"), video("s t3")],
                vec!["microphone/0", "camera/0", "screen/0"],
            ),
            (
                vec![video("s screen-1"), video("s screen-0"), video("s t")],
                vec!["screen/1", "screen/0", "camera/0"],
            ),
            (
                vec![video("camera-0 x"), audio("camera-0 y")],
                vec!["camera/0", "microphone/0"],
            ),
            (
                vec![video("screen-2 camera-1"), video("")],
                vec!["camera/1", "camera/0"],
            ),
            (vec![video("screen-01 camera")], vec!["camera/0"]),
            (vec![video("s t"), ("video", "recvonly", "")], vec!["camera/0"]),
        ] {
            assert_eq!(named(&lines).unwrap(), expected, "{lines:?}");
        }
    }

    #[test]
    fn an_offer_that_can_be_taken_in_part_only_is_refused() {
        let video = |msid| ("video", "sendonly", msid);
        let publication = SdpError::Publication;
        for (lines, error) in [
            (
                vec![video(""), video(""), video("")],
                publication("an m-line has no name of a publication"),
            ),
            (
                vec![video("s camera-0"), video("camera-0 t")],
                publication("two m-lines are one publication"),
            ),
            (
                vec![("audio", "sendonly", ""), ("audio", "sendrecv", "")],
                publication("an m-line has no name of a publication"),
            ),
            (vec![("video", "recvonly", "")], SdpError::NothingAcceptable),
        ] {
            assert_eq!(named(&lines), Err(error), "{lines:?}");
        }
        let other =
            offer(&[video("s camera-0"), video("s screen-0")]).replacen("a=rtpmap:96 VP8", "a=rtpmap:96 AV1", 1);
        assert_eq!(
            read_announced(&other),
            Err(publication("an m-line has no codec of ours"))
        );
    }
}
