//! Socket options and counters by the bare system calls.
//!
//! Why `unsafe` here: neither socket2 nor nix knows `TCP_SYNCNT`, `TCP_RTO_MAX_MS`, `TCP_INFO` with the
//! length the kernel returned, or `SIOCOUTQ`; nix's `sockopt_impl!` would expand to `unsafe` in each
//! place that uses it. All integer options go this way, so that there is one way. Every pointer
//! handed over points into a value that outlives the call, with its true length beside it.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// Size of a C int, which is 4 bytes on every Linux.
const INT_SIZE: libc::socklen_t = 4;
const _: () = assert!(size_of::<c_int>() == 4);

/// Sets an integer option; see `setsockopt(2)`.
pub(crate) fn set_int(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> Result<(), Errno> {
    // SAFETY: `value` lives across the call and is `INT_SIZE` bytes long.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), INT_SIZE) };
    Errno::result(result).map(drop)
}

/// Reads an integer option; see `getsockopt(2)`.
pub(crate) fn get_int(socket: BorrowedFd<'_>, level: c_int, name: c_int) -> Result<c_int, Errno> {
    let mut value: c_int = 0;
    let mut length = INT_SIZE;
    // SAFETY: both pointers are to live locals; the kernel writes at most `length` bytes of `value`.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length)
    };
    Errno::result(result).map(|_| value)
}

/// Reads an option into `buffer`; the number of bytes the kernel wrote, at most the buffer's length.
pub(crate) fn get_bytes(
    socket: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    buffer: &mut [u8],
) -> Result<usize, Errno> {
    let mut length = libc::socklen_t::try_from(buffer.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: the kernel writes at most `length` bytes, and `length` is not more than the buffer holds.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, buffer.as_mut_ptr().cast(), &raw mut length)
    };
    Errno::result(result).map(|_| length as usize)
}

/// Bytes of the send queue that the peer has not acknowledged (`SIOCOUTQ`, `tcp(7)`).
///
/// `write_seq - snd_una`, which the kernel keeps when the connection dies (`net/ipv4/tcp.c`,
/// `tcp_ioctl()`); a SYN or FIN in flight counts as one byte; 0 in `SYN_SENT`.
pub(crate) fn unacknowledged_bytes(socket: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut bytes: c_int = 0;
    // SAFETY: the request writes one int, and the pointer is to a live int.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    Errno::result(result).map(|_| u32::try_from(bytes).unwrap_or(0))
}
