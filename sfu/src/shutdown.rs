//! One shutdown signal for everything that runs.

use tokio::sync::watch;

/// Tells everybody to stop.
#[derive(Debug)]
pub struct Shutdown(watch::Sender<bool>);

/// Waits for [`Shutdown::begin`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ShutdownSignal(watch::Receiver<bool>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Shutdown {
    pub fn signal(&self) -> ShutdownSignal {
        ShutdownSignal(self.0.subscribe())
    }

    pub fn begin(&self) {
        self.0.send_replace(true);
    }
}

impl ShutdownSignal {
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the shutdown has begun, or its owner is gone.
    pub async fn begun(&mut self) {
        let _ = self.0.wait_for(|begun| *begun).await;
    }
}

/// What the operator wants of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM or SIGINT, Ctrl+C elsewhere.
    End,
    /// SIGHUP: read certificate and log level again.
    Reload,
}

/// Listens to the operator.
#[derive(Debug)]
pub struct Requests {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 3],
}

impl Requests {
    /// Listens from now on: a signal that comes later ends nothing by itself.
    ///
    /// # Errors
    /// The system gives no handler.
    pub fn listen() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
            let [terminate, interrupt, hangup] = kinds.map(signal);
            let signals = [terminate?, interrupt?, hangup?];
            Ok(Self { signals })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// What the process is asked for next.
    ///
    /// # Errors
    /// The system gives no handler.
    pub async fn next(&mut self) -> std::io::Result<Request> {
        #[cfg(unix)]
        {
            let [terminate, interrupt, hangup] = &mut self.signals;
            Ok(tokio::select! {
                _ = terminate.recv() => Request::End,
                _ = interrupt.recv() => Request::End,
                _ = hangup.recv() => Request::Reload,
            })
        }
        #[cfg(not(unix))]
        {
            tokio::signal::ctrl_c().await.map(|()| Request::End)
        }
    }
}
