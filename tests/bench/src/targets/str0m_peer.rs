//! str0m as an SFU, as its own examples use it: RTP mode, one socket, one thread; transports are found by address, not by
//! asking every one. Sends are one system call each: that is what its API hands out.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::HashMap;
use std::io::BufRead;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use str0m::change::SdpOffer;
use str0m::media::{MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};

struct Client {
    rtc: Rtc,
    publishes: bool,
    mids: Vec<Mid>,
    timeout: Instant,
}

struct Offered {
    publishes: bool,
    sdp: String,
}

/// A packet on its way from a publisher to everybody who watches.
struct Packet {
    from: usize,
    packet: str0m::rtp::RtpPacket,
}

pub fn serve() -> Result<()> {
    str0m::crypto::from_feature_flags().install_process_default();
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let (sender, offers) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(value) = serde_json::from_str::<Value>(&line) else {
                return;
            };
            let sdp = value["sdp"].as_str().unwrap_or_default().to_owned();
            if sender
                .send(Offered {
                    publishes: value["role"] == "publish",
                    sdp,
                })
                .is_err()
            {
                return;
            }
        }
    });
    Server {
        socket,
        clients: Vec::new(),
        by_address: HashMap::new(),
        waiting: Vec::new(),
    }
    .run(&offers)
}

struct Server {
    socket: UdpSocket,
    clients: Vec<Client>,
    by_address: HashMap<SocketAddr, usize>,
    waiting: Vec<Packet>,
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
                    self.clients[at].rtc.handle_input(Input::Timeout(now))?;
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
            self.clients[at].rtc.handle_input(input)?;
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
        self.clients.push(Client {
            rtc,
            publishes: offered.publishes,
            mids: Vec::new(),
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
                Output::Event(Event::MediaAdded(added)) if added.kind == MediaKind::Video => {
                    client.mids.push(added.mid)
                }
                Output::Event(Event::RtpPacket(packet)) => self.waiting.push(Packet { from: at, packet }),
                Output::Event(_) => {}
            }
        }
    }

    /// The n-th publisher goes to everybody's n-th m-line.
    fn forward(&mut self) -> Result<()> {
        for Packet { from, packet } in std::mem::take(&mut self.waiting) {
            let place = self.clients.iter().take(from).filter(|c| c.publishes).count();
            for at in 0..self.clients.len() {
                let client = &mut self.clients[at];
                let Some(&mid) = client.mids.get(place).filter(|_| !client.publishes) else {
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
                .nackable(true);
                stream.write_rtp(write);
                self.poll(at)?;
            }
        }
        Ok(())
    }
}
