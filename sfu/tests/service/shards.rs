//! A real server with two shards: a candidate lives on one, who watches lives on the other, and the pictures cross.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // the bans are for core: this test has real clocks and sockets

#[path = "../../src/core/tests/world.rs"]
#[allow(dead_code)] // the tests of the core use all of it
mod world;

use crate::common::{World, device, text, within};
use crate::core::transport::credentials::IceCredentials;
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::id::TransportId;
use invigil_shared::publication::Layer;
use invigil_shared::role::Role;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::net::UdpSocket;
use world::{Peer, offer, video};

/// The far end of a WHIP or WHEP resource.
struct Browser {
    peer: Peer,
    socket: UdpSocket,
    sfu: SocketAddr,
}

impl Browser {
    async fn post(server: &World, path: &str, token: &str, n: u8, media: &[String]) -> Self {
        let local = IceCredentials::from_random([n; 32]);
        let bearer = format!("Bearer {token}");
        let headers = [("content-type", "application/sdp"), ("authorization", bearer.as_str())];
        let body = offer(&local, media);
        let (status, _, answer) = server.http("POST", path, &headers, body.as_bytes()).await;
        assert_eq!(status, 201, "{answer}");
        let candidate: Vec<&str> = answer
            .lines()
            .find_map(|line| line.strip_prefix("a=candidate:"))
            .unwrap()
            .split(' ')
            .collect();
        let sfu = SocketAddr::new(candidate[4].parse().unwrap(), candidate[5].parse().unwrap());
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let transport = TransportId::from_parts(3, [n; 10]);
        let peer = Peer::new(Instant::now(), transport, socket.local_addr().unwrap(), local, answer);
        socket.send_to(&peer.request(), sfu).await.unwrap();
        let mut browser = Self { peer, socket, sfu };
        browser.until(Peer::is_connected).await;
        browser
    }

    async fn until(&mut self, done: impl Fn(&Peer) -> bool) {
        let mut buffer = vec![0; 2_048];
        while !done(&self.peer) {
            let (length, from) = within("a datagram", self.socket.recv_from(&mut buffer)).await.unwrap();
            assert_eq!(from, self.sfu);
            self.peer.read(Instant::now(), &mut buffer[..length].to_vec());
            while let Some(data) = self.peer.poll_transmit() {
                self.socket.send_to(&data, self.sfu).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn who_watches_on_one_shard_sees_who_publishes_on_the_other() {
    let server = World::start().await;
    let media = server.server.as_ref().unwrap().media.clone();
    assert_eq!(media.len(), 2, "one port for each shard");
    let exam = server.exam("EXAM-1").await;
    // A proctor for each shard; what comes after them is spread anew.
    let first = server.user_token("first@x.org", Role::Proctor).await;
    let second = server.user_token("second@x.org", Role::Proctor).await;
    let (mut proctor, _) = server.in_room(&first, exam.id).await;
    let _other = server.in_room(&second, exam.id).await;
    let secret = server.entry(&exam, "Candidate").await;
    let joined = server.join("EXAM-1", &secret, &device(1)).await;
    let token = text(&joined["access_token"]);
    let camera = [format!("{}a=ssrc:55 cname:c\r\n", video("sendonly", false))];
    let mut candidate = Browser::post(&server, &format!("/whip/{}", exam.id), token, 1, &camera).await;
    proctor.until_type("publication:added").await;
    let path = format!("/whep/{}/{}/camera/0", exam.id, text(&joined["participant"]));
    let mut viewer = Browser::post(&server, &path, &second, 2, &[video("recvonly", false)]).await;
    assert_eq!((candidate.sfu, viewer.sfu), (media[0], media[1]));
    // Key frames are asked for across the shards: for the binding, and again because the viewer stands only now.
    candidate.until(|peer| peer.rtcp.len() >= 2).await;
    let frame = FrameInfo {
        key: false,
        start: true,
        end: true,
        layer: Layer::High,
        temporal: 0,
        captured: None,
    };
    for sequence in 0..100u16 {
        let mut payload = vec![sequence as u8; 900];
        payload[0] = if sequence == 0 { 0x67 } else { 0x61 };
        let packet = candidate.peer.video(55, sequence, frame, &payload);
        candidate.socket.send_to(&packet, candidate.sfu).await.unwrap();
        viewer.until(|peer| peer.rtp.len() == usize::from(sequence) + 1).await;
        let got = &viewer.peer.rtp[usize::from(sequence)];
        assert_eq!(got.payload(), payload);
        assert_eq!(got.header.sequence, viewer.peer.rtp[0].header.sequence + sequence);
    }
}
