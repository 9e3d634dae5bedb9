//! The media port over real sockets: who gets in, and what happens to a window that is slow.

use super::*;
use invigil_view::media::{Codec, MAX_UNACKNOWLEDGED, VERSION};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, http::HeaderValue};

type Client = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

async fn connect(port: u16, token: &str, origin: Option<&str>) -> Result<Client, Error> {
    let mut request = format!("ws://127.0.0.1:{port}/?token={token}")
        .into_client_request()
        .unwrap();
    if let Some(origin) = origin {
        request
            .headers_mut()
            .insert("origin", HeaderValue::from_str(origin).unwrap());
    }
    tokio_tungstenite::connect_async(request)
        .await
        .map(|(client, _)| client)
}

fn refused(result: Result<Client, Error>) -> bool {
    matches!(result, Err(Error::Http(response)) if response.status() == StatusCode::FORBIDDEN)
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what)
        .await
        .expect("in time")
}

fn picture(tile: u16, key: bool) -> Picture {
    let data = bytes::Bytes::from_static(b"picture");
    Picture {
        tile,
        key,
        codec: Codec::H264,
        width: 320,
        height: 180,
        raw: (0, 0),
        captured_at_us: 5,
        data,
    }
}

async fn next_sequence(client: &mut Client) -> Option<u32> {
    loop {
        match soon(client.next()).await? {
            Ok(Message::Binary(data)) => {
                assert_eq!(data[0], VERSION);
                return Some(u32::from_le_bytes([data[4], data[5], data[6], data[7]]));
            }
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

#[tokio::test]
async fn only_the_newest_token_with_our_origin_gets_in_and_once() {
    let (port, mut events) = MediaPort::open().await.unwrap();
    let first = port.admit(Drawing::default());
    assert!(refused(
        connect(first.port, "0".repeat(64).as_str(), Some(ORIGINS[0])).await
    ));
    assert!(refused(connect(first.port, "", Some(ORIGINS[0])).await));
    assert!(refused(connect(first.port, &first.token, None).await));
    assert!(refused(
        connect(first.port, &first.token, Some("https://evil.example")).await
    ));
    let second = port.admit(Drawing::default());
    assert!(
        refused(connect(first.port, &first.token, Some(ORIGINS[0])).await),
        "an older token is void"
    );
    let mut client = connect(second.port, &second.token, Some(ORIGINS[1])).await.unwrap();
    assert_eq!(soon(events.recv()).await, Some(MediaEvent::Attached));
    assert!(
        refused(connect(second.port, &second.token, Some(ORIGINS[0])).await),
        "a token is good for one use"
    );
    port.push(picture(1, true));
    assert_eq!(next_sequence(&mut client).await, Some(1));
}

#[tokio::test]
async fn a_newer_window_takes_the_place_of_the_one_before() {
    let (port, mut events) = MediaPort::open().await.unwrap();
    let admitted = port.admit(Drawing::default());
    let mut old = connect(admitted.port, &admitted.token, Some(ORIGINS[0])).await.unwrap();
    assert_eq!(soon(events.recv()).await, Some(MediaEvent::Attached));
    let admitted = port.admit(Drawing::default());
    let mut new = connect(admitted.port, &admitted.token, Some(ORIGINS[0])).await.unwrap();
    assert_eq!(soon(events.recv()).await, Some(MediaEvent::Attached));
    assert_eq!(next_sequence(&mut old).await, None);
    port.push(picture(1, true));
    assert_eq!(next_sequence(&mut new).await, Some(1));
}

#[tokio::test]
async fn without_acknowledgements_the_port_stops_and_goes_on_where_it_was() {
    let (port, mut events) = MediaPort::open().await.unwrap();
    let admitted = port.admit(Drawing::default());
    let mut client = connect(admitted.port, &admitted.token, Some(ORIGINS[0])).await.unwrap();
    assert_eq!(soon(events.recv()).await, Some(MediaEvent::Attached));
    for sequence in 1..=MAX_UNACKNOWLEDGED {
        port.push(picture(4, sequence == 1));
        assert_eq!(next_sequence(&mut client).await, Some(sequence));
    }
    port.push(picture(4, false));
    let quiet = tokio::time::timeout(4 * TICK, client.next()).await;
    assert!(quiet.is_err(), "nothing is sent to a window that is behind");
    let ack = serde_json::to_string(&MediaReply::Ack {
        sequence: MAX_UNACKNOWLEDGED,
    })
    .unwrap();
    client.send(Message::text(ack)).await.unwrap();
    assert_eq!(next_sequence(&mut client).await, Some(MAX_UNACKNOWLEDGED + 1));
    let broken = serde_json::to_string(&MediaReply::Key { tile: 4 }).unwrap();
    client.send(Message::text(broken)).await.unwrap();
    assert_eq!(soon(events.recv()).await, Some(MediaEvent::KeyWanted { tile: 4 }));
}

#[tokio::test]
async fn a_window_that_talks_nonsense_loses_nothing_and_one_that_talks_too_much_is_cut() {
    let (port, mut events) = MediaPort::open().await.unwrap();
    let admitted = port.admit(Drawing::default());
    let mut client = connect(admitted.port, &admitted.token, Some(ORIGINS[0])).await.unwrap();
    assert_eq!(soon(events.recv()).await, Some(MediaEvent::Attached));
    client.send(Message::text("{\"type\":\"ack\"")).await.unwrap();
    client
        .send(Message::text("{\"type\":\"key\",\"tile\":65535}"))
        .await
        .unwrap();
    port.push(picture(0, true));
    assert_eq!(next_sequence(&mut client).await, Some(1));
    client.send(Message::text("x".repeat(MAX_REPLY + 1))).await.unwrap();
    assert_eq!(next_sequence(&mut client).await, None);
}
