//! Requests: a transaction of nftables is one datagram of several messages.

use netlink_bindings::builtin::Nlmsghdr;
use netlink_bindings::nftables::{Nfgenmsg, OpGetruleDump, PushChainAttrs, PushRuleAttrs, PushTableAttrs};
use netlink_bindings::traits::NetlinkRequest;

use super::expression::push_rule;
use super::reply::{RulePlace, flag};
use crate::firewall::rule::{BaseChain, Family, Rule};

/// `NFNL_SUBSYS_NFTABLES << 8`: the upper byte of nftables' message types (`linux/netfilter/nfnetlink.h`).
const NFTABLES: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEWTABLE: u16 = NFTABLES;
const NEWCHAIN: u16 = NFTABLES | 3;
pub(super) const NEWRULE: u16 = NFTABLES | 6;
const GETRULE: u16 = NFTABLES | 7;
pub(super) const DELRULE: u16 = NFTABLES | 8;

/// `nfgenmsg.res_id` of a batch: the subsystem it is for.
const SUBSYSTEM: u16 = 10;

/// `NFPROTO_*` (`linux/netfilter.h`).
const fn family_number(family: Family) -> u8 {
    match family {
        Family::Inet => 1,
        Family::Ip => 2,
        Family::Ip6 => 10,
    }
}

pub(super) fn header(family: u8) -> Nfgenmsg {
    Nfgenmsg { nfgen_family: family, ..Nfgenmsg::new() }
}

/// A transaction: the kernel carries out all of it or nothing, within the system call that sends it.
#[derive(Debug)]
pub(in crate::firewall) struct Batch {
    bytes: Vec<u8>,
    first: u32,
    next: u32,
    closed: bool,
}

impl Batch {
    pub(super) fn new(first: u32) -> Self {
        let mut batch = Self { bytes: Vec::with_capacity(1024), first, next: first, closed: false };
        batch.bracket(BATCH_BEGIN);
        batch
    }

    /// Makes a chain and its table unless they are there already. The policy of a new chain is accept
    /// (the kernel's default); that of one that is there stays.
    pub(in crate::firewall) fn make_chain(&mut self, chain: &BaseChain) {
        let family = family_number(chain.family);
        self.message(NEWTABLE, flag(libc::NLM_F_CREATE), family, |bytes| {
            PushTableAttrs::new(bytes).push_name_bytes(chain.table.as_bytes()).end_nested();
        });
        self.message(NEWCHAIN, flag(libc::NLM_F_CREATE), family, |bytes| {
            PushChainAttrs::new(bytes)
                .push_table_bytes(chain.table.as_bytes())
                .push_name_bytes(chain.name.as_bytes())
                .nested_hook()
                .push_num(chain.hook.number())
                .push_priority(chain.priority)
                .end_nested()
                .push_type(c"filter")
                .end_nested();
        });
    }

    /// Adds a rule at the end of its chain.
    pub(in crate::firewall) fn append(&mut self, rule: &Rule) {
        self.add_rule(rule, flag(libc::NLM_F_CREATE | libc::NLM_F_APPEND));
    }

    /// Adds a rule at the start of its chain.
    pub(in crate::firewall) fn insert(&mut self, rule: &Rule) {
        self.add_rule(rule, flag(libc::NLM_F_CREATE));
    }

    fn add_rule(&mut self, rule: &Rule, flags: u16) {
        let family = family_number(rule.chain.family);
        self.message(NEWRULE, flags | flag(libc::NLM_F_ECHO), family, |bytes| push_rule(bytes, rule));
    }

    /// Deletes a rule. The echo tells its counter as it stands after the rule has left the chain
    /// (`net/netfilter/nf_tables_api.c`, `nf_tables_commit()`: the new generation of rules is in force
    /// before the notifications are written).
    pub(in crate::firewall) fn delete(&mut self, place: &RulePlace) {
        self.message(DELRULE, flag(libc::NLM_F_ECHO), place.family, |bytes| {
            PushRuleAttrs::new(bytes)
                .push_table_bytes(place.table.as_bytes())
                .push_chain_bytes(place.chain.as_bytes())
                .push_handle(place.handle)
                .end_nested();
        });
    }

    /// Closes the batch: nothing can be added any more.
    pub(in crate::firewall) fn close(mut self) -> Self {
        self.bracket(BATCH_END);
        self.closed = true;
        self
    }

    pub(super) fn bytes(&self) -> &[u8] {
        debug_assert!(self.closed, "a batch without its end is not carried out");
        &self.bytes
    }

    /// Whether a message of this batch has this sequence number.
    pub(super) fn holds(&self, sequence: u32) -> bool {
        (self.first..self.next).contains(&sequence)
    }

    /// The sequence number of the last request, the one before the end.
    pub(super) const fn last(&self) -> u32 {
        self.next - 2
    }

    fn bracket(&mut self, kind: u16) {
        let mut header = header(0);
        header.set_res_id(SUBSYSTEM);
        push_message(&mut self.bytes, kind, 0, self.next, &header, |_| {});
        self.next += 1;
    }

    fn message(&mut self, kind: u16, flags: u16, family: u8, attributes: impl FnOnce(&mut Vec<u8>)) {
        // Every request is acknowledged, in order; the last acknowledgement is the one waited for.
        let flags = flags | flag(libc::NLM_F_ACK);
        push_message(&mut self.bytes, kind, flags, self.next, &header(family), attributes);
        self.next += 1;
    }
}

/// The request for a dump as one message.
pub(super) fn dump_message(request: &OpGetruleDump<'_>, sequence: u32) -> Vec<u8> {
    let payload = request.payload();
    let mut message = Nlmsghdr {
        len: u32::try_from(Nlmsghdr::len() + payload.len()).expect("a request is short"),
        r#type: GETRULE,
        flags: flag(libc::NLM_F_REQUEST | libc::NLM_F_DUMP),
        seq: sequence,
        pid: 0,
    }
    .as_slice()
    .to_vec();
    message.extend(payload);
    message
}

fn push_message(
    bytes: &mut Vec<u8>,
    kind: u16,
    flags: u16,
    sequence: u32,
    header: &Nfgenmsg,
    attributes: impl FnOnce(&mut Vec<u8>),
) {
    let start = bytes.len();
    bytes.extend([0; Nlmsghdr::len()]);
    bytes.extend(header.as_slice());
    attributes(bytes);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let message = Nlmsghdr {
        len: u32::try_from(bytes.len() - start).expect("a message is short"),
        r#type: kind,
        flags: flags | flag(libc::NLM_F_REQUEST),
        seq: sequence,
        pid: 0,
    };
    bytes[start..start + Nlmsghdr::len()].copy_from_slice(message.as_slice());
}
