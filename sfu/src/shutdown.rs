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

/// Returns when the operator asks the process to end: SIGTERM or SIGINT, Ctrl+C elsewhere.
pub async fn asked_to_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
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
