//! The segments of a connection, as a firewall tells them apart.

use keepalive_lab_scenario::end::End;

/// A kind of segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The first of a connection.
    Syn,
    /// The answer to it.
    SynAck,
    /// Without data: an acknowledgement, a keepalive probe, a window probe.
    Ack,
    /// With data.
    Data,
    /// The end in order.
    Fin,
    /// The end at once.
    Rst,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 6] = [Self::Syn, Self::SynAck, Self::Ack, Self::Data, Self::Fin, Self::Rst];

    /// The flags that segments of this kind have, as in byte 13 of the TCP header: some may have PSH or not, and a RST
    /// comes with an ACK from `tcp_send_active_reset()` and without from `tcp_v4_send_reset()`.
    pub(crate) const fn flags(self) -> &'static [u8] {
        match self {
            Self::Syn => &[0x02],
            Self::SynAck => &[0x12],
            Self::Ack => &[0x10],
            Self::Data => &[0x10, 0x18],
            Self::Fin => &[0x11, 0x19],
            Self::Rst => &[0x04, 0x14],
        }
    }
}

/// All segments of one kind that one end sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    /// Who sends them.
    pub(crate) from: End,
    /// Of what kind.
    pub(crate) kind: Kind,
}
