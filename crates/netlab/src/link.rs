//! The link between two hosts: a veth pair (`veth(4)`), and its administrative state.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::pin::pin;

use futures_util::TryStreamExt;
use keepalive_lab_clock::Monotonic;
use nix::errno::Errno;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::{
    InfoData, InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags, LinkMessage, State,
};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth};

use crate::route_connection::RouteConnection;

/// The name of each host's link.
pub const LINK_NAME: &str = "eth0";

/// The index of `lo` in every namespace (`LOOPBACK_IFINDEX`).
pub(crate) const LOOPBACK: u32 = 1;

/// The indexes tried for the two ends. A new namespace has only `lo` (1), so 2 and 3 are free,
/// unless modules such as `ipip` or `sit` put their fallback devices into each new namespace
/// (`net.core.fb_tunnels_only_for_init_net = 0`).
///
/// They differ because the kernel takes a link whose peer has the same number for a physical one,
/// and lets it notice a lost carrier up to 1 s late: carrier events of all such links of the machine
/// are handled at most once a second (`net/core/link_watch.c`, `linkwatch_urgent_event()`). With two
/// numbers it takes 0.3 ms.
const INDEXES: [(u32, u32); 2] = [(2, 3), (1002, 1003)];

/// Administrative state of a link (`ip link set eth0 up|down`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// `IFF_UP` set.
    Up,
    /// `IFF_UP` cleared: this host loses its link, the other its carrier.
    Down,
}

/// Two moments between which a change came into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bracket {
    /// Just before the kernel was asked: not yet in force.
    pub called: Monotonic,
    /// Just after the kernel's acknowledgement: in force.
    pub acknowledged: Monotonic,
}

/// What the kernel says of a link (`RTM_GETLINK`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkStatus {
    /// `IFF_UP`: the administrative state.
    pub state: LinkState,
    /// Whether packets can pass: the peer is up too, and the queueing discipline was activated
    /// (`IF_OPER_UP`; RFC 2863, `ifOperStatus`).
    pub operational: bool,
}

/// The kernel refused to change or to describe a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// `RTM_NEWLINK` was refused.
    #[error("could not set the link {LINK_NAME} {state:?}: {errno}")]
    Set {
        /// The state asked for.
        state: LinkState,
        /// The kernel's reason.
        errno: Errno,
    },
    /// `RTM_GETLINK` was refused.
    #[error("could not read the state of the link {LINK_NAME}: {0}")]
    Get(#[source] Errno),
}

/// One host's end of the link, steered from the namespace it lies in.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) connection: RouteConnection,
}

impl Link {
    pub(crate) fn set(&self, state: LinkState) -> Result<Bracket, LinkError> {
        let called = Monotonic::now();
        let outcome = set(&self.connection, self.index, state);
        let acknowledged = Monotonic::now();
        match outcome {
            Ok(()) => Ok(Bracket { called, acknowledged }),
            Err(errno) => Err(LinkError::Set { state, errno }),
        }
    }

    pub(crate) fn status(&self) -> Result<LinkStatus, LinkError> {
        status(&self.connection, self.index).map_err(LinkError::Get)
    }
}

/// Sets a link of the connection's own namespace up or down.
pub(crate) fn set(connection: &RouteConnection, index: u32, state: LinkState) -> Result<(), Errno> {
    let link = LinkUnspec::new_with_index(index);
    let message = match state {
        LinkState::Up => link.up().build(),
        LinkState::Down => link.down().build(),
    };
    connection.wait(connection.link().change(message).execute())
}

/// Since Linux 6.8 the kernel finishes pending carrier work before it answers
/// (`rtnl_getlink()`, `linkwatch_sync_dev()`).
pub(crate) fn status(connection: &RouteConnection, index: u32) -> Result<LinkStatus, Errno> {
    let request = connection
        .link()
        .get()
        .match_index(index)
        .set_filter_mask(AddressFamily::Unspec, vec![LinkExtentMask::SkipStats]);
    let message = connection.wait(async { pin!(request.execute()).try_next().await })?;
    let LinkMessage { header, attributes, .. } = message.ok_or(Errno::ENODATA)?;
    Ok(LinkStatus {
        state: if header.flags.contains(LinkFlags::Up) { LinkState::Up } else { LinkState::Down },
        operational: attributes.contains(&LinkAttribute::OperState(State::Up)),
    })
}

/// Lays a veth pair between two namespaces with one message, each end named [`LINK_NAME`], and
/// returns the indexes of the two ends.
///
/// `scratch` must lie in an empty namespace: kernels before about 6.15 look the name and index of
/// the new link up in the namespace of the requesting socket.
pub(crate) fn lay(
    scratch: &RouteConnection,
    a: BorrowedFd<'_>,
    b: BorrowedFd<'_>,
) -> Result<(u32, u32), Errno> {
    let mut outcome = Err(Errno::EBUSY);
    for indexes in INDEXES {
        let veth = veth((indexes.0, a), (indexes.1, b));
        outcome = scratch.wait(scratch.link().add(veth).execute()).map(|()| indexes);
        if !matches!(outcome, Err(Errno::EBUSY | Errno::EEXIST)) {
            break;
        }
    }
    outcome
}

/// Index and namespace of each end.
fn veth(a: (u32, BorrowedFd<'_>), b: (u32, BorrowedFd<'_>)) -> LinkMessage {
    let peer = end(LinkUnspec::new_with_name(LINK_NAME), b).build();
    end(LinkVeth::new(LINK_NAME, LINK_NAME), a).set_info_data(InfoData::Veth(InfoVeth::Peer(peer))).build()
}

/// One queue: by default veth makes one for every possible CPU, which costs memory and time.
fn end<T>(
    builder: LinkMessageBuilder<T>,
    (index, namespace): (u32, BorrowedFd<'_>),
) -> LinkMessageBuilder<T> {
    builder
        .index(index)
        .setns_by_fd(namespace.as_raw_fd())
        .append_extra_attribute(LinkAttribute::NumTxQueues(1))
        .append_extra_attribute(LinkAttribute::NumRxQueues(1))
}
