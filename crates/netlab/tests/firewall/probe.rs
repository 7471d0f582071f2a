//! Single packets from the client to the server, and what becomes of them.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use keepalive_lab_netlab::Pair;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, getsockopt, setsockopt, socket,
    sockopt,
};

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrived.
    Arrived,
    /// Nothing was heard of it.
    Lost,
    /// Its sender was told so.
    Told(Errno),
}

/// A packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// A datagram, from this port to that.
    Udp(u16, u16),
    /// The first segment of a TCP connection, from this port to that.
    Syn(u16, u16),
}

/// A packet crosses a veth pair in microseconds; a lost SYN is sent again after 1 s.
const SOON: Duration = Duration::from_millis(60);

pub(crate) fn send(pair: &Pair, packet: Packet) -> Fate {
    send_and_wait(pair, packet, SOON)
}

/// Waits so long for a packet before it counts as lost.
pub(crate) fn send_and_wait(pair: &Pair, packet: Packet, wait: Duration) -> Fate {
    match packet {
        Packet::Udp(from, to) => udp(pair, from, to, wait),
        Packet::Syn(from, to) => syn(pair, from, to, wait),
    }
}

fn udp(pair: &Pair, from: u16, to: u16, wait: Duration) -> Fate {
    let to = SocketAddr::new(pair.server.address(), to);
    let from = SocketAddr::new(pair.client.address(), from);
    let server = pair.server.namespace().enter(|| UdpSocket::bind(to)).expect("enter").expect("bind");
    let client = pair.client.namespace().enter(|| UdpSocket::bind(from)).expect("enter").expect("bind");
    client.connect(to).expect("connect");
    match client.send(b"packet") {
        // The verdict of the host's own `output`.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => return Fate::Lost,
        Err(error) => panic!("send: {error}"),
        Ok(_) => {}
    }
    let timeout = PollTimeout::try_from(wait).expect("short");
    let mut either =
        [PollFd::new(server.as_fd(), PollFlags::POLLIN), PollFd::new(client.as_fd(), PollFlags::empty())];
    poll(&mut either, timeout).expect("poll");
    let [arrived, told] = either.map(|one| one.any() == Some(true));
    match client.take_error().expect("SO_ERROR") {
        _ if arrived => Fate::Arrived,
        Some(error) if told => Fate::Told(Errno::from_raw(error.raw_os_error().expect("an errno"))),
        _ => Fate::Lost,
    }
}

fn syn(pair: &Pair, from: u16, to: u16, wait: Duration) -> Fate {
    let to = SocketAddr::new(pair.server.address(), to);
    let from = SocketAddr::new(pair.client.address(), from);
    let _listener = pair.server.namespace().enter(|| TcpListener::bind(to)).expect("enter").expect("bind");
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let make = || socket(family, SockType::Stream, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, None);
    let client = pair.client.namespace().enter(make).expect("enter").expect("socket");
    setsockopt(&client, sockopt::ReuseAddr, &true).expect("SO_REUSEADDR");
    // Closing sends a RST, and leaves no TIME-WAIT behind for the next packet from this port.
    setsockopt(&client, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).expect("SO_LINGER");
    bind(client.as_raw_fd(), &SockaddrStorage::from(from)).expect("bind");
    match connect(client.as_raw_fd(), &SockaddrStorage::from(to)) {
        Err(Errno::EINPROGRESS) => {}
        Ok(()) => return Fate::Arrived,
        Err(errno) => return Fate::Told(errno),
    }
    let timeout = PollTimeout::try_from(wait).expect("short");
    if poll(&mut [PollFd::new(client.as_fd(), PollFlags::POLLOUT)], timeout).expect("poll") == 0 {
        return Fate::Lost;
    }
    match getsockopt(&client, sockopt::SocketError).expect("SO_ERROR") {
        0 => Fate::Arrived,
        code => Fate::Told(Errno::from_raw(code)),
    }
}
