//! Supervision of a source. Devices block, hang and vanish: the caller never waits for one.
//!
//! A supervisor thread owns the caller's sink. It lets a worker thread open the device and put what it captures into a
//! bounded queue. When the worker ends or falls silent, the supervisor reports the problem, abandons the worker (a
//! blocked call into a driver can't be interrupted) and opens the device again with growing pauses until it is stopped.

use crate::error::SourceProblem;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Captured items waiting for the supervisor. The sink is expected to be quick; what doesn't fit is dropped, newest first.
const QUEUE: usize = 8;
/// Workers of one source that may hang in a driver at the same time before no further one is started.
const MAX_ABANDONED: usize = 4;
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_LAST: Duration = Duration::from_secs(3);
/// How long the supervisor sleeps at most before it looks at its stop flag.
const TICK: Duration = Duration::from_millis(100);

/// What a source is: shown in the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFormat {
    /// As the system calls the device.
    pub device: String,
    /// Pixels; 0 for audio.
    pub width: u16,
    pub height: u16,
    /// Frames per second at most; 0 for audio.
    pub fps: u8,
}

/// What a source tells its sink, in this order: `Starting`, then `Live` and `Captured` or `Failed`; after a failure
/// again from `Starting`. `Stopped` is the last.
#[derive(Clone, Debug)]
pub enum SourceEvent<T> {
    Starting,
    /// The first grab succeeded, or the format changed.
    Live(SourceFormat),
    Captured(T),
    /// Not live; it is being opened again. Reported once per distinct problem.
    Failed(SourceProblem),
    Stopped,
}

/// A device as a person chooses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Stable while the device stays plugged in.
    pub id: String,
    pub name: String,
}

/// How a source is watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    pub name: &'static str,
    /// How long opening may take until the first item.
    pub open: Duration,
    /// How long the source may then be silent.
    pub silent: Duration,
    /// What both are called.
    pub silent_code: &'static str,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Wanted frames per second, as bits of an `f32`; 0 bits: the source's own.
    fps: AtomicU32,
    asleep: Mutex<()>,
    wake: Condvar,
}

/// A running source. Dropping it stops it; neither waits for the device.
pub struct SourceHandle {
    shared: Arc<Shared>,
}

impl SourceHandle {
    /// Ends the source; its sink gets `Stopped` and nothing after it.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        let _guard = self.shared.asleep.lock();
        self.shared.wake.notify_all();
    }

    /// Grabs at this rate from now on (screens and the test picture; a camera has its own). Clamped to 0.2 to 60 Hz.
    pub fn set_fps(&self, fps: f32) {
        if fps.is_finite() {
            self.shared.fps.store(fps.clamp(0.2, 60.0).to_bits(), Ordering::Release);
            let _guard = self.shared.asleep.lock();
            self.shared.wake.notify_all();
        }
    }
}

impl Drop for SourceHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

enum Message<T> {
    Live(SourceFormat),
    Captured(T),
    Ended(Result<(), SourceProblem>),
}

/// The worker's side of the queue.
pub(crate) struct Outlet<T> {
    shared: Arc<Shared>,
    abandoned: Arc<AtomicBool>,
    queue: SyncSender<Message<T>>,
}

impl<T> Outlet<T> {
    /// The worker has to end soon.
    pub fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire) || self.abandoned.load(Ordering::Acquire)
    }
    /// Waits for room: state must not get lost.
    pub fn live(&self, format: SourceFormat) {
        let _ = self.queue.send(Message::Live(format));
    }
    pub fn put(&self, item: T) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Message::Captured(item)) {
            tracing::debug!("a captured item was dropped: its sink is slow");
        }
    }
    /// The end, before the work returns: what follows (a drop that may hang) is not waited for.
    pub fn ended(&self, result: Result<(), SourceProblem>) {
        let _ = self.queue.send(Message::Ended(result));
    }
    /// The rate asked for by the handle, else `default`.
    pub fn fps(&self, default: f32) -> f32 {
        match self.shared.fps.load(Ordering::Acquire) {
            0 => default,
            bits => f32::from_bits(bits),
        }
    }
    /// Sleeps until `until`, until the source is stopped, or until another rate is asked for. Gives the beat from which
    /// the next one counts: `until`, or the moment of the change.
    pub fn sleep_until(&self, until: Instant) -> Instant {
        let rate = self.shared.fps.load(Ordering::Acquire);
        let mut guard = self.shared.asleep.lock();
        while !self.stopped() && Instant::now() < until {
            if self.shared.fps.load(Ordering::Acquire) != rate {
                return Instant::now();
            }
            let next = until.min(Instant::now() + TICK);
            self.shared.wake.wait_until(&mut guard, next);
        }
        until
    }
}

/// Starts a source. `work` runs on a worker thread, once per attempt, until `Outlet::stopped` or its own end.
pub(crate) fn supervise<T, W, S>(watch: Watch, work: W, mut sink: S) -> Result<SourceHandle, SourceProblem>
where
    T: Send + 'static,
    W: Fn(&Outlet<T>) -> Result<(), SourceProblem> + Send + Sync + 'static,
    S: FnMut(SourceEvent<T>) + Send + 'static,
{
    let shared = Arc::new(Shared::default());
    let ours = shared.clone();
    let work = Arc::new(work);
    thread::Builder::new()
        .name(format!("{}-supervisor", watch.name))
        .spawn(move || run(watch, &work, &mut sink, &ours))
        .map_err(|e| SourceProblem::new(watch.silent_code, e))?;
    Ok(SourceHandle { shared })
}

fn run<T, W, S>(watch: Watch, work: &Arc<W>, sink: &mut S, shared: &Arc<Shared>)
where
    T: Send + 'static,
    W: Fn(&Outlet<T>) -> Result<(), SourceProblem> + Send + Sync + 'static,
    S: FnMut(SourceEvent<T>),
{
    let hanging = Arc::new(AtomicUsize::new(0));
    let mut backoff = BACKOFF_FIRST;
    let mut reported: Option<&'static str> = None;
    sink(SourceEvent::Starting);
    while !shared.stop.load(Ordering::Acquire) {
        let attempt = if hanging.load(Ordering::Acquire) < MAX_ABANDONED {
            attempt(watch, work, sink, shared, &hanging, reported.is_some())
        } else {
            Attempt {
                lived: false,
                problem: Some(SourceProblem::new(watch.silent_code, "the driver holds every worker")),
            }
        };
        if shared.stop.load(Ordering::Acquire) {
            break;
        }
        if attempt.lived {
            backoff = BACKOFF_FIRST;
            reported = None;
        }
        let problem = attempt
            .problem
            .unwrap_or_else(|| SourceProblem::new(watch.silent_code, "the source ended"));
        if reported != Some(problem.code) {
            tracing::warn!(
                source = watch.name,
                code = problem.code,
                detail = problem.detail,
                "source failed"
            );
            reported = Some(problem.code);
            sink(SourceEvent::Failed(problem));
        }
        let until = Instant::now() + backoff;
        let mut guard = shared.asleep.lock();
        while !shared.stop.load(Ordering::Acquire) && Instant::now() < until {
            shared.wake.wait_until(&mut guard, until.min(Instant::now() + TICK));
        }
        backoff = (backoff * 2).min(BACKOFF_LAST);
    }
    sink(SourceEvent::Stopped);
}

struct Attempt {
    lived: bool,
    problem: Option<SourceProblem>,
}

fn attempt<T, W, S>(
    watch: Watch,
    work: &Arc<W>,
    sink: &mut S,
    shared: &Arc<Shared>,
    hanging: &Arc<AtomicUsize>,
    again: bool,
) -> Attempt
where
    T: Send + 'static,
    W: Fn(&Outlet<T>) -> Result<(), SourceProblem> + Send + Sync + 'static,
    S: FnMut(SourceEvent<T>),
{
    let (queue, items) = sync_channel(QUEUE);
    let abandoned = Arc::new(AtomicBool::new(false));
    let outlet = Outlet {
        shared: shared.clone(),
        abandoned: abandoned.clone(),
        queue,
    };
    let (work, counted) = (work.clone(), hanging.clone());
    counted.fetch_add(1, Ordering::AcqRel);
    let spawned = thread::Builder::new()
        .name(format!("{}-worker", watch.name))
        .spawn(move || {
            let result = work(&outlet);
            counted.fetch_sub(1, Ordering::AcqRel);
            let _ = outlet.queue.send(Message::Ended(result));
        });
    if let Err(e) = spawned {
        hanging.fetch_sub(1, Ordering::AcqRel);
        return Attempt {
            lived: false,
            problem: Some(SourceProblem::new(watch.silent_code, e)),
        };
    }
    let attempt = pump(watch, &items, sink, shared, again);
    abandoned.store(true, Ordering::Release);
    attempt
}

fn pump<T, S: FnMut(SourceEvent<T>)>(
    watch: Watch,
    items: &Receiver<Message<T>>,
    sink: &mut S,
    shared: &Shared,
    again: bool,
) -> Attempt {
    let mut deadline = Instant::now() + watch.open;
    let mut lived = false;
    let mut announced = !again;
    loop {
        if shared.stop.load(Ordering::Acquire) {
            return Attempt { lived, problem: None };
        }
        let wait = deadline.saturating_duration_since(Instant::now()).min(TICK);
        match items.recv_timeout(wait) {
            Ok(Message::Live(format)) => {
                if !announced {
                    sink(SourceEvent::Starting);
                    announced = true;
                }
                sink(SourceEvent::Live(format));
            }
            Ok(Message::Captured(item)) => {
                lived = true;
                deadline = Instant::now() + watch.silent;
                sink(SourceEvent::Captured(item));
            }
            Ok(Message::Ended(result)) => {
                return Attempt {
                    lived,
                    problem: result.err(),
                };
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                let problem = SourceProblem::new(watch.silent_code, "the device stopped answering");
                return Attempt {
                    lived,
                    problem: Some(problem),
                };
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let problem = SourceProblem::new(watch.silent_code, "the worker ended without a word");
                return Attempt {
                    lived,
                    problem: Some(problem),
                };
            }
        }
    }
}
