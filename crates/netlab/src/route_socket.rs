//! A blocking rtnetlink connection: several messages in one `send()`, one acknowledgement.
//!
//! The kernel carries a request out while it is being sent (`rtnetlink_rcv()` runs inside
//! `sendmsg()`), so an answer is there when `send()` returns and no reactor is needed: a request
//! costs two system calls. The messages themselves are those of the crate `rtnetlink`.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;

/// Bytes of `struct nlmsghdr`; see `netlink(7)`.
const HEADER: usize = 16;
/// `NLMSG_ERROR`: an acknowledgement, or an error with the negative errno as its first 4 bytes.
const MESSAGE_ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump, with an errno like `NLMSG_ERROR`.
const MESSAGE_DONE: u16 = 3;

/// A socket of `NETLINK_ROUTE` that acts in the network namespace it was opened in.
#[derive(Debug)]
pub(crate) struct RouteSocket {
    // The lock keeps the answers of two callers apart.
    socket: Mutex<OwnedFd>,
}

/// Messages ready to be sent, any number of times.
#[derive(Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    messages: u32,
}

/// The kernel's refusal of one message of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Which message was refused, counted from 0.
    pub(crate) message: usize,
    /// The kernel's reason.
    pub(crate) errno: Errno,
}

impl Request {
    /// The given messages in their order; the flags are those beside `NLM_F_REQUEST`.
    ///
    /// Only the last message asks for an acknowledgement: errors are reported for all of them, and
    /// the kernel goes on with the next message after an error (`netlink_rcv_skb()`).
    pub(crate) fn new(messages: impl IntoIterator<Item = (RouteNetlinkMessage, u16)>) -> Self {
        let mut request = Self { bytes: Vec::with_capacity(256), messages: 0 };
        let mut messages = messages.into_iter().peekable();
        while let Some((message, flags)) = messages.next() {
            request.messages += 1;
            let last = if messages.peek().is_none() { NLM_F_ACK } else { 0 };
            let mut header = NetlinkHeader::default();
            header.flags = NLM_F_REQUEST | flags | last;
            header.sequence_number = request.messages;
            let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
            message.finalize();
            let start = request.bytes.len();
            // Messages are aligned to 4 bytes (`NLMSG_ALIGNTO`).
            request.bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
            message.serialize(&mut request.bytes[start..]);
        }
        request
    }

    /// Asks for all things of one kind (`RTM_GET..`); `body` is the fixed header of that kind.
    pub(crate) fn dump(kind: u16, body: &[u8]) -> Self {
        let length = u32::try_from(HEADER + body.len()).expect("a header of a few bytes");
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
        bytes.extend(1_u32.to_ne_bytes()); // sequence number
        bytes.extend([0; 4]); // the kernel's port
        bytes.extend(body);
        Self { bytes, messages: 1 }
    }
}

impl RouteSocket {
    /// Opens a connection in the calling thread's network namespace.
    pub(crate) fn open() -> Result<Self, Errno> {
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
            .map(|socket| Self { socket: Mutex::new(socket) })
    }

    /// Carries a request out; on error the messages after the refused one were carried out all the same.
    pub(crate) fn send(&self, request: &Request) -> Result<(), Refusal> {
        self.exchange(request, |_, _| ())
    }

    /// Carries a request out and hands each answer that is no acknowledgement to `answer`: its
    /// message type (`RTM_NEWLINK`..) and what follows the header.
    pub(crate) fn exchange(
        &self,
        request: &Request,
        mut answer: impl FnMut(u16, &[u8]),
    ) -> Result<(), Refusal> {
        let whole = |errno| Refusal { message: 0, errno };
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        send(socket.as_raw_fd(), &request.bytes, MsgFlags::empty()).map_err(whole)?;

        let mut refused = None;
        let mut buffer = [0; 8192];
        loop {
            // The answers are queued before `send()` returns: waiting could only hide a fault.
            let length = match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EINTR) => continue,
                outcome => outcome.map_err(whole)?,
            };
            for (kind, sequence, payload) in Messages(&buffer[..length]) {
                if !matches!(kind, MESSAGE_ERROR | MESSAGE_DONE) {
                    answer(kind, payload);
                    continue;
                }
                let code = payload.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                if code != 0 && refused.is_none() {
                    let message = sequence.saturating_sub(1) as usize;
                    refused = Some(Refusal { message, errno: Errno::from_raw(-code) });
                }
                if sequence == request.messages {
                    return refused.map_or(Ok(()), Err);
                }
            }
        }
    }
}

/// The messages of one datagram: type, sequence number, payload.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = (u16, u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header: &[u8; HEADER] = self.0.first_chunk()?;
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let sequence = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
        let payload = self.0.get(HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, sequence, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtnetlink::LinkUnspec;

    fn up(index: u32) -> (RouteNetlinkMessage, u16) {
        (RouteNetlinkMessage::SetLink(LinkUnspec::new_with_index(index).up().build()), 0)
    }

    #[test]
    fn a_request_numbers_its_messages_and_asks_for_one_acknowledgement() {
        let request = Request::new([up(1), up(2), up(3)]);
        let flags: Vec<u16> = request
            .bytes
            .chunks(request.bytes.len() / 3)
            .map(|message| u16::from_ne_bytes([message[6], message[7]]))
            .collect();
        assert_eq!(flags, [NLM_F_REQUEST, NLM_F_REQUEST, NLM_F_REQUEST | NLM_F_ACK]);
        let sequences: Vec<u32> = Messages(&request.bytes).map(|(_, sequence, _)| sequence).collect();
        assert_eq!(sequences, [1, 2, 3]);
    }

    #[test]
    fn the_refusal_names_the_message_that_was_refused() {
        // Without privilege the kernel says EPERM before it looks at the index; either is a refusal.
        let socket = RouteSocket::open().expect("anyone may open an rtnetlink socket");
        let nobody = 0x7fff_0000;
        let refusal =
            socket.send(&Request::new([up(nobody), up(nobody)])).expect_err("there is no such link");
        assert_eq!(refusal.message, 0);
        assert!(matches!(refusal.errno, Errno::ENODEV | Errno::EPERM), "{refusal:?}");
        // No stale answer is left that a later request would take for its own.
        let again = socket.send(&Request::new([up(nobody)])).expect_err("there is still no such link");
        assert_eq!(again, Refusal { message: 0, errno: refusal.errno });
    }

    #[test]
    fn a_torn_datagram_ends_the_iteration() {
        let request = Request::new([up(1)]);
        for length in 0..request.bytes.len() {
            assert_eq!(Messages(&request.bytes[..length]).count(), 0, "{length} bytes");
        }
    }
}
