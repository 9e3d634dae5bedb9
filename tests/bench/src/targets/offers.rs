//! What the peers that are libraries share: offers come in as JSON lines, and who gets which m-line.

use anyhow::Result;
use invigil_peer::sdp::{self, Media};
use serde_json::Value;
use std::collections::HashMap;
use std::io::BufRead;
use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, channel};

pub struct Offered {
    pub publishes: bool,
    pub sdp: String,
}

/// Offers from the standard input; none any more when it ends.
pub fn offers() -> Receiver<Offered> {
    let (sender, offers) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(value) = serde_json::from_str::<Value>(&line) else {
                return;
            };
            let publishes = value["role"] == "publish";
            let sdp = value["sdp"].as_str().unwrap_or_default().to_owned();
            if sender.send(Offered { publishes, sdp }).is_err() {
                return;
            }
        }
    });
    offers
}

/// The n-th stream of a kind goes to everybody's n-th m-line of that kind.
#[derive(Default)]
pub struct Places {
    by_source: HashMap<u32, (Media, usize)>,
    videos: usize,
    audios: usize,
}

impl Places {
    /// Notes what an offer publishes, by its announced sources.
    pub fn add(&mut self, offer: &str) -> Result<()> {
        for section in sdp::parse(offer, Ipv4Addr::LOCALHOST.into())?.sections {
            let (media, count) = if section.media == "audio" {
                (Media::Audio, &mut self.audios)
            } else {
                (Media::Video, &mut self.videos)
            };
            if let Some((ssrc, _)) = section.sources.first() {
                self.by_source.insert(*ssrc, (media, *count));
                *count += 1;
            }
        }
        Ok(())
    }

    pub fn of(&self, ssrc: u32) -> Option<(Media, usize)> {
        self.by_source.get(&ssrc).copied()
    }
}
