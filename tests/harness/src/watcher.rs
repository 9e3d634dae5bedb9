//! A proctor without a window: the client crate, with every picture decoded and every sound counted.

use crate::sfu::Sfu;
use anyhow::{Context, Result};
use invigil_capture::VideoDecoder;
use invigil_capture::audio::OpusDecoder;
use invigil_client::media::MediaOptions;
use invigil_client::proctor::{ProctorClient, ProctorConfig, ProctorEvent};
use invigil_client::slots::{audio_slot, video_slot};
use invigil_client::{ClientInfo, LinkState};
use invigil_shared::id::{ExamId, ParticipantId};
use invigil_shared::intent::{Intent, Priority};
use invigil_shared::publication::{Layer, PublicationInfo, PublicationKey, PublicationRef};
use invigil_shared::signal::{Message, ParticipantInfo};
use invigil_shared::timeline::TimelineEntry;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// What was received of one publication.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Pictures that a decoder we did not write (OpenH264) took.
    pub decoded: u32,
    pub refused: u32,
    pub width: u32,
    pub height: u32,
    pub layer: Option<Layer>,
    pub captured_at_us: i64,
    /// Capture times of one layer went backwards so often.
    pub backwards: u32,
    /// Mean luma of the last picture.
    pub luma: u8,
}

/// What was heard of one microphone.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub packets: u32,
    pub missing: u32,
    pub samples: Vec<f32>,
    last: Option<u64>,
}

pub struct Watcher {
    pub client: ProctorClient,
    events: mpsc::Receiver<ProctorEvent>,
    pub link: Option<LinkState>,
    pub seen: BTreeMap<PublicationRef, Seen>,
    pub heard: BTreeMap<ParticipantId, Heard>,
    pub participants: BTreeMap<ParticipantId, ParticipantInfo>,
    pub publications: BTreeMap<PublicationRef, PublicationInfo>,
    pub timeline: Vec<TimelineEntry>,
    pub messages: Vec<Message>,
    pub sent: Vec<ProctorEvent>,
    decoders: BTreeMap<u16, (PublicationRef, VideoDecoder)>,
    ears: BTreeMap<ParticipantId, OpusDecoder>,
}

pub const PASSWORD: &str = "correct horse battery";

impl Watcher {
    /// Adds a proctor to the server, signs in and enters the exam's room.
    pub async fn enter(sfu: &Sfu, name: &str, exam: ExamId) -> Result<Self> {
        let email = format!("{name}@tests.example");
        sfu.add_user(&email, name, "proctor", PASSWORD)?;
        let api = sfu.api()?;
        let token = api.sign_in(&email, PASSWORD).await?.access_token;
        let (info, media) = (ClientInfo::new("invigil-tests"), MediaOptions::default());
        let (client, events) = ProctorClient::start(ProctorConfig {
            api,
            token,
            exam,
            info,
            media,
        });
        let mut watcher = Self {
            client,
            events,
            link: None,
            seen: BTreeMap::new(),
            heard: BTreeMap::new(),
            participants: BTreeMap::new(),
            publications: BTreeMap::new(),
            timeline: Vec::new(),
            messages: Vec::new(),
            sent: Vec::new(),
            decoders: BTreeMap::new(),
            ears: BTreeMap::new(),
        };
        let mut entered = false;
        watcher
            .until(Duration::from_secs(20), "the room's state", |_, event| {
                entered |= matches!(event, ProctorEvent::RoomState(_));
                entered
            })
            .await?;
        Ok(watcher)
    }

    /// Wants these publications, one slot each: video from the first slot of video, sound from the first slot of sound.
    pub fn want(&self, wanted: &[(ParticipantId, PublicationKey, Layer)]) -> Result<()> {
        let (mut video, mut audio) = ((0..).map(video_slot), (0..).map(audio_slot));
        let mut intents = Vec::new();
        for &(participant, publication, layer) in wanted {
            let slot = if publication.kind.is_video() {
                video.next()
            } else {
                audio.next()
            };
            let slot = slot.context("no slot is left")?;
            let wanted = PublicationRef {
                participant,
                publication,
            };
            intents.push(Intent {
                slot,
                wanted,
                layer,
                priority: Priority::Tile,
            });
        }
        Ok(self.client.set_intents(intents)?)
    }

    /// Follows events until `done` says so, after each.
    pub async fn until(
        &mut self,
        limit: Duration,
        what: &str,
        mut done: impl FnMut(&Self, &ProctorEvent) -> bool,
    ) -> Result<()> {
        let end = tokio::time::Instant::now() + limit;
        loop {
            let event = tokio::time::timeout_at(end, self.events.recv()).await;
            let event =
                event.with_context(|| format!("waited {} s for {what}; seen {:?}", limit.as_secs(), self.seen))?;
            let event = event.with_context(|| format!("the client ended while {what} was awaited"))?;
            self.take(&event)?;
            if done(self, &event) {
                return Ok(());
            }
        }
    }

    /// Follows events for a while.
    pub async fn during(&mut self, time: Duration) -> Result<()> {
        let end = tokio::time::Instant::now() + time;
        while let Ok(event) = tokio::time::timeout_at(end, self.events.recv()).await {
            self.take(&event.context("the client ended")?)?;
        }
        Ok(())
    }

    /// What was seen of a publication.
    pub fn of(&self, participant: ParticipantId, publication: PublicationKey) -> Seen {
        self.seen
            .get(&PublicationRef {
                participant,
                publication,
            })
            .cloned()
            .unwrap_or_default()
    }

    fn take(&mut self, event: &ProctorEvent) -> Result<()> {
        match event {
            ProctorEvent::Link(link) => self.link = Some(*link),
            ProctorEvent::RoomState(state) => {
                self.participants = state.participants.iter().map(|p| (p.id, p.clone())).collect();
                let place = |p: &PublicationInfo| PublicationRef {
                    participant: p.participant,
                    publication: p.publication,
                };
                self.publications = state.publications.iter().map(|p| (place(p), p.clone())).collect();
                self.timeline.clone_from(&state.timeline);
            }
            ProctorEvent::ParticipantJoined(info) | ProctorEvent::ParticipantUpdated(info) => {
                self.participants.insert(info.id, info.clone());
            }
            ProctorEvent::PublicationAdded(info) => {
                let place = PublicationRef {
                    participant: info.participant,
                    publication: info.publication,
                };
                self.publications.insert(place, info.clone());
            }
            ProctorEvent::PublicationRemoved(place) => drop(self.publications.remove(place)),
            ProctorEvent::Timeline(entry) => self.timeline.push(entry.clone()),
            ProctorEvent::MessageReceived(message) => self.messages.push(message.clone()),
            ProctorEvent::MessageSent { .. } | ProctorEvent::MessageAcknowledged { .. } => {
                self.sent.push(event.clone());
            }
            ProctorEvent::VideoFrame {
                slot,
                source,
                layer,
                data,
                captured_at_us,
                ..
            } => {
                self.look(*slot, *source, *layer, data, *captured_at_us)?;
            }
            ProctorEvent::AudioPacket {
                source, sequence, data, ..
            } => self.listen(source.participant, *sequence, data)?,
            _ => {}
        }
        Ok(())
    }

    fn look(
        &mut self,
        slot: u16,
        source: PublicationRef,
        layer: Layer,
        data: &[u8],
        captured_at_us: i64,
    ) -> Result<()> {
        let decoder = match self.decoders.remove(&slot) {
            Some((of, decoder)) if of == source => decoder,
            _ => VideoDecoder::new()?,
        };
        let (_, decoder) = self.decoders.entry(slot).insert_entry((source, decoder)).into_mut();
        let seen = self.seen.entry(source).or_default();
        match decoder.decode(data) {
            Ok(Some(planes)) => {
                seen.decoded += 1;
                (seen.width, seen.height) = (planes.width, planes.height);
                let luma = &planes.to_i420()[..(planes.width * planes.height) as usize];
                seen.luma = (luma.iter().map(|&l| u64::from(l)).sum::<u64>() / luma.len().max(1) as u64) as u8;
            }
            Ok(None) => {}
            Err(_) => seen.refused += 1,
        }
        seen.backwards += u32::from(seen.layer == Some(layer) && captured_at_us < seen.captured_at_us);
        (seen.layer, seen.captured_at_us) = (Some(layer), captured_at_us);
        Ok(())
    }

    fn listen(&mut self, participant: ParticipantId, sequence: u64, data: &[u8]) -> Result<()> {
        let decoder = match self.ears.entry(participant) {
            std::collections::btree_map::Entry::Occupied(ear) => ear.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => place.insert(OpusDecoder::new()?),
        };
        let heard = self.heard.entry(participant).or_default();
        heard.packets += 1;
        if let Some(last) = heard.last {
            heard.missing += (sequence.saturating_sub(last + 1)) as u32;
        }
        heard.last = Some(sequence);
        decoder.decode(data, &mut heard.samples)?;
        Ok(())
    }
}
