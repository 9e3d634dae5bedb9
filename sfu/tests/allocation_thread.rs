//! The threads of shards on real sockets take no memory while media flows: not for receiving, sending and waiting, nor for ticks
//! and reports in between, nor for what one shard passes on to the other.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // clippy.toml bans clocks and locks in `core` only
#![cfg(target_os = "linux")] // the thread is found by /proc
#![allow(clippy::unwrap_used, clippy::expect_used)] // what a test can't have, it fails on

mod counting;
#[path = "../src/core/tests/world.rs"]
#[allow(dead_code)] // the tests of the core use all of it
mod world;

pub(crate) use invigil_sfu::core;

use crate::core::io::{Command, Direction, Profile, Reply};
use crate::core::transport::credentials::IceCredentials;
use invigil_sfu::shard::{ShardConfig, ShardHandle, ShardId, generate_certificate, spawn};
use invigil_shared::binding::BindingState;
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::id::TransportId;
use invigil_shared::publication::{Layer, PublicationKey};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use world::{Peer, camera, exam, intent, layer, offer, person, pool, publisher_media};

const PATIENCE: Duration = Duration::from_secs(10);
const BURST: u16 = 5;
/// Bursts until every ring has its size: more packets than the largest of them holds.
const WARM_UP: u64 = 1_000;
const BURSTS: u64 = 2_000;
/// What is done once a second has been done by then.
const AT_LEAST: Duration = Duration::from_millis(1_500);

struct Live {
    peer: Peer,
    socket: UdpSocket,
    sfu: SocketAddr,
}

impl Live {
    fn join(runtime: &Runtime, handle: &ShardHandle, who: u8, direction: Direction, media: &[String]) -> Self {
        let transport = TransportId::from_parts(3, [who; 10]);
        let request = |command| runtime.block_on(handle.request(command));
        let add = Command::AddTransport {
            transport,
            participant: person(who),
            exam: exam(1),
            direction,
            profile: Profile::Native,
            only_from: None,
        };
        assert_eq!(request(add), Ok(Reply::Done));
        let local = IceCredentials::from_random([who; 32]);
        let sdp = offer(&local, media);
        let Ok(Reply::Answer(answer)) = request(Command::Offer { transport, sdp }) else {
            panic!("no answer")
        };
        let sfu = handle.local_addrs()[0];
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let peer = Peer::new(Instant::now(), transport, socket.local_addr().unwrap(), local, answer);
        socket.send_to(&peer.request(), sfu).unwrap();
        let mut live = Self { peer, socket, sfu };
        live.until(Peer::is_connected);
        live
    }

    fn until(&mut self, done: impl Fn(&Peer) -> bool) {
        let mut buffer = [0; 2_048];
        while !done(&self.peer) {
            let (length, from) = self.socket.recv_from(&mut buffer).expect("nothing came in time");
            assert_eq!(from, self.sfu);
            self.peer.read(Instant::now(), &mut buffer[..length].to_vec());
            while let Some(data) = self.peer.poll_transmit() {
                self.socket.send_to(&data, self.sfu).unwrap();
            }
        }
    }
}

fn config(number: u16) -> ShardConfig {
    ShardConfig {
        id: ShardId(number),
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        announce: vec![],
        segments: true,
        certificate: generate_certificate().unwrap(),
        seed: [9; 32],
    }
}

/// Somebody who wants the camera, which the shard knows of.
fn watcher(runtime: &Runtime, handle: &ShardHandle, who: u8) -> Live {
    let live = Live::join(runtime, handle, who, Direction::Subscribe, &pool(2));
    let wish = Command::SetIntents {
        subscriber: person(who),
        revision: 1,
        intents: vec![intent(1, camera(1), Layer::Low)],
    };
    let Ok(Reply::Bindings(bindings)) = runtime.block_on(handle.request(wish)) else {
        panic!("no bindings")
    };
    assert_eq!(bindings[0].state, BindingState::WaitingKeyFrame);
    live
}

#[test]
fn the_threads_of_two_shards_take_no_memory_while_media_flows() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (sender, mut events) = mpsc::channel(256);
    let started = spawn(&[config(7), config(8)], &sender).unwrap();
    let (own, other) = (&started[0].0, &started[1].0);
    let mut publisher = Live::join(&runtime, own, 1, Direction::Publish, &publisher_media());
    let publish = Command::Publish {
        participant: person(1),
        publication: PublicationKey::CAMERA,
        codec: "video/H264".into(),
        layers: vec![layer(Layer::Low, 77)],
    };
    runtime.block_on(own.request(publish)).unwrap();
    let mut subscribers: Vec<Live> = [(101, own), (102, own), (103, other), (104, other)]
        .into_iter()
        .map(|(who, handle)| watcher(&runtime, handle, who))
        .collect();
    let (mut sequence, mut bursts, mut began) = (0u16, 0u64, Instant::now());
    let mut waiting = vec!["shard-8", "shard-7"];
    let mut watched: Option<&str> = None;
    loop {
        for place in 0..BURST {
            sequence = sequence.wrapping_add(1);
            let frame = FrameInfo {
                key: bursts.is_multiple_of(300),
                start: place == 0,
                end: place + 1 == BURST,
                layer: Layer::Low,
                temporal: 0,
                captured: (place == 0).then_some(1),
            };
            let packet = publisher.peer.video(77, sequence, frame, &[sequence as u8; 1_100]);
            publisher.socket.send_to(&packet, publisher.sfu).unwrap();
        }
        for subscriber in &mut subscribers {
            subscriber.until(|peer| peer.rtp.len() == usize::from(BURST));
            for (at, got) in subscriber.peer.rtp.drain(..).enumerate() {
                let sent = sequence.wrapping_sub(BURST - 1 - at as u16);
                assert_eq!(got.payload(), [sent as u8; 1_100]);
            }
        }
        bursts += 1;
        let enough = if watched.is_some() { BURSTS } else { WARM_UP };
        if bursts < enough || began.elapsed() < AT_LEAST {
            continue;
        }
        if let Some(name) = watched.take() {
            let (count, first) = counting::taken_by_thread();
            assert_eq!(count, 0, "the thread of {name} took memory, first here:\n{first}");
        }
        let Some(name) = waiting.pop() else { break };
        while events.try_recv().is_ok() {}
        counting::watch_thread(name);
        (bursts, began, watched) = (0, Instant::now(), Some(name));
    }
    for (handle, _) in &started {
        handle.stop();
    }
    for (handle, thread) in started {
        drop(handle);
        thread.join().unwrap();
    }
}
