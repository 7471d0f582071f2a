//! A rule as the kernel's list of expressions: small instructions on a register.

use std::net::IpAddr;

use netlink_bindings::nftables::{
    CmpOps, MetaKeys, PayloadBase, PushExprListAttrs, PushRuleAttrs, RangeOps, Registers, RejectTypes,
    VerdictCode,
};

use crate::address::IpVersion;
use crate::firewall::address::Cidr;
use crate::firewall::matches::{Condition, Interface, Matches, PortRange, TcpFlags};
use crate::firewall::reject::RejectWith;
use crate::firewall::rule::{Rule, Verdict};

/// The data register used throughout: 16 bytes, enough for an IPv6 address or an interface name.
const REGISTER: u32 = Registers::Reg1 as u32;

/// `IFNAMSIZ`: an interface name with its zero bytes.
const INTERFACE_NAME: usize = 16;

/// Offset of the flags in the TCP header (RFC 9293).
const TCP_FLAGS: u32 = 13;

/// Writes the attributes of a new rule: every condition, a counter, the verdict.
pub(super) fn push_rule(bytes: &mut Vec<u8>, rule: &Rule) {
    let list = PushRuleAttrs::new(bytes)
        .push_table_bytes(rule.chain.table.as_bytes())
        .push_chain_bytes(rule.chain.name.as_bytes())
        .nested_expressions();
    Expressions { list }
        .matches(&rule.matches)
        .counter()
        .verdict(rule.verdict)
        .list
        .end_nested()
        .end_nested();
}

/// The list being written.
struct Expressions<'b> {
    list: PushExprListAttrs<PushRuleAttrs<&'b mut Vec<u8>>>,
}

impl Expressions<'_> {
    fn matches(mut self, matches: &Matches) -> Self {
        if let Some(condition) = &matches.input_interface {
            self = self.meta(MetaKeys::Iifname).interface(condition);
        }
        if let Some(condition) = &matches.output_interface {
            self = self.meta(MetaKeys::Oifname).interface(condition);
        }
        if let Some(version) = matches.version {
            self = self.meta(MetaKeys::Nfproto).compare(CmpOps::Eq, &[nfproto(version)]);
        }
        if let Some(condition) = &matches.source {
            self = self.address(condition, Direction::Source);
        }
        if let Some(condition) = &matches.destination {
            self = self.address(condition, Direction::Destination);
        }
        // The protocol comes before the ports: without it they would be bytes of anything.
        if let Some(condition) = &matches.protocol {
            self = self.meta(MetaKeys::L4Proto).compare(equality(condition), &[condition.value().number()]);
        }
        if let Some(condition) = &matches.source_port {
            self = self.payload(PayloadBase::TransportHeader, 0, 2).ports(*condition);
        }
        if let Some(condition) = &matches.destination_port {
            self = self.payload(PayloadBase::TransportHeader, 2, 2).ports(*condition);
        }
        if let Some(condition) = &matches.tcp_flags {
            let TcpFlags { mask, value } = *condition.value();
            self = self
                .payload(PayloadBase::TransportHeader, TCP_FLAGS, 1)
                .mask(&[mask])
                .compare(equality(condition), &[value]);
        }
        self
    }

    fn meta(mut self, key: MetaKeys) -> Self {
        self.list = self
            .list
            .nested_elem()
            .nested_data_meta()
            .push_dreg(REGISTER)
            .push_key(key as u32)
            .end_nested()
            .end_nested();
        self
    }

    fn payload(mut self, base: PayloadBase, offset: u32, length: u32) -> Self {
        self.list = self
            .list
            .nested_elem()
            .nested_data_payload()
            .push_dreg(REGISTER)
            .push_base(base as u32)
            .push_offset(offset)
            .push_len(length)
            .end_nested()
            .end_nested();
        self
    }

    fn mask(mut self, mask: &[u8]) -> Self {
        self.list = self
            .list
            .nested_elem()
            .nested_data_bitwise()
            .push_sreg(REGISTER)
            .push_dreg(REGISTER)
            .push_len(u32::try_from(mask.len()).expect("a register is short"))
            .nested_mask()
            .push_value(mask)
            .end_nested()
            .nested_xor()
            .push_value(&[0; 16][..mask.len()])
            .end_nested()
            .end_nested()
            .end_nested();
        self
    }

    fn compare(mut self, operator: CmpOps, value: &[u8]) -> Self {
        self.list = self
            .list
            .nested_elem()
            .nested_data_cmp()
            .push_sreg(REGISTER)
            .push_op(operator as u32)
            .nested_data()
            .push_value(value)
            .end_nested()
            .end_nested()
            .end_nested();
        self
    }

    fn interface(self, condition: &Condition<Interface>) -> Self {
        let interface = condition.value();
        let mut name = [0; INTERFACE_NAME];
        let length = interface.name().len();
        name[..length].copy_from_slice(interface.name().as_bytes());
        let compared = if interface.is_wildcard() { &name[..length] } else { &name };
        self.compare(equality(condition), compared)
    }

    fn address(self, condition: &Condition<Cidr>, direction: Direction) -> Self {
        let cidr = *condition.value();
        if cidr.prefix() == 0 {
            return self;
        }
        let (offset, length) = match (cidr.version(), direction) {
            (IpVersion::V4, Direction::Source) => (12, 4),
            (IpVersion::V4, Direction::Destination) => (16, 4),
            (IpVersion::V6, Direction::Source) => (8, 16),
            (IpVersion::V6, Direction::Destination) => (24, 16),
        };
        let loaded = self.payload(PayloadBase::NetworkHeader, offset, length);
        let masked =
            if cidr.prefix() == cidr.version().bits() { loaded } else { loaded.mask(&octets(cidr.mask())) };
        masked.compare(equality(condition), &octets(cidr.address()))
    }

    fn ports(mut self, condition: Condition<PortRange>) -> Self {
        let ports = *condition.value();
        let (first, last) = (ports.first().to_be_bytes(), ports.last().to_be_bytes());
        if first == last {
            return self.compare(equality(&condition), &first);
        }
        let operator = if condition.is_negated() { RangeOps::Neq } else { RangeOps::Eq };
        self.list = self
            .list
            .nested_elem()
            .nested_data_range()
            .push_sreg(REGISTER)
            .push_op(operator as u32)
            .nested_from_data()
            .push_value(&first)
            .end_nested()
            .nested_to_data()
            .push_value(&last)
            .end_nested()
            .end_nested()
            .end_nested();
        self
    }

    fn counter(mut self) -> Self {
        self.list = self.list.nested_elem().nested_data_counter().end_nested().end_nested();
        self
    }

    fn verdict(mut self, verdict: Verdict) -> Self {
        let code = match verdict {
            Verdict::Count => return self,
            Verdict::Reject(with) => return self.reject(with),
            Verdict::Drop => VerdictCode::Drop,
            Verdict::Accept => VerdictCode::Accept,
        };
        self.list = self
            .list
            .nested_elem()
            .nested_data_immediate()
            .push_dreg(Registers::RegVerdict as u32)
            .nested_data()
            .nested_verdict()
            .push_code(code as u32)
            .end_nested()
            .end_nested()
            .end_nested()
            .end_nested();
        self
    }

    fn reject(mut self, with: RejectWith) -> Self {
        let (kind, code) = match with {
            RejectWith::TcpReset => (RejectTypes::TcpRst, 0),
            RejectWith::Icmp(code) => (RejectTypes::IcmpUnreach, code as u8),
            RejectWith::Icmpv6(code) => (RejectTypes::IcmpUnreach, code as u8),
            RejectWith::Icmpx(code) => (RejectTypes::IcmpxUnreach, code as u8),
        };
        self.list = self
            .list
            .nested_elem()
            .nested_data_reject()
            .push_type(kind as u32)
            .push_icmp_code(code)
            .end_nested()
            .end_nested();
        self
    }
}

/// Which address of a packet.
#[derive(Clone, Copy)]
enum Direction {
    Source,
    Destination,
}

const fn equality<T>(condition: &Condition<T>) -> CmpOps {
    if condition.is_negated() { CmpOps::Neq } else { CmpOps::Eq }
}

const fn nfproto(version: IpVersion) -> u8 {
    match version {
        IpVersion::V4 => 2,
        IpVersion::V6 => 10,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
