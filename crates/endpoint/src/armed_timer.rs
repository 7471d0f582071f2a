//! Which timer of the kernel stood, told from a snapshot.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::tcp_info::{TcpInfo, TcpState};

/// The timer of the kernel that fired, or still stood, for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArmedTimer {
    /// None: nothing is under way and keepalive is off. Such a connection never learns.
    None,
    /// Nothing is under way, keepalive watches (`tcp_keepalive_timer()`).
    Keepalive,
    /// Data, a SYN or a FIN is in flight (`tcp_retransmit_timer()`).
    Retransmission,
    /// The peer's window is shut (`tcp_probe_timer()`).
    PersistZeroWindow,
    /// This host refused to send what waits, though the window is open (`tcp_probe_timer()`).
    PersistLocalRefusal,
    /// Either of the two: this kernel does not tell the window (before Linux 5.4).
    Persist,
}

impl ArmedTimer {
    /// Tells the timer from a snapshot, of a live connection or taken after its death.
    ///
    /// A dead socket keeps `retransmits`, `probes`, the window and the sequence numbers (so what was not
    /// acknowledged and what was never sent is still known), and forgets `unacked` and `backoff`.
    ///
    /// Limits: when a RST ends the connection within a round trip after it sent data, the data it
    /// had in flight counts, though no timeout had yet passed. `TCP_SYNACK` timers are of request
    /// sockets and never seen here. A delayed-ACK, pacing or loss-probe timer may stand beside it.
    pub fn of(info: &TcpInfo, keepalive_on: bool) -> Self {
        let not_sent = info.not_sent_bytes.unwrap_or(0);
        let in_flight = info.retransmits > 0 || info.unacked > 0 || info.unacknowledged_bytes > not_sent;
        if in_flight || matches!(info.state, TcpState::SynSent | TcpState::SynRecv) {
            Self::Retransmission
        } else if not_sent > 0 {
            match info.send_window {
                Some(0) => Self::PersistZeroWindow,
                Some(_) => Self::PersistLocalRefusal,
                None => Self::Persist,
            }
        } else if keepalive_on {
            Self::Keepalive
        } else {
            Self::None
        }
    }

    /// The word used in the CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Keepalive => "keepalive",
            Self::Retransmission => "retransmission",
            Self::PersistZeroWindow => "persist-zero-window",
            Self::PersistLocalRefusal => "persist-local-refusal",
            Self::Persist => "persist",
        }
    }
}

impl fmt::Display for ArmedTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> TcpInfo {
        TcpInfo {
            state: TcpState::Established,
            retransmits: 0,
            probes: 0,
            backoff: 0,
            rto_us: 204_000,
            unacked: 0,
            last_data_sent_ms: 0,
            last_data_received_ms: 0,
            last_ack_received_ms: 0,
            rtt_us: 100,
            rtt_variation_us: 50,
            congestion_window: 10,
            total_retransmissions: 0,
            unacknowledged_bytes: 0,
            not_sent_bytes: Some(0),
            send_window: Some(65_536),
            total_rto: Some(0),
            length: 280,
        }
    }

    #[test]
    fn a_quiet_connection_has_keepalive_or_nothing() {
        assert_eq!(ArmedTimer::of(&quiet(), true), ArmedTimer::Keepalive);
        assert_eq!(ArmedTimer::of(&quiet(), false), ArmedTimer::None);
    }

    #[test]
    fn data_in_flight_silences_keepalive_alive_or_dead() {
        let alive = TcpInfo { unacked: 1, unacknowledged_bytes: 13, ..quiet() };
        assert_eq!(ArmedTimer::of(&alive, true), ArmedTimer::Retransmission);
        // As in life, but `unacked` is forgotten.
        let dead = TcpInfo { state: TcpState::Close, unacked: 0, retransmits: 3, ..alive };
        assert_eq!(ArmedTimer::of(&dead, true), ArmedTimer::Retransmission);
        // More data than the congestion window lets out waits behind it.
        let more = TcpInfo { unacknowledged_bytes: 5000, not_sent_bytes: Some(4000), ..dead };
        assert_eq!(ArmedTimer::of(&more, true), ArmedTimer::Retransmission);
    }

    #[test]
    fn data_that_never_left_tells_who_held_it_back() {
        let refused = TcpInfo { probes: 4, unacknowledged_bytes: 13, not_sent_bytes: Some(13), ..quiet() };
        assert_eq!(ArmedTimer::of(&refused, true), ArmedTimer::PersistLocalRefusal);
        let shut = TcpInfo { send_window: Some(0), ..refused.clone() };
        assert_eq!(ArmedTimer::of(&shut, true), ArmedTimer::PersistZeroWindow);
        let old_kernel = TcpInfo { send_window: None, ..refused };
        assert_eq!(ArmedTimer::of(&old_kernel, true), ArmedTimer::Persist);
    }

    #[test]
    fn a_syn_is_retransmitted() {
        let connecting = TcpInfo { state: TcpState::SynSent, send_window: Some(0), ..quiet() };
        assert_eq!(ArmedTimer::of(&connecting, true), ArmedTimer::Retransmission);
    }
}
