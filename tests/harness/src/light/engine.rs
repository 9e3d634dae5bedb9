//! One thread that plays the media of everybody: it sends by the clock, receives, reports and keeps transports alive.

use super::receive::{Received, Receiver};
use super::send::{Sender, Sent};
use anyhow::{Context, Result};
use invigil_shared::publication::{Layer, PublicationKey};
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Inbox, Sender as Outbox, TryRecvError, channel};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How often transports look at their timers and subscribers ask for what is missing.
const TICK: Duration = Duration::from_millis(10);
const FEEDBACK: Duration = Duration::from_millis(100);
const REPORTS: Duration = Duration::from_secs(1);
const WAKER: Token = Token(usize::MAX);

/// A transport's name in the engine.
pub type Id = usize;

enum Command {
    Send(Id, Box<Sender>, oneshot::Sender<()>),
    Receive(Id, Box<Receiver>, oneshot::Sender<()>),
    Demand(Id, PublicationKey, Vec<Layer>),
    KeyFrame(Id, PublicationKey, Layer),
    Remove(Id),
    Look(oneshot::Sender<Snapshot>),
}

/// What all transports did. Counts go on from look to look, latencies are those since the last one.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub sent: BTreeMap<Id, Sent>,
    pub received: BTreeMap<Id, Received>,
    /// Transports that failed, with the reason.
    pub failed: Vec<String>,
}

/// A handle on the thread. It ends when the last handle is dropped.
#[derive(Clone)]
pub struct Engine {
    commands: Outbox<Command>,
    waker: Arc<Waker>,
    next: Arc<std::sync::atomic::AtomicUsize>,
}

enum Transport {
    Send(Box<Sender>),
    Receive(Box<Receiver>),
}

struct Playing {
    transport: Transport,
    connected: Option<oneshot::Sender<()>>,
}

struct Task {
    poll: Poll,
    commands: Inbox<Command>,
    playing: BTreeMap<Id, Playing>,
    failed: Vec<String>,
    scratch: Vec<u8>,
}

impl Engine {
    pub fn start() -> Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (commands, inbox) = channel();
        let task = Task {
            poll,
            commands: inbox,
            playing: BTreeMap::new(),
            failed: Vec::new(),
            scratch: Vec::with_capacity(2_048),
        };
        std::thread::Builder::new()
            .name("media".to_owned())
            .spawn(move || {
                if let Err(error) = task.run() {
                    tracing::error!(%error, "the media thread ended");
                }
            })
            .context("no thread")?;
        Ok(Self {
            commands,
            waker,
            next: Arc::default(),
        })
    }

    fn tell(&self, command: Command) {
        // The thread is gone only when the process ends.
        let _ = self.commands.send(command);
        let _ = self.waker.wake();
    }

    fn fresh(&self) -> Id {
        self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    /// Plays a publishing transport; the receiver fires when it is connected.
    pub fn send(&self, sender: Sender) -> (Id, oneshot::Receiver<()>) {
        let (id, (connected, when)) = (self.fresh(), oneshot::channel());
        self.tell(Command::Send(id, Box::new(sender), connected));
        (id, when)
    }

    /// The same for a subscribing one.
    pub fn receive(&self, receiver: Receiver) -> (Id, oneshot::Receiver<()>) {
        let (id, (connected, when)) = (self.fresh(), oneshot::channel());
        self.tell(Command::Receive(id, Box::new(receiver), connected));
        (id, when)
    }

    pub fn demand(&self, id: Id, key: PublicationKey, layers: Vec<Layer>) {
        self.tell(Command::Demand(id, key, layers));
    }

    pub fn key_frame(&self, id: Id, key: PublicationKey, layer: Layer) {
        self.tell(Command::KeyFrame(id, key, layer));
    }

    pub fn remove(&self, id: Id) {
        self.tell(Command::Remove(id));
    }

    pub async fn look(&self) -> Result<Snapshot> {
        let (answer, snapshot) = oneshot::channel();
        self.tell(Command::Look(answer));
        snapshot.await.context("the media thread is gone")
    }
}

impl Transport {
    fn wire(&mut self) -> &mut invigil_peer::wire::Endpoint {
        match self {
            Transport::Send(sender) => &mut sender.wire,
            Transport::Receive(receiver) => &mut receiver.wire,
        }
    }
}

impl Task {
    fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(512);
        let now = Instant::now();
        let (mut tick, mut feedback, mut reports) = (now, now, now);
        loop {
            let due = self.playing.values().filter_map(|playing| match &playing.transport {
                Transport::Send(sender) => sender.due(),
                Transport::Receive(_) => None,
            });
            let next = due.min().map_or(tick, |due| due.min(tick));
            let wait = next.saturating_duration_since(Instant::now());
            self.poll.poll(&mut events, Some(wait))?;
            for event in &events {
                self.each(event.token().0, |playing, _| match &mut playing.transport {
                    Transport::Send(sender) => sender.receive(Instant::now()),
                    Transport::Receive(receiver) => receiver.receive(Instant::now()),
                });
            }
            loop {
                match self.commands.try_recv() {
                    Ok(command) => self.command(command),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            let now = Instant::now();
            self.all(|playing, scratch| match &mut playing.transport {
                Transport::Send(sender) => sender.send_due(now, scratch),
                Transport::Receive(_) => Ok(()),
            });
            if now >= tick {
                tick = now + TICK;
                self.all(|playing, scratch| {
                    playing.transport.wire().tick(now)?;
                    if playing.connected.is_some()
                        && playing.transport.wire().is_connected()
                        && let Some(connected) = playing.connected.take()
                    {
                        let _ = connected.send(());
                    }
                    match &mut playing.transport {
                        Transport::Receive(receiver) => receiver.ask(now, scratch),
                        Transport::Send(_) => Ok(()),
                    }
                });
            }
            if now >= feedback {
                feedback = now + FEEDBACK;
                self.all(|playing, scratch| match &mut playing.transport {
                    Transport::Receive(receiver) => receiver.feedback(scratch),
                    Transport::Send(_) => Ok(()),
                });
            }
            if now >= reports {
                reports = now + REPORTS;
                self.all(|playing, scratch| match &mut playing.transport {
                    Transport::Send(sender) => sender.report(scratch),
                    Transport::Receive(receiver) => receiver.report(scratch),
                });
            }
        }
    }

    /// Does something with one transport; one that fails is given up.
    fn each(&mut self, id: Id, work: impl FnOnce(&mut Playing, &mut Vec<u8>) -> Result<()>) {
        let Some(playing) = self.playing.get_mut(&id) else {
            return;
        };
        if let Err(error) = work(playing, &mut self.scratch) {
            self.failed.push(format!("{error:#}"));
            self.playing.remove(&id);
        }
    }

    fn all(&mut self, mut work: impl FnMut(&mut Playing, &mut Vec<u8>) -> Result<()>) {
        let (failed, scratch) = (&mut self.failed, &mut self.scratch);
        self.playing.retain(|_, playing| match work(playing, scratch) {
            Ok(()) => true,
            Err(error) => {
                failed.push(format!("{error:#}"));
                false
            }
        });
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Send(id, sender, connected) => self.add(id, Transport::Send(sender), connected),
            Command::Receive(id, receiver, connected) => self.add(id, Transport::Receive(receiver), connected),
            Command::Demand(id, key, layers) => self.with_sender(id, |sender| sender.demand(key, &layers)),
            Command::KeyFrame(id, key, layer) => self.with_sender(id, |sender| sender.key_frame(key, layer)),
            Command::Remove(id) => drop(self.playing.remove(&id)),
            Command::Look(answer) => {
                let mut snapshot = Snapshot {
                    failed: std::mem::take(&mut self.failed),
                    ..Snapshot::default()
                };
                for (id, playing) in &mut self.playing {
                    match &mut playing.transport {
                        Transport::Send(sender) => drop(snapshot.sent.insert(*id, sender.sent())),
                        Transport::Receive(receiver) => drop(snapshot.received.insert(*id, receiver.received())),
                    }
                }
                let _ = answer.send(snapshot);
            }
        }
    }

    fn with_sender(&mut self, id: Id, work: impl FnOnce(&mut Sender)) {
        if let Some(Transport::Send(sender)) = self.playing.get_mut(&id).map(|playing| &mut playing.transport) {
            work(sender);
        }
    }

    fn add(&mut self, id: Id, mut transport: Transport, connected: oneshot::Sender<()>) {
        let registered = self
            .poll
            .registry()
            .register(&mut transport.wire().socket, Token(id), Interest::READABLE);
        match registered {
            Ok(()) => {
                let connected = Some(connected);
                self.playing.insert(id, Playing { transport, connected });
            }
            Err(error) => self.failed.push(error.to_string()),
        }
    }
}
