//! Deaths that need a broken network, each in a network namespace of its own with nothing but `lo`.
//!
//! What a snapshot taken after death still tells is a fact about the kernel, so it is asked here.

mod pair;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use keepalive_lab_endpoint::{
    ArmedTimer, Connector, EndSummary, EndpointEventKind, Listener, Syscall, run_client, run_server,
    stop_signal,
};
use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::expect::Outcome;
use keepalive_lab_scenario::program::{Keepalive, Program, Send, SocketOptions, Traffic};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use pair::{Lives, cpu_time, live_on, milliseconds};
use tokio::sync::mpsc::unbounded_channel;

/// The server's port; each test has a network of its own.
const PORT: u16 = 7654;
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    // A user namespace can only be asked for while this is the only thread.
    let power = if geteuid().is_root() { Ok(()) } else { become_root() };
    let trial = |name: &str, test: fn()| {
        let power = power.clone();
        Trial::ignorable_test(name, move || match power.and_then(|()| fresh_network()) {
            Ok(()) => {
                test();
                Ok::<_, Failed>(Completion::Completed)
            }
            Err(lacking) => Ok(Completion::ignored_with(lacking)),
        })
    };
    let trials = vec![
        trial("keepalive_death_shows_its_timer_afterwards", keepalive_death),
        trial("a_drop_on_the_way_is_a_death_by_retransmission", drop_on_the_way),
        trial("a_drop_in_the_own_output_is_a_death_by_persist", drop_in_own_output),
        trial("a_shut_window_is_a_death_by_persist_of_another_kind", shut_window),
        trial("a_reset_tells_the_timer_that_stood", reset_while_refused),
        trial("dropped_syns_end_in_etimedout_on_connect", dropped_syns),
        trial("no_route_fails_the_connect_at_once", no_route),
        trial("a_connection_that_nobody_closes_leaves_no_orphan", nobody_closes),
        trial("icmp_errors_that_change_nothing_cost_no_time", icmp_errors),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Root in a user namespace of its own.
fn become_root() -> Result<(), String> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(|errno| format!("no privilege, and no user namespace: unshare: {errno}"))?;
    let write = |file: &str, text: String| {
        std::fs::write(format!("/proc/self/{file}"), text)
            .map_err(|error| format!("/proc/self/{file}: {error}"))
    };
    write("uid_map", format!("0 {user} 1"))?;
    write("setgroups", "deny".into())?;
    write("gid_map", format!("0 {group} 1"))
}

/// Puts the calling thread into a new namespace whose `lo` is up.
fn fresh_network() -> Result<(), String> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| format!("no network namespace: unshare: {errno}"))?;
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    match up {
        Ok(status) if status.success() => {}
        other => return Err(format!("ip link set lo up: {other:?} (package iproute2)")),
    }
    nft("add table inet probe").map_err(|error| format!("nft: {error} (package nftables)"))
}

fn nft(ruleset: &str) -> Result<(), String> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut input = child.stdin.take().ok_or("no pipe")?;
    input.write_all(ruleset.as_bytes()).map_err(|error| error.to_string())?;
    drop(input);
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{ruleset}: {status}")) }
}

/// Adds a rule about packets to the server; `verdict` such as `drop`.
fn break_now(hook: &str, verdict: &str) {
    nft(&format!(
        "table inet lab {{ chain {hook} {{ type filter hook {hook} priority 0; tcp dport {PORT} {verdict}; }}; }}"
    ))
    .expect("the rule is taken");
}

/// Runs both ends in this namespace and adds the rule after 100 ms.
fn live_and_break(server: &Program, client: &Program, limit: Duration, hook: &str, verdict: &str) -> Lives {
    std::thread::scope(|scope| {
        // A new thread is in the namespace of the one that made it.
        scope.spawn(|| {
            std::thread::sleep(milliseconds(100));
            break_now(hook, verdict);
        });
        live_on(SERVER, server, client, limit)
    })
}

fn keepalive_of_a_second() -> SocketOptions {
    let second = Some(Duration::from_secs(1));
    let keepalive = Some(Keepalive { idle: second, interval: second, count: Some(1) });
    SocketOptions { keepalive, ..SocketOptions::default() }
}

/// Keepalive on, a user timeout of a second, and a write after the network broke.
fn late_writer() -> Program {
    Program {
        options: SocketOptions { user_timeout: Some(Duration::from_secs(1)), ..keepalive_of_a_second() },
        traffic: Traffic { sends: vec![Send::At { at: milliseconds(300), bytes: 13 }], ..Traffic::default() },
        ..Program::default()
    }
}

#[track_caller]
fn assert_death(summary: &EndSummary, errno: &str, syscall: Syscall, timer: ArmedTimer) {
    assert_eq!(summary.outcome, Outcome::Error, "{summary:?}");
    let error = summary.error.as_ref().expect("an error");
    assert_eq!((error.errno.as_str(), error.syscall), (errno, syscall));
    assert_eq!(summary.armed_timer(), Some(timer), "{:?}", summary.info);
}

fn keepalive_death() {
    let client = Program { options: keepalive_of_a_second(), ..Program::default() };
    let lives = live_and_break(&Program::default(), &client, milliseconds(3000), "input", "drop");
    assert_death(lives.client(), "ETIMEDOUT", Syscall::Read, ArmedTimer::Keepalive);
    let info = lives.client().info.as_ref().expect("a last snapshot");
    assert_eq!((info.probes, info.retransmits), (1, 0));
    let survived = lives.client().finished.expect("it died") - lives.client().connected.expect("connected");
    assert!((milliseconds(2000)..milliseconds(2300)).contains(&survived), "{survived:?}");
    // Nothing is under way and keepalive is off: the server never learns.
    assert_eq!(lives.server().outcome, Outcome::Alive);
    assert_eq!(lives.server().armed_timer(), Some(ArmedTimer::None));
}

fn drop_on_the_way() {
    let lives = live_and_break(&Program::default(), &late_writer(), milliseconds(4000), "input", "drop");
    assert_death(lives.client(), "ETIMEDOUT", Syscall::Read, ArmedTimer::Retransmission);
    let info = lives.client().info.as_ref().expect("a last snapshot");
    assert!(info.retransmits > 0 && info.unacked == 0, "{info:?}");
}

fn drop_in_own_output() {
    let lives = live_and_break(&Program::default(), &late_writer(), milliseconds(4000), "output", "drop");
    assert_death(lives.client(), "ETIMEDOUT", Syscall::Read, ArmedTimer::PersistLocalRefusal);
    let info = lives.client().info.as_ref().expect("a last snapshot");
    assert_eq!((info.retransmits, info.total_retransmissions), (0, 0));
    assert_eq!((info.unacknowledged_bytes, info.not_sent_bytes), (13, Some(13)));
}

fn shut_window() {
    let options = SocketOptions { receive_buffer: Some(16_384), ..SocketOptions::default() };
    let server =
        Program { options, traffic: Traffic { read: false, ..Traffic::default() }, ..Program::default() };
    let client = Program {
        options: SocketOptions { user_timeout: Some(Duration::from_secs(1)), ..SocketOptions::default() },
        traffic: Traffic { sends: vec![Send::Fill], ..Traffic::default() },
        ..Program::default()
    };
    let lives = live_on(SERVER, &server, &client, milliseconds(4000));
    assert_death(lives.client(), "ETIMEDOUT", Syscall::Read, ArmedTimer::PersistZeroWindow);
}

fn reset_while_refused() {
    let every = Send::Every { period: milliseconds(100), bytes: 13 };
    let client =
        Program { traffic: Traffic { sends: vec![every], ..Traffic::default() }, ..Program::default() };
    let server = Program { options: keepalive_of_a_second(), ..Program::default() };
    let lives = live_and_break(&server, &client, milliseconds(4000), "output", "drop");
    assert_death(lives.server(), "ETIMEDOUT", Syscall::Read, ArmedTimer::Keepalive);
    assert_death(lives.client(), "ECONNRESET", Syscall::Read, ArmedTimer::PersistLocalRefusal);
    let apart = lives.client().finished.expect("it died") - lives.server().finished.expect("it died");
    assert!(
        apart < milliseconds(20),
        "the RST of the server's keepalive reaches the client at once: {apart:?}"
    );
}

fn dropped_syns() {
    break_now("input", "drop");
    let options = SocketOptions { syn_count: Some(1), ..SocketOptions::default() };
    let lives =
        live_on(SERVER, &Program::default(), &Program { options, ..Program::default() }, milliseconds(4000));
    assert_death(lives.client(), "ETIMEDOUT", Syscall::Connect, ArmedTimer::Retransmission);
    assert_eq!((lives.client().connected, lives.server().outcome), (None, Outcome::Unconnected));
}

fn no_route() {
    let anywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let connector = Connector::new(anywhere, &Program::default()).expect("it binds");
    let (sink, mut events) = unbounded_channel();
    let (_handle, stop) = stop_signal();
    let nowhere = SocketAddr::from(([198, 18, 0, 1], PORT));
    let summary = pair::runtime().block_on(run_client(connector, nowhere, sink, stop));
    let error = summary.error.as_ref().expect("an error");
    assert_eq!((error.errno.as_str(), error.syscall), ("ENETUNREACH", Syscall::Connect));
    let told: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.what).collect();
    assert!(
        matches!(told[..2], [EndpointEventKind::Connecting { .. }, EndpointEventKind::Failed { .. }]),
        "{told:?}"
    );
}

fn icmp_errors() {
    let every = Send::Every { period: milliseconds(50), bytes: 13 };
    let client = Program {
        traffic: Traffic { sends: vec![every], read: false, ..Traffic::default() },
        ..Program::default()
    };
    let verdict = "reject with icmpx type port-unreachable";
    let (used, lives) =
        cpu_time(|| live_and_break(&Program::default(), &client, milliseconds(600), "input", verdict));
    assert_eq!(lives.client().outcome, Outcome::Alive);
    assert!(lives.count(End::Client, |what| matches!(what, EndpointEventKind::Sent { .. })) >= 8);
    let info = lives.client().info.as_ref().expect("a last snapshot");
    assert!(info.unacknowledged_bytes > 0, "{info:?}");
    assert!(used < milliseconds(20), "{used:?}");
}

/// What happens to the sockets of a process that is killed: they are dropped as they are.
fn nobody_closes() {
    let server = Listener::bind(SERVER, &Program::default()).expect("the server's socket can be made");
    let client =
        Connector::new(SocketAddr::from(([127, 0, 0, 1], 0)), &Program::default()).expect("it binds");
    let (sink, mut events) = unbounded_channel();
    let (_handle, stop) = stop_signal();
    let runtime = pair::runtime();
    runtime.spawn(run_server(server, sink.clone(), stop.clone()));
    runtime.spawn(run_client(client, SERVER, sink, stop));
    runtime.block_on(async {
        let mut connected = 0;
        while connected < 2 {
            let event = events.recv().await.expect("both ends live");
            connected += usize::from(matches!(event.what, EndpointEventKind::Connected { .. }));
        }
        // Both have entered their event loops.
        tokio::time::sleep(milliseconds(50)).await;
    });
    assert!(tcp_sockets() >= 3, "a listener and two ends");
    break_now("input", "drop");
    drop(runtime);
    assert_eq!(tcp_sockets(), 0, "no end waits for an answer to its FIN");
}

/// TCP sockets of this network namespace, orphans included (`/proc/net/sockstat`, `TCP: inuse`).
fn tcp_sockets() -> u32 {
    let text = std::fs::read_to_string("/proc/thread-self/net/sockstat").expect("/proc is mounted");
    let line = text.lines().find(|line| line.starts_with("TCP:")).expect("TCP has a line");
    line.split_whitespace().nth(2).and_then(|count| count.parse().ok()).expect("TCP: inuse N")
}
