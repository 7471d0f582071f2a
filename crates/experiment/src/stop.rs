//! When a cell is over.

use keepalive_lab_scenario::cell::StopWhen;
use keepalive_lab_scenario::end::Ends;

/// How far one end has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// It was connected at some time.
    pub connected: bool,
    /// Its program has ended: an error, a close, or it gave up connecting.
    pub finished: bool,
}

/// Whether the condition that ends the cell holds.
///
/// A server to which nobody can come any more (the client finished without a connection) counts as
/// closed: nothing can happen to it.
pub fn is_over(when: StopWhen, ends: &Ends<Progress>) -> bool {
    let client = ends.client.finished;
    let nobody_comes = ends.client.finished && !ends.client.connected && !ends.server.connected;
    let server = ends.server.finished || nobody_comes;
    match when {
        StopWhen::BothClosed => client && server,
        StopWhen::ClientClosed => client,
        StopWhen::ServerClosed => server,
        StopWhen::Limit => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: Progress = Progress { connected: false, finished: false };
    const UP: Progress = Progress { connected: true, finished: false };
    const DEAD: Progress = Progress { connected: true, finished: true };
    const FAILED_TO_CONNECT: Progress = Progress { connected: false, finished: true };

    fn over(when: StopWhen, client: Progress, server: Progress) -> bool {
        is_over(when, &Ends { client, server })
    }

    #[test]
    fn each_condition_looks_at_its_own_end() {
        assert!(!over(StopWhen::BothClosed, DEAD, UP));
        assert!(over(StopWhen::BothClosed, DEAD, DEAD));
        assert!(over(StopWhen::ClientClosed, DEAD, UP));
        assert!(!over(StopWhen::ServerClosed, DEAD, UP));
        assert!(!over(StopWhen::Limit, DEAD, DEAD));
    }

    #[test]
    fn a_server_to_which_nobody_can_come_counts_as_closed() {
        assert!(over(StopWhen::BothClosed, FAILED_TO_CONNECT, WAITING));
        assert!(!over(StopWhen::BothClosed, DEAD, WAITING), "its last ACK may still arrive");
        assert!(!over(StopWhen::BothClosed, WAITING, WAITING));
    }
}
