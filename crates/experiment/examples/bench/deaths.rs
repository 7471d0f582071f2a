//! How long after the kernel has decided on an error (its tracepoint) the application's event loop is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_evidence::{KernelEvent, KernelWatch, SocketEventKind};
use keepalive_lab_experiment::lab::Lab;
use keepalive_lab_netlab::address::Subnet;
use keepalive_lab_netlab::{Builder, IpVersion, PairPlan};
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::Ends;
use keepalive_lab_scenario::fault::{Tool, Trigger};
use keepalive_lab_scenario::program::{Keepalive, Program};

use crate::cells::{PORT, UNTIL_THE_CLIENT_ENDS, cell, rule, run};
use crate::figure::{Figure, Limit};
use crate::{Failure, Part, bare};

const QUICK_DEATHS: usize = 200;

/// Each takes two seconds.
const KEEPALIVE_DEATHS: usize = 8;

/// The reference has a port of its own, lest the lab's tracepoints see it.
const BARE_PORT: u16 = PORT + 1;

/// How long the reader of the tracepoints may take to catch up.
const CATCH_UP: Duration = Duration::from_secs(2);

pub(crate) fn measure(lab: &Lab) -> Part {
    const WHAT: [&str; 3] = ["reset by the peer", "connection refused", "keepalive timed out"];
    if let Some(why) = lab.kernel_watch_error() {
        return Ok(vec![Figure::skipped("kernel to application", why.to_string())]);
    }
    let cells =
        [vec![reset(); QUICK_DEATHS], vec![refused(); QUICK_DEATHS], vec![silenced(); KEEPALIVE_DEATHS]];
    let mut figures = Vec::new();
    for (what, cells) in WHAT.into_iter().zip(cells) {
        let what = format!("kernel to application: {what}");
        figures.push(Figure::distribution(what, delays(lab, cells)?).within(Limit::P99Ms(1.0)));
    }
    figures.push(Figure::distribution("  bare thread in poll(2): reset by the peer", bare_delays()?));
    Ok(figures)
}

/// The server aborts the connection.
fn reset() -> Cell {
    let mut programs = Ends::<Program>::default();
    programs.server.options.linger = Some(Duration::ZERO);
    programs.server.traffic.close_at = Some(Duration::from_millis(10));
    cell(programs, Vec::new(), UNTIL_THE_CLIENT_ENDS)
}

/// The server's firewall answers the SYN with a RST.
fn refused() -> Cell {
    let line = format!("-A INPUT -p tcp --dport {PORT} -j REJECT --reject-with tcp-reset");
    let fault = rule("refuse", Trigger::Start, Tool::Iptables, &line);
    cell(Ends::default(), vec![fault], UNTIL_THE_CLIENT_ENDS)
}

/// The server falls silent, and the client's one probe is not answered.
fn silenced() -> Cell {
    let second = Some(Duration::from_secs(1));
    let mut programs = Ends::<Program>::default();
    programs.client.options.keepalive = Some(Keepalive { idle: second, interval: second, count: Some(1) });
    let line = format!("-A INPUT -p tcp --dport {PORT} -j DROP");
    let fault = rule("drop", Trigger::At(Duration::from_millis(10)), Tool::Iptables, &line);
    cell(programs, vec![fault], UNTIL_THE_CLIENT_ENDS)
}

fn delays(lab: &Lab, cells: Vec<Cell>) -> Result<Vec<Duration>, Failure> {
    let expected = cells.len();
    let delays: Vec<_> = run(lab, cells)?
        .outcomes
        .into_iter()
        .filter_map(|outcome| {
            let client = outcome.ends.client;
            Some(client.summary.error?.at - client.kernel_error?)
        })
        .collect();
    if delays.len() == expected {
        Ok(delays)
    } else {
        Err(format!("{} of {expected} clients died with a trace in the kernel", delays.len()).into())
    }
}

/// The same for a thread that has nothing else to do.
fn bare_delays() -> Result<Vec<Duration>, Failure> {
    let decided = Arc::new(Mutex::new(HashMap::new()));
    let sink = Arc::clone(&decided);
    let watch = KernelWatch::start(&[BARE_PORT], move |event| {
        if let KernelEvent::Socket(event) = event
            && matches!(event.what, SocketEventKind::ErrorReport { .. })
        {
            sink.lock().unwrap_or_else(PoisonError::into_inner).insert(event.local, event.at);
        }
    })?;
    let builder = Builder::new()?;
    let mut told = Vec::new();
    for number in 0..QUICK_DEATHS {
        let subnet = Subnet::nth(u32::try_from(number)?, IpVersion::V4);
        told.push(bare::told_by_poll(&builder.pair(&PairPlan { subnet })?, BARE_PORT)?);
    }
    if !watch.flush(CATCH_UP) {
        return Err("the tracepoints are not read".into());
    }
    let decided = decided.lock().unwrap_or_else(PoisonError::into_inner);
    let delay = |(client, at): &(_, Monotonic)| Some(*at - *decided.get(client)?);
    Ok(told.iter().filter_map(delay).collect())
}
