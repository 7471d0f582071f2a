//! What becomes of the segments that a dead path swallows: the sender's kernel can tell three kinds apart.

use crate::answer::Errno;

/// What becomes of a segment that this end hands down, as the return value of its transmission tells TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// It is sent as far as TCP can tell (0), and lost on the way: a rule of the peer or in the middle, a
    /// cable cut further on, `netem` loss, a peer that is gone.
    ///
    /// Not so if this host's own link loses its carrier with the peer (the two ends of a veth pair): the entry of
    /// the neighbour table goes with it, and 3 s later what is in flight meets `EHOSTUNREACH` from there
    /// (measured with 5.10 and 6.12). Keepalive does not mind.
    Path,
    /// Refused (< 0) by a rule in this host's own netfilter `OUTPUT` or `POSTROUTING` (`-EPERM`, `nf_hook_slow()`).
    Refused,
    /// Dropped by this host's own queue (> 0, `NET_XMIT_DROP`): nftables' `egress` hook, `tc` with
    /// `action drop`, a full queue. TCP takes that for congestion that passes.
    Congested,
    /// There is no route any more (< 0): the route, the address or the link was taken away. The error is
    /// what the route lookup says: `ENETUNREACH`, `EHOSTUNREACH`, or `EINVAL` of a blackhole route.
    NoRoute(Errno),
}
