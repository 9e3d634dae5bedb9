//! The thread of a shard.

use super::{Event, ShardConfig, ShardError, ShardExit, ShardHandle, ShardId};
use crate::shard::mailbox::Mailbox;
use crate::shard::waker::Waker;
use std::thread::JoinHandle;

pub(super) fn spawn(
    config: ShardConfig,
    events: tokio::sync::mpsc::Sender<(ShardId, Event)>,
) -> Result<(ShardHandle, JoinHandle<ShardExit>), ShardError> {
    let first = *config.bind.first().ok_or(ShardError::NoAddress)?;
    let socket = std::net::UdpSocket::bind(first).map_err(|source| ShardError::Bind { address: first, source })?;
    let waker = Waker::new().map_err(ShardError::Thread)?;
    let addresses = socket.local_addr().into_iter().collect();
    let (handle, mailbox) = Mailbox::new(waker, addresses);
    let thread = std::thread::Builder::new()
        .name(format!("shard-{}", config.id))
        .spawn(move || {
            let _ = (mailbox, events, socket);
            ShardExit::Stopped
        })
        .map_err(ShardError::Thread)?;
    Ok((handle, thread))
}
