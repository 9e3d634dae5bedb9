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

/// What the operator asks the process for: SIGTERM or SIGINT, Ctrl+C elsewhere.
#[derive(Debug)]
pub struct Requests {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
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
            let signals = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
            Ok(Self { signals })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Returns when the process is asked to end.
    ///
    /// # Errors
    /// The system gives no handler.
    pub async fn end(&mut self) -> std::io::Result<()> {
        #[cfg(unix)]
        {
            let [terminate, interrupt] = &mut self.signals;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            Ok(())
        }
        #[cfg(not(unix))]
        {
            tokio::signal::ctrl_c().await
        }
    }
}
