//! What no library gives safely: a few socket calls, and one instruction. The only `unsafe` of the project.
//!
//! Why: neither socket2 nor nix knows `TCP_SYNCNT`, `TCP_RTO_MAX_MS`, `TCP_INFO` with the length the kernel
//! returned, or `SIOCOUTQ`; nix's `sockopt_impl!` would expand to `unsafe` in each place that uses it. All
//! integer options go this way, so that there is one way. Every pointer handed over points into a value that
//! outlives the call, with its true length beside it. The instruction, by which a guest has itself
//! paused, has no safe form anywhere: kernels of distributions are built without `/dev/port`.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// Size of a C int, which is 4 bytes on every Linux.
const INT_SIZE: libc::socklen_t = 4;
const _: () = assert!(size_of::<c_int>() == 4);

/// Sets an integer option; see `setsockopt(2)`.
pub fn set_int(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> Result<(), Errno> {
    // SAFETY: `value` lives across the call and is `INT_SIZE` bytes long.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), INT_SIZE) };
    Errno::result(result).map(drop)
}

/// Reads an integer option; see `getsockopt(2)`.
pub fn get_int(socket: BorrowedFd<'_>, level: c_int, name: c_int) -> Result<c_int, Errno> {
    let mut value: c_int = 0;
    let mut length = INT_SIZE;
    // SAFETY: both pointers are to live locals; the kernel writes at most `length` bytes of `value`.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length)
    };
    Errno::result(result).map(|_| value)
}

/// Reads an option into `buffer`; the number of bytes the kernel wrote, at most the buffer's length.
pub fn get_bytes(
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
pub fn unacknowledged_bytes(socket: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut bytes: c_int = 0;
    // SAFETY: the request writes one int, and the pointer is to a live int.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    Errno::result(result).map(|_| u32::try_from(bytes).unwrap_or(0))
}

/// Has the virtual machine that this process runs in paused, at this very instruction; returns when it goes on.
///
/// One byte, written to the port of QEMU's pvpanic device (QEMU: `docs/specs/pvpanic.rst`), which tells the host
/// that the guest has panicked; QEMU then pauses it where it was started with `-action panic=pause`. Needs
/// `CAP_SYS_RAWIO`. Errors: those of `ioperm(2)`; `ENOSYS` on another processor than x86-64.
///
/// Call it in a guest only: on a machine of flesh and blood the port may be anything.
pub fn pause_this_guest() -> Result<(), Errno> {
    #[cfg(target_arch = "x86_64")]
    {
        const PORT: u16 = 0x505;
        const PANICKED: u8 = 1;
        // SAFETY: allows this thread the one port; no memory is concerned.
        Errno::result(unsafe { libc::ioperm(PORT.into(), 1, 1) })?;
        // SAFETY: the port is allowed, and the instruction touches no memory, stack or flags.
        unsafe {
            std::arch::asm!("out dx, al", in("dx") PORT, in("al") PANICKED, options(nomem, nostack, preserves_flags));
        }
        Ok(())
    }
    #[cfg(not(target_arch = "x86_64"))]
    Err(Errno::ENOSYS)
}
