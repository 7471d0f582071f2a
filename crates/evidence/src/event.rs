//! The text of the kernel's tracepoints into events.
//!
//! A line is `TASK-PID [CPU] FLAGS TIME: EVENT: KEY=VALUE KEY=VALUE ..`. The task's name may hold
//! anything, so a line is cut at the event's name; its fields are found by their keys.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use keepalive_lab_clock::Monotonic;

/// The tracepoint of an error that the application will be told: `sk_error_report()`; since Linux
/// 5.15.
pub(crate) const ERROR_REPORT: &str = "inet_sk_error_report";

/// The tracepoint of a change of state: `inet_sk_state_store()`; since Linux 4.16.
pub(crate) const STATE_CHANGE: &str = "inet_sock_set_state";

/// Something the kernel did to a TCP socket, of whatever namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketEvent {
    /// When; in whole microseconds.
    pub at: Monotonic,
    /// The socket's own address. An IPv4 address that an IPv6 socket uses is given as IPv4.
    pub local: SocketAddr,
    /// The peer's address; all zero where the socket has no peer.
    pub remote: SocketAddr,
    /// What happened.
    pub what: SocketEventKind,
}

/// What the kernel did to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketEventKind {
    /// The state changed (`sock:inet_sock_set_state`). Not told of requests in `SYN_RECV`, which
    /// have no socket yet.
    StateChange {
        /// The state before.
        from: TcpState,
        /// The state from now on.
        to: TcpState,
    },
    /// An error was set for the application to find (`sock:inet_sk_error_report`). Not told of
    /// sockets that the application has closed already.
    ErrorReport {
        /// The error: `ETIMEDOUT` (110), `ECONNRESET` (104)..; 0 where only the error queue has news.
        errno: i32,
    },
}

/// The state of a TCP socket, as the kernel has it (`include/net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcpState {
    /// Connected.
    Established,
    /// `connect()` has sent a SYN.
    SynSent,
    /// A SYN has come in.
    SynRecv,
    /// Closed at this end, the FIN not yet acknowledged.
    FinWait1,
    /// Closed at this end, the FIN acknowledged.
    FinWait2,
    /// Closed at both ends, waiting for stray segments.
    TimeWait,
    /// No connection, or no longer one: this is where a socket dies to.
    Close,
    /// Closed at the peer's end only.
    CloseWait,
    /// Closed at the peer's end and then here, the FIN not yet acknowledged.
    LastAck,
    /// Listening.
    Listen,
    /// Closed at both ends at once.
    Closing,
    /// A request that has no socket of its own yet.
    NewSynRecv,
}

impl TcpState {
    const ALL: [Self; 12] = [
        Self::Established,
        Self::SynSent,
        Self::SynRecv,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
        Self::NewSynRecv,
    ];

    /// The kernel's name without `TCP_`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
            Self::NewSynRecv => "NEW_SYN_RECV",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix("TCP_")?;
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for TcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a line of `trace_pipe` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A tracepoint of a TCP socket.
    Event(SocketEvent),
    /// The reader was too slow: so many events were overwritten (at least one).
    Lost(u64),
    /// Anything else: another protocol, a marker, a kernel that speaks differently.
    Other(&'a str),
}

impl<'a> Line<'a> {
    pub(crate) fn parse(line: &'a str) -> Self {
        lost(line)
            .map(Self::Lost)
            .or_else(|| error_report(line).or_else(|| state_change(line)).map(Self::Event))
            .unwrap_or(Self::Other(line))
    }
}

/// `CPU:1 [LOST 42 EVENTS]`, or `CPU:1 [LOST EVENTS]` where the kernel has not counted them
/// (`kernel/trace/trace.c`, `print_trace_line()`).
fn lost(line: &str) -> Option<u64> {
    let (cpu, rest) = line.trim().strip_prefix("CPU:")?.split_once(" [LOST ")?;
    cpu.parse::<u32>().ok()?;
    match rest {
        "EVENTS]" => Some(1),
        rest => rest.strip_suffix(" EVENTS]")?.parse().ok(),
    }
}

fn error_report(line: &str) -> Option<SocketEvent> {
    let (at, fields) = split(line, ERROR_REPORT)?;
    let errno = fields.get("error")?.parse().ok()?;
    fields.socket_event(at, SocketEventKind::ErrorReport { errno })
}

fn state_change(line: &str) -> Option<SocketEvent> {
    let (at, fields) = split(line, STATE_CHANGE)?;
    let from = TcpState::parse(fields.get("oldstate")?)?;
    let to = TcpState::parse(fields.get("newstate")?)?;
    fields.socket_event(at, SocketEventKind::StateChange { from, to })
}

/// The time of an event of this name, and its fields.
fn split<'a>(line: &'a str, event: &str) -> Option<(Monotonic, Fields<'a>)> {
    let (before, fields) = line.rsplit_once(event)?;
    let before = before.strip_suffix(": ")?;
    let fields = fields.strip_prefix(':')?;
    let (_, time) = before.rsplit_once(' ')?;
    Some((parse_time(time)?, Fields(fields)))
}

/// Seconds and microseconds, as in `2499.105916`.
fn parse_time(text: &str) -> Option<Monotonic> {
    let (seconds, microseconds) = text.split_once('.')?;
    if microseconds.len() != 6 {
        return None;
    }
    let (seconds, microseconds): (u64, u64) = (seconds.parse().ok()?, microseconds.parse().ok()?);
    let microseconds = seconds.checked_mul(1_000_000)?.checked_add(microseconds)?;
    Some(Monotonic::from_nanos(microseconds.checked_mul(1_000)?))
}

/// Pairs of key and value, separated by spaces.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    fn get(self, key: &str) -> Option<&'a str> {
        self.0.split_ascii_whitespace().find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
    }

    fn socket_event(self, at: Monotonic, what: SocketEventKind) -> Option<SocketEvent> {
        if self.get("protocol")? != "IPPROTO_TCP" {
            return None;
        }
        let local = self.address(["saddr", "saddrv6"], "sport")?;
        let remote = self.address(["daddr", "daddrv6"], "dport")?;
        Some(SocketEvent { at, local, remote, what })
    }

    /// Both forms are always there; the family tells which of them is meant.
    fn address(self, [ipv4, ipv6]: [&str; 2], port: &str) -> Option<SocketAddr> {
        let ip: IpAddr = match self.get("family")? {
            "AF_INET" => IpAddr::V4(self.get(ipv4)?.parse().ok()?),
            "AF_INET6" => IpAddr::V6(self.get(ipv6)?.parse().ok()?),
            _ => return None,
        };
        Some(SocketAddr::new(ip.to_canonical(), self.get(port)?.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Captured on Linux 6.18: SYNs that met a closed port, and a keepalive death.
    const CONNECT: &str = "         python3-31930   [000] .....  2499.105781: inet_sock_set_state: family=AF_INET protocol=IPPROTO_TCP sport=0 dport=7654 saddr=127.0.0.1 daddr=127.0.0.1 saddrv6=::ffff:127.0.0.1 daddrv6=::ffff:127.0.0.1 oldstate=TCP_CLOSE newstate=TCP_SYN_SENT";
    const REFUSED: &str = "         python3-31930   [000] .....  2499.105919: inet_sk_error_report: family=AF_INET protocol=IPPROTO_TCP sport=56628 dport=7654 saddr=127.0.0.1 daddr=127.0.0.1 saddrv6=::ffff:127.0.0.1 daddrv6=::ffff:127.0.0.1 error=111";
    const CLOSED_IPV6: &str = "         python3-31930   [000] .....  2499.106041: inet_sock_set_state: family=AF_INET6 protocol=IPPROTO_TCP sport=42624 dport=7654 saddr=0.0.0.0 daddr=0.0.0.0 saddrv6=::1 daddrv6=::1 oldstate=TCP_SYN_SENT newstate=TCP_CLOSE";
    const REFUSED_IPV6: &str = "         python3-31930   [000] .....  2499.106042: inet_sk_error_report: family=AF_INET6 protocol=IPPROTO_TCP sport=42624 dport=7654 saddr=0.0.0.0 daddr=0.0.0.0 saddrv6=::1 daddrv6=::1 error=111";
    const DIED: &str = "           cells-11546   [001] ..s1.  3123.676044: inet_sock_set_state: family=AF_INET protocol=IPPROTO_TCP sport=48927 dport=7654 saddr=198.18.0.1 daddr=198.18.0.2 saddrv6=::ffff:198.18.0.1 daddrv6=::ffff:198.18.0.2 oldstate=TCP_ESTABLISHED newstate=TCP_CLOSE";
    const TIMED_OUT: &str = "           cells-11546   [001] ..s1.  3123.676048: inet_sk_error_report: family=AF_INET protocol=IPPROTO_TCP sport=48927 dport=7654 saddr=198.18.0.1 daddr=198.18.0.2 saddrv6=::ffff:198.18.0.1 daddrv6=::ffff:198.18.0.2 error=110";
    const MARKER: &str =
        "         python3-31930   [000] ...1.  2499.106099: tracing_mark_write: hello marker 1";

    fn event(line: &str) -> SocketEvent {
        match Line::parse(line) {
            Line::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    fn socket(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_change_of_state_is_read() {
        assert_eq!(
            event(CONNECT),
            SocketEvent {
                at: Monotonic::from_nanos(2_499_105_781_000),
                local: socket("127.0.0.1:0"),
                remote: socket("127.0.0.1:7654"),
                what: SocketEventKind::StateChange { from: TcpState::Close, to: TcpState::SynSent },
            }
        );
    }

    #[test]
    fn an_error_report_is_read() {
        assert_eq!(
            event(REFUSED),
            SocketEvent {
                at: Monotonic::from_nanos(2_499_105_919_000),
                local: socket("127.0.0.1:56628"),
                remote: socket("127.0.0.1:7654"),
                what: SocketEventKind::ErrorReport { errno: 111 },
            }
        );
    }

    #[test]
    fn a_timer_of_the_kernel_dies_in_the_name_of_whatever_task_it_interrupted() {
        let [died, timed_out] = [DIED, TIMED_OUT].map(event);
        assert_eq!((died.local, died.remote), (socket("198.18.0.1:48927"), socket("198.18.0.2:7654")));
        assert_eq!((timed_out.local, timed_out.remote), (died.local, died.remote));
        let closed = SocketEventKind::StateChange { from: TcpState::Established, to: TcpState::Close };
        assert_eq!((died.what, timed_out.what), (closed, SocketEventKind::ErrorReport { errno: 110 }));
        assert_eq!(timed_out.at - died.at, std::time::Duration::from_micros(4));
    }

    #[test]
    fn ipv6_addresses_are_taken_from_their_own_fields() {
        for line in [CLOSED_IPV6, REFUSED_IPV6] {
            let event = event(line);
            assert_eq!((event.local, event.remote), (socket("[::1]:42624"), socket("[::1]:7654")));
        }
    }

    #[test]
    fn an_ipv6_socket_that_speaks_ipv4_is_told_by_its_ipv4_address() {
        let line = REFUSED
            .replace("family=AF_INET ", "family=AF_INET6 ")
            .replace("127.0.0.1 saddrv6", "0.0.0.0 saddrv6");
        assert_eq!(event(&line).local, socket("127.0.0.1:56628"));
    }

    #[test]
    fn the_order_of_fields_does_not_matter() {
        let (head, fields) = REFUSED.split_once("report: ").expect("a line");
        let backwards: Vec<&str> = fields.split(' ').rev().collect();
        assert_eq!(event(&format!("{head}report: {}", backwards.join(" "))), event(REFUSED));
    }

    #[test]
    fn a_task_may_have_a_misleading_name() {
        let line = REFUSED.replace("python3", "x: 1.000000: ab");
        assert_eq!(event(&line), event(REFUSED));
    }

    #[test]
    fn an_old_kernel_writes_fewer_flags() {
        let line = REFUSED.replace(".....", "..s1");
        assert_eq!(event(&line), event(REFUSED));
    }

    #[test]
    fn lost_events_are_counted() {
        assert_eq!(Line::parse("CPU:1 [LOST 42 EVENTS]"), Line::Lost(42));
        assert_eq!(Line::parse("CPU:0 [LOST EVENTS]"), Line::Lost(1));
    }

    #[test]
    fn other_lines_are_no_events() {
        let udp = REFUSED.replace("IPPROTO_TCP", "0x11");
        let unix = REFUSED.replace("AF_INET", "0x1");
        for line in ["", MARKER, &udp, &unix, "CPU:x [LOST 1 EVENTS]", "CPU:1 [LOST x EVENTS]"] {
            assert_eq!(Line::parse(line), Line::Other(line));
        }
    }

    #[test]
    fn every_state_is_read_by_the_name_it_is_written_with() {
        for state in TcpState::ALL {
            assert_eq!(TcpState::parse(&format!("TCP_{state}")), Some(state));
        }
        assert_eq!(TcpState::parse("TCP_"), None);
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(line in "\\PC{0,200}") {
            let _ = Line::parse(&line);
        }

        #[test]
        fn no_damaged_line_makes_the_reader_panic(
            which in 0..6_usize, start in 0..300_usize, length in 0..40_usize, other in "\\PC{0,10}",
        ) {
            let line = [CONNECT, REFUSED, CLOSED_IPV6, REFUSED_IPV6, DIED, TIMED_OUT][which];
            let start = start.min(line.len());
            let end = (start + length).min(line.len());
            let _ = Line::parse(&format!("{}{other}{}", &line[..start], &line[end..]));
        }

        #[test]
        fn a_time_is_read_to_the_microsecond(seconds in 0..10_000_000_000_u64, micros in 0..1_000_000_u64) {
            let parsed = parse_time(&format!("{seconds}.{micros:06}"));
            let expected = Monotonic::from_nanos((seconds * 1_000_000 + micros) * 1_000);
            prop_assert_eq!(parsed, Some(expected));
        }
    }
}
