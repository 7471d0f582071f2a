//! Addresses: a different subnet for each cell, so that every packet and every kernel event tells
//! which cell it belongs to.
//!
//! Both ranges are set aside for such use and are never routed on the Internet: 198.18.0.0/15 for
//! benchmarks of network devices (RFC 2544, appendix C.2.2), `2001:db8::/32` for documentation
//! (RFC 3849).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The version of the Internet Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The subnet of one cell: two hosts and room for a router or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subnet {
    version: IpVersion,
    number: u16,
}

impl Subnet {
    /// IPv4 subnets there are: a /15 holds 2^14 of /29.
    pub const IPV4_COUNT: u32 = 1 << 14;

    /// IPv6 subnets used: those that differ in the fourth group.
    pub const IPV6_COUNT: u32 = 1 << 16;

    /// The subnet number `index`: a /29 of 198.18.0.0/15, or `2001:db8:0:N::/64`.
    ///
    /// Counts round after [`IPV4_COUNT`](Self::IPV4_COUNT) or [`IPV6_COUNT`](Self::IPV6_COUNT):
    /// more cells than that are not alive at once.
    pub const fn nth(index: u32, version: IpVersion) -> Self {
        let count = match version {
            IpVersion::V4 => Self::IPV4_COUNT,
            IpVersion::V6 => Self::IPV6_COUNT,
        };
        #[allow(clippy::cast_possible_truncation)] // both counts fit in 16 bits
        let number = (index % count) as u16;
        Self { version, number }
    }

    /// IPv4 or IPv6.
    pub const fn version(self) -> IpVersion {
        self.version
    }

    /// The client's address: the first of the subnet.
    pub fn client(self) -> IpAddr {
        self.host(1)
    }

    /// The server's address: the second of the subnet.
    pub fn server(self) -> IpAddr {
        self.host(2)
    }

    /// Bits of the network part: 29 or 64.
    pub const fn prefix_length(self) -> u8 {
        match self.version {
            IpVersion::V4 => 29,
            IpVersion::V6 => 64,
        }
    }

    /// Whether `address` lies in this subnet.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.host(0), address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => network.to_bits() >> 3 == address.to_bits() >> 3,
            (IpAddr::V6(network), IpAddr::V6(address)) => network.to_bits() >> 64 == address.to_bits() >> 64,
            _ => false,
        }
    }

    fn host(self, host: u8) -> IpAddr {
        match self.version {
            IpVersion::V4 => {
                let network = Ipv4Addr::new(198, 18, 0, 0).to_bits() + (u32::from(self.number) << 3);
                IpAddr::V4(Ipv4Addr::from_bits(network + u32::from(host)))
            }
            IpVersion::V6 => {
                IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, self.number, 0, 0, 0, u16::from(host)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VERSIONS: [IpVersion; 2] = [IpVersion::V4, IpVersion::V6];

    fn text(index: u32, version: IpVersion) -> (String, String) {
        let subnet = Subnet::nth(index, version);
        (subnet.client().to_string(), subnet.server().to_string())
    }

    #[test]
    fn the_first_and_the_last_subnet_lie_inside_their_range() {
        assert_eq!(text(0, IpVersion::V4), ("198.18.0.1".into(), "198.18.0.2".into()));
        assert_eq!(text(16_383, IpVersion::V4), ("198.19.255.249".into(), "198.19.255.250".into()));
        assert_eq!(text(0, IpVersion::V6), ("2001:db8::1".into(), "2001:db8::2".into()));
        assert_eq!(text(65_535, IpVersion::V6), ("2001:db8:0:ffff::1".into(), "2001:db8:0:ffff::2".into()));
    }

    #[test]
    fn the_count_starts_again_when_the_range_is_used_up() {
        assert_eq!(Subnet::nth(16_384, IpVersion::V4), Subnet::nth(0, IpVersion::V4));
        assert_eq!(Subnet::nth(65_537, IpVersion::V6), Subnet::nth(1, IpVersion::V6));
    }

    proptest! {
        #[test]
        fn an_address_tells_its_cell(a in 0..Subnet::IPV4_COUNT, b in 0..Subnet::IPV4_COUNT) {
            for version in VERSIONS {
                let (here, there) = (Subnet::nth(a, version), Subnet::nth(b, version));
                for address in [there.client(), there.server()] {
                    prop_assert_eq!(here.contains(address), a == b);
                }
            }
        }

        #[test]
        fn every_subnet_is_in_the_range_set_aside(index in any::<u32>()) {
            for address in [Subnet::nth(index, IpVersion::V4).client(), Subnet::nth(index, IpVersion::V4).server()] {
                let IpAddr::V4(address) = address else { panic!("{address} is not IPv4") };
                prop_assert_eq!(address.octets()[0], 198);
                prop_assert!(matches!(address.octets()[1], 18 | 19));
            }
            let IpAddr::V6(address) = Subnet::nth(index, IpVersion::V6).server() else { panic!("not IPv6") };
            prop_assert_eq!(&address.segments()[..2], &[0x2001, 0xdb8][..]);
        }
    }
}
