//! What the kernel's tracepoints say of the two ends, and when it decided on an error.

use std::net::IpAddr;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_endpoint::{EndError, errno_name};
use keepalive_lab_evidence::{SocketEvent, SocketEventKind};
use keepalive_lab_scenario::end::{End, Ends};

use crate::record::{KernelFact, KernelRecord};

/// Turns an event into a record, if it is of the connection between these two hosts.
///
/// The listening socket has the server's address too, but no peer; its states are of no interest.
pub fn record_of(event: &SocketEvent, hosts: &Ends<IpAddr>) -> Option<KernelRecord> {
    let is_of = |end: End| event.local.ip() == *hosts.get(end) && event.remote.ip() == *hosts.get(end.peer());
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
