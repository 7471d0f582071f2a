//! `TCP_INFO`: what the kernel tells about one connection.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use keepalive_lab_bare as bare;

/// Room for more than the newest `struct tcp_info` (280 bytes in Linux 6.18).
const BUFFER: usize = 512;

/// A snapshot of `struct tcp_info` (`include/uapi/linux/tcp.h`; filled by `tcp_get_info()`), the fields
/// that tell about timers and about what is under way. Costs about 1 µs.
///
/// After the death of the connection `state` is [`TcpState::Close`]; `backoff` and `unacked` are then
/// zero, the rest keeps its last value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpInfo {
    /// State of the connection.
    pub state: TcpState,
    /// Retransmissions by timeout since the last acknowledgement; 8 bits in the kernel, so it wraps.
    pub retransmits: u8,
    /// Unanswered probes, of keepalive or of a window that is shut.
    pub probes: u8,
    /// Doublings of the retransmission or probe interval.
    pub backoff: u8,
    /// Retransmission timeout in microseconds.
    pub rto_us: u32,
    /// Segments in flight.
    pub unacked: u32,
    /// Milliseconds since data was last sent; also a refused attempt counts.
    pub last_data_sent_ms: u32,
    /// Milliseconds since data was last received.
    pub last_data_received_ms: u32,
    /// Milliseconds since the last acknowledgement was received.
    pub last_ack_received_ms: u32,
    /// Smoothed round trip time in microseconds.
    pub rtt_us: u32,
    /// Mean deviation of the round trip time in microseconds.
    pub rtt_variation_us: u32,
    /// Congestion window in segments.
    pub congestion_window: u32,
    /// Segments retransmitted in the life of the connection.
    pub total_retransmissions: u32,
    /// Bytes of the send queue that the peer has not acknowledged; from `SIOCOUTQ`, not `TCP_INFO`.
    /// A SYN or FIN in flight counts as one; always 0 in `SYN_SENT`.
    pub unacknowledged_bytes: u32,
    /// Bytes of the send queue never handed to the network. Since Linux 4.6.
    pub not_sent_bytes: Option<u32>,
    /// The peer's receive window in bytes. Since Linux 5.4.
    pub send_window: Option<u32>,
    /// Timeouts of the retransmission timer in the life of the connection. Since Linux 6.7.
    pub total_rto: Option<u16>,
    /// Length of the kernel's structure in bytes: tells what it can know.
    pub length: u32,
}

impl TcpInfo {
    /// Reads the snapshot of a TCP socket.
    pub fn read(socket: impl AsFd) -> Result<Self, Errno> {
        let socket: BorrowedFd<'_> = socket.as_fd();
        let mut bytes = [0; BUFFER];
        let length = bare::get_bytes(socket, libc::IPPROTO_TCP, libc::TCP_INFO, &mut bytes)?;
        let unacknowledged_bytes = bare::unacknowledged_bytes(socket)?;
        Ok(Self::parse(&bytes[..length.min(BUFFER)], unacknowledged_bytes))
    }

    /// Offsets as in `struct tcp_info`: fields are only ever added at its end.
    fn parse(bytes: &[u8], unacknowledged_bytes: u32) -> Self {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let long = |at: usize| bytes.get(at..at + 4)?.first_chunk().copied().map(u32::from_ne_bytes);
        let short = |at: usize| bytes.get(at..at + 2)?.first_chunk().copied().map(u16::from_ne_bytes);
        Self {
            state: TcpState::from_number(byte(0)),
            retransmits: byte(2),
            probes: byte(3),
            backoff: byte(4),
            rto_us: long(8).unwrap_or(0),
            unacked: long(24).unwrap_or(0),
            last_data_sent_ms: long(44).unwrap_or(0),
            last_data_received_ms: long(52).unwrap_or(0),
            last_ack_received_ms: long(56).unwrap_or(0),
            rtt_us: long(68).unwrap_or(0),
            rtt_variation_us: long(72).unwrap_or(0),
            congestion_window: long(80).unwrap_or(0),
            total_retransmissions: long(100).unwrap_or(0),
            unacknowledged_bytes,
            not_sent_bytes: long(144),
            send_window: long(228),
            total_rto: short(240),
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        }
    }
}

/// State of a TCP connection (`include/net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TcpState {
    /// 1: data can flow.
    Established,
    /// 2: SYN sent.
    SynSent,
    /// 3: SYN received.
    SynRecv,
    /// 4: FIN sent, not acknowledged.
    FinWait1,
    /// 5: FIN sent and acknowledged.
    FinWait2,
    /// 6: closed, late segments are waited for.
    TimeWait,
    /// 7: closed or dead.
    Close,
    /// 8: the peer's FIN was received.
    CloseWait,
    /// 9: FIN sent after the peer's.
    LastAck,
    /// 10: listening.
    Listen,
    /// 11: both sent a FIN at once.
    Closing,
    /// Any other number.
    Unknown,
}

impl TcpState {
    const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 => Self::SynRecv,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_at_their_offsets() {
        let mut bytes = [0_u8; 248];
        bytes[0] = 1;
        bytes[2..5].copy_from_slice(&[3, 4, 5]);
        for (at, value) in
            [(8, 204_000_u32), (24, 7), (44, 11), (52, 12), (56, 13), (68, 14), (72, 15), (80, 10)]
        {
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        for (at, value) in [(100, 16_u32), (144, 17), (228, 65_536)] {
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        bytes[240..242].copy_from_slice(&9_u16.to_ne_bytes());
        let info = TcpInfo::parse(&bytes, 99);
        assert_eq!(info.state, TcpState::Established);
        assert_eq!((info.retransmits, info.probes, info.backoff), (3, 4, 5));
        assert_eq!((info.rto_us, info.unacked, info.congestion_window), (204_000, 7, 10));
        let last = (info.last_data_sent_ms, info.last_data_received_ms, info.last_ack_received_ms);
        assert_eq!(last, (11, 12, 13));
        assert_eq!((info.rtt_us, info.rtt_variation_us, info.total_retransmissions), (14, 15, 16));
        assert_eq!(
            (info.not_sent_bytes, info.send_window, info.total_rto),
            (Some(17), Some(65_536), Some(9))
        );
        assert_eq!((info.unacknowledged_bytes, info.length), (99, 248));
    }

    #[test]
    fn what_an_older_kernel_does_not_tell_is_unknown_not_zero() {
        let info = TcpInfo::parse(&[0_u8; 104], 0);
        assert_eq!((info.not_sent_bytes, info.send_window, info.total_rto), (None, None, None));
        assert_eq!(info.length, 104);
    }
}
