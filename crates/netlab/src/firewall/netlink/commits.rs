//! Hearing of the changes that others make.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;
use nix::sys::socket::MsgFlags;

/// `NFNLGRP_NFTABLES`: every change of the ruleset is told here.
const GROUP: u32 = 7;

/// Enough to know that there was a message; the rest of it is cut off.
const BEGINNING: usize = 64;

/// A socket that can hear of commits in one namespace, whoever makes them.
///
/// It stays open while the namespace is in use, because closing any nfnetlink socket waits until the
/// kernel has freed what was deleted last, 10 to 30 ms (`net/netfilter/nf_tables_api.c`,
/// `nft_rcv_nl_event()`: `nf_tables_trans_destroy_flush_work()`).
pub(in crate::firewall) struct Commits(Socket);

/// Hears of commits until it is dropped.
pub(in crate::firewall) struct Listening<'a>(&'a Socket);

impl Commits {
    /// Opens the socket in the namespace of the calling thread.
    pub(in crate::firewall) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        Ok(Self(socket))
    }

    /// Begins to hear of commits; those before are not told.
    pub(in crate::firewall) fn listen(&mut self) -> io::Result<Listening<'_>> {
        // Nothing may be left from the last time, whether or not there was room for all of it.
        loop {
            match heard(&self.0) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {}
                Err(error) => return Err(error),
            }
        }
        self.0.add_membership(GROUP)?;
        Ok(Listening(&self.0))
    }
}

impl Listening<'_> {
    /// Takes all that was told and says whether that was anything: then a commit is in force. (The
    /// kernel tells after it has switched to the new generation of rules: `nf_tables_commit()`.)
    ///
    /// An error says that something may have been missed.
    pub(in crate::firewall) fn take(&self) -> io::Result<bool> {
        let mut any = false;
        while heard(self.0)? {
            any = true;
        }
        Ok(any)
    }
}

/// Takes one message; false if there is none.
fn heard(socket: &Socket) -> io::Result<bool> {
    let mut beginning = Vec::with_capacity(BEGINNING);
    match socket.recv(&mut beginning, MsgFlags::MSG_DONTWAIT.bits()) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => heard(socket),
        Err(error) => Err(error),
    }
}

impl AsFd for Listening<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        // If this fails, more is left for the next to throw away.
        let _ = self.0.drop_membership(GROUP);
    }
}
