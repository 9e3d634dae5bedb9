//! Media over real TCP connections, and what a connection is closed for.

use super::Door;
use super::admission::Admission;
use super::connection::{Patience, carry_with};
use super::framing::{HEAD, MAX_FRAME, push_frame};
use crate::core::io::Direction;
use crate::core::tests::world::{Peer, camera, exam, intent, layer, offer, person, pool, publisher_media};
use crate::core::transport::credentials::{IceCredentials, shard_of};
use crate::shard::{Command, Profile, Reply, ShardConfig, ShardHandle, ShardId, generate_certificate, spawn};
use crate::shutdown::Shutdown;
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::id::TransportId;
use invigil_shared::publication::{Layer, PublicationKey};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(10);

/// Running shards whose ports are served; they end when it is dropped.
struct Stage {
    handles: Vec<ShardHandle>,
    door: Door,
    _shutdown: Shutdown,
    _events: mpsc::Receiver<(ShardId, crate::shard::Event)>,
}

impl Stage {
    fn set(shards: u16) -> Self {
        let (sender, events) = mpsc::channel(256);
        let config = |number: u16| ShardConfig {
            id: ShardId(number),
            bind: vec!["127.0.0.1:0".parse().unwrap()],
            announce: vec![],
            segments: true,
            certificate: generate_certificate().unwrap(),
            seed: [number as u8; 32],
        };
        let configs: Vec<_> = (0..shards).map(config).collect();
        let started = spawn(&configs, &sender).unwrap();
        let handles: Vec<ShardHandle> = started.into_iter().map(|(handle, _thread)| handle).collect();
        let door = Door::new(handles.iter().filter_map(|handle| handle.tcp().cloned()));
        let shutdown = Shutdown::default();
        tokio::spawn(door.clone().serve(shutdown.signal()));
        Self {
            handles,
            door,
            _shutdown: shutdown,
            _events: events,
        }
    }

    fn address(&self) -> SocketAddr {
        self.handles[0].local_addrs()[0]
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.unwrap()
    }

    /// A stream that has come in on the HTTPS port.
    fn enter(&self, first: Vec<u8>) -> DuplexStream {
        let (far, near) = tokio::io::duplex(64 * 1024);
        let door = self.door.clone();
        tokio::spawn(async move { door.enter(near, "192.0.2.7:5000".parse().unwrap(), &first).await });
        far
    }
}

/// Makes a transport on a shard; the peer has not connected yet.
async fn peer(handle: &ShardHandle, n: u8, who: u8, direction: Direction, media: &[String]) -> Peer {
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
    Peer::new(Instant::now(), transport, "127.0.0.1:9".parse().unwrap(), local, answer)
}

fn framed(datagram: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    push_frame(&mut frame, datagram);
    frame
}

/// A peer with its connection.
struct Live<S> {
    peer: Peer,
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Live<S> {
    async fn send(&mut self, datagram: &[u8]) {
        self.stream.write_all(&framed(datagram)).await.unwrap();
    }

    async fn until(&mut self, done: impl Fn(&Peer) -> bool) {
        while !done(&self.peer) {
            let length = tokio::time::timeout(PATIENCE, self.stream.read_u16()).await;
            let mut datagram = vec![0; length.expect("nothing came in time").unwrap().into()];
            self.stream.read_exact(&mut datagram).await.unwrap();
            self.peer.read(Instant::now(), &mut datagram);
            while let Some(data) = self.peer.poll_transmit() {
                self.send(&data).await;
            }
        }
    }
}

/// The connection ends without a byte.
async fn closes(mut stream: impl AsyncRead + Unpin) {
    let mut got = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut got)).await;
    // A reset is an end as well: it comes when something was left unread.
    let _ = end.expect("the connection stays open");
    assert!(got.is_empty(), "a stranger was answered: {got:?}");
}

/// Both ends over TCP, each packet in its order.
#[tokio::test]
async fn media_flows_over_tcp_and_inside_the_https_port() {
    let stage = Stage::set(1);
    let handle = &stage.handles[0];
    let peer_1 = peer(handle, 1, 1, Direction::Publish, &publisher_media()).await;
    let mut publisher = Live {
        stream: stage.connect().await,
        peer: peer_1,
    };
    publisher.send(&publisher.peer.request()).await;
    publisher.until(Peer::is_connected).await;
    let publish = Command::Publish {
        participant: person(1),
        publication: PublicationKey::CAMERA,
        codec: "video/H264".into(),
        layers: vec![layer(Layer::Low, 77)],
    };
    assert_eq!(handle.request(publish).await, Ok(Reply::Demand(vec![])));
    let peer_2 = peer(handle, 2, 9, Direction::Subscribe, &pool(2)).await;
    let mut subscriber = Live {
        stream: stage.enter(framed(&peer_2.request())),
        peer: peer_2,
    };
    subscriber.until(Peer::is_connected).await;
    let wish = Command::SetIntents {
        subscriber: person(9),
        revision: 1,
        intents: vec![intent(1, camera(1), Layer::Low)],
    };
    assert!(matches!(handle.request(wish).await, Ok(Reply::Bindings(bindings)) if bindings.len() == 1));
    publisher.until(|peer| !peer.rtcp.is_empty()).await;
    let mut burst = Vec::new();
    for sequence in 0..50u16 {
        let frame = FrameInfo {
            key: sequence == 0,
            start: true,
            end: true,
            layer: Layer::Low,
            temporal: 0,
            captured: Some(1),
        };
        let packet = publisher.peer.video(77, sequence, frame, &[sequence as u8; 700]);
        burst.extend(framed(&packet));
    }
    // Cut where no frame ends.
    for part in burst.chunks(1_111) {
        publisher.stream.write_all(part).await.unwrap();
    }
    subscriber.until(|peer| peer.rtp.len() == 50).await;
    for (at, got) in subscriber.peer.rtp.iter().enumerate() {
        assert_eq!(got.payload(), [at as u8; 700]);
    }
}

#[tokio::test]
async fn a_request_leads_to_its_shard() {
    let stage = Stage::set(3);
    for number in [2u8, 0, 1] {
        let handle = &stage.handles[usize::from(number)];
        let peer = peer(handle, number, number, Direction::Subscribe, &pool(1)).await;
        let ufrag = peer.answer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        assert_eq!(shard_of(ufrag.unwrap()), Some(number.into()));
        let stream = stage.enter(framed(&peer.request()));
        Live { peer, stream }.until(Peer::is_connected).await;
    }
}

#[tokio::test]
async fn strangers_are_closed_and_get_no_answer() {
    let stage = Stage::set(1);
    let known = peer(&stage.handles[0], 1, 1, Direction::Subscribe, &pool(1)).await;
    let mut forged = known.request();
    let last = forged.len() - 9;
    forged[last] ^= 1; // MESSAGE-INTEGRITY ends before FINGERPRINT's eight bytes
    for junk in [
        framed(&[0x80; 100]),
        framed(&forged),
        framed(&[]),
        vec![0xff; 4_096],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        framed(&vec![0; MAX_FRAME + 1]),
    ] {
        let mut stream = stage.connect().await;
        stream.write_all(&junk).await.unwrap();
        closes(stream).await;
    }
    closes(stage.enter(framed(&forged))).await;
    // A request that is right, then a frame that nobody may send.
    let mut live = Live {
        stream: stage.connect().await,
        peer: known,
    };
    live.send(&live.peer.request()).await;
    live.until(Peer::is_connected).await;
    let oversize = [0xff; HEAD + 1];
    live.stream.write_all(&oversize).await.unwrap();
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, live.stream.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "an oversize frame ends the connection");
}

#[tokio::test]
async fn a_transport_that_is_gone_takes_its_connection_with_it() {
    let stage = Stage::set(1);
    let handle = &stage.handles[0];
    let peer = peer(handle, 1, 1, Direction::Subscribe, &pool(1)).await;
    let mut live = Live {
        stream: stage.connect().await,
        peer,
    };
    live.send(&live.peer.request()).await;
    live.until(Peer::is_connected).await;
    let transport = live.peer.transport;
    assert_eq!(
        handle.request(Command::RemoveTransport { transport }).await,
        Ok(Reply::Done)
    );
    live.send(&live.peer.request()).await;
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, live.stream.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn a_shard_that_stops_ends_its_connections() {
    let stage = Stage::set(1);
    let peer = peer(&stage.handles[0], 1, 1, Direction::Subscribe, &pool(1)).await;
    let mut live = Live {
        stream: stage.connect().await,
        peer,
    };
    live.send(&live.peer.request()).await;
    live.until(Peer::is_connected).await;
    stage.handles[0].stop();
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, live.stream.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "the connection outlives its shard");
    let late = TcpStream::connect(stage.address()).await.unwrap();
    closes(late).await;
}

#[tokio::test]
async fn a_connection_that_brings_too_little_in_time_is_closed() {
    let stage = Stage::set(1);
    let handle = &stage.handles[0];
    let short = Duration::from_millis(50);
    let carried = |patience: Patience, first: Vec<u8>| {
        let (mut far, near) = tokio::io::duplex(4_096);
        let gate = handle.tcp().unwrap().clone();
        let task = tokio::spawn(async move {
            let peer = "192.0.2.7:5000".parse().unwrap();
            carry_with(patience, &gate, &Admission::default(), near, peer, &[]).await;
        });
        async move {
            far.write_all(&first).await.unwrap();
            let started = Instant::now();
            tokio::time::timeout(PATIENCE, task)
                .await
                .expect("it stays open")
                .unwrap();
            assert!(started.elapsed() + Duration::from_millis(5) >= short);
        }
    };
    let peer = peer(handle, 1, 1, Direction::Subscribe, &pool(1)).await;
    let first = framed(&peer.request());
    let usual = Patience::USUAL;
    // Half of a first frame; then a whole one that is right, and nothing after it.
    let slow = Patience {
        first_frame: short,
        ..usual
    };
    carried(slow, first[..first.len() - 1].to_vec()).await;
    carried(Patience { idle: short, ..usual }, first).await;
}
