//! The connection itself: subprotocol, authentication, tokens in-band, bad messages, limits, replacement, draining.

use crate::common::{World, device, text, within};
use futures_util::SinkExt;
use invigil_sfu::config::AuthConfig;
use invigil_shared::limits::{MAX_BAD_MESSAGES, MAX_FRAME, MUTATING_PER_WINDOW};
use invigil_shared::role::Role;
use serde_json::json;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

#[tokio::test]
async fn a_client_without_our_subprotocol_is_refused() {
    let world = World::start().await;
    for protocol in [None, Some("invigil.v0")] {
        let mut request = format!("wss://localhost:{}/api/v1/signal", world.https.port())
            .into_client_request()
            .unwrap();
        if let Some(protocol) = protocol {
            request
                .headers_mut()
                .insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        let Err(Error::Http(response)) = client_async(request, world.tls().await).await else {
            panic!("accepted")
        };
        assert_eq!(response.status(), 400);
    }
}

#[tokio::test]
async fn authentication_comes_first() {
    let world = World::start().await;
    let mut client = world.bare().await;
    let answer = client.request(json!({ "type": "ping", "t0": 1 })).await;
    assert_eq!(text(&answer["code"]), "not_authenticated");
    let answer = client
        .request(
            json!({ "type": "auth:request", "token": "x", "version": 0, "client": "", "platform": "", "features": [] }),
        )
        .await;
    assert_eq!(text(&answer["code"]), "version_too_old");
    assert_eq!(client.closed().await, "version_too_old");
    let mut client = world.bare().await;
    let answer = client.authenticate("nonsense").await;
    assert_eq!(text(&answer["code"]), "token_invalid");
    assert_eq!(client.closed().await, "token_invalid");
}

#[tokio::test]
async fn whoever_stays_silent_is_let_go() {
    let world = World::start().await;
    let mut client = world.bare().await;
    assert_eq!(client.closed().await, "not_authenticated");
}

#[tokio::test]
async fn a_token_is_refreshed_in_band_and_an_expired_one_ends_the_connection() {
    let world = World::start_with(AuthConfig {
        access_token_s: 3,
        ..AuthConfig::default()
    })
    .await;
    let exam = world.exam("EXAM-1").await;
    let token = world.user_token("p@x.org", Role::Proctor).await;
    let (mut idle, _) = world.in_room(&token, exam.id).await;
    let token = world.user_token("q@x.org", Role::Proctor).await;
    let (mut busy, _) = world.in_room(&token, exam.id).await;
    let fresh = busy.request(json!({ "type": "auth:refresh" })).await;
    assert_eq!(text(&fresh["type"]), "auth:token");
    assert_eq!(idle.closed().await, "token_expired");
    // The other one was refreshed as late as the first was opened: it goes on with each new token.
    let fresh = busy.request(json!({ "type": "auth:refresh" })).await;
    let again = busy.authenticate(text(&fresh["token"])).await;
    assert_eq!(text(&again["type"]), "auth:response");
    let other = world.user_token("q@x.org", Role::Proctor).await;
    let answer = busy.authenticate(&other).await;
    assert_eq!(
        text(&answer["code"]),
        "forbidden",
        "a connection does not change its person"
    );
    assert_eq!(busy.closed().await, "token_expired");
}

#[tokio::test]
async fn bad_messages_are_answered_and_then_end_the_connection() {
    let world = World::start().await;
    let token = world.user_token("p@x.org", Role::Proctor).await;
    let mut client = world.client(&token).await;
    let unknown = client.request(json!({ "type": "of:tomorrow", "more": 1 })).await;
    assert_eq!(text(&unknown["code"]), "unsupported");
    let wrong = client.request(json!({ "type": "ping", "t0": "noon" })).await;
    assert_eq!(text(&wrong["code"]), "bad_message");
    let padding = "x".repeat(MAX_FRAME);
    client
        .send(json!({ "type": "ping", "t0": 1, "padding": padding }))
        .await;
    let large = client.until(|f| f["code"] == "too_large").await;
    assert_eq!(text(&large["params"]["limit"]), MAX_FRAME.to_string());
    client.settled().await;
    // Unknown requests don't count; two bad ones were sent above.
    for _ in 2..MAX_BAD_MESSAGES {
        client.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    }
    assert_eq!(client.closed().await, "bad_message");
}

#[tokio::test]
async fn a_frame_beyond_every_limit_ends_the_connection() {
    let world = World::start().await;
    let token = world.user_token("p@x.org", Role::Proctor).await;
    let mut client = world.client(&token).await;
    let huge = "x".repeat(2 * 1024 * 1024);
    // The server may close before it has taken everything in.
    let _ = client.socket.send(Message::text(huge)).await;
    let reason = client.closed().await;
    assert!(
        reason == "too_large" || reason.contains("IO error") || reason.contains("reset"),
        "{reason}"
    );
    // Nobody else is harmed.
    world.client(&token).await.settled().await;
}

#[tokio::test]
async fn a_flood_is_told_when_to_come_back() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let token = world.user_token("p@x.org", Role::Proctor).await;
    let (mut client, _) = world.in_room(&token, exam.id).await;
    let mut refused = None;
    for _ in 0..MUTATING_PER_WINDOW + 5 {
        let answer = client
            .request(json!({ "type": "transport:close", "transport": exam.id }))
            .await;
        if answer["code"] == "rate_limited" {
            refused = Some(answer);
            break;
        }
        assert_eq!(text(&answer["code"]), "transport_unknown");
    }
    let refused = refused.expect("a limit");
    assert!(text(&refused["params"]["retry_after_s"]).parse::<u64>().unwrap() >= 1);
    client.settled().await;
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let secret = world.entry(&exam, "Candidate 1").await;
    let joined = world.join("EXAM-1", &secret, &device(1)).await;
    let token = text(&joined["access_token"]);
    let proctor_token = world.user_token("p@x.org", Role::Proctor).await;
    let (mut proctor, _) = world.in_room(&proctor_token, exam.id).await;
    let (mut older, _) = world.in_room(token, exam.id).await;
    proctor.until_type("participant:joined").await;
    let (mut newer, _) = world.in_room(token, exam.id).await;
    assert_eq!(older.closed().await, "replaced");
    newer.settled().await;
    // The older one's end is not the participant's.
    let entries = proctor
        .settled()
        .await
        .iter()
        .filter(|f| f["entry"]["body"]["presence"] == "lost")
        .count();
    assert_eq!(entries, 0);
}

#[tokio::test]
async fn a_stopping_server_says_so_to_everybody() {
    let mut world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let token = world.user_token("p@x.org", Role::Proctor).await;
    let (mut joined, _) = world.in_room(&token, exam.id).await;
    let token = world.user_token("q@x.org", Role::Proctor).await;
    let mut idle = world.client(&token).await;
    let mut stream = world.tls().await;
    let both = async {
        for client in [&mut joined, &mut idle] {
            let draining = client.until_type("server:draining").await;
            assert_eq!(draining["retry_after_s"], 1);
            assert_eq!(client.closed().await, "server_draining");
        }
    };
    let server = world.server.take().unwrap();
    tokio::join!(server.stop(), both);
    // An idle keep-alive connection ends too.
    let mut rest = Vec::new();
    let _ = within("the end", tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest)).await;
    world.restart().await;
    world.client(&token).await.settled().await;
}
