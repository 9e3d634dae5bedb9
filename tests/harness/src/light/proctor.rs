//! A light proctor: signs in, opens the pool of slots once, and wishes for tiles.

use super::candidate::{CONNECT, Shared};
use super::engine::{Engine, Id};
use super::link::{Link, Server};
use super::receive::Receiver;
use crate::sfu::Sfu;
use crate::watcher::PASSWORD;
use anyhow::{Context, Result, bail};
use invigil_peer::sdp::{self, Line};
use invigil_peer::wire::Endpoint;
use invigil_shared::id::{ExamId, ParticipantId};
use invigil_shared::intent::{Intent, Priority};
use invigil_shared::limits::{AUDIO_SLOTS, VIDEO_SLOTS};
use invigil_shared::publication::{Layer, PublicationKey, PublicationRef};
use invigil_shared::signal::{ClientMessage, Direction, ServerMessage};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Between two signs of life.
const LIFE: Duration = Duration::from_secs(5);

pub struct Proctor {
    pub transport: Id,
    link: Link,
    revision: u64,
    engine: Engine,
}

/// What a wish is for.
pub type Wanted = (ParticipantId, PublicationKey, Layer);

impl Proctor {
    /// Adds a person to the server, signs in, enters the room and opens the subscribing transport.
    pub async fn enter(sfu: &Sfu, name: &str, exam: ExamId, shared: &Shared) -> Result<Self> {
        let email = format!("{name}@load.example");
        sfu.add_user(&email, name, "proctor", PASSWORD)?;
        let signed = sfu.api()?.sign_in(&email, PASSWORD).await?;
        let server = Server::new(&sfu.ready.https, &sfu.ready.certificate_sha256)?;
        let (mut link, _) = Link::enter(&server, &signed.access_token, exam).await?;
        let created = link.request(ClientMessage::TransportCreate {
            direction: Direction::Subscribe,
        });
        let ServerMessage::TransportCreated { transport } = created.await? else {
            bail!("no transport");
        };
        let mut wire = Endpoint::new(shared.identity.clone(), Ipv4Addr::LOCALHOST.into())?;
        let lines = Line::receive(usize::from(VIDEO_SLOTS), usize::from(AUDIO_SLOTS));
        let sdp = sdp::offer(&wire.own(true), &lines);
        let answered = link.request(ClientMessage::SdpOffer { transport, sdp }).await?;
        let ServerMessage::SdpAnswer { sdp, .. } = answered else {
            bail!("no answer");
        };
        wire.connect(&sdp)?;
        let (id, connected) = shared.engine.receive(Receiver::new(wire));
        tokio::time::timeout(CONNECT, connected)
            .await
            .context("the transport did not connect")?
            .context("the transport failed")?;
        link.request(ClientMessage::TransportConnect { transport }).await?;
        Ok(Self {
            transport: id,
            link,
            revision: 0,
            engine: shared.engine.clone(),
        })
    }

    /// Wants these: video from slot 0 in their order, sound from the first slot of sound.
    pub async fn want(&mut self, wanted: &[Wanted]) -> Result<()> {
        let (mut video, mut audio) = (0, VIDEO_SLOTS);
        let intent = |&(participant, publication, layer): &Wanted| {
            let next = if publication.kind.is_video() {
                &mut video
            } else {
                &mut audio
            };
            let slot = *next;
            *next += 1;
            Intent {
                slot,
                wanted: PublicationRef {
                    participant,
                    publication,
                },
                layer,
                priority: Priority::Tile,
            }
        };
        let intents = wanted.iter().map(intent).collect();
        self.revision += 1;
        let revision = self.revision;
        self.link
            .request(ClientMessage::IntentsSet { revision, intents })
            .await?;
        Ok(())
    }

    /// Reads what the server says until it closes the link, which is an error, or the future is dropped.
    pub async fn run(&mut self) -> Result<()> {
        let mut life = tokio::time::interval(LIFE);
        loop {
            tokio::select! {
                message = self.link.receive() => {
                    if let ServerMessage::TransportClosed { .. } = message? {
                        bail!("the server gave the transport up");
                    }
                }
                _ = life.tick() => self.link.ping().await?,
            }
        }
    }

    /// Reads for a while.
    pub async fn during(&mut self, time: Duration) -> Result<()> {
        match tokio::time::timeout(time, self.run()).await {
            Ok(ended) => ended,
            Err(_) => Ok(()),
        }
    }
}

impl Drop for Proctor {
    fn drop(&mut self) {
        self.engine.remove(self.transport);
    }
}
