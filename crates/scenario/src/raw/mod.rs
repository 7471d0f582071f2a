//! A scenario file as written. Documentation of these fields is what the JSON Schema tells.

pub(crate) mod duration;
pub(crate) mod schema;
pub(crate) mod union;
pub(crate) mod value;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::cell::{IpVersion, StopWhen};
use crate::check::fault::Host;
use crate::expect::Outcome;
use crate::fault::LinkState;
use crate::raw::schema::SweepSchema;
use crate::raw::union::{RawHeal, RawKeepalive, RawSends, RawSysctl, RawWithin};
use crate::raw::value::{Choice, DurationText, Located, Moment, Named, Whole};

/// A scenario of keepalive-lab: two ends of a TCP connection, what breaks between them, and when.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawScenario {
    /// One line for people.
    pub(crate) title: Option<String>,
    /// The network between the two hosts.
    pub(crate) network: Option<RawNetwork>,
    /// The end that listens.
    pub(crate) server: Option<RawEnd>,
    /// The end that connects.
    pub(crate) client: Option<RawEnd>,
    /// Sysctls of both hosts, such as `"net.ipv4.tcp_retries2" = 5`.
    pub(crate) sysctl: Option<Located<RawSysctl>>,
    /// What to break and when, in order of time.
    #[serde(default)]
    pub(crate) fault: Vec<Located<RawFault>>,
    /// When a cell ends.
    pub(crate) stop: Option<RawStop>,
    /// What each end should come to; with it a run can fail.
    pub(crate) expect: Option<RawExpect>,
    /// Keys and the values to try, in all combinations. Taken out of the tree before it is read.
    #[schemars(with = "SweepSchema")]
    #[serde(rename = "sweep", default)]
    pub(crate) _sweep: IgnoredAny,
}

/// The network between the two hosts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Network")]
pub(crate) struct RawNetwork {
    /// The Internet Protocol version; default "ipv4".
    pub(crate) ip: Option<Located<Choice<IpVersion>>>,
    /// Its shape: "pair" is two hosts and one link.
    pub(crate) topology: Option<Located<Choice<Topology>>>,
}

/// The shape of the network.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Topology {
    /// Two hosts and one link.
    Pair,
}

/// One end: its traffic and its socket options (tcp(7), socket(7)). What is left out keeps the kernel's default.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "End")]
pub(crate) struct RawEnd {
    /// Server only: the port it listens on, 1 to 65535; default 7654.
    pub(crate) port: Option<Located<Whole>>,
    /// What it sends of its own accord: one table or a list of tables.
    pub(crate) send: Option<Located<RawSends>>,
    /// Sends back all that it receives; default false.
    pub(crate) reply: Option<Located<bool>>,
    /// Whether it reads; if not, its receive window closes. Default true.
    pub(crate) read: Option<Located<bool>>,
    /// The application's own timer: an event when nothing was received for this long. Only reported.
    pub(crate) idle_timeout: Option<Located<DurationText>>,
    /// Closes in order this long after it was connected.
    pub(crate) close_at: Option<Located<DurationText>>,
    /// `SO_KEEPALIVE` and its timers; true for the kernel's timers, false (the default) for none.
    pub(crate) keepalive: Option<Located<RawKeepalive>>,
    /// `TCP_USER_TIMEOUT` in whole milliseconds; "0s" is off, the kernel's default.
    pub(crate) user_timeout: Option<Located<DurationText>>,
    /// Client only: `TCP_SYNCNT`, 1 to 127: how often a SYN is sent again.
    pub(crate) syn_count: Option<Located<Whole>>,
    /// `TCP_NODELAY`.
    pub(crate) nodelay: Option<Located<bool>>,
    /// `SO_LINGER` in whole seconds; "0s" makes `close()` send a RST.
    pub(crate) linger: Option<Located<DurationText>>,
    /// `SO_SNDBUF` in bytes; the kernel doubles it.
    pub(crate) send_buffer: Option<Located<Whole>>,
    /// `SO_RCVBUF` in bytes; the kernel doubles it.
    pub(crate) receive_buffer: Option<Located<Whole>>,
    /// `TCP_RTO_MAX_MS`, "1s" to "120s"; since Linux 6.15.
    pub(crate) rto_max: Option<Located<DurationText>>,
    /// Client only: the application gives up connecting after this long, by its own timer.
    pub(crate) connect_timeout: Option<Located<DurationText>>,
    /// Sysctls of this host; they win over `[sysctl]`.
    pub(crate) sysctl: Option<Located<RawSysctl>>,
}

/// Keepalive timers; what is left out keeps the kernel's default (7200 s, 75 s, 9).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Keepalive")]
pub(crate) struct RawKeepaliveTimers {
    /// `TCP_KEEPIDLE`: silence before the first probe, whole seconds, "1s" to "32767s".
    pub(crate) idle: Option<Located<DurationText>>,
    /// `TCP_KEEPINTVL`: from one probe to the next, whole seconds, "1s" to "32767s".
    pub(crate) interval: Option<Located<DurationText>>,
    /// `TCP_KEEPCNT`: probes before the connection is dead, 1 to 127.
    pub(crate) count: Option<Located<Whole>>,
}

/// One thing an end sends: { every, bytes }, { once }, { at, bytes } or { fill = true }. Times count from the
/// moment this end was connected.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Send")]
pub(crate) struct RawSend {
    /// From one write to the next, at least "1ms".
    pub(crate) every: Option<Located<DurationText>>,
    /// Bytes of each write, 1 to 16777216.
    pub(crate) bytes: Option<Located<Whole>>,
    /// This text, at once.
    pub(crate) once: Option<Located<String>>,
    /// One write, this long after the connection.
    pub(crate) at: Option<Located<DurationText>>,
    /// Writes until the buffers are full, and again whenever there is room.
    pub(crate) fill: Option<Located<bool>>,
}

/// One thing to break, or to mend: when (at, or after and plus), where (on) and exactly one kind of
/// iptables, ip6tables, nft, link, heal.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fault")]
pub(crate) struct RawFault {
    /// Unique in the file; default fault-1, fault-2.. by its place in the file.
    pub(crate) name: Option<Located<String>>,
    /// This long after the connection is up; or "start": before the client connects.
    pub(crate) at: Option<Located<Moment>>,
    /// After the first such event at that end: "client.error", "server.closed"; the events are connected, idle,
    /// error and closed.
    pub(crate) after: Option<Located<String>>,
    /// This long after the event of `after`; default "0s".
    pub(crate) plus: Option<Located<DurationText>>,
    /// The host whose firewall or link it is.
    pub(crate) on: Option<Located<Choice<Host>>>,
    /// A rule as iptables(8) takes it: "-A OUTPUT -p tcp --sport 7654 -j DROP".
    pub(crate) iptables: Option<Located<String>>,
    /// A rule as ip6tables(8) takes it.
    pub(crate) ip6tables: Option<Located<String>>,
    /// A command as nft(8) takes it: "add rule inet filter output tcp sport 7654 drop".
    pub(crate) nft: Option<Located<String>>,
    /// Sets the link of this host "down" or "up".
    pub(crate) link: Option<Located<Choice<LinkState>>>,
    /// Undoes faults: "all", or a list of names.
    pub(crate) heal: Option<Located<RawHeal>>,
}

/// When a cell ends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Stop")]
pub(crate) struct RawStop {
    /// The condition; default "both-closed".
    pub(crate) when: Option<Located<Choice<StopWhen>>>,
    /// At the latest this long after the client's `connect()`; default "20m".
    pub(crate) limit: Option<Located<DurationText>>,
}

/// What each end should come to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Expect")]
pub(crate) struct RawExpect {
    /// What the client should come to.
    pub(crate) client: Option<Located<RawExpectation>>,
    /// What the server should come to.
    pub(crate) server: Option<Located<RawExpectation>>,
}

/// What one end should come to; what is left out is not judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Expectation")]
pub(crate) struct RawExpectation {
    /// How it ended.
    pub(crate) outcome: Option<Located<Choice<Outcome>>>,
    /// The error's name, such as "ETIMEDOUT".
    pub(crate) errno: Option<Located<String>>,
    /// The system call that told the application, such as "read".
    pub(crate) syscall: Option<Located<String>>,
    /// Bounds of `time_to_error_s`: from the first fault to the error, such as `["730s", "760s"]`.
    pub(crate) within: Option<Located<RawWithin>>,
    /// Bounds of `silent_s`: from the last data received to the error.
    pub(crate) silent_within: Option<Located<RawWithin>>,
}

impl Named for Topology {
    const NAMES: &'static [(&'static str, Self)] = &[("pair", Self::Pair)];
}

impl Named for IpVersion {
    const NAMES: &'static [(&'static str, Self)] = &[("ipv4", Self::Ipv4), ("ipv6", Self::Ipv6)];
}

impl Named for StopWhen {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("both-closed", Self::BothClosed),
        ("client-closed", Self::ClientClosed),
        ("server-closed", Self::ServerClosed),
        ("limit", Self::Limit),
    ];
}

impl Named for LinkState {
    const NAMES: &'static [(&'static str, Self)] =
        &[(Self::Up.name(), Self::Up), (Self::Down.name(), Self::Down)];
}

impl Named for Outcome {
    const NAMES: &'static [(&'static str, Self)] = &[
        (Self::Error.name(), Self::Error),
        (Self::Closed.name(), Self::Closed),
        (Self::Alive.name(), Self::Alive),
        (Self::Unconnected.name(), Self::Unconnected),
    ];
}
