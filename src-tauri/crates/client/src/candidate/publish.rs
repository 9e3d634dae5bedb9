//! What the candidate's transport carries: its publications' layers.

use super::PublicationSpec;
use crate::error::ClientError;
use crate::keeper::{KeeperEvent, Role};
use crate::link::Link;
use crate::media::FrameTransform;
use crate::peer::path::SendPath;
use crate::peer::{Peer, Way};
use crate::publisher::{KeyframeWish, LayerSender, OutTrack};
use crate::sink::Source;
use invigil_shared::publication::{Layer, LayerOffer, PublicationKey};
use invigil_shared::signal::{ClientMessage, ServerMessage};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::mpsc;
use webrtc::media_stream::track_remote::TrackRemote;

pub(crate) enum PublishInput {
    Publish {
        spec: PublicationSpec,
        sources: Vec<Source>,
    },
    Unpublish(PublicationKey),
}

pub(crate) struct PublishRole {
    transform: Arc<dyn FrameTransform>,
    path: Arc<SendPath>,
    wishes: mpsc::Sender<KeyframeWish>,
    specs: BTreeMap<PublicationKey, PublicationSpec>,
    layers: BTreeMap<(PublicationKey, Layer), LayerSender>,
    /// On the transport of now.
    tracks: BTreeMap<(PublicationKey, Layer), OutTrack>,
    /// Their packets go out.
    attached: BTreeSet<(PublicationKey, Layer)>,
    unannounced: BTreeSet<PublicationKey>,
}

impl PublishRole {
    pub fn new(transform: Arc<dyn FrameTransform>, path: Arc<SendPath>, wishes: mpsc::Sender<KeyframeWish>) -> Self {
        Self {
            transform,
            path,
            wishes,
            specs: BTreeMap::new(),
            layers: BTreeMap::new(),
            tracks: BTreeMap::new(),
            attached: BTreeSet::new(),
            unannounced: BTreeSet::new(),
        }
    }

    fn offers(&self, spec: &PublicationSpec) -> Vec<LayerOffer> {
        let with_ssrcs = |offer: &LayerOffer| {
            let track = self.tracks.get(&(spec.key, offer.rid))?;
            Some(LayerOffer {
                ssrc: Some(track.ssrc),
                rtx_ssrc: track.rtx_ssrc,
                ..offer.clone()
            })
        };
        spec.layers.iter().filter_map(with_ssrcs).collect()
    }
}

impl Role for PublishRole {
    type Input = PublishInput;
    const WAY: Way = Way::Send;

    fn wanted(&self) -> bool {
        !self.specs.is_empty()
    }

    fn dirty(&self) -> bool {
        !self.unannounced.is_empty()
    }

    fn path(&self) -> Option<Arc<SendPath>> {
        Some(self.path.clone())
    }

    fn input(&mut self, input: PublishInput, link: Option<&Link>) {
        match input {
            PublishInput::Publish { spec, sources } => {
                for source in sources {
                    let name = (source.state.key, source.state.layer);
                    self.layers.insert(
                        name,
                        LayerSender::start(source, self.transform.clone(), self.path.clone()),
                    );
                }
                self.unannounced.insert(spec.key);
                self.specs.insert(spec.key, spec);
            }
            PublishInput::Unpublish(key) => {
                self.specs.remove(&key);
                self.unannounced.remove(&key);
                self.attached.retain(|name| name.0 != key);
                self.layers
                    .iter()
                    .filter(|(name, _)| name.0 == key)
                    .for_each(|(_, layer)| layer.detach());
                if let Some(link) = link {
                    link.notify(ClientMessage::Unpublish { publication: key });
                }
            }
        }
    }

    async fn prepare(&mut self, peer: &Peer) -> Result<bool, ClientError> {
        let wanted = self
            .specs
            .values()
            .flat_map(|s| s.layers.iter().map(|l| (s.key, l.rid)));
        let missing: Vec<_> = wanted.filter(|name| !self.tracks.contains_key(name)).collect();
        for name in &missing {
            let Some(layer) = self.layers.get(name) else { continue };
            let taken: Vec<u32> = self
                .tracks
                .values()
                .flat_map(|t| std::iter::once(t.ssrc).chain(t.rtx_ssrc))
                .collect();
            let track = OutTrack::add(peer, layer.state.clone(), &taken, self.wishes.clone()).await?;
            self.tracks.insert((track.key, track.layer), track);
        }
        Ok(!missing.is_empty())
    }

    async fn announce(&mut self, link: &Link, anew: bool) -> Vec<KeeperEvent> {
        let keys: Vec<PublicationKey> = if anew {
            self.specs.keys().copied().collect()
        } else {
            self.unannounced.iter().copied().collect()
        };
        let mut answers = Vec::new();
        for key in keys {
            let Some(spec) = self.specs.get(&key) else { continue };
            let message = ClientMessage::Publish {
                publication: key,
                codec: spec.codec.clone(),
                layers: self.offers(spec),
                test_picture: spec.test_picture,
            };
            answers.push((key, link.request(message)));
        }
        self.unannounced.clear();
        let mut events = Vec::new();
        for (key, answer) in answers {
            match answer.await {
                Ok(ServerMessage::Published { demand, .. }) => events.push(KeeperEvent::Published { key, demand }),
                Ok(_) => {}
                Err(ClientError::Refused(error)) => {
                    events.push(KeeperEvent::Refused(error.with("publication", key)));
                }
                // The next link announces everything again.
                Err(error) => tracing::info!(%error, %key, "a publication was not announced"),
            }
        }
        events
    }

    async fn connected(&mut self, revived: bool) -> Result<(), ClientError> {
        for (name, track) in &self.tracks {
            let Some(layer) = self.layers.get(name).filter(|_| self.specs.contains_key(&name.0)) else {
                continue;
            };
            if self.attached.insert(*name) {
                track.attach(layer).await?;
            } else if revived {
                layer.state.want_keyframe();
            }
        }
        Ok(())
    }

    fn lost(&mut self) {
        self.layers.values().for_each(LayerSender::detach);
        self.attached.clear();
        self.tracks.clear();
    }

    fn track(&mut self, _: &Peer, _: Arc<dyn TrackRemote>) {
        tracing::warn!("the server sent media to a publishing transport");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::MediaOptions;
    use crate::peer::stream::Targets;
    use crate::rest::Api;
    use crate::sink::SinkTable;
    use crate::trust::CertificateTrust;

    fn spec(key: PublicationKey) -> PublicationSpec {
        let layer = LayerOffer {
            rid: Layer::Low,
            ssrc: None,
            rtx_ssrc: None,
            width: 320,
            height: 180,
            fps: 10,
            kbps: 100,
        };
        PublicationSpec {
            key,
            codec: "video/H264".into(),
            layers: vec![layer],
            test_picture: false,
        }
    }

    #[tokio::test]
    async fn a_layer_that_stands_makes_no_key_frame_for_another_publication() {
        let MediaOptions {
            transform, estimator, ..
        } = MediaOptions::default();
        let (wishes, _asked) = mpsc::channel(8);
        let mut role = PublishRole::new(transform, SendPath::new(estimator), wishes);
        let api = Api::new("127.0.0.1:1", CertificateTrust::Roots).unwrap();
        let targets = Arc::new(Targets::new(api.authority().clone(), api.tls()));
        let bind = vec!["127.0.0.1:0".to_owned()];
        let peer = Peer::build(Way::Send, bind, None, targets, None).await.unwrap();
        let sinks = SinkTable::default();
        let publish = |role: &mut PublishRole, key| {
            let sources = sinks.add(key, &[Layer::Low]);
            role.input(
                PublishInput::Publish {
                    spec: spec(key),
                    sources,
                },
                None,
            );
            sinks.video(key, Layer::Low).unwrap()
        };
        let camera = publish(&mut role, PublicationKey::CAMERA);
        assert!(role.prepare(&peer).await.unwrap());
        // As after an answer, which takes a server.
        role.attached.insert((PublicationKey::CAMERA, Layer::Low));
        assert!(camera.take_keyframe_request(), "it begins with one");

        // Published again, and another one beside it.
        publish(&mut role, PublicationKey::CAMERA);
        publish(&mut role, PublicationKey::SCREEN);
        assert!(role.dirty() && role.prepare(&peer).await.unwrap());
        role.attached.insert((PublicationKey::SCREEN, Layer::Low));
        role.connected(false).await.unwrap();
        assert!(!camera.take_keyframe_request(), "nothing of it was lost");
        role.connected(true).await.unwrap();
        assert!(camera.take_keyframe_request(), "what went into a dead path is lost");
        role.lost();
        peer.close().await;
    }
}
