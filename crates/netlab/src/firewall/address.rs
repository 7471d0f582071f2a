//! IP addresses with a prefix.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::IpVersion;

impl IpVersion {
    /// The version of an address.
    pub(super) const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bits in an address.
    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

/// The addresses that begin with the same bits, such as `198.18.0.0/15`.
///
/// Bits after the prefix are zero, so equal sets of addresses are equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The addresses whose first `prefix` bits are those of `address`; `None` if it has fewer bits.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= IpVersion::of(address).bits()).then(|| Self { address: masked(address, prefix), prefix })
    }

    /// One address.
    pub fn single(address: IpAddr) -> Self {
        Self { address, prefix: IpVersion::of(address).bits() }
    }

    /// The first address.
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// How many leading bits count: 0 to 32, or to 128.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// IPv4 or IPv6.
    pub const fn version(self) -> IpVersion {
        IpVersion::of(self.address)
    }

    /// The mask of the prefix as an address: `255.254.0.0`.
    pub fn mask(self) -> IpAddr {
        match self.version() {
            IpVersion::V4 => masked(Ipv4Addr::BROADCAST.into(), self.prefix),
            IpVersion::V6 => masked(Ipv6Addr::from_bits(u128::MAX).into(), self.prefix),
        }
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let dropped = u32::from(IpVersion::of(address).bits() - prefix);
    match address {
        IpAddr::V4(address) => {
            Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(dropped).unwrap_or(0)).into()
        }
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(dropped).unwrap_or(0)).into()
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == self.version().bits() {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_after_the_prefix_do_not_count() {
        let wide = Cidr::new("198.19.7.9".parse().unwrap(), 15).unwrap();
        assert_eq!(wide.to_string(), "198.18.0.0/15");
        assert_eq!(wide.mask().to_string(), "255.254.0.0");
        let all = Cidr::new("2001:db8::1".parse().unwrap(), 0).unwrap();
        assert_eq!(all.to_string(), "::/0");
        assert_eq!(Cidr::single("::1".parse().unwrap()).to_string(), "::1");
        assert_eq!(Cidr::new("198.18.0.1".parse().unwrap(), 33), None);
    }
}
