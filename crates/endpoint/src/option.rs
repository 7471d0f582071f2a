//! Socket options: set, read back, told.

use std::ffi::c_int;
use std::fmt;
use std::os::fd::AsFd;
use std::time::Duration;

use keepalive_lab_scenario::program::SocketOptions;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use socket2::Socket;

use crate::errno::errno_of;
use crate::error::SocketError;
use keepalive_lab_bare as bare;

/// A socket option of `socket(7)` or `tcp(7)` that a program can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SocketOption {
    /// 0 or 1.
    #[serde(rename = "SO_KEEPALIVE")]
    Keepalive,
    /// Seconds, 1 to 32767.
    #[serde(rename = "TCP_KEEPIDLE")]
    KeepaliveIdle,
    /// Seconds, 1 to 32767.
    #[serde(rename = "TCP_KEEPINTVL")]
    KeepaliveInterval,
    /// Probes, 1 to 127.
    #[serde(rename = "TCP_KEEPCNT")]
    KeepaliveCount,
    /// Milliseconds; 0: off.
    #[serde(rename = "TCP_USER_TIMEOUT")]
    UserTimeout,
    /// SYNs sent again, 1 to 127.
    #[serde(rename = "TCP_SYNCNT")]
    SynCount,
    /// 0 or 1.
    #[serde(rename = "TCP_NODELAY")]
    NoDelay,
    /// Seconds; -1: off.
    #[serde(rename = "SO_LINGER")]
    Linger,
    /// Bytes. In force is twice what was asked, and at most twice `net.core.wmem_max`.
    #[serde(rename = "SO_SNDBUF")]
    SendBuffer,
    /// Bytes. In force is twice what was asked, and at most twice `net.core.rmem_max`.
    #[serde(rename = "SO_RCVBUF")]
    ReceiveBuffer,
    /// Milliseconds, 1000 to 120000. Since Linux 6.15.
    #[serde(rename = "TCP_RTO_MAX_MS")]
    RtoMax,
}

/// `TCP_RTO_MAX_MS` of `include/uapi/linux/tcp.h`.
const TCP_RTO_MAX_MS: c_int = 44;

impl SocketOption {
    /// The name in the manual pages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keepalive => "SO_KEEPALIVE",
            Self::KeepaliveIdle => "TCP_KEEPIDLE",
            Self::KeepaliveInterval => "TCP_KEEPINTVL",
            Self::KeepaliveCount => "TCP_KEEPCNT",
            Self::UserTimeout => "TCP_USER_TIMEOUT",
            Self::SynCount => "TCP_SYNCNT",
            Self::NoDelay => "TCP_NODELAY",
            Self::Linger => "SO_LINGER",
            Self::SendBuffer => "SO_SNDBUF",
            Self::ReceiveBuffer => "SO_RCVBUF",
            Self::RtoMax => "TCP_RTO_MAX_MS",
        }
    }

    const fn level_and_number(self) -> (c_int, c_int) {
        match self {
            Self::Keepalive => (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
            Self::KeepaliveIdle => (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
            Self::KeepaliveInterval => (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
            Self::KeepaliveCount => (libc::IPPROTO_TCP, libc::TCP_KEEPCNT),
            Self::UserTimeout => (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
            Self::SynCount => (libc::IPPROTO_TCP, libc::TCP_SYNCNT),
            Self::NoDelay => (libc::IPPROTO_TCP, libc::TCP_NODELAY),
            Self::Linger => (libc::SOL_SOCKET, libc::SO_LINGER),
            Self::SendBuffer => (libc::SOL_SOCKET, libc::SO_SNDBUF),
            Self::ReceiveBuffer => (libc::SOL_SOCKET, libc::SO_RCVBUF),
            Self::RtoMax => (libc::IPPROTO_TCP, TCP_RTO_MAX_MS),
        }
    }

    fn set(self, socket: &Socket, value: i64) -> Result<(), SocketError> {
        let refused = |errno| SocketError::OptionRefused { option: self, value, errno };
        if self == Self::Linger {
            let seconds = u64::try_from(value).ok().map(Duration::from_secs);
            return socket.set_linger(seconds).map_err(|error| refused(errno_of(&error)));
        }
        let (level, number) = self.level_and_number();
        let value = c_int::try_from(value).map_err(|_| refused(Errno::EINVAL))?;
        bare::set_int(socket.as_fd(), level, number, value).map_err(refused)
    }

    fn read(self, socket: &Socket) -> Result<i64, SocketError> {
        let unreadable = |errno| SocketError::OptionUnreadable { option: self, errno };
        if self == Self::Linger {
            let linger = socket.linger().map_err(|error| unreadable(errno_of(&error)))?;
            return Ok(linger.map_or(-1, whole_seconds));
        }
        let (level, number) = self.level_and_number();
        bare::get_int(socket.as_fd(), level, number).map(i64::from).map_err(unreadable)
    }

    /// Sets the option where a value is asked, and reads what is in force.
    fn put(self, socket: &Socket, asked: Option<i64>) -> Result<OptionInForce, SocketError> {
        if let Some(value) = asked {
            self.set(socket, value)?;
        }
        Ok(OptionInForce { option: self, asked, in_force: self.read(socket)? })
    }
}

impl fmt::Display for SocketOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A socket option as the kernel has it after it was set. Values in the unit of [`SocketOption`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionInForce {
    /// The option.
    pub option: SocketOption,
    /// The value asked for; `None`: the kernel's default was left.
    pub asked: Option<i64>,
    /// The value read back. Differs from `asked` where the kernel rounds, caps or doubles.
    pub in_force: i64,
}

/// The keepalive timers as read back from a socket that has `SO_KEEPALIVE` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepaliveInForce {
    /// `TCP_KEEPIDLE`, whole seconds.
    pub idle: Duration,
    /// `TCP_KEEPINTVL`, whole seconds.
    pub interval: Duration,
    /// `TCP_KEEPCNT`.
    pub count: u32,
}

impl KeepaliveInForce {
    /// Reads the timers from the socket; `None` where keepalive is off.
    pub(crate) fn read(socket: &Socket) -> Result<Option<Self>, SocketError> {
        if SocketOption::Keepalive.read(socket)? == 0 {
            return Ok(None);
        }
        Ok(Some(Self {
            idle: Duration::from_secs(unsigned(SocketOption::KeepaliveIdle.read(socket)?)),
            interval: Duration::from_secs(unsigned(SocketOption::KeepaliveInterval.read(socket)?)),
            count: u32::try_from(SocketOption::KeepaliveCount.read(socket)?).unwrap_or(0),
        }))
    }
}

/// `TCP_USER_TIMEOUT` as read back; `None` where it is off.
pub(crate) fn user_timeout(socket: &Socket) -> Result<Option<Duration>, SocketError> {
    let milliseconds = SocketOption::UserTimeout.read(socket)?;
    Ok((milliseconds > 0).then(|| Duration::from_millis(unsigned(milliseconds))))
}

/// Sets the sizes of the buffers. They count before `listen()` or `connect()` only: the window scale
/// is agreed on in the SYN (`tcp(7)`).
pub(crate) fn set_buffers(
    socket: &Socket,
    options: &SocketOptions,
) -> Result<Vec<OptionInForce>, SocketError> {
    let asked = [
        (SocketOption::SendBuffer, options.send_buffer),
        (SocketOption::ReceiveBuffer, options.receive_buffer),
    ];
    put_asked(socket, asked.map(|(option, value)| (option, value.map(i64::from))))
}

/// Sets all options but the buffers; keepalive first and its timers after it, as libuv does.
///
/// Of the keepalive timers those that were not asked for are told too, since they count.
pub(crate) fn set_others(
    socket: &Socket,
    options: &SocketOptions,
) -> Result<Vec<OptionInForce>, SocketError> {
    let mut in_force = Vec::new();
    if let Some(keepalive) = &options.keepalive {
        in_force.push(SocketOption::Keepalive.put(socket, Some(1))?);
        in_force.push(SocketOption::KeepaliveIdle.put(socket, keepalive.idle.map(whole_seconds))?);
        in_force.push(SocketOption::KeepaliveInterval.put(socket, keepalive.interval.map(whole_seconds))?);
        in_force.push(SocketOption::KeepaliveCount.put(socket, keepalive.count.map(i64::from))?);
    }
    let rest = [
        (SocketOption::UserTimeout, options.user_timeout.map(whole_milliseconds)),
        (SocketOption::SynCount, options.syn_count.map(i64::from)),
        (SocketOption::NoDelay, options.nodelay.map(i64::from)),
        (SocketOption::Linger, options.linger.map(whole_seconds)),
        (SocketOption::RtoMax, options.rto_max.map(whole_milliseconds)),
    ];
    in_force.extend(put_asked(socket, rest)?);
    Ok(in_force)
}

fn put_asked(
    socket: &Socket,
    options: impl IntoIterator<Item = (SocketOption, Option<i64>)>,
) -> Result<Vec<OptionInForce>, SocketError> {
    options
        .into_iter()
        .filter(|(_, asked)| asked.is_some())
        .map(|(option, asked)| option.put(socket, asked))
        .collect()
}

fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn whole_milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
