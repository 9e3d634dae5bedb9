//! What a transport's path is worth, from what its sockets heard.

use crate::bounds::{PATH_SILENCE, RESTART_DEADLINE};
use std::time::Duration;

/// A socket error counts when the path has been silent for this long as well: one interface of several may be gone.
const SILENT_AND_FAILED: Duration = Duration::from_millis(300);

/// What is known of a transport's path at a tick. Pure, for the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathFacts {
    pub dead: bool,
    pub connected: bool,
    pub silence: Option<Duration>,
    pub failed: bool,
    /// Since the transport was negotiated.
    pub age: Duration,
    /// Since ICE was restarted, when that has not shown an effect yet.
    pub restarted: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    Restart,
    Recovered,
    Rebuild,
}

impl PathFacts {
    pub fn judge(&self) -> Verdict {
        if self.dead {
            return Verdict::Rebuild;
        }
        if !self.connected {
            return if self.age > RESTART_DEADLINE * 2 {
                Verdict::Rebuild
            } else {
                Verdict::Fine
            };
        }
        let silence = self.silence.unwrap_or(self.age);
        match self.restarted {
            Some(since) if silence < since => Verdict::Recovered,
            Some(since) if since > RESTART_DEADLINE => Verdict::Rebuild,
            Some(_) => Verdict::Fine,
            None if silence > PATH_SILENCE || self.failed && silence > SILENT_AND_FAILED => Verdict::Restart,
            None => Verdict::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: PathFacts = PathFacts {
        dead: false,
        connected: true,
        silence: Some(Duration::from_millis(250)),
        failed: false,
        age: Duration::from_secs(60),
        restarted: None,
    };

    #[test]
    fn a_path_is_judged_by_its_silence() {
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(FINE.judge(), Verdict::Fine);
        assert_eq!(
            PathFacts {
                silence: ms(1_001),
                ..FINE
            }
            .judge(),
            Verdict::Restart
        );
        assert_eq!(PathFacts { failed: true, ..FINE }.judge(), Verdict::Fine);
        assert_eq!(
            PathFacts {
                failed: true,
                silence: ms(301),
                ..FINE
            }
            .judge(),
            Verdict::Restart
        );
        let restarted = PathFacts {
            restarted: ms(2_000),
            ..FINE
        };
        assert_eq!(
            PathFacts {
                silence: ms(3_000),
                ..restarted
            }
            .judge(),
            Verdict::Fine
        );
        assert_eq!(
            PathFacts {
                silence: ms(10),
                ..restarted
            }
            .judge(),
            Verdict::Recovered
        );
        assert_eq!(
            PathFacts {
                silence: ms(6_100),
                restarted: ms(5_100),
                ..FINE
            }
            .judge(),
            Verdict::Rebuild
        );
        assert_eq!(PathFacts { dead: true, ..FINE }.judge(), Verdict::Rebuild);
        let young = PathFacts {
            connected: false,
            silence: None,
            age: Duration::from_secs(3),
            ..FINE
        };
        assert_eq!(young.judge(), Verdict::Fine);
        assert_eq!(
            PathFacts {
                age: Duration::from_secs(11),
                ..young
            }
            .judge(),
            Verdict::Rebuild
        );
    }
}
