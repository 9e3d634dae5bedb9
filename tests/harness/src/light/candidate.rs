//! A light candidate: joins by its link, publishes camera, screen and microphone, sends what is demanded.

use super::engine::{Engine, Id};
use super::link::{Link, Server};
use super::send::{Sender, Track};
use crate::bot::api_of;
use crate::canned::{Clip, Media};
use anyhow::{Context, Result, bail};
use invigil_client::clock::wall_us;
use invigil_client::device::DeviceKey;
use invigil_peer::outgoing::OutStream;
use invigil_peer::sdp::{self, AUDIO, Line, Media as Kind, VIDEO, VIDEO_RTX};
use invigil_peer::wire::Endpoint;
use invigil_sfu::core::transport::dtls::DtlsIdentity;
use invigil_shared::id::{ParticipantId, SessionId, TransportId};
use invigil_shared::publication::{Freshness, Layer, LayerOffer, PublicationKey, SourceState};
use invigil_shared::rest::JoinLink;
use invigil_shared::signal::{ClientMessage, Demand, Direction, ServerMessage};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Everything that light clients share.
#[derive(Clone)]
pub struct Shared {
    pub engine: Engine,
    pub media: Media,
    pub identity: Arc<DtlsIdentity>,
}

/// How long ICE and DTLS may take.
pub(super) const CONNECT: Duration = Duration::from_secs(20);

/// Where a candidate sits: it comes back to it with the same device.
#[derive(Clone)]
pub struct Seat {
    link: JoinLink,
    key: DeviceKey,
    session: Option<SessionId>,
}

impl Seat {
    pub fn new(link: JoinLink) -> Self {
        Self {
            link,
            key: DeviceKey::generate(),
            session: None,
        }
    }
}

/// A candidate in the room.
pub struct Candidate {
    pub participant: ParticipantId,
    /// Its transport in the engine.
    pub transport: Id,
    /// From the join command to a connected transport.
    pub joined_in: Duration,
    /// The same as the server calls it. One that is given up later may be from before a return.
    known_as: TransportId,
    link: Link,
    engine: Engine,
}

/// A layer of what it offers, with its clip.
fn layers(media: &Media) -> Vec<(PublicationKey, Layer, Arc<Clip>)> {
    vec![
        (PublicationKey::CAMERA, Layer::Low, media.camera_low.clone()),
        (PublicationKey::CAMERA, Layer::High, media.camera_high.clone()),
        (PublicationKey::SCREEN, Layer::Low, media.screen_low.clone()),
        (PublicationKey::MICROPHONE, Layer::Low, media.microphone.clone()),
    ]
}

fn offer_of(key: PublicationKey, layer: Layer, ssrc: u32) -> LayerOffer {
    let spec = invigil_capture::layers::defaults(key.kind)
        .iter()
        .find(|spec| spec.layer == layer);
    LayerOffer {
        rid: layer,
        ssrc: Some(ssrc),
        rtx_ssrc: spec.map(|_| ssrc + 1),
        width: spec.map_or(0, |spec| spec.max_width),
        height: spec.map_or(0, |spec| spec.max_height),
        fps: spec.map_or(0, |spec| spec.fps),
        kbps: spec.map_or(24, |spec| spec.kbps),
    }
}

/// A candidate whose transport has been negotiated: nothing was sent on it yet.
pub struct Negotiated {
    pub participant: ParticipantId,
    pub link: Link,
    pub transport: TransportId,
    pub wire: Endpoint,
}

/// SSRC of the n-th layer. Numbers of a transport of its own can't meet others.
fn ssrc(index: usize) -> u32 {
    1_000 + 10 * index as u32
}

impl Negotiated {
    /// Joins, or comes back, and makes a publishing transport.
    pub async fn of(seat: &mut Seat, shared: &Shared) -> Result<Self> {
        let api = api_of(&seat.link)?;
        let join = match seat.session {
            Some(session) => api.resume(session, &seat.key).await?,
            None => api.join(&seat.link.exam_code, &seat.link.secret, &seat.key).await?,
        };
        seat.session = Some(join.session);
        let certificate = seat
            .link
            .certificate_sha256
            .as_deref()
            .context("a link without a certificate")?;
        let server = Server::new(&seat.link.authority, certificate)?;
        let (mut link, _) = Link::enter(&server, &join.access_token, join.exam.id).await?;
        let created = link.request(ClientMessage::TransportCreate {
            direction: Direction::Publish,
        });
        let ServerMessage::TransportCreated { transport } = created.await? else {
            bail!("no transport");
        };
        let mut wire = Endpoint::new(shared.identity.clone(), Ipv4Addr::LOCALHOST.into())?;
        let lines: Vec<Line> = (layers(&shared.media).iter().enumerate())
            .map(|(index, (key, ..))| {
                let kind = if key.kind.is_video() { Kind::Video } else { Kind::Audio };
                Line::send(kind, ssrc(index))
            })
            .collect();
        let sdp = sdp::offer(&wire.own(true), &lines);
        let answered = link.request(ClientMessage::SdpOffer { transport, sdp }).await?;
        let ServerMessage::SdpAnswer { sdp, .. } = answered else {
            bail!("no answer");
        };
        wire.connect(&sdp)?;
        Ok(Self {
            participant: join.participant,
            link,
            transport,
            wire,
        })
    }
}

impl Candidate {
    /// Joins, or comes back, and publishes; done when the transport stands.
    pub async fn join(seat: &mut Seat, shared: &Shared) -> Result<Self> {
        let start = Instant::now();
        let Negotiated {
            participant,
            mut link,
            transport,
            wire,
        } = Negotiated::of(seat, shared).await?;
        let layers = layers(&shared.media);
        let tracks = layers.iter().enumerate().map(|(index, (key, layer, clip))| {
            let (payload_type, rtx) = if key.kind.is_video() {
                (VIDEO, Some(VIDEO_RTX))
            } else {
                (AUDIO, None)
            };
            let out = OutStream::new(ssrc(index), payload_type, rtx);
            Track::new(*key, *layer, clip.clone(), out)
        });
        let (id, connected) = shared.engine.send(Sender::new(wire, tracks.collect()));
        for publication in [
            PublicationKey::CAMERA,
            PublicationKey::SCREEN,
            PublicationKey::MICROPHONE,
        ] {
            let of = layers.iter().enumerate().filter(|(_, (key, ..))| *key == publication);
            let offers = of.map(|(index, (key, layer, _))| offer_of(*key, *layer, ssrc(index)));
            let announce = ClientMessage::Publish {
                publication,
                codec: if publication.kind.is_video() {
                    "video/H264"
                } else {
                    "audio/opus"
                }
                .to_owned(),
                layers: offers.collect(),
                test_picture: true,
            };
            if let ServerMessage::Published { publication, demand } = link.request(announce).await? {
                shared.engine.demand(id, publication, demand);
            }
        }
        tokio::time::timeout(CONNECT, connected)
            .await
            .context("the transport did not connect")?
            .context("the transport failed")?;
        let joined_in = start.elapsed();
        link.request(ClientMessage::TransportConnect { transport }).await?;
        Ok(Self {
            participant,
            transport: id,
            known_as: transport,
            joined_in,
            link,
            engine: shared.engine.clone(),
        })
    }

    /// Follows the server until it closes the link, which is an error, or the future is dropped.
    pub async fn run(&mut self) -> Result<()> {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                message = self.link.receive() => self.message(message?)?,
                _ = second.tick() => {
                    let now = wall_us();
                    let fresh = |publication| Freshness {
                        publication,
                        state: SourceState::Live,
                        captured_at: now,
                        changed_at: now,
                    };
                    let keys = [PublicationKey::CAMERA, PublicationKey::SCREEN, PublicationKey::MICROPHONE];
                    let publications = keys.map(fresh).to_vec();
                    self.link.notify(ClientMessage::PublicationFreshness { publications }).await?;
                }
            }
        }
    }

    fn message(&self, message: ServerMessage) -> Result<()> {
        match message {
            ServerMessage::LayerDemand { demands } => {
                for Demand { publication, layers } in demands {
                    self.engine.demand(self.transport, publication, layers);
                }
            }
            ServerMessage::KeyframeRequest { publication, layer } => {
                self.engine.key_frame(self.transport, publication, layer);
            }
            ServerMessage::TransportClosed { transport } if transport == self.known_as => {
                bail!("the server gave the transport up")
            }
            _ => {}
        }
        Ok(())
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        self.engine.remove(self.transport);
    }
}
