//! The kernel's own counters of one network namespace: `/proc/net/snmp` and `/proc/net/netstat`.
//!
//! Each host of a cell is a namespace of its own and holds one connection, so what the namespace
//! counts is what that end did. Counters start at zero with the namespace.

use std::collections::BTreeMap;
use std::io;

/// Counters by their `nstat(8)` names: group and field run together, as in `TcpExtTCPKeepAlive`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, i64>);

impl Counters {
    /// Reads the counters of the namespace the calling thread is in.
    pub fn of_this_thread() -> io::Result<Self> {
        // /proc/net is that of the process; a thread in another namespace must ask for its own.
        let mut counters = Self::default();
        for file in ["snmp", "netstat"] {
            let text = std::fs::read_to_string(format!("/proc/thread-self/net/{file}"))?;
            counters.0.extend(parse(&text));
        }
        Ok(counters)
    }

    /// One counter, such as `TcpRetransSegs`; `None` where this kernel does not count that.
    pub fn get(&self, name: &str) -> Option<i64> {
        self.0.get(name).copied()
    }

    /// Keepalive probes sent (`LINUX_MIB_TCPKEEPALIVE`, counted in `tcp_write_wakeup()` for each
    /// probe of `tcp_keepalive_timer()`).
    pub fn keepalive_probes(&self) -> Option<u64> {
        self.get("TcpExtTCPKeepAlive")?.try_into().ok()
    }

    /// Segments sent again, SYNs and tail loss probes included (`TCP_MIB_RETRANSSEGS`, counted in
    /// `__tcp_retransmit_skb()`).
    pub fn retransmits(&self) -> Option<u64> {
        self.get("TcpRetransSegs")?.try_into().ok()
    }
}

/// Lines come in pairs, names and values: `Tcp: RtoMin RtoMax ..` and `Tcp: 200 120000 ..`.
fn parse(text: &str) -> impl Iterator<Item = (String, i64)> {
    let mut lines = text.lines();
    std::iter::from_fn(move || Some((lines.next()?, lines.next()?))).flat_map(|(names, values)| {
        let group = names.split(':').next().unwrap_or_default();
        let named = names.split_whitespace().skip(1).zip(values.split_whitespace().skip(1));
        named.filter_map(move |(name, value)| Some((format!("{group}{name}"), value.parse().ok()?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_paired_by_their_place() {
        let text = "Tcp: RtoMin MaxConn RetransSegs\nTcp: 200 -1 7\nTcpExt: TCPKeepAlive\nTcpExt: 9\n";
        let counters = Counters(parse(text).collect());
        assert_eq!(counters.get("TcpMaxConn"), Some(-1));
        assert_eq!(counters.retransmits(), Some(7));
        assert_eq!(counters.keepalive_probes(), Some(9));
        assert_eq!(counters.get("TcpExtTCPTimeouts"), None);
    }

    #[test]
    fn this_kernel_counts_both() {
        let counters = Counters::of_this_thread().expect("/proc is mounted");
        assert!(counters.keepalive_probes().is_some());
        assert!(counters.retransmits().is_some());
    }
}
