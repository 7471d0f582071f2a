//! The link between two hosts: a veth pair (`veth(4)`), and its administrative state.

use std::os::fd::{AsRawFd, BorrowedFd};

use keepalive_lab_clock::Monotonic;
use nix::errno::Errno;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL, NlasIterator};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkExtentMask};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth};

use crate::route_socket::{Refusal, Request, RouteSocket};

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
    /// `RTM_SETLINK` was refused.
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

/// One host's end of the link, steered from the namespace it lies in with messages made beforehand.
#[derive(Debug)]
pub(crate) struct Link {
    index: u32,
    up: Request,
    down: Request,
    get: Request,
}

impl Link {
    pub(crate) fn new(index: u32) -> Self {
        let set = |state| Request::new([(set_message(index, state), 0)]);
        let mut describe = LinkUnspec::new_with_index(index).build();
        describe.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        Self {
            index,
            up: set(LinkState::Up),
            down: set(LinkState::Down),
            get: Request::new([(RouteNetlinkMessage::GetLink(describe), 0)]),
        }
    }

    pub(crate) const fn index(&self) -> u32 {
        self.index
    }

    pub(crate) fn set(&self, socket: &RouteSocket, state: LinkState) -> Result<Bracket, LinkError> {
        let request = match state {
            LinkState::Up => &self.up,
            LinkState::Down => &self.down,
        };
        let called = Monotonic::now();
        let outcome = socket.send(request);
        let acknowledged = Monotonic::now();
        match outcome {
            Ok(()) => Ok(Bracket { called, acknowledged }),
            Err(Refusal { errno, .. }) => Err(LinkError::Set { state, errno }),
        }
    }

    /// Since Linux 6.8 the kernel finishes pending carrier work before it answers
    /// (`rtnl_getlink()`, `linkwatch_sync_dev()`).
    pub(crate) fn status(&self, socket: &RouteSocket) -> Result<LinkStatus, LinkError> {
        let mut status = None;
        socket
            .exchange(&self.get, |_, payload| status = status.or_else(|| parse_status(payload)))
            .map_err(|refusal| LinkError::Get(refusal.errno))?;
        status.ok_or(LinkError::Get(Errno::ENODATA))
    }
}

/// Reads the two facts of interest out of `struct ifinfomsg` and its attributes (`rtnetlink(7)`);
/// the rest differs from kernel to kernel and is left alone.
fn parse_status(payload: &[u8]) -> Option<LinkStatus> {
    const HEADER: usize = 16;
    const FLAGS: usize = 8;
    const IFLA_OPERSTATE: u16 = 16;
    const IF_OPER_UP: u8 = 6;

    let flags = u32::from_ne_bytes(*payload.get(FLAGS..)?.first_chunk()?);
    #[allow(clippy::cast_sign_loss)] // a flag
    let state = if flags & libc::IFF_UP as u32 == 0 { LinkState::Down } else { LinkState::Up };
    let operational = NlasIterator::new(payload.get(HEADER..)?)
        .map_while(Result::ok)
        .any(|attribute| attribute.kind() == IFLA_OPERSTATE && attribute.value() == [IF_OPER_UP]);
    Some(LinkStatus { state, operational })
}

/// The message that sets a link of the socket's own namespace up or down.
pub(crate) fn set_message(index: u32, state: LinkState) -> RouteNetlinkMessage {
    let link = LinkUnspec::new_with_index(index);
    RouteNetlinkMessage::SetLink(match state {
        LinkState::Up => link.up().build(),
        LinkState::Down => link.down().build(),
    })
}

/// Lays a veth pair between two namespaces with one message, each end named [`LINK_NAME`], and
/// returns the indexes of the two ends.
///
/// `socket` must lie in an empty namespace: kernels before about 6.15 look the name and index of
/// the new link up in the namespace of the requesting socket.
pub(crate) fn lay(socket: &RouteSocket, a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> Result<(u32, u32), Errno> {
    let mut outcome = Err(Errno::EBUSY);
    for indexes in INDEXES {
        let message = veth_message((indexes.0, a), (indexes.1, b));
        outcome = socket
            .send(&Request::new([(message, NLM_F_CREATE | NLM_F_EXCL)]))
            .map(|()| indexes)
            .map_err(|refusal| refusal.errno);
        if !matches!(outcome, Err(Errno::EBUSY | Errno::EEXIST)) {
            break;
        }
    }
    outcome
}

/// Index and namespace of each end.
fn veth_message(a: (u32, BorrowedFd<'_>), b: (u32, BorrowedFd<'_>)) -> RouteNetlinkMessage {
    let peer = end(LinkUnspec::new_with_name(LINK_NAME), b).build();
    let veth = end(LinkVeth::new(LINK_NAME, LINK_NAME), a)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .build();
    RouteNetlinkMessage::NewLink(veth)
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
