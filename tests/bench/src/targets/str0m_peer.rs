//! str0m as an SFU, as its own examples use it: RTP mode, one socket, one thread; transports are found by address, not by
//! asking every one. Sends are one system call each: that is what its API hands out.

use super::offers::{Offered, Places, offers};
use anyhow::{Context, Result};
use invigil_peer::sdp::Media;
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use str0m::change::SdpOffer;
use str0m::media::{MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};

struct Client {
    rtc: Rtc,
    publishes: bool,
    videos: Vec<Mid>,
    audios: Vec<Mid>,
    timeout: Instant,
}

pub fn serve() -> Result<()> {
    str0m::crypto::from_feature_flags().install_process_default();
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    Server {
        socket,
        clients: Vec::new(),
        by_address: HashMap::new(),
        places: Places::default(),
        waiting: Vec::new(),
    }
    .run(&offers())
}

struct Server {
    socket: UdpSocket,
    clients: Vec<Client>,
    by_address: HashMap<SocketAddr, usize>,
    places: Places,
    /// On their way from a publisher to everybody who watches.
    waiting: Vec<RtpPacket>,
}

impl Server {
    fn run(&mut self, offers: &Receiver<Offered>) -> Result<()> {
        let local = self.socket.local_addr()?;
        let mut buffer = vec![0; 2_000];
        loop {
            while let Ok(offered) = offers.try_recv() {
                self.accept(&offered, local)?;
            }
            let now = Instant::now();
            for at in 0..self.clients.len() {
                if self.clients[at].timeout <= now {
                    said(at, self.clients[at].rtc.handle_input(Input::Timeout(now)));
                    self.poll(at)?;
                }
            }
            self.forward()?;
            let next = self
                .clients
                .iter()
                .map(|c| c.timeout)
                .min()
                .unwrap_or(now + Duration::from_millis(20));
            let wait = next
                .saturating_duration_since(Instant::now())
                .clamp(Duration::from_micros(100), Duration::from_millis(20));
            self.socket.set_read_timeout(Some(wait))?;
            let Ok((length, source)) = self.socket.recv_from(&mut buffer) else {
                continue;
            };
            let now = Instant::now();
            let Ok(contents) = buffer[..length].try_into() else {
                continue;
            };
            let input = Input::Receive(
                now,
                Receive {
                    proto: Protocol::Udp,
                    source,
                    destination: local,
                    contents,
                },
            );
            let known = self.by_address.get(&source).copied();
            let Some(at) = known.or_else(|| self.clients.iter().position(|c| c.rtc.accepts(&input))) else {
                continue;
            };
            self.by_address.insert(source, at);
            said(at, self.clients[at].rtc.handle_input(input));
            self.poll(at)?;
            self.forward()?;
        }
    }

    fn accept(&mut self, offered: &Offered, local: SocketAddr) -> Result<()> {
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .set_ice_lite(true)
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(local, "udp")?)
            .context("no local candidate")?;
        let answer = rtc.sdp_api().accept_offer(SdpOffer::from_sdp_string(&offered.sdp)?)?;
        println!("{}", serde_json::to_string(&answer.to_sdp_string())?);
        if offered.publishes {
            self.places.add(&offered.sdp)?;
        }
        self.clients.push(Client {
            rtc,
            publishes: offered.publishes,
            videos: Vec::new(),
            audios: Vec::new(),
            timeout: Instant::now(),
        });
        self.poll(self.clients.len() - 1)
    }

    fn poll(&mut self, at: usize) -> Result<()> {
        let client = &mut self.clients[at];
        loop {
            match client.rtc.poll_output()? {
                Output::Timeout(when) => {
                    client.timeout = when;
                    return Ok(());
                }
                Output::Transmit(transmit) => {
                    self.socket.send_to(&transmit.contents, transmit.destination)?;
                }
                Output::Event(Event::MediaAdded(added)) => match added.kind {
                    MediaKind::Video => client.videos.push(added.mid),
                    MediaKind::Audio => client.audios.push(added.mid),
                },
                Output::Event(Event::RtpPacket(packet)) => self.waiting.push(packet),
                Output::Event(_) => {}
            }
        }
    }

    fn forward(&mut self) -> Result<()> {
        for packet in std::mem::take(&mut self.waiting) {
            let Some((media, place)) = self.places.of(*packet.header.ssrc) else {
                continue;
            };
            for at in 0..self.clients.len() {
                let client = &mut self.clients[at];
                let lines = if media == Media::Audio {
                    &client.audios
                } else {
                    &client.videos
                };
                let Some(&mid) = lines.get(place).filter(|_| !client.publishes) else {
                    continue;
                };
                let Some(pt) = client.rtc.media(mid).and_then(|m| m.remote_pts().first().copied()) else {
                    continue;
                };
                let mut direct = client.rtc.direct_api();
                let Some(stream) = direct.stream_tx_by_mid(mid, None) else {
                    continue;
                };
                let write = RtpWrite::new(
                    pt,
                    packet.seq_no,
                    packet.header.timestamp,
                    packet.timestamp,
                    packet.payload.clone(),
                )
                .marker(packet.header.marker)
                .nackable(media == Media::Video);
                stream.write_rtp(write);
                self.poll(at)?;
            }
        }
        Ok(())
    }
}

/// One connection's error is not the end of the others.
fn said(at: usize, result: Result<(), str0m::RtcError>) {
    if let Err(error) = result {
        eprintln!("str0m, connection {at}: {error}");
    }
}
