//! The candidate's task. (Being built: takes commands, connects nowhere yet.)
use super::*;
pub(crate) struct Engine { _config: CandidateConfig }
impl Engine {
    pub fn new(config: CandidateConfig, _: SinkTable, _: Journal, _: ServerClock, _: mpsc::Sender<CandidateEvent>) -> Self { Self { _config: config } }
    pub async fn run(self, mut commands: mpsc::Receiver<Command>) { while commands.recv().await.is_some() {} }
}
