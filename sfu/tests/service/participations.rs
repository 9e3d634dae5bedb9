//! Who was there: stays of candidates and of those who watch, from their first frame to however they end, read by leads and reviewers.

use crate::common::{Client, World, device, text, within};
use invigil_sfu::clock::{fresh, now_us};
use invigil_sfu::store::participations::{NewPoint, StayRecord};
use invigil_shared::exam::ExamInfo;
use invigil_shared::id::{ExamId, ParticipationId, SessionId};
use invigil_shared::participation::{PathAverages, StatisticsPoint};
use invigil_shared::role::Role;
use serde_json::{Value, json};

async fn seated(world: &World, exam: &ExamInfo, n: u8) -> (Client, String) {
    let secret = world.entry(exam, &format!("Candidate {n}")).await;
    let joined = world.join(&exam.code, &secret, &device(n)).await;
    let token = text(&joined["access_token"]).to_owned();
    (world.in_room(&token, exam.id).await.0, token)
}

async fn stays(world: &World, token: &str, exam: ExamId) -> Vec<Value> {
    let path = format!("/api/v1/exams/{exam}/participations");
    let (status, body) = world.rest("GET", &path, Some(token), &Value::Null).await;
    assert_eq!(status, 200, "{body}");
    body.as_array().unwrap().clone()
}

/// Reads until the stays are as they should be: they are written within a second or two.
async fn until(world: &World, token: &str, exam: ExamId, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    within("the stays that were expected", async {
        loop {
            let stays = stays(world, token, exam).await;
            if wanted(&stays) {
                return stays;
            }
        }
    })
    .await
}

fn departures(stays: &[Value], name: &str) -> Vec<String> {
    let of = stays.iter().filter(|stay| stay["name"] == name);
    of.map(|stay| stay["departure"].as_str().unwrap_or("there").to_owned())
        .collect()
}

#[tokio::test]
async fn a_stay_ends_as_it_ended() {
    let world = World::start_set(|config| config.limits.statistics_every_s = 1).await;
    let exam = world.exam("EXAM-1").await;
    let token = world.user_token("l@x.org", Role::Lead).await;
    let (mut lead, _) = world.in_room(&token, exam.id).await;
    let (mut one, one_token) = seated(&world, &exam, 1).await;
    let (mut two, _) = seated(&world, &exam, 2).await;
    let (three, _) = seated(&world, &exam, 3).await;
    let (four, four_token) = seated(&world, &exam, 4).await;
    let begun = until(&world, &token, exam.id, |stays| stays.len() == 5).await;
    assert!(
        begun
            .iter()
            .all(|stay| stay["left_at"].is_null() && stay["departure"].is_null())
    );
    assert_eq!(text(&begun[0]["name"]), "Name of l@x.org");
    assert_eq!(
        (text(&begun[0]["role"]), text(&begun[1]["role"])),
        ("lead", "candidate")
    );
    assert!(begun[0].get("entry").is_none() && begun[1].get("entry").is_some());

    assert_eq!(one.request(json!({ "type": "room:leave" })).await["type"], "ok");
    assert_eq!(two.request(json!({ "type": "session:finish" })).await["type"], "ok");
    drop(three);
    let removed = begun.iter().find(|stay| stay["name"] == "Candidate 4").unwrap()["participant"].clone();
    let remove = json!({ "type": "action", "action": "remove", "participant": removed, "reason": "a phone" });
    assert_eq!(lead.request(remove).await["type"], "ok");
    let ended = until(&world, &token, exam.id, |stays| {
        stays.iter().filter(|stay| !stay["left_at"].is_null()).count() == 4
    })
    .await;
    for (name, departure) in [
        ("Candidate 1", "left"),
        ("Candidate 2", "finished"),
        ("Candidate 3", "lost"),
        ("Candidate 4", "removed"),
    ] {
        assert_eq!(departures(&ended, name), [departure], "{ended:?}");
    }
    drop(four);

    // Who comes back stays anew.
    let (mut one, _) = world.in_room(&one_token, exam.id).await;
    let (four, _) = world.in_room(&four_token, exam.id).await;
    let again = until(&world, &token, exam.id, |stays| stays.len() == 7).await;
    assert_eq!(departures(&again, "Candidate 1"), ["left", "there"]);
    let close = json!({ "type": "action", "action": "close", "reason": "it is over" });
    assert_eq!(lead.request(close).await["type"], "ok");
    assert!(one.closed().await.contains("exam_closed"));
    drop(four);
    let over = until(&world, &token, exam.id, |stays| {
        stays.iter().all(|stay| !stay["left_at"].is_null())
    })
    .await;
    assert_eq!(departures(&over, "Candidate 1"), ["left", "closed"]);
    assert_eq!(departures(&over, "Name of l@x.org"), ["closed"]);
    for stay in &over {
        assert!(
            stay["joined_at"].as_i64().unwrap() <= stay["left_at"].as_i64().unwrap(),
            "{stay}"
        );
    }

    let path = format!("/api/v1/exams/{}", exam.id);
    let (_, listed) = world.rest("GET", &path, Some(&token), &Value::Null).await;
    assert_eq!(listed["peak"], 4, "{listed}");
}

#[tokio::test]
async fn what_a_server_left_open_is_ended_by_the_next_one() {
    let mut world = World::start_set(|config| config.limits.statistics_every_s = 1).await;
    let exam = world.exam("EXAM-1").await;
    let token = world.user_token("l@x.org", Role::Lead).await;
    let (_client, _) = seated(&world, &exam, 1).await;
    until(&world, &token, exam.id, |stays| stays.len() == 1).await;
    world.stop().await;
    let stopped = world
        .store
        .participations(exam.id, ParticipationId(sqlx::types::Uuid::nil()), 9)
        .await
        .unwrap();
    assert_eq!(
        stopped[0].departure.unwrap().as_str(),
        "server_stopped",
        "whoever is there when it stops"
    );
    // As a server leaves it that is killed.
    let session: SessionId = world.store.joined_sessions(exam.id).await.unwrap()[0].0.id;
    let seat = world.store.session(session).await.unwrap().unwrap();
    let now = now_us();
    let killed = StayRecord {
        id: fresh(ParticipationId::from_parts),
        exam: exam.id,
        participant: seat.participant,
        role: Role::Candidate,
        entry: Some(seat.entry),
        account: None,
        joined_at: now - 90_000_000,
        seen_at: now - 60_000_000,
        left: None,
        averages: PathAverages::default(),
        trend: Vec::new(),
        first: true,
    };
    world.store.keep_stays(vec![killed], Vec::new()).await.unwrap();
    world.restart().await;
    let ended = until(&world, &token, exam.id, |stays| {
        stays.len() == 2 && stays.iter().all(|stay| !stay["left_at"].is_null())
    })
    .await;
    assert_eq!(departures(&ended, "Candidate 1"), ["server_stopped", "server_stopped"]);
    assert_eq!(ended[1]["left_at"], now - 60_000_000, "when it was last seen");
}

#[tokio::test]
async fn leads_reviewers_and_admins_read_who_was_there() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let lead = world.user_token("l@x.org", Role::Lead).await;
    let (_client, candidate) = seated(&world, &exam, 1).await;
    let there = until(&world, &lead, exam.id, |stays| stays.len() == 1).await;
    let id: ParticipationId = text(&there[0]["id"]).parse().unwrap();
    let point = StatisticsPoint {
        at: 5,
        path: PathAverages {
            rtt_us: Some(31_000),
            ..PathAverages::default()
        },
        layers: 3,
    };
    let new = NewPoint {
        participation: id,
        point,
    };
    world.store.keep_stays(Vec::new(), vec![new]).await.unwrap();
    let list = format!("/api/v1/exams/{}/participations", exam.id);
    let series = format!("{list}/{id}/statistics");
    for (role, may) in [
        (Role::Proctor, false),
        (Role::Lead, true),
        (Role::Reviewer, true),
        (Role::Admin, true),
    ] {
        let token = world.user_token(&format!("{}@x.org", role.as_str()), role).await;
        for path in [&list, &series] {
            let (status, body) = world.rest("GET", path, Some(&token), &Value::Null).await;
            assert_eq!(status, if may { 200 } else { 403 }, "{role:?} {path}: {body}");
        }
    }
    for path in [&list, &series] {
        assert_eq!(world.rest("GET", path, Some(&candidate), &Value::Null).await.0, 403);
        assert_eq!(world.rest("GET", path, None, &Value::Null).await.0, 401);
    }
    let (_, body) = world.rest("GET", &series, Some(&lead), &Value::Null).await;
    let expected =
        json!([{ "at": 5, "rtt_us": 31_000, "up_bps": null, "down_bps": null, "lost_ppm": null, "layers": 3 }]);
    assert_eq!(body, expected);
    // Neither of an exam that there is not, nor a stay of another exam's.
    let other = world.exam("EXAM-2").await;
    for path in [
        format!("/api/v1/exams/{}/participations", fresh(ExamId::from_parts)),
        format!("/api/v1/exams/{}/participations/{id}/statistics", other.id),
        format!("{list}/{}/statistics", fresh(ParticipationId::from_parts)),
    ] {
        assert_eq!(
            world.rest("GET", &path, Some(&lead), &Value::Null).await.0,
            404,
            "{path}"
        );
    }
    let (status, head, _) = world
        .http(
            "GET",
            &format!("{list}?limit=1"),
            &[("authorization", &format!("Bearer {lead}"))],
            b"",
        )
        .await;
    assert_eq!(
        (status, head.contains("rel=\"next\"")),
        (200, false),
        "one page holds it"
    );
}
