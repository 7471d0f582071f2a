//! What the kernel's tracepoints say of the two ends, and when it decided on an error.

use std::net::SocketAddr;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_endpoint::{EndError, errno_name};
use keepalive_lab_evidence::{SocketEvent, SocketEventKind};
use keepalive_lab_scenario::end::{End, Ends};

use crate::record::{KernelFact, KernelRecord};

/// Turns an event into a record, if it is of the connection between these two addresses.
///
/// The ports count too: another process may run a cell with the same subnet. The listening socket has no
/// peer; its states are of no interest.
pub fn record_of(event: &SocketEvent, addresses: &Ends<SocketAddr>) -> Option<KernelRecord> {
    let is_of = |end: End| event.local == *addresses.get(end) && event.remote == *addresses.get(end.peer());
    let end = End::BOTH.into_iter().find(|&end| is_of(end))?;
    let what = match event.what {
        SocketEventKind::StateChange { from, to } => {
            KernelFact::StateChanged { from: from.to_string(), to: to.to_string() }
        }
        SocketEventKind::ErrorReport { errno } => KernelFact::ErrorReported { errno: errno_name(errno) },
    };
    Some(KernelRecord { at: event.at, end, what })
}

/// When the kernel decided on the error that the application of `end` was told: its last report of that
/// error before then. Kernels before 5.14 have no such tracepoint; there the moment is the last change
/// of the socket's state to `CLOSE`.
pub fn decision(records: &[KernelRecord], end: End, error: &EndError) -> Option<Monotonic> {
    let before = |record: &&KernelRecord| record.end == end && record.at <= error.at;
    let last = |is: &dyn Fn(&KernelFact) -> bool| {
        records.iter().filter(before).filter(|record| is(&record.what)).map(|record| record.at).max()
    };
    let reported = last(&|fact| matches!(fact, KernelFact::ErrorReported { errno } if *errno == error.errno));
    let closed = || last(&|fact| matches!(fact, KernelFact::StateChanged { to, .. } if to == "CLOSE"));
    reported.or_else(closed)
}

#[cfg(test)]
mod tests {
    use keepalive_lab_endpoint::Syscall;
    use keepalive_lab_evidence::TcpState;

    use super::*;

    const CLIENT: ([u8; 4], u16) = ([198, 18, 0, 1], 40_000);
    const SERVER: ([u8; 4], u16) = ([198, 18, 0, 2], 7654);

    fn event(local: ([u8; 4], u16), remote: ([u8; 4], u16)) -> SocketEvent {
        let what = SocketEventKind::ErrorReport { errno: 110 };
        SocketEvent { at: at(5), local: local.into(), remote: remote.into(), what }
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn an_event_belongs_to_the_end_whose_address_is_local() {
        let addresses = Ends { client: CLIENT.into(), server: SERVER.into() };
        let end = |event| record_of(&event, &addresses).map(|record| record.end);
        assert_eq!(end(event(CLIENT, SERVER)), Some(End::Client));
        assert_eq!(end(event(SERVER, CLIENT)), Some(End::Server));
        assert_eq!(end(event(SERVER, ([0; 4], 0))), None, "the listening socket");
        assert_eq!(end(event((CLIENT.0, 40_001), SERVER)), None, "another process with this subnet");
    }

    #[test]
    fn the_kernel_decided_with_its_last_report_of_that_error_before_the_application_was_told() {
        let report = |seconds, errno: &str| KernelRecord {
            at: at(seconds),
            end: End::Client,
            what: KernelFact::ErrorReported { errno: errno.into() },
        };
        let closed = KernelRecord {
            at: at(8),
            end: End::Client,
            what: KernelFact::StateChanged { from: "ESTABLISHED".into(), to: TcpState::Close.to_string() },
        };
        let told = EndError { errno: "ETIMEDOUT".into(), number: 110, syscall: Syscall::Read, at: at(9) };
        let records =
            [report(3, "ETIMEDOUT"), report(7, "ETIMEDOUT"), closed.clone(), report(10, "ETIMEDOUT")];
        assert_eq!(decision(&records, End::Client, &told), Some(at(7)));
        assert_eq!(decision(&records, End::Server, &told), None);
        // A kernel without the tracepoint: the state tells.
        assert_eq!(decision(&[report(7, "EHOSTUNREACH"), closed], End::Client, &told), Some(at(8)));
    }
}
