//! `kill -9` in the middle of writes: what was acknowledged is there, once. Three times here; `INVIGIL_KILLS=100` more often
//! (`cargo xtask prove kills`), and `INVIGIL_KILL_SEED` the same moments again.

use crate::common::{Client, World, device, text, within};
use invigil_sfu::audit::{CHECKPOINT_FILE, checkpoint, verify};
use invigil_sfu::clock;
use invigil_shared::chain::ChainHead;
use invigil_shared::exam::ExamInfo;
use invigil_shared::id::{BootId, SessionId};
use invigil_shared::integrity::{EventTime, IntegrityEvent, IntegrityKind, IntegrityPayload, Observer};
use invigil_shared::role::Role;
use invigil_shared::timeline::TimelineBody;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

const KILLS: usize = 3;
/// How long after the first acknowledgements the process is killed, at most, milliseconds.
const MOST_MS: u64 = 400;
const CANDIDATES: u8 = 2;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// The server as a process, on the world's data.
async fn serve(world: &mut World) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_invigil-sfu"));
    command
        .args([
            "serve",
            "--development",
            "--listen",
            "127.0.0.1:0",
            "--media",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(world.directory.path().join("data"))
        .env("INVIGIL_DATABASE", world.database.as_deref().unwrap_or_default())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    within("being ready", output.read_line(&mut line)).await.unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line}"));
    world.https = text(&ready["https"]).parse().unwrap();
    child
}

/// What a candidate knows, across all kills.
struct Writer {
    n: u8,
    session: SessionId,
    token: String,
    /// Chat lines that the server said it has, with their ids.
    chats: BTreeMap<String, Value>,
    next_chat: u32,
    journal: ChainHead,
    /// Events that are not acknowledged, oldest first.
    waiting: VecDeque<IntegrityEvent>,
    acknowledged: u64,
}

impl Writer {
    fn event(&mut self) {
        let n = self.journal.seq as i64;
        let payload = IntegrityPayload {
            kind: IntegrityKind::FocusLost,
            time: EventTime {
                boot_id: BootId::from_parts(1, [self.n; 10]),
                monotonic_us: n,
                wall_us: n,
            },
            observer: Observer::System,
            confidence: 90,
            begins: None,
            facts: BTreeMap::new(),
        };
        let payload = serde_json::to_string(&payload).unwrap();
        let event = self.journal.append(self.session, [n as u8; 16], payload);
        self.waiting.push_back(event);
    }

    /// Writes until the connection breaks: a line, then two events, each after the answer to the one before. `begun` hears of the
    /// first answers.
    async fn write(mut self, world: &World, exam: &ExamInfo, begun: watch::Sender<bool>) -> Self {
        let (mut client, state) = world.in_room(&self.token, exam.id).await;
        // What the server has need not be sent again.
        self.acknowledge(&state["chain"]);
        loop {
            let line = format!("candidate {} line {}", self.n, self.next_chat);
            self.next_chat += 1;
            let chat = json!({ "type": "message:send", "to": null, "kind": "chat", "text": line });
            match client.try_request(chat).await {
                Ok(answer) if answer["type"] == "message:sent" => {
                    self.chats.insert(line, answer["message"].clone());
                }
                // Somebody who writes so much has to wait; events have room of their own.
                Ok(answer) => assert_eq!(answer["code"], "rate_limited", "{answer}"),
                Err(_) => return self,
            }
            self.event();
            self.event();
            let events: Vec<_> = self.waiting.iter().take(8).collect();
            let Ok(answer) = client
                .try_request(json!({ "type": "integrity:event", "events": events }))
                .await
            else {
                return self;
            };
            assert_eq!(answer["type"], "integrity:ack", "{answer}");
            self.acknowledge(&answer["head"]);
            begun.send_replace(true);
        }
    }

    fn acknowledge(&mut self, head: &Value) {
        let seq = head["seq"].as_u64().unwrap();
        assert!(seq >= self.acknowledged, "{seq} after {}", self.acknowledged);
        self.acknowledged = seq;
        while self.waiting.front().is_some_and(|event| event.seq <= seq) {
            self.waiting.pop_front();
        }
    }
}

/// Locks and unlocks a candidate until the connection breaks: how many steps were acknowledged.
async fn toggle(mut lead: Client, who: Value, mut locked: bool) -> u64 {
    for steps in 0.. {
        let request = if locked {
            json!({ "type": "action", "action": "continue", "participant": who })
        } else {
            json!({ "type": "action", "action": "lock", "participant": who, "reason": "a test" })
        };
        match lead.try_request(request).await {
            Ok(answer) if answer["type"] == "ok" => locked = !locked,
            Ok(answer) if answer["code"] == "rate_limited" => {
                // Nothing more from this one: the server is killed long before it finds the connection idle.
                lead.closed().await;
                return steps;
            }
            Ok(answer) => panic!("{answer}"),
            Err(_) => return steps,
        }
    }
    0
}

async fn candidate(world: &World, exam: &ExamInfo, n: u8) -> Writer {
    let secret = world.entry(exam, &format!("Candidate {n}")).await;
    let joined = world.join(&exam.code, &secret, &device(n)).await;
    let session: SessionId = text(&joined["session"]).parse().unwrap();
    let token = text(&joined["access_token"]).to_owned();
    // In the room once, so that a lead can reach it.
    world.in_room(&token, exam.id).await;
    Writer {
        n,
        session,
        token,
        chats: BTreeMap::new(),
        next_chat: 0,
        journal: ChainHead::new(session),
        waiting: VecDeque::new(),
        acknowledged: 0,
    }
}

/// Every line of the store against what was acknowledged.
async fn compare(world: &World, exam: &ExamInfo, writers: &[Writer]) {
    let mut lines: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for entry in world.store.timeline(exam.id, 1_000_000).await.unwrap() {
        if let TimelineBody::Message { message, text, .. } = entry.body {
            lines.entry(text).or_default().push(json!(message));
        }
    }
    for writer in writers {
        for (line, id) in &writer.chats {
            assert_eq!(
                lines.get(line),
                Some(&vec![id.clone()]),
                "{line}: acknowledged, and there once"
            );
        }
        let session = world.store.session(writer.session).await.unwrap().unwrap();
        assert!(
            session.chain.seq >= writer.acknowledged,
            "an acknowledged event is gone"
        );
        let payloads = world.store.payloads(writer.session).await.unwrap();
        assert_eq!(payloads.len() as u64, session.chain.seq);
        for (n, payload) in payloads.iter().enumerate() {
            let payload: IntegrityPayload = serde_json::from_str(payload).unwrap();
            assert_eq!(payload.time.wall_us, n as i64, "events stand once and in their order");
        }
    }
    for (line, ids) in &lines {
        assert_eq!(ids.len(), 1, "{line} stands more than once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled() {
    let kills = setting("INVIGIL_KILLS").map_or(KILLS, |kills| kills as usize);
    let seed = setting("INVIGIL_KILL_SEED").unwrap_or_else(|| u64::from_be_bytes(clock::random()));
    eprintln!("seed {seed}");
    let mut moments = StdRng::seed_from_u64(seed);
    let mut world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let mut writers = Vec::new();
    for n in 1..=CANDIDATES {
        writers.push(candidate(&world, &exam, n).await);
    }
    let lead_token = world.user_token("l@x.org", Role::Lead).await;
    let target = writers[0].session;
    let who = json!(world.store.session(target).await.unwrap().unwrap().participant);
    world.stop().await;
    let (mut chats, mut events, mut steps) = (0, 0, 0);
    for kill in 0..kills {
        let mut server = serve(&mut world).await;
        let before = world.store.session(target).await.unwrap().unwrap();
        let lead = world.in_room(&lead_token, exam.id).await.0;
        let toggling = tokio::spawn(toggle(lead, who.clone(), before.sitting.locked));
        let mut begun = Vec::new();
        let mut running = Vec::new();
        for writer in std::mem::take(&mut writers) {
            let (tell, told) = watch::channel(false);
            begun.push(told);
            running.push(writer.write(&world, &exam, tell));
        }
        let killing = async {
            for told in &mut begun {
                within("the first answers", told.wait_for(|begun| *begun))
                    .await
                    .unwrap();
            }
            tokio::time::sleep(Duration::from_millis(moments.random_range(0..MOST_MS))).await;
            server.start_kill().unwrap();
            let status = within("the end", server.wait()).await.unwrap();
            assert!(!status.success(), "it was killed");
        };
        let (ended, ()) = tokio::join!(futures_util::future::join_all(running), killing);
        writers = ended;
        let taken = within("the lead's end", toggling).await.unwrap();
        settle(&world).await;
        let after = world.store.session(target).await.unwrap().unwrap();
        let stored = u64::try_from(after.sitting_revision - before.sitting_revision).unwrap();
        assert!(
            stored == taken || stored == taken + 1,
            "kill {kill}: {taken} steps were acknowledged, {stored} are there"
        );
        assert_eq!(after.sitting.locked, before.sitting.locked != (stored % 2 == 1));
        compare(&world, &exam, &writers).await;
        steps += taken;
        chats = writers.iter().map(|writer| writer.chats.len()).sum();
        events = writers.iter().map(|writer| writer.acknowledged).sum();
    }
    let data = world.directory.path().join("data");
    let checkpoints = std::fs::read_to_string(data.join(CHECKPOINT_FILE)).unwrap_or_default();
    let public = checkpoint::public_key(&data).unwrap();
    let verdict = verify::verify(&*world.store, &checkpoints, &public).await.unwrap();
    assert!(verdict.findings.is_empty(), "{}", verdict.words());
    assert!(chats > kills && events > kills as u64 && steps > 0);
    println!(
        "kills: {kills} kills, {chats} lines, {events} events and {steps} steps acknowledged, nothing lost or doubled"
    );
}

/// Waits until the database has done with what a killed server had sent: its connection is gone, and the next write comes after.
async fn settle(world: &World) {
    within("a write after the kill", world.store.check_writable())
        .await
        .unwrap();
}
