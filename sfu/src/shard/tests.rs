//! The shard's thread with real sockets: from a publisher's datagram to a subscriber's.

use super::{
    Command, Event, Profile, Reply, ShardConfig, ShardExit, ShardHandle, ShardId, Started, generate_certificate, spawn,
};
use crate::core::io::Direction;
use crate::core::tests::world::{Peer, camera, exam, intent, layer, offer, person, pool, publisher_media};
use crate::core::transport::credentials::IceCredentials;
use invigil_shared::binding::BindingState;
use invigil_shared::error::ErrorCode;
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::id::TransportId;
use invigil_shared::publication::{Layer, PublicationKey};
use std::net::SocketAddr;
use std::ops::Range;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(10);

struct Live {
    peer: Peer,
    socket: UdpSocket,
    sfu: SocketAddr,
}

impl Live {
    async fn join(handle: &ShardHandle, n: u8, who: u8, direction: Direction, media: &[String]) -> Self {
        let transport = TransportId::from_parts(3, [n; 10]);
        let add = Command::AddTransport {
            transport,
            participant: person(who),
            exam: exam(1),
            direction,
            profile: Profile::Native,
            only_from: None,
        };
        assert_eq!(handle.request(add).await, Ok(Reply::Done));
        let local = IceCredentials::from_random([n; 32]);
        let sdp = offer(&local, media);
        let Ok(Reply::Answer(answer)) = handle.request(Command::Offer { transport, sdp }).await else {
            panic!("no answer")
        };
        let sfu = handle.local_addrs()[0];
        assert!(answer.contains(&format!("{} {} typ host", sfu.ip(), sfu.port())));
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let peer = Peer::new(Instant::now(), transport, socket.local_addr().unwrap(), local, answer);
        socket.send_to(&peer.request(), sfu).await.unwrap();
        let mut live = Self { peer, socket, sfu };
        live.until(Peer::is_connected).await;
        live
    }

    /// Reads until `done`, or fails when nothing comes in time.
    async fn until(&mut self, done: impl Fn(&Peer) -> bool) {
        let mut buffer = vec![0; 2_048];
        while !done(&self.peer) {
            let received = tokio::time::timeout(PATIENCE, self.socket.recv_from(&mut buffer)).await;
            let (length, from) = received.expect("nothing came in time").unwrap();
            assert_eq!(from, self.sfu);
            self.peer.read(Instant::now(), &mut buffer[..length].to_vec());
            while let Some(data) = self.peer.poll_transmit() {
                self.socket.send_to(&data, self.sfu).await.unwrap();
            }
        }
    }
}

fn config(seed: u8) -> ShardConfig {
    ShardConfig {
        id: ShardId(seed.into()),
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        announce: vec![],
        segments: true,
        certificate: generate_certificate().unwrap(),
        seed: [seed; 32],
    }
}

#[tokio::test]
async fn media_flows_over_real_sockets_and_the_thread_ends_when_told() {
    let (sender, mut events) = mpsc::channel(256);
    let (handle, thread) = spawn(&[config(1)], &sender).unwrap().remove(0);
    let mut publisher = Live::join(&handle, 1, 1, Direction::Publish, &publisher_media()).await;
    let publish = Command::Publish {
        participant: person(1),
        publication: PublicationKey::CAMERA,
        codec: "video/H264".into(),
        layers: vec![layer(Layer::Low, 77)],
    };
    assert_eq!(handle.request(publish).await, Ok(Reply::Demand(vec![])));
    let mut subscriber = Live::join(&handle, 2, 9, Direction::Subscribe, &pool(2)).await;
    let wish = Command::SetIntents {
        subscriber: person(9),
        revision: 1,
        intents: vec![intent(1, camera(1), Layer::Low)],
    };
    assert!(matches!(handle.request(wish).await, Ok(Reply::Bindings(bindings)) if bindings.len() == 1));
    publisher.until(|peer| !peer.rtcp.is_empty()).await;
    send(&mut publisher, 0..50).await;
    subscriber.until(|peer| peer.rtp.len() == 50).await;
    for (at, got) in subscriber.peer.rtp.iter().enumerate() {
        assert_eq!(got.payload(), [at as u8; 700]);
        assert_eq!(got.header.sequence, subscriber.peer.rtp[0].header.sequence + at as u16);
    }
    let mut seen = (0, false);
    while seen != (2, true) {
        let (shard, event) = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        assert_eq!(shard, ShardId(1));
        match event {
            Event::TransportConnected { .. } => seen.0 += 1,
            Event::LayerDemand { participant, .. } => seen.1 |= participant == person(1),
            _ => {}
        }
    }
    handle.stop();
    assert_eq!(ended(thread).await, ShardExit::Stopped);
    let refused = handle
        .request(Command::RemoveParticipant { participant: person(1) })
        .await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::ServerDraining);
}

/// Two shards; candidate 1 lives on the first, proctor 9 on the second.
async fn two() -> (Vec<Started>, mpsc::Receiver<(ShardId, Event)>, Live, Live) {
    let (sender, events) = mpsc::channel(256);
    let mut started = spawn(&[config(0), config(1)], &sender).unwrap();
    let [(first, _), (second, _)] = &mut started[..] else {
        panic!("two shards")
    };
    let mut publisher = Live::join(first, 1, 1, Direction::Publish, &publisher_media()).await;
    let publish = Command::Publish {
        participant: person(1),
        publication: PublicationKey::CAMERA,
        codec: "video/H264".into(),
        layers: vec![layer(Layer::Low, 77)],
    };
    assert_eq!(first.request(publish).await, Ok(Reply::Demand(vec![])));
    let subscriber = Live::join(second, 2, 9, Direction::Subscribe, &pool(2)).await;
    let wish = Command::SetIntents {
        subscriber: person(9),
        revision: 1,
        intents: vec![intent(1, camera(1), Layer::Low)],
    };
    let Ok(Reply::Bindings(bindings)) = second.request(wish).await else {
        panic!("no bindings")
    };
    assert_eq!(
        bindings[0].state,
        BindingState::WaitingKeyFrame,
        "whatever was published before is known"
    );
    publisher.until(|peer| !peer.rtcp.is_empty()).await;
    (started, events, publisher, subscriber)
}

async fn send(publisher: &mut Live, sequences: Range<u16>) {
    for sequence in sequences {
        let frame = FrameInfo {
            key: sequence == 0,
            start: true,
            end: true,
            layer: Layer::Low,
            temporal: 0,
            captured: Some(1),
        };
        let packet = publisher.peer.video(77, sequence, frame, &[sequence as u8; 700]);
        publisher.socket.send_to(&packet, publisher.sfu).await.unwrap();
    }
}

async fn ended(thread: JoinHandle<ShardExit>) -> ShardExit {
    tokio::task::spawn_blocking(move || thread.join().unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn media_crosses_from_one_thread_to_another() {
    let (started, _events, mut publisher, mut subscriber) = two().await;
    assert_ne!(publisher.sfu, subscriber.sfu);
    for burst in 0..10u16 {
        let sequences = burst * 20..burst * 20 + 20;
        let until = usize::from(sequences.end);
        send(&mut publisher, sequences).await;
        subscriber.until(|peer| peer.rtp.len() == until).await;
    }
    for (at, got) in subscriber.peer.rtp.iter().enumerate() {
        assert_eq!(got.payload(), [at as u8; 700]);
        assert_eq!(got.header.sequence, subscriber.peer.rtp[0].header.sequence + at as u16);
    }
    for (handle, _) in &started {
        handle.stop();
    }
    for (_, thread) in started {
        assert_eq!(ended(thread).await, ShardExit::Stopped);
    }
}

#[tokio::test]
async fn a_shard_that_panics_takes_its_own_participants_along_and_nobody_else() {
    let (mut started, mut events, mut publisher, mut subscriber) = two().await;
    send(&mut publisher, 0..5).await;
    subscriber.until(|peer| peer.rtp.len() == 5).await;
    let (broken, thread) = started.remove(0);
    let told = broken.ended();
    broken.break_down();
    assert_eq!(tokio::time::timeout(PATIENCE, told).await, Ok(ShardExit::Panicked));
    assert_eq!(ended(thread).await, ShardExit::Panicked);
    let command = Command::RemoveParticipant { participant: person(1) };
    assert_eq!(
        broken.request(command).await.unwrap_err().code,
        ErrorCode::ServerDraining
    );
    // The other one lets go of what it mirrored, and goes on.
    loop {
        let (shard, event) = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        if let Event::Bindings { bindings, .. } = event
            && bindings[0].state == BindingState::NotFound
        {
            assert_eq!(shard, ShardId(1));
            break;
        }
    }
    let (living, _) = &started[0];
    let mut publisher = Live::join(living, 3, 1, Direction::Publish, &publisher_media()).await;
    let publish = Command::Publish {
        participant: person(1),
        publication: PublicationKey::CAMERA,
        codec: "video/H264".into(),
        layers: vec![layer(Layer::Low, 77)],
    };
    assert_eq!(living.request(publish).await, Ok(Reply::Demand(vec![Layer::Low])));
    send(&mut publisher, 0..5).await;
    subscriber.until(|peer| peer.rtp.len() == 10).await;
}

#[tokio::test]
async fn strangers_get_no_answer() {
    let (sender, _events) = mpsc::channel(16);
    let (handle, thread) = spawn(&[config(2)], &sender).unwrap().remove(0);
    let sfu = handle.local_addrs()[0];
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for junk in [
        vec![0x80; 100],
        vec![22; 100],
        vec![0; 100],
        vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3],
    ] {
        stranger.send_to(&junk, sfu).await.unwrap();
    }
    // The shard reads in order: when this peer has its answer, the junk was read before.
    let live = Live::join(&handle, 3, 9, Direction::Subscribe, &pool(1)).await;
    assert!(live.peer.is_connected());
    assert!(stranger.try_recv_from(&mut [0; 100]).is_err());
    drop(handle);
    assert_eq!(ended(thread).await, ShardExit::Stopped);
}
