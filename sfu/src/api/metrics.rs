//! `GET /metrics` in Prometheus' text format, on an address of its own: how busy an exam is, is nobody's business on the public
//! port, and behind a proxy on the same machine everybody would look like loopback there. Labels have few values and no names.

use super::health::Monitor;
use crate::shard::ShardFigures;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::prometheus_text::{CONTENT_TYPE, encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

const PREFIX: &str = "invigil";
/// Nanoseconds of a second.
const NANOS: f64 = 1e9;

type Labels = Vec<(&'static str, String)>;

/// What the metrics' address serves.
pub fn router(monitor: Arc<Monitor>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(monitor)
}

async fn metrics(State(monitor): State<Arc<Monitor>>) -> Response {
    let mut page = String::new();
    match encode(&mut page, &registry(&monitor).await) {
        Ok(()) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], page).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Everything as it is now.
async fn registry(monitor: &Monitor) -> Registry {
    let mut page = Page(Registry::with_prefix(PREFIX));
    let version = [(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1)];
    page.gauge("build_info", "Version of this server", version);
    page.gauge(
        "connections",
        "Connections to the HTTPS port",
        one(monitor.connections()),
    );

    let census = monitor.control().census();
    page.gauge("rooms", "Open rooms", one(census.rooms));
    page.gauge("sockets", "Authenticated signalling connections", one(census.sockets));
    page.gauge(
        "browser_transports",
        "Transports of WHIP and WHEP",
        one(census.browsers),
    );
    let participants = census.participants.iter().map(|((role, presence), count)| {
        let labels = vec![("role", (*role).to_owned()), ("presence", (*presence).to_owned())];
        (labels, *count)
    });
    page.gauge("participants", "Members of open rooms", participants);
    page.gauge(
        "placed_participants",
        "Participants who live on a shard",
        one(census.placed),
    );
    let durations = monitor.control().durations();
    page.0.register(
        "join_seconds",
        "From a candidate's room:join to its first connected transport",
        durations.join.clone(),
    );
    page.0.register(
        "event_ack_seconds",
        "From the arrival of integrity events to their acknowledgement",
        durations.acknowledge.clone(),
    );

    let dropped = [(Labels::new(), monitor.control().statistics_dropped())];
    page.counter("statistics_dropped", "Points of statistics that were left out", dropped);

    let shards = monitor.figures().await;
    let alive = shards.iter().filter(|(.., figures)| figures.is_some()).count();
    let states = [("alive", alive), ("silent", shards.len() - alive)];
    let states = states.map(|(state, count)| (vec![("state", state.to_owned())], count));
    page.gauge("shards", "Threads of the media plane", states);
    let waiting: usize = shards.iter().map(|(_, shard, _)| shard.waiting()).sum();
    let events = |figures: &ShardFigures| figures.gauges.events + figures.backlog;
    let events: usize = shards
        .iter()
        .filter_map(|(.., figures)| figures.as_ref().map(events))
        .sum();
    let queues = [
        ("store_writer", monitor.store().waiting_writes()),
        ("shard_mailboxes", waiting),
        ("shard_events", events),
        ("client_frames", census.frames),
        ("client_frames_most", census.most_frames),
    ];
    let queues = queues.map(|(queue, depth)| (vec![("queue", queue.to_owned())], depth));
    page.gauge("queue_depth", "What waits, by queue", queues);

    let answered: Vec<(String, ShardFigures)> = shards
        .into_iter()
        .filter_map(|(id, _, figures)| Some((id.to_string(), figures?)))
        .collect();
    page.shards(&answered);
    page.0
}

fn one(value: usize) -> [(Labels, usize); 1] {
    [(Labels::new(), value)]
}

struct Page(Registry);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels, usize)>) {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in samples {
            family
                .get_or_create(&labels)
                .set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.0.register(name, help, family);
    }

    fn counter(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in samples {
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }

    fn shards(&mut self, shards: &[(String, ShardFigures)]) {
        let gauge = |value: fn(&ShardFigures) -> usize| {
            let sample =
                move |(shard, figures): &(String, ShardFigures)| (vec![("shard", shard.clone())], value(figures));
            shards.iter().map(sample)
        };
        self.gauge(
            "shard_transports",
            "ICE, DTLS and SRTP associations",
            gauge(|f| f.gauges.transports),
        );
        self.gauge("shard_publications", "Publications", gauge(|f| f.gauges.publications));
        self.gauge("shard_participants", "Participants", gauge(|f| f.gauges.participants));
        self.gauge(
            "shard_subscriptions",
            "Slots of those who watch that carry something",
            gauge(|f| f.gauges.subscriptions),
        );
        self.gauge(
            "shard_retransmission_bytes",
            "Payload kept for retransmission",
            gauge(|f| f.gauges.kept_bytes),
        );
        let counter = |label: &'static str, values: fn(&ShardFigures) -> [(&'static str, u64); 2]| {
            shards.iter().flat_map(move |(shard, figures)| {
                values(figures).map(|(name, value)| (vec![("shard", shard.clone()), (label, name.to_owned())], value))
            })
        };
        self.counter(
            "datagrams",
            "Datagrams of the media plane, UDP and TCP",
            counter("direction", |f| {
                [("in", f.tally.datagrams_received), ("out", f.tally.datagrams_sent)]
            }),
        );
        self.counter(
            "bytes",
            "Bytes in these datagrams",
            counter("direction", |f| {
                [("in", f.tally.bytes_received), ("out", f.tally.bytes_sent)]
            }),
        );
        let dropped = counter("cause", |f| {
            [("unroutable", f.tally.unroutable), ("refused", f.tally.refused)]
        });
        let more = counter("cause", |f| [("unsent", f.unsent), ("late", f.late)]);
        let others = shards.iter().map(|(shard, figures)| {
            let labels = vec![("shard", shard.clone()), ("cause", "not_relayed".to_owned())];
            (labels, figures.tally.not_relayed)
        });
        self.counter(
            "dropped",
            "Datagrams of strangers (unroutable), forged, damaged or repeated (refused), that the kernel did not take (unsent), \
             packets of other shards that came too late (late), and paths that an exam for relays only does not take (not_relayed)",
            dropped.chain(more).chain(others),
        );
        self.counter(
            "nacked_packets",
            "Packets asked for again: by us (out), by subscribers (in)",
            counter("direction", |f| {
                [("in", f.tally.losses_told), ("out", f.tally.losses_asked)]
            }),
        );
        self.counter(
            "key_frame_requests",
            "PLI and FIR: to publishers (out), of subscribers (in)",
            counter("direction", |f| {
                [("in", f.tally.key_frames_wanted), ("out", f.tally.key_frames_asked)]
            }),
        );
        let single = |value: fn(&ShardFigures) -> u64| {
            let sample =
                move |(shard, figures): &(String, ShardFigures)| (vec![("shard", shard.clone())], value(figures));
            shards.iter().map(sample)
        };
        self.counter(
            "retransmitted_packets",
            "Packets that subscribers got again",
            single(|f| f.tally.retransmitted),
        );
        self.counter(
            "lost_shard_events",
            "Events of shards that control never took",
            single(|f| f.lost_events),
        );
        let cpu = Family::<Labels, Counter<f64, AtomicU64>>::default();
        for (shard, figures) in shards {
            if let Some(seconds) = figures.thread.and_then(cpu_seconds) {
                cpu.get_or_create(&vec![("shard", shard.clone())]).inc_by(seconds);
            }
        }
        self.0
            .register("shard_cpu_seconds", "CPU time of the shard's thread", cpu);
    }
}

/// What a thread of this process has used, by the scheduler's own count (Linux, sched-stats.rst).
fn cpu_seconds(thread: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
    let nanos: u64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    Some(nanos as f64 / NANOS)
}
