//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03) as HTTP: a real server, and clients that send bytes.

use crate::common::{TURN_SECRET, World, device, text, within};
use invigil_sfu::auth::Tokens;
use invigil_sfu::auth::relay::RelayCredentials;
use invigil_sfu::clock::now_s;
use invigil_sfu::config::AuthConfig;
use invigil_shared::exam::{ExamInfo, Policy, SourceRule};
use invigil_shared::id::ParticipantId;
use invigil_shared::limits::MAX_SDP;
use invigil_shared::role::Role;
use serde_json::{Value, json};
use std::fmt::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const UFRAG: &str = "abcd";
const PWD: &str = "0123456789abcdef012345";

/// An offer of a browser's: medium, direction and msid of each line.
fn offer(lines: &[(&str, &str, &str)]) -> String {
    let mut sdp = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    let mids: Vec<String> = (0..lines.len()).map(|mid| mid.to_string()).collect();
    write!(sdp, "a=group:BUNDLE {}\r\n", mids.join(" ")).unwrap();
    for (mid, (media, direction, msid)) in lines.iter().enumerate() {
        let codecs: &[(u8, &str)] = match *media {
            "audio" => &[(111, "opus/48000/2")],
            _ => &[(96, "VP8/90000"), (98, "H264/90000")],
        };
        let pts: Vec<String> = codecs.iter().map(|(pt, _)| pt.to_string()).collect();
        write!(sdp, "m={media} 9 UDP/TLS/RTP/SAVPF {}\r\n", pts.join(" ")).unwrap();
        write!(
            sdp,
            "c=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\na=setup:actpass\r\n"
        )
        .unwrap();
        write!(
            sdp,
            "a=ice-ufrag:{UFRAG}\r\na=ice-pwd:{PWD}\r\na=fingerprint:sha-256 {}\r\n",
            ["AB"; 32].join(":")
        )
        .unwrap();
        for (pt, map) in codecs {
            write!(sdp, "a=rtpmap:{pt} {map}\r\n").unwrap();
        }
        if *media == "video" {
            sdp += "a=fmtp:98 packetization-mode=1;profile-level-id=42e01f\r\n";
        }
        if !msid.is_empty() {
            write!(sdp, "a=msid:{msid}\r\n").unwrap();
        }
    }
    sdp
}

fn sending(msids: &[&str]) -> String {
    let lines: Vec<_> = msids.iter().map(|msid| ("video", "sendonly", *msid)).collect();
    offer(&lines)
}

fn watching(video: usize) -> String {
    offer(&vec![("video", "recvonly", ""); video])
}

fn fragment(ufrag: &str, candidates: usize) -> String {
    let mut body = format!("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{PWD}\r\n");
    for n in 0..candidates {
        write!(
            body,
            "a=candidate:{n} 1 udp 2122260223 192.0.2.1 {} typ host\r\n",
            5_000 + n
        )
        .unwrap();
    }
    body
}

/// What came back.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// A header field. Heads are lower case.
    fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(prefix.as_str()))
    }

    fn code(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body).unwrap_or(Value::Null);
        if problem["code"].is_string() {
            assert_eq!(self.header("content-type"), Some("application/problem+json"));
            assert_eq!(problem["status"], self.status);
        }
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends a request; an empty token sends none.
async fn call(world: &World, method: &str, path: &str, token: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = more.to_vec();
    if !token.is_empty() {
        headers.push(("authorization", &bearer));
    }
    let (status, head, body) = world.http(method, path, &headers, body).await;
    Answer { status, head, body }
}

async fn post(world: &World, path: &str, token: &str, sdp: &str) -> Answer {
    call(world, "POST", path, token, &[("content-type", SDP)], sdp.as_bytes()).await
}

async fn patch(world: &World, path: &str, token: &str, if_match: &str, body: &str) -> Answer {
    let headers = [("content-type", FRAGMENT), ("if-match", if_match)];
    call(world, "PATCH", path, token, &headers, body.as_bytes()).await
}

/// A candidate of the exam: its token and its id.
async fn candidate(world: &World, exam: &ExamInfo, n: u8) -> (String, ParticipantId) {
    let secret = world.entry(exam, &format!("Candidate {n}")).await;
    let joined = world.join(&exam.code, &secret, &device(n)).await;
    (
        text(&joined["access_token"]).to_owned(),
        text(&joined["participant"]).parse().unwrap(),
    )
}

/// What `sfu/README.md` calls `invigil_browser_transports`, and the transports of all shards.
async fn transports(world: &World) -> (f64, f64) {
    let mut stream = TcpStream::connect(world.server.as_ref().unwrap().metrics.unwrap())
        .await
        .unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    let sum = |name: &str| -> f64 {
        let lines = page.lines().filter(|line| line.starts_with(name));
        lines
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    };
    (sum("invigil_browser_transports "), sum("invigil_shard_transports{"))
}

#[tokio::test]
async fn what_a_revoked_token_holds_ends_with_it() {
    let world = World::start_set(|config| config.metrics.listen = Some("127.0.0.1:0".parse().unwrap())).await;
    let exam = world.exam("EXAM-1").await;
    let (token, id) = candidate(&world, &exam, 1).await;
    let lead = world.user_token("l@x.org", Role::Lead).await;
    let admin = world.user_token("a@x.org", Role::Admin).await;
    let proctor = world.user("p@x.org", Role::Proctor, None).await;
    let plays = world.user_token("p@x.org", Role::Proctor).await;
    let (mut watcher, _) = world.in_room(&lead, exam.id).await;
    let whip = post(&world, &format!("/whip/{}", exam.id), &token, &sending(&["s t"])).await;
    watcher.until_type("publication:added").await;
    let one = post(
        &world,
        &format!("/whep/{}/{id}/camera/0", exam.id),
        &plays,
        &watching(1),
    )
    .await;
    let all = post(&world, &format!("/whep/{}", exam.id), &plays, &watching(2)).await;
    assert_eq!([whip.status, one.status, all.status], [201; 3]);
    assert_eq!(transports(&world).await, (3.0, 3.0));

    let off = json!({ "active": false });
    let path = format!("/api/v1/users/{}", proctor.id);
    assert_eq!(world.rest("PATCH", &path, Some(&admin), &off).await.0, 200);
    let fewer = async |left: f64| while transports(&world).await != (left, left) {};
    within("the end of what was played", fewer(1.0)).await;
    let session = world.tokens().check(&token).unwrap().person.subject().id();
    let path = format!("/api/v1/sessions/{session}/revoke");
    assert_eq!(world.rest("POST", &path, Some(&lead), &json!({})).await.0, 204);
    watcher.until_type("publication:removed").await;
    within("the end of what was published", fewer(0.0)).await;
}

#[tokio::test]
async fn offers_that_can_not_be_taken_are_refused_with_the_reason() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let no_screen = Policy {
        screen: SourceRule::Off,
        ..Policy::default()
    };
    let without_screen = world.exam_with("EXAM-2", no_screen).await;
    let (token, id) = candidate(&world, &exam, 1).await;
    let (other, _) = candidate(&world, &without_screen, 2).await;
    let proctor = world.user_token("p@x.org", Role::Proctor).await;
    let expired = {
        let tokens = Tokens::new(
            &world.keys,
            &AuthConfig {
                access_token_s: -3_600,
                ..AuthConfig::default()
            },
        );
        let identity = world.tokens().check(&token).unwrap();
        tokens
            .issue(
                identity.participant,
                identity.role,
                identity.person,
                identity.generation,
            )
            .unwrap()
            .text
    };
    let (whip, whep) = (format!("/whip/{}", exam.id), format!("/whep/{}", exam.id));
    let screenless = format!("/whip/{}", without_screen.id);
    let camera = format!("{whep}/{id}/camera/0");
    let nobody = format!("{whep}/{}/camera/0", exam.id);
    let no_exam = format!("/whep/{id}");
    let good = sending(&["s t"]);
    let one = watching(1);
    let receives = offer(&[("video", "recvonly", "")]);
    let sends = offer(&[("video", "sendonly", "")]);
    let three = sending(&["", "", ""]);
    let twice = sending(&["s camera-0", "camera-0 t"]);
    let ninth = sending(&["s camera-9"]);
    let no_print = good.replace("a=fingerprint", "a=x-fingerprint");
    let other_codec = good.replace("VP8", "VP9").replace("H264", "AV1");
    let screen = sending(&["s screen-0"]);
    let huge = format!("{good}a=x:{}\r\n", "x".repeat(MAX_SDP));
    let layer = format!("{whep}?layer=best");
    for (path, token, sdp, status, code) in [
        (whip.as_str(), "", good.as_str(), 401, "not_authenticated"),
        (&whip, &expired, &good, 401, "token_expired"),
        (&whip, "forged", &good, 401, "token_invalid"),
        (&whip, &proctor, &good, 403, "forbidden"),
        (&whip, &other, &good, 403, "forbidden"),
        ("/whip/none", &token, &good, 404, "not_found"),
        (&whip, &token, "hello", 400, "sdp_invalid"),
        (&whip, &token, "", 400, "sdp_invalid"),
        (&whip, &token, &huge, 413, "too_large"),
        (&whip, &token, &no_print, 422, "fingerprint_mismatch"),
        (&whip, &token, &receives, 422, "sdp_invalid"),
        (&whip, &token, &three, 422, "publication_invalid"),
        (&whip, &token, &twice, 422, "publication_invalid"),
        (&whip, &token, &ninth, 422, "publication_invalid"),
        (&whip, &token, &other_codec, 422, "publication_invalid"),
        (&screenless, &other, &screen, 422, "publication_invalid"),
        (&whep, "", &one, 401, "not_authenticated"),
        (&whep, &token, &one, 403, "forbidden"),
        (&camera, &token, &one, 403, "forbidden"),
        (&camera, &proctor, &one, 404, "not_found"),
        (&nobody, &proctor, &one, 404, "not_found"),
        (&no_exam, &proctor, &one, 404, "not_found"),
        (&format!("{whep}/{id}/window/0"), &proctor, &one, 404, "not_found"),
        (&layer, &proctor, &one, 400, "bad_message"),
        (&whep, &proctor, &sends, 422, "sdp_invalid"),
        (&whep, &proctor, "v=0\r\n", 400, "sdp_invalid"),
    ] {
        let answer = post(&world, path, token, sdp).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{path} {sdp:.60}: {}",
            answer.body
        );
        assert_eq!(answer.header("location"), None);
    }
    for wrong in [
        &[][..],
        &[("content-type", "application/json")],
        &[("content-type", FRAGMENT)],
    ] {
        let answer = call(&world, "POST", &whip, &token, wrong, good.as_bytes()).await;
        assert_eq!(
            (answer.status, answer.header("accept-post")),
            (415, Some(SDP)),
            "{wrong:?}"
        );
    }
    let picky = [("content-type", SDP), ("accept", "text/html")];
    assert_eq!(
        call(&world, "POST", &whip, &token, &picky, good.as_bytes())
            .await
            .status,
        406
    );
    let answer = call(&world, "POST", &whip, &token, &[("content-type", SDP)], b"v=0\r\n\xff").await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "sdp_invalid"));
    // Nothing of all that has left a publication.
    let (_, state) = world.in_room(&proctor, exam.id).await;
    assert_eq!(state["publications"], json!([]));
}

/// RFC 9725 section 4.6, and the same as JSON.
#[tokio::test]
async fn answers_name_the_servers_that_help() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (token, id) = candidate(&world, &exam, 1).await;
    let made = post(&world, &format!("/whip/{}", exam.id), &token, &sending(&["s t"])).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let links: Vec<&str> = made
        .head
        .lines()
        .filter_map(|line| line.strip_prefix("link: "))
        .collect();
    let [stun, udp, tls] = links[..] else {
        panic!("{}", made.head)
    };
    assert_eq!(stun, "<stun:stun.example.org:3478>; rel=\"ice-server\"");
    assert!(udp.starts_with("<turn:turn.example.org?transport=udp>; rel=\"ice-server\"; "));
    assert!(tls.starts_with("<turns:turn.example.org:443?transport=tcp>; rel=\"ice-server\"; "));
    assert!(tls.ends_with("; credential-type=\"password\""));

    let asked = call(&world, "GET", "/api/v1/ice-config", &token, &[], b"").await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    let asked: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(
        asked["servers"][0],
        json!({ "urls": ["stun:stun.example.org:3478"] }),
        "no credentials where none are needed"
    );
    let turn = &asked["servers"][1];
    let (name, password) = (text(&turn["username"]), text(&turn["credential"]));
    let (until, whom) = name.split_once(':').unwrap();
    assert_eq!(whom, id.to_string());
    let left = until.parse::<i64>().unwrap() - now_s();
    assert!((3_000..=3_600).contains(&left), "{left}");
    let again = RelayCredentials::new(TURN_SECRET.as_bytes(), 0).issue(whom, until.parse().unwrap());
    assert_eq!((again.0.as_str(), again.1.as_str()), (name, password));
    let nobody = call(&world, "GET", "/api/v1/ice-config", "", &[], b"").await;
    assert_eq!((nobody.status, nobody.code().as_str()), (401, "not_authenticated"));
}

#[tokio::test]
async fn a_resource_is_its_owners_and_in_one_ice_session() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (token, id) = candidate(&world, &exam, 1).await;
    let (other, _) = candidate(&world, &exam, 2).await;
    let proctor = world.user_token("p@x.org", Role::Proctor).await;
    let (mut watcher, _) = world.in_room(&proctor, exam.id).await;
    let published = post(&world, &format!("/whip/{}", exam.id), &token, &sending(&["s t"])).await;
    watcher.until_type("publication:added").await;
    let played = post(
        &world,
        &format!("/whep/{}/{id}/camera/0", exam.id),
        &proctor,
        &watching(1),
    )
    .await;
    let all = post(&world, &format!("/whep/{}", exam.id), &proctor, &watching(2)).await;
    for (kind, made, owner, others) in [
        ("whip", published, &token, [&other, &proctor]),
        ("whep", played, &proctor, [&other, &token]),
        ("whep", all, &proctor, [&other, &token]),
    ] {
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(made.header("content-type"), Some(SDP));
        let path = made.header("location").unwrap().to_owned();
        let path = path.as_str();
        assert!(path.starts_with(&format!("/{kind}/{}/", exam.id)), "{path}");
        let tag = made.header("etag").unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong tag: {tag}");

        let options = call(&world, "OPTIONS", path, "", &[], b"").await;
        assert_eq!((options.status, options.header("accept-patch")), (200, Some(FRAGMENT)));
        assert_eq!(call(&world, "GET", path, "", &[], b"").await.status, 204);
        assert_eq!(call(&world, "PUT", path, owner, &[], b"").await.status, 405);

        let trickle = fragment(UFRAG, 3);
        let without = call(
            &world,
            "PATCH",
            path,
            owner,
            &[("content-type", FRAGMENT)],
            trickle.as_bytes(),
        )
        .await;
        assert_eq!(without.status, 428);
        for (if_match, body, status) in [
            (tag.as_str(), trickle.as_str(), 204),
            ("*", &trickle, 204),
            (&tag, "a=end-of-candidates\r\n", 204),
            (&format!("\"other\", {tag}"), &trickle, 204),
            ("\"other\"", &trickle, 412),
            (&format!("W/{tag}"), &trickle, 412),
            (&tag, "v=0\r\n", 400),
            (&tag, "", 400),
            (&tag, "a=candidate:1 1 udp 1 192.0.2.1 70000 typ host\r\n", 400),
            (&tag, &"a=x:0123456789\r\n".repeat(2_000), 413),
        ] {
            let answer = patch(&world, path, owner, if_match, body).await;
            assert_eq!(answer.status, status, "{if_match} {body:.60}: {}", answer.body);
            assert_eq!(answer.header("etag"), None);
            assert!(status != 204 || answer.body.is_empty());
        }
        let wrong = [("content-type", SDP), ("if-match", "*")];
        let answer = call(&world, "PATCH", path, owner, &wrong, trickle.as_bytes()).await;
        assert_eq!((answer.status, answer.header("accept-patch")), (415, Some(FRAGMENT)));

        // Others' resources don't exist, and neither does this one under another name.
        let elsewhere = path.replacen(kind, if kind == "whip" { "whep" } else { "whip" }, 1);
        for (path, token, status) in [
            (path, others[0], 404),
            (path, others[1], 404),
            (&elsewhere, owner, 404),
            (path, &String::new(), 401),
        ] {
            assert_eq!(
                patch(&world, path, token, "*", &fragment("else", 1)).await.status,
                status
            );
            assert_eq!(call(&world, "DELETE", path, token, &[], b"").await.status, status);
        }

        let restarted = patch(&world, path, owner, "*", &fragment("again", 1)).await;
        assert_eq!(
            (restarted.status, restarted.header("content-type")),
            (200, Some(FRAGMENT))
        );
        let ufrag = |sdp: &str| {
            sdp.lines()
                .find_map(|line| line.strip_prefix("a=ice-ufrag:").map(str::to_owned))
        };
        assert!(ufrag(&restarted.body).is_some() && ufrag(&restarted.body) != ufrag(&made.body));
        for wanted in ["a=ice-lite\r\n", "a=mid:0\r\n", "a=ice-pwd:", "a=candidate:1 1 udp"] {
            assert!(restarted.body.contains(wanted), "{}", restarted.body);
        }
        let newer = restarted.header("etag").unwrap().to_owned();
        assert_ne!(newer, tag);
        assert_eq!(
            patch(&world, path, owner, &tag, &fragment("again", 1)).await.status,
            412
        );
        assert_eq!(
            patch(&world, path, owner, &newer, &fragment("again", 1)).await.status,
            204
        );
        assert_eq!(
            patch(&world, path, owner, "*", &fragment("again", 1)).await.status,
            204,
            "the same session"
        );

        let ended = call(&world, "DELETE", path, owner, &[("if-match", "\"other\"")], b"").await;
        assert_eq!(ended.status, 200, "a tag is ignored where no session has to match");
        assert_eq!(call(&world, "DELETE", path, owner, &[], b"").await.status, 404);
        assert_eq!(patch(&world, path, owner, "*", &trickle).await.status, 404);
    }
}

#[tokio::test]
async fn m_lines_are_published_by_their_names_and_are_gone_with_the_resource() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (token, id) = candidate(&world, &exam, 1).await;
    let proctor = world.user_token("p@x.org", Role::Proctor).await;
    let (mut watcher, _) = world.in_room(&proctor, exam.id).await;
    let sdp = offer(&[
        ("video", "sendonly", "s screen-1"),
        ("audio", "sendonly", "s t"),
        ("video", "sendonly", "camera-0 t"),
        ("video", "sendonly", "s t2"),
    ]);
    let made = post(&world, &format!("/whip/{}", exam.id), &token, &sdp).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.body.matches("a=recvonly").count(), 4, "{}", made.body);
    let mut added = Vec::new();
    for _ in 0..4 {
        let frame = watcher.until_type("publication:added").await;
        assert_eq!(frame["publication"]["participant"], json!(id));
        added.push(text(&frame["publication"]["publication"]).to_owned());
    }
    assert_eq!(added, ["screen/1", "microphone/0", "camera/0", "screen/0"]);
    let location = made.header("location").unwrap();
    assert_eq!(call(&world, "DELETE", location, &token, &[], b"").await.status, 200);
    for _ in 0..4 {
        watcher.until_type("publication:removed").await;
    }
    let (_, state) = world
        .in_room(&world.user_token("q@x.org", Role::Proctor).await, exam.id)
        .await;
    assert_eq!(state["publications"], json!([]));
}

#[tokio::test]
async fn endpoints_say_what_they_take() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let origin = ("origin", "https://exam.example.org");
    for path in [
        format!("/whip/{}", exam.id),
        format!("/whep/{}", exam.id),
        format!("/whep/{0}/{0}/camera/0", exam.id),
    ] {
        let options = call(&world, "OPTIONS", &path, "", &[origin], b"").await;
        assert_eq!(
            (options.status, options.header("accept-post")),
            (200, Some(SDP)),
            "{path}"
        );
        let methods = options.header("access-control-allow-methods").unwrap();
        assert!(
            ["post", "patch", "delete"]
                .iter()
                .all(|method| methods.contains(method)),
            "{methods}"
        );
        let allowed = options.header("access-control-allow-headers").unwrap();
        assert!(
            ["authorization", "content-type", "if-match"]
                .iter()
                .all(|name| allowed.contains(name))
        );
        let exposed = options.header("access-control-expose-headers").unwrap();
        assert!(["location", "etag", "link"].iter().all(|name| exposed.contains(name)));
        assert_eq!(call(&world, "GET", &path, "", &[], b"").await.status, 204);
        assert_eq!(call(&world, "DELETE", &path, "", &[], b"").await.status, 405);
    }
}
