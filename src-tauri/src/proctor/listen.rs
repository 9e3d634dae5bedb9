//! Listening to one candidate: packets of the audio slot go to the player, which decodes and plays them.

use super::actor::Inputs;
use super::state::Input;
use bytes::Bytes;
use invigil_capture::audio::{AudioPlayer, PlayerConfig, PlayerEvent};
use invigil_shared::publication::PublicationRef;
use std::path::PathBuf;

/// Off until somebody is listened to.
pub struct Listener {
    inputs: Inputs,
    current: Option<(u16, PublicationRef)>,
    player: Option<AudioPlayer>,
    /// Where what is heard is written, for the demo and the tests.
    measure: Option<PathBuf>,
    players: u32,
}

impl Listener {
    pub fn new(inputs: Inputs, measure: Option<PathBuf>) -> Self {
        Self {
            inputs,
            current: None,
            player: None,
            measure,
            players: 0,
        }
    }

    /// Plays this slot's source, and nothing else.
    pub fn listen(&mut self, to: Option<(u16, PublicationRef)>) {
        if self.current == to {
            return;
        }
        self.current = to;
        if to.is_none() {
            self.player = None;
            return;
        }
        match &self.player {
            Some(player) => player.reset(),
            None => self.start(),
        }
    }

    fn start(&mut self) {
        self.players += 1;
        let name = match self.players {
            1 => "proctor-audio.wav".to_owned(),
            n => format!("proctor-audio-{n}.wav"),
        };
        let tap = self.measure.as_ref().map(|directory| directory.join(name));
        let inputs = self.inputs.clone();
        let told = move |event| match event {
            PlayerEvent::Failed(problem) => inputs.send(Input::Speaker(Some(problem.code))),
            PlayerEvent::Live(_) => inputs.send(Input::Speaker(None)),
            _ => {}
        };
        match AudioPlayer::start(PlayerConfig { tap }, told) {
            Ok(player) => self.player = Some(player),
            Err(error) => {
                tracing::error!(%error, "nothing can be played");
                self.inputs.send(Input::Speaker(Some("speaker_none")));
            }
        }
    }

    /// A packet of the subscription. `sequence`: extended RTP sequence number.
    pub fn packet(&self, slot: u16, source: PublicationRef, sequence: u64, rtp_timestamp: u32, data: &Bytes) {
        if let Some(player) = self.player.as_ref().filter(|_| self.current == Some((slot, source))) {
            #[allow(clippy::cast_possible_truncation)] // RTP's own number (RFC 3550 section 5.1)
            player.push(sequence as u16, rtp_timestamp, data.to_vec());
        }
    }
}
