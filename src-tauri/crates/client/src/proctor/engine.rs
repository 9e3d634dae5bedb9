//! The proctor's task. (Being built: takes commands, connects nowhere yet.)
use super::*;
pub(crate) struct Engine { _config: ProctorConfig }
impl Engine {
    pub fn new(config: ProctorConfig, _: ServerClock, _: mpsc::Sender<ProctorEvent>, _: tokio::sync::watch::Sender<String>) -> Self { Self { _config: config } }
    pub async fn run(self, mut commands: mpsc::Receiver<Command>) { while commands.recv().await.is_some() {} }
}
