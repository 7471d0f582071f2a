//! What can be set: the options of one socket and the sysctls of its network namespace.

use std::time::Duration;

use crate::kernel::Kernel;

/// Keepalive as it is in force on a socket: `SO_KEEPALIVE` on, and its three times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Keepalive {
    /// `TCP_KEEPIDLE`: silence before the first probe; whole seconds, 1 to 32767.
    pub idle: Duration,
    /// `TCP_KEEPINTVL`: from one probe to the next; whole seconds, 1 to 32767.
    pub interval: Duration,
    /// `TCP_KEEPCNT`: unanswered probes before the connection is given up, 1 to 127.
    pub count: u32,
}

/// The options of one socket, as far as they time its end; what is `None` was never set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `SO_KEEPALIVE` and its times; `None`: off.
    pub keepalive: Option<Keepalive>,
    /// `TCP_USER_TIMEOUT`; whole milliseconds.
    pub user_timeout: Option<Duration>,
    /// `TCP_SYNCNT`, 1 to 127.
    pub syn_count: Option<u32>,
    /// `TCP_RTO_MAX_MS`, 1 s to 120 s; since Linux 6.15.
    pub rto_max: Option<Duration>,
    /// `TCP_LINGER2`; whole seconds, not negative. Zero is as good as never set.
    pub linger2: Option<Duration>,
}

/// The sysctls `net.ipv4.tcp_*` that time a connection. Its default is Linux's.
///
/// Those that a version does not know are not looked at for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctls {
    /// `tcp_retries2`: how long data is retransmitted, as a number of retransmissions.
    pub retries2: u32,
    /// `tcp_syn_retries`, 1 to 127.
    pub syn_retries: u32,
    /// `tcp_synack_retries`.
    pub synack_retries: u32,
    /// `tcp_orphan_retries`; 0 means 8 as long as the RTO is below its maximum.
    pub orphan_retries: u32,
    /// `tcp_syn_linear_timeouts`: the first SYNs again are 1 s apart; since Linux 6.5.
    pub syn_linear_timeouts: u32,
    /// `tcp_fin_timeout`; whole seconds.
    pub fin_timeout: Duration,
    /// `tcp_rto_max_ms`, 1 s to 120 s; since Linux 6.15, before it is 120 s.
    pub rto_max: Duration,
    /// `tcp_rto_min_us`; since Linux 6.11, before it is 200 ms.
    pub rto_min: Duration,
    /// `tcp_keepalive_time`; whole seconds.
    pub keepalive_time: Duration,
    /// `tcp_keepalive_intvl`; whole seconds.
    pub keepalive_intvl: Duration,
    /// `tcp_keepalive_probes`.
    pub keepalive_probes: u32,
    /// `tcp_thin_linear_timeouts`: no backoff in the first six retransmissions of less than four segments.
    pub thin_linear_timeouts: bool,
    /// `tcp_early_retrans` is 3 or 4, its default: a tail loss probe is sent before the first timeout.
    pub loss_probe: bool,
    /// `tcp_sack`: without it there is no tail loss probe.
    pub sack: bool,
}

impl Default for Sysctls {
    /// Linux's own values (`net/ipv4/tcp_ipv4.c`, `tcp_sk_init()`; `include/net/tcp.h`).
    fn default() -> Self {
        Self {
            retries2: 15,
            syn_retries: 6,
            synack_retries: 5,
            orphan_retries: 0,
            syn_linear_timeouts: 4,
            fin_timeout: Duration::from_mins(1),
            rto_max: Duration::from_mins(2),
            rto_min: Duration::from_millis(200),
            keepalive_time: Duration::from_hours(2),
            keepalive_intvl: Duration::from_secs(75),
            keepalive_probes: 9,
            thin_linear_timeouts: false,
            loss_probe: true,
            sack: true,
        }
    }
}

impl Sysctls {
    /// The keepalive of a socket that sets `SO_KEEPALIVE` and nothing else.
    pub const fn keepalive(&self) -> Keepalive {
        Keepalive { idle: self.keepalive_time, interval: self.keepalive_intvl, count: self.keepalive_probes }
    }
}

/// One end of a connection: all that its kernel looks at.
#[derive(Clone, Copy, Debug)]
pub struct Socket<'a> {
    /// The kernel it lives in.
    pub kernel: Kernel,
    /// Its own options.
    pub options: &'a Options,
    /// The sysctls of its namespace.
    pub sysctls: &'a Sysctls,
    /// The smoothed round-trip time (`srtt`, in `ss -i`: `rtt`); on one machine some 0.1 ms.
    ///
    /// The variation is taken to be below 200 ms, so that the first retransmission timeout is this and 200 ms.
    pub round_trip: Duration,
}

impl Socket<'_> {
    /// `TCP_USER_TIMEOUT`; 0 is as good as never set.
    pub(crate) fn user_timeout(&self) -> Option<Duration> {
        self.options.user_timeout.filter(|limit| !limit.is_zero())
    }

    /// Is the kernel at least that new?
    pub(crate) const fn since(&self, major: u32, minor: u32) -> bool {
        self.kernel.version.at_least(major, minor)
    }
}
