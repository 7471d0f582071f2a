//! nftables over netlink: the only module that knows the bytes.
//!
//! Messages are built and read with `netlink-bindings`. The socket is our own, on `netlink-sys`,
//! because the rule that the kernel echoes (`NLM_F_ECHO`) is needed: with a new rule it holds the
//! handle, with a deleted one the last state of the counter.

mod batch;
mod commits;
mod expression;
mod reply;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use netlink_bindings::nftables::{OpGetruleDump, Request};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

pub(super) use batch::Batch;
pub(super) use commits::{Commits, Listening};
pub use reply::{Counter, Refusal};
use reply::{Reply, replies};
pub(super) use reply::{RulePlace, RuleState};

/// The kernel answers within the system call that asks; this only keeps a lost answer from hanging us.
const PATIENCE: Duration = Duration::from_secs(5);

/// Room for one answer. The kernel makes those of a dump as large as the reader's buffer, up to 32 KiB
/// (`net/netlink/af_netlink.c`, `netlink_dump()`).
const ANSWER: usize = 32 * 1024;

/// A dump during which the ruleset changed is asked for again, this often.
const DUMP_ATTEMPTS: usize = 8;

/// A netlink socket for nftables in one namespace.
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

/// What a batch did.
#[derive(Debug)]
pub(super) struct Done {
    /// Just before the system call.
    pub(super) called: Monotonic,
    /// When the kernel's acknowledgement was read.
    pub(super) acknowledged: Monotonic,
    /// The rules that were added or deleted, in order.
    pub(super) rules: Vec<RuleState>,
}

impl Netlink {
    /// Opens the socket in the namespace of the calling thread.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.set_ext_ack(true)?;
        // Errors then name the message that failed, without a copy of it.
        socket.set_cap_ack(true)?;
        let patience = TimeVal::milliseconds(i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX));
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
        Ok(Self { socket, sequence: 1, buffer: Vec::with_capacity(ANSWER) })
    }

    /// An empty batch for up to `messages` messages.
    pub(super) fn batch(&mut self, messages: u32) -> Batch {
        Batch::new(self.reserve(messages + 2))
    }

    fn reserve(&mut self, count: u32) -> u32 {
        // Zero is left to messages that the kernel sends of its own accord.
        let (first, next) = match self.sequence.checked_add(count) {
            Some(next) => (self.sequence, next),
            None => (1, 1 + count),
        };
        self.sequence = next;
        first
    }

    /// Hands a batch to the kernel, which carries out all of it or nothing.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<Done, Refusal> {
        let called = Monotonic::now();
        self.send(batch.bytes())?;
        let mut rules = Vec::new();
        loop {
            for reply in replies(self.receive()?) {
                let (sequence, reply) = reply?;
                if !batch.holds(sequence) {
                    continue;
                }
                match reply {
                    Reply::Rule(rule) => rules.push(rule),
                    Reply::Refused(refusal) => return Err(refusal),
                    Reply::Acknowledged if sequence == batch.last() => {
                        return Ok(Done { called, acknowledged: Monotonic::now(), rules });
                    }
                    Reply::Acknowledged | Reply::EndOfDump { .. } | Reply::Other => {}
                }
            }
        }
    }

    /// Every rule of the namespace, or those of one chain, in their order.
    pub(super) fn rules(&mut self, chain: Option<&RulePlace>) -> Result<Vec<RuleState>, Refusal> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(rules) = self.dump(chain)? {
                return Ok(rules);
            }
        }
        Err(Refusal::from_errno(Errno::EINTR))
    }

    /// One attempt at a dump; `None` if the ruleset changed meanwhile.
    fn dump(&mut self, chain: Option<&RulePlace>) -> Result<Option<Vec<RuleState>>, Refusal> {
        let sequence = self.reserve(1);
        let header = batch::header(chain.map_or(0, |chain| chain.family));
        let mut request = OpGetruleDump::new(Request::new(), &header);
        if let Some(chain) = chain {
            request
                .encode()
                .push_table_bytes(chain.table.as_bytes())
                .push_chain_bytes(chain.chain.as_bytes());
        }
        let message = batch::dump_message(&request, sequence);
        self.send(&message)?;
        let mut rules = VecDeque::new();
        let mut whole = true;
        loop {
            for reply in replies(self.receive()?) {
                let (answered, reply) = reply?;
                if answered != sequence {
                    continue;
                }
                match reply {
                    Reply::Rule(rule) => {
                        whole &= !rule.interrupted;
                        rules.push_back(rule);
                    }
                    Reply::Refused(refusal) => return Err(refusal),
                    Reply::EndOfDump { interrupted } => {
                        return Ok((whole && !interrupted).then(|| rules.into()));
                    }
                    Reply::Acknowledged | Reply::Other => {}
                }
            }
        }
    }

    fn send(&self, message: &[u8]) -> Result<(), Refusal> {
        loop {
            match self.socket.send(message, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Refusal::from(error)),
            }
        }
    }

    fn receive(&mut self) -> Result<&[u8], Refusal> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => return Ok(&self.buffer),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Refusal::from(error)),
            }
        }
    }
}
