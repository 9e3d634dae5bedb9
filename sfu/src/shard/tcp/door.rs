//! How media connections come in: on each shard's own port, and on the HTTPS port, where the first request says whose they are.

use super::admission::Admission;
use super::connection::carry;
use super::framing::HEAD;
use super::lane::TcpGate;
use super::listener;
use crate::core::transport::{credentials, stun};
use crate::shutdown::ShutdownSignal;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

/// The gates of all shards under one cap of connections. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    gates: Arc<[TcpGate]>,
    admission: Admission,
}

impl Door {
    pub fn new(gates: impl IntoIterator<Item = TcpGate>) -> Self {
        Self {
            gates: gates.into_iter().collect(),
            admission: Admission::default(),
        }
    }

    /// Serves the shards' own ports until the shutdown begins.
    pub async fn serve(self, shutdown: ShutdownSignal) {
        let mut ports = JoinSet::new();
        for gate in self.gates.iter() {
            ports.spawn(listener::serve(gate.clone(), self.admission.clone(), shutdown.clone()));
        }
        while ports.join_next().await.is_some() {}
    }

    /// Carries a connection that began with a whole frame, as [`super::look`] found it, and returns at its end. `begun`: all that
    /// was read so far. The user fragment that the frame names leads to its shard, whose first answer is still a judgement: a
    /// stranger is closed.
    pub async fn enter(&self, stream: impl AsyncRead + AsyncWrite, peer: SocketAddr, begun: &[u8]) {
        let shard = begun
            .split_first_chunk::<HEAD>()
            .and_then(|(head, rest)| rest.get(..usize::from(u16::from_be_bytes(*head))))
            .and_then(stun::local_ufrag)
            .and_then(credentials::shard_of);
        let Some(gate) = shard.and_then(|shard| self.gates.iter().find(|gate| gate.shard().0 == shard)) else {
            return tracing::debug!(%peer, "a media connection that names no shard of ours");
        };
        carry(gate, &self.admission, stream, peer, begun).await;
    }
}
