//! Ten thousand signalling connections: candidates and proctors over TLS, opened within a minute and held, while some candidates
//! report events and the proctors of their exam see them.

use crate::figures::{Ranks, ranks};
use crate::machine::{Meter, Used, resident_kib};
use anyhow::{Context, Result, bail, ensure};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use invigil_client::clock::wall_us;
use invigil_sfu::auth::identity::Person;
use invigil_sfu::auth::{ServerKeys, Tokens};
use invigil_sfu::clock;
use invigil_sfu::config::AuthConfig;
use invigil_sfu::store::records::{NewRosterEntry, SessionRecord, UserRecord};
use invigil_sfu::store::{self, Store};
use invigil_shared::chain::ChainHead;
use invigil_shared::exam::{Allowances, ExamInfo, ExamStatus, Policy, RosterEntry};
use invigil_shared::id::{BootId, ExamId, ParticipantId, RosterEntryId, SessionId, UserId};
use invigil_shared::integrity::{EventTime, IntegrityKind, IntegrityPayload, Observer};
use invigil_shared::role::Role;
use invigil_shared::signal::{ClientMessage, ServerMessage};
use invigil_shared::sitting::Sitting;
use invigil_shared::timeline::TimelineBody;
use invigil_tests::light::link::{Link, Server};
use invigil_tests::sfu::Sfu;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Candidates of one exam.
const ROOM: usize = 500;
/// A sign of life: the server waits 20 s for one.
const PING: Duration = Duration::from_secs(8);
/// Descriptors beside those of the sockets.
const SPARE: usize = 512;
/// Sessions that are made at once.
const AT_ONCE: usize = 64;
/// After the last event, until it has to be seen.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, clap::Args)]
pub struct SocketsOptions {
    /// The server to start; the one beside this program when none is given.
    #[arg(long)]
    pub sfu: Option<PathBuf>,
    #[arg(long, default_value_t = 10_000)]
    pub sockets: usize,
    /// Seconds in which they are opened.
    #[arg(long, default_value_t = 60)]
    pub ramp: u64,
    /// Seconds that they are held; a token is good for 15 minutes.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub hold: u64,
    /// Integrity events a second, of all candidates together.
    #[arg(long, default_value_t = 100)]
    pub events: u64,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub sockets: usize,
    pub exams: usize,
    pub opened: usize,
    pub opened_in_s: f64,
    /// From connecting to `room:state`, milliseconds.
    pub open_ms: Ranks,
    pub held_s: f64,
    /// Connections that ended before we ended them.
    pub dropped: usize,
    /// Resident memory of the server that each socket brought.
    pub kib_each: f64,
    pub resident_before_kib: u64,
    pub resident_kib: u64,
    pub events: usize,
    /// From sending an event to its line in the timeline of the exam's proctor, milliseconds.
    pub event_ms: Ranks,
    pub unseen: usize,
    /// While they were held.
    pub sfu: Used,
    pub generator: Used,
}

impl Report {
    pub fn print(&self) {
        println!(
            "{} of {} sockets opened in {:.0} s, p99 {:.0} ms; {} dropped in {:.0} s; {:.1} KiB each",
            self.opened, self.sockets, self.opened_in_s, self.open_ms.p99, self.dropped, self.held_s, self.kib_each
        );
        println!(
            "{} events, to the proctor p50 {:.0} ms, p99 {:.0} ms, {} unseen; SFU {:.0}% of a core, generator {:.0}%",
            self.events, self.event_ms.p50, self.event_ms.p99, self.unseen, self.sfu.percent, self.generator.percent
        );
    }
}

/// A way in.
struct Seat {
    exam: ExamId,
    token: String,
    /// None for a proctor.
    session: Option<SessionId>,
    participant: ParticipantId,
}

/// What all connections share.
struct Shared {
    server: Server,
    /// When an event was sent, by participant and number.
    sent: Mutex<HashMap<(ParticipantId, u64), Instant>>,
    seen_ms: Mutex<Vec<f64>>,
    open_ms: Mutex<Vec<f64>>,
    dropped: AtomicUsize,
    ending: watch::Receiver<bool>,
}

pub async fn play(options: &SocketsOptions, folder: &Path) -> Result<Report> {
    let descriptors = options.sockets + SPARE;
    raise_descriptors(std::process::id(), descriptors)?;
    let connections = (options.sockets + SPARE / 2).to_string();
    let binary = options.sfu.clone();
    // The server inherits the limit.
    let sfu = Sfu::start_binary_with(binary.as_deref(), folder, &["--max-connections", &connections])?;
    println!("seating {} people", options.sockets);
    let (seats, exams) = seat(&sfu, options.sockets).await?;
    let (end, ending) = watch::channel(false);
    let shared = Arc::new(Shared {
        server: Server::new(&sfu.ready.https, &sfu.ready.certificate_sha256)?,
        sent: Mutex::default(),
        seen_ms: Mutex::default(),
        open_ms: Mutex::default(),
        dropped: AtomicUsize::new(0),
        ending,
    });
    let resident_before_kib = resident_kib(sfu.id())?;
    let began = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_secs(options.ramp) / u32::try_from(options.sockets.max(1))?);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut people = tokio::task::JoinSet::new();
    let mut candidates = Vec::new();
    let (ready, mut readies) = mpsc::channel(options.sockets.max(1));
    for (n, seat) in seats.into_iter().enumerate() {
        pace.tick().await;
        let (shared, ready) = (Arc::clone(&shared), ready.clone());
        if seat.session.is_some() {
            let (wake, woken) = mpsc::channel(4);
            candidates.push(wake);
            people.spawn(async move { sit(seat, &shared, &ready, woken).await });
        } else {
            people.spawn(async move { watch_room(seat, &shared, &ready).await });
        }
        if (n + 1) % 1_000 == 0 {
            println!("  {} connecting after {:.0} s", n + 1, began.elapsed().as_secs_f64());
        }
    }
    drop(ready);
    let mut opened = 0;
    while opened < options.sockets {
        match tokio::time::timeout(Duration::from_secs(60), readies.recv()).await {
            Ok(Some(())) => opened += 1,
            Ok(None) | Err(_) => break,
        }
    }
    let opened_in_s = began.elapsed().as_secs_f64();
    println!(
        "{opened} open after {opened_in_s:.0} s, holding them for {} s",
        options.hold
    );
    let (meter, own) = (Meter::start(sfu.id())?, Meter::start(std::process::id())?);
    let held = Instant::now();
    let events = hold(options, &candidates).await;
    tokio::time::sleep(PATIENCE).await;
    let (sfu_used, generator, held_s) = (meter.read()?, own.read()?, held.elapsed().as_secs_f64());
    let dropped = shared.dropped.load(Ordering::Relaxed);
    end.send_replace(true);
    while let Some(ended) = people.join_next().await {
        // Why one fell out stands in the log; how many is in the report.
        if let Err(error) = ended? {
            tracing::warn!("{error:#}");
        }
    }
    let lock = |values: &Mutex<Vec<f64>>| values.lock().map(|values| values.clone()).unwrap_or_default();
    let resident = sfu_used.resident_kib;
    Ok(Report {
        sockets: options.sockets,
        exams,
        opened,
        opened_in_s,
        open_ms: ranks(lock(&shared.open_ms)),
        held_s,
        dropped,
        kib_each: resident.saturating_sub(resident_before_kib) as f64 / opened.max(1) as f64,
        resident_before_kib,
        resident_kib: resident,
        events,
        event_ms: ranks(lock(&shared.seen_ms)),
        unseen: shared.sent.lock().map_or(0, |sent| sent.len()),
        sfu: sfu_used,
        generator,
    })
}

/// Lets candidates report events, one after the other, until the time is over; how many did.
async fn hold(options: &SocketsOptions, candidates: &[mpsc::Sender<()>]) -> usize {
    let mut events = 0;
    let end = tokio::time::Instant::now() + Duration::from_secs(options.hold);
    let mut pace = tokio::time::interval(Duration::from_secs(1) / u32::try_from(options.events.max(1)).unwrap_or(1));
    let mut told = Instant::now();
    for n in 0.. {
        if tokio::time::Instant::now() >= end || candidates.is_empty() || options.events == 0 {
            break;
        }
        pace.tick().await;
        // Exams take turns: neighbours of the list are of one exam.
        if let Some(candidate) = candidates.get((n * (ROOM + 1)) % candidates.len())
            && candidate.try_send(()).is_ok()
        {
            events += 1;
        }
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            println!("  {events} events");
        }
    }
    tokio::time::sleep_until(end).await;
    events
}

async fn enter(seat: &Seat, shared: &Shared, ready: &mpsc::Sender<()>) -> Result<Link> {
    let began = Instant::now();
    let (link, _) = Link::enter(&shared.server, &seat.token, seat.exam).await?;
    if let Ok(mut open) = shared.open_ms.lock() {
        open.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    let _ = ready.send(()).await;
    Ok(link)
}

/// Ends well only when it is asked to.
async fn sit(seat: Seat, shared: &Shared, ready: &mpsc::Sender<()>, mut woken: mpsc::Receiver<()>) -> Result<()> {
    let mut link = enter(&seat, shared, ready).await?;
    let session = seat.session.context("a candidate has a session")?;
    let mut journal = ChainHead::new(session);
    let mut ending = shared.ending.clone();
    let mut ping = pings();
    let ended = loop {
        tokio::select! {
            () = asked(&mut ending) => return Ok(()),
            _ = ping.tick() => if let Err(error) = link.ping().await { break error },
            Some(()) = woken.recv() => {
                let now = wall_us();
                let payload = IntegrityPayload {
                    kind: IntegrityKind::FocusLost,
                    time: EventTime { boot_id: BootId::from_parts(1, [1; 10]), monotonic_us: now, wall_us: now },
                    observer: Observer::System,
                    confidence: 100,
                    begins: None,
                    facts: BTreeMap::new(),
                };
                let event = journal.append(session, clock::random(), serde_json::to_string(&payload)?);
                if let Ok(mut sent) = shared.sent.lock() {
                    sent.insert((seat.participant, event.seq), Instant::now());
                }
                if let Err(error) = link.notify(ClientMessage::IntegrityEvents { events: vec![event] }).await { break error }
            }
            message = link.receive() => if let Err(error) = message { break error },
        }
    };
    shared.dropped.fetch_add(1, Ordering::Relaxed);
    Err(ended.context("a candidate fell out"))
}

async fn watch_room(seat: Seat, shared: &Shared, ready: &mpsc::Sender<()>) -> Result<()> {
    let mut link = enter(&seat, shared, ready).await?;
    let mut ending = shared.ending.clone();
    let mut ping = pings();
    let ended = loop {
        tokio::select! {
            () = asked(&mut ending) => return Ok(()),
            _ = ping.tick() => if let Err(error) = link.ping().await { break error },
            message = link.receive() => match message {
                Ok(ServerMessage::TimelineEntry { entry }) => {
                    let TimelineBody::Integrity { seq, .. } = entry.body else { continue };
                    let sent = shared.sent.lock().ok().and_then(|mut sent| sent.remove(&(entry.participant, seq)));
                    if let (Some(sent), Ok(mut seen)) = (sent, shared.seen_ms.lock()) {
                        seen.push(sent.elapsed().as_secs_f64() * 1_000.0);
                    }
                }
                Ok(_) => {}
                Err(error) => break error,
            },
        }
    };
    shared.dropped.fetch_add(1, Ordering::Relaxed);
    Err(ended.context("a proctor fell out"))
}

async fn asked(ending: &mut watch::Receiver<bool>) {
    let _ = ending.wait_for(|ending| *ending).await;
}

/// Spread, so that not all speak in one second.
fn pings() -> tokio::time::Interval {
    let first = PING.mul_f64(rand::random::<f64>());
    tokio::time::interval_at(tokio::time::Instant::now() + first, PING)
}

/// Exams of [`ROOM`] candidates and a proctor each, straight into the store, as the command line does beside the server; the way in
/// of everybody, proctors first.
async fn seat(sfu: &Sfu, sockets: usize) -> Result<(Vec<Seat>, usize)> {
    ensure!(sockets > 1, "a proctor and a candidate are needed");
    let keys = ServerKeys::open(sfu.data())?;
    let tokens = Tokens::new(&keys, &AuthConfig::default());
    let store = store::open(sfu.data(), None).await?;
    let exams = sockets.div_ceil(ROOM + 1);
    let (mut proctors, mut candidates, mut left) = (Vec::new(), Vec::new(), sockets - exams);
    for n in 0..exams {
        let now = clock::now_us();
        let exam = ExamInfo {
            id: clock::fresh(ExamId::from_parts),
            title: format!("Exam {n}"),
            code: format!("LOAD-{n}"),
            status: ExamStatus::Active,
            starts_at: now,
            ends_at: now + 7_200_000_000,
            policy: Policy::default(),
        };
        store.make_exam(exam.clone(), u32::try_from(ROOM)?, None).await?;
        let user = account(n);
        let (id, participant) = (user.id, clock::fresh(ParticipantId::from_parts));
        store.add_user(user).await?;
        let token = tokens.issue(participant, Role::Proctor, Person::User(id), 0)?.text;
        proctors.push(Seat {
            exam: exam.id,
            token,
            session: None,
            participant,
        });
        let there = left.min(ROOM);
        left -= there;
        candidates.extend(sessions(&*store, &tokens, &exam, there).await?);
    }
    store.close().await;
    if left > 0 {
        bail!("{left} people have no place");
    }
    proctors.extend(candidates);
    Ok((proctors, exams))
}

fn account(n: usize) -> UserRecord {
    UserRecord {
        id: clock::fresh(UserId::from_parts),
        email: format!("proctor-{n}@load.example"),
        name: format!("Proctor {n}"),
        role: Role::Proctor,
        password_hash: None,
        created_at: clock::now_us(),
        deactivated_at: None,
        generation: 0,
    }
}

async fn sessions(store: &dyn Store, tokens: &Tokens, exam: &ExamInfo, n: usize) -> Result<Vec<Seat>> {
    let entries: Vec<NewRosterEntry> = (0..n)
        .map(|n| NewRosterEntry {
            entry: RosterEntry {
                id: clock::fresh(RosterEntryId::from_parts),
                exam: exam.id,
                label: format!("Candidate {n:03}"),
                seat: None,
                allowances: Allowances::default(),
            },
            secret_hash: clock::random::<32>().to_vec(),
            created_at: clock::now_us(),
        })
        .collect();
    let ids: Vec<RosterEntryId> = entries.iter().map(|new| new.entry.id).collect();
    store.add_entries(exam.id, entries, None).await?;
    let open = ids.into_iter().map(|entry| async move {
        let id = clock::fresh(SessionId::from_parts);
        let fresh = SessionRecord {
            id,
            exam: exam.id,
            entry,
            participant: clock::fresh(ParticipantId::from_parts),
            device_key: None,
            created_at: clock::now_us(),
            joined_at: None,
            finished_at: None,
            looked_at: 0,
            chain: ChainHead::new(id),
            sitting: Sitting::default(),
            sitting_revision: 0,
            revoked_at: None,
            generation: 0,
            proctor: None,
        };
        let record = store.open_session(fresh).await?;
        let person = Person::Candidate {
            session: record.id,
            exam: exam.id,
        };
        let token = tokens.issue(record.participant, Role::Candidate, person, 0)?.text;
        anyhow::Ok(Seat {
            exam: exam.id,
            token,
            session: Some(record.id),
            participant: record.participant,
        })
    });
    stream::iter(open).buffered(AT_ONCE).try_collect().await
}

/// The limit of open files, of this process and those that it starts.
fn raise_descriptors(process: u32, wanted: usize) -> Result<()> {
    let limit = format!("--nofile={wanted}:{wanted}");
    let raised = Command::new("prlimit")
        .arg(format!("--pid={process}"))
        .arg(limit)
        .status();
    let raised = raised.context("prlimit is missing (package util-linux)")?;
    ensure!(raised.success(), "{wanted} open files are not allowed here");
    Ok(())
}
