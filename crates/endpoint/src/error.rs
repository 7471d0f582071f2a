//! Why an end could not be made.

use std::net::SocketAddr;

use nix::errno::Errno;

use crate::errno::described;
use crate::option::SocketOption;

/// Why a socket could not be made, or not with the options asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SocketError {
    /// `socket(2)` failed.
    #[error("could not create a TCP socket for {address}: {}", described(*errno))]
    Create {
        /// The address it was meant for; its family decides.
        address: SocketAddr,
        /// What the system said.
        errno: Errno,
    },
    /// `bind(2)` failed.
    #[error("could not bind a TCP socket to {address}: {}", described(*errno))]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        errno: Errno,
    },
    /// `listen(2)` failed.
    #[error("could not listen on {address}: {}", described(*errno))]
    Listen {
        /// The address bound.
        address: SocketAddr,
        /// What the system said.
        errno: Errno,
    },
    /// `setsockopt(2)` failed.
    #[error("could not set {option} to {value}: {}", described(*errno))]
    OptionRefused {
        /// The option.
        option: SocketOption,
        /// The value in the kernel's unit, see [`SocketOption`].
        value: i64,
        /// What the system said.
        errno: Errno,
    },
    /// `getsockopt(2)` failed.
    #[error("could not read {option} back: {}", described(*errno))]
    OptionUnreadable {
        /// The option.
        option: SocketOption,
        /// What the system said.
        errno: Errno,
    },
    /// `getsockname(2)` failed.
    #[error("could not read the address of the socket bound to {address}: {}", described(*errno))]
    AddressUnreadable {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        errno: Errno,
    },
}

impl SocketError {
    /// What to do about it, where there is something to say.
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::Create { errno: Errno::EAFNOSUPPORT, address: SocketAddr::V6(_) } => Some(
                "this kernel has no IPv6 (built without it, or booted with ipv6.disable=1): use ip = \"ipv4\"",
            ),
            Self::Create { errno: Errno::EMFILE, .. } => {
                Some("too many files are open: raise the limit (ulimit -n), or run fewer cells at once")
            }
            Self::Bind { errno: Errno::EADDRNOTAVAIL, .. } => {
                Some("no interface of this namespace has the address")
            }
            Self::OptionRefused { option: SocketOption::RtoMax, errno: Errno::ENOPROTOOPT, .. } => {
                Some("the option exists since Linux 6.15: leave rto_max out, or run a newer kernel")
            }
            Self::OptionRefused { errno: Errno::ENOPROTOOPT, .. } => {
                Some("this kernel does not know the option")
            }
            Self::OptionRefused { errno: Errno::EINVAL, .. } => {
                Some("the value is outside the range of tcp(7)")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_option_names_option_value_and_errno_and_helps() {
        let error = SocketError::OptionRefused {
            option: SocketOption::RtoMax,
            value: 1000,
            errno: Errno::ENOPROTOOPT,
        };
        assert_eq!(
            error.to_string(),
            "could not set TCP_RTO_MAX_MS to 1000: ENOPROTOOPT (Protocol not available)"
        );
        assert!(error.help().is_some_and(|help| help.contains("6.15")));
    }
}
