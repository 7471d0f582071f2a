//! What the kernel answers.

use std::fmt;
use std::io;

use netlink_bindings::builtin::{NlmsgerrAttrs, Nlmsghdr};
use netlink_bindings::nftables::{ExprOps, OpGetruleDump};
use netlink_bindings::traits::NetlinkRequest;
use nix::errno::Errno;

use super::batch::{DELRULE, NEWRULE};

/// Packets that a rule matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counter {
    /// How many.
    pub packets: u64,
    /// Their bytes, from the IP header on.
    pub bytes: u64,
}

impl Counter {
    /// Of several rules together; `None` if none of them has a counter.
    pub(crate) fn sum(counters: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        counters.into_iter().flatten().reduce(|sum, counter| Self {
            packets: sum.packets + counter.packets,
            bytes: sum.bytes + counter.bytes,
        })
    }
}

/// What the kernel said to a request that it did not carry out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The error.
    pub errno: Errno,
    /// The kernel's explanation (extended acknowledgement), where it gives one.
    pub explanation: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.errno)?;
        match &self.explanation {
            Some(explanation) => write!(f, " ({explanation})"),
            None => Ok(()),
        }
    }
}

impl Refusal {
    pub(super) const fn from_errno(errno: Errno) -> Self {
        Self { errno, explanation: None }
    }

    fn unreadable() -> Self {
        Self { errno: Errno::EBADMSG, explanation: Some("its answer could not be read".to_owned()) }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            // The socket's receive timeout.
            Some(errno @ Errno::EAGAIN) => Self { errno, explanation: Some("it did not answer".to_owned()) },
            Some(errno) => Self::from_errno(errno),
            None => Self { errno: Errno::EIO, explanation: Some(error.to_string()) },
        }
    }
}

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::firewall) struct RulePlace {
    /// `NFPROTO_*` of the table.
    pub(in crate::firewall) family: u8,
    pub(in crate::firewall) table: String,
    pub(in crate::firewall) chain: String,
    /// The kernel's number of the rule, unique in its table.
    pub(in crate::firewall) handle: u64,
}

/// A rule as the kernel tells of it.
#[derive(Clone, Debug)]
pub(in crate::firewall) struct RuleState {
    pub(in crate::firewall) place: RulePlace,
    /// The sum of its counters, if it has any.
    pub(in crate::firewall) counter: Option<Counter>,
    /// The ruleset changed during the dump this is part of.
    pub(super) interrupted: bool,
}

/// One message of an answer.
pub(super) enum Reply {
    /// A rule, of a dump or as an echo.
    Rule(RuleState),
    /// The request was carried out.
    Acknowledged,
    /// It was not.
    Refused(Refusal),
    /// All was told.
    EndOfDump { interrupted: bool },
    /// A message about something else.
    Other,
}

/// Cuts an answer into messages, each with the sequence number of its request.
pub(super) fn replies(answer: &[u8]) -> impl Iterator<Item = Result<(u32, Reply), Refusal>> {
    let mut rest = answer;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let header = rest.get(..Nlmsghdr::len()).and_then(Nlmsghdr::new_from_slice);
        let length = header.as_ref().map_or(0, |header| header.len as usize);
        let message = rest.get(Nlmsghdr::len()..length);
        let (Some(header), Some(payload)) = (header, message) else {
            rest = &[];
            return Some(Err(Refusal::unreadable()));
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(reply(&header, payload).map(|reply| (header.seq, reply)).ok_or_else(Refusal::unreadable))
    })
}

fn reply(header: &Nlmsghdr, payload: &[u8]) -> Option<Reply> {
    let interrupted = header.flags & flag(libc::NLM_F_DUMP_INTR) != 0;
    match i32::from(header.r#type) {
        libc::NLMSG_ERROR => acknowledgement(header, payload),
        libc::NLMSG_DONE => Some(Reply::EndOfDump { interrupted }),
        _ if [NEWRULE, DELRULE].contains(&header.r#type) => rule(payload, interrupted).map(Reply::Rule),
        _ => Some(Reply::Other),
    }
}

/// Netlink's flags are 16 bits wide; libc keeps them in an int.
pub(super) const fn flag(flag: libc::c_int) -> u16 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // they are single bits below 2^16
    {
        flag as u16
    }
}

/// `struct nlmsgerr`: the error, the header of the failed request, then attributes.
fn acknowledgement(header: &Nlmsghdr, payload: &[u8]) -> Option<Reply> {
    let (error, rest) = payload.split_first_chunk::<4>()?;
    let error = i32::from_ne_bytes(*error);
    if error == 0 {
        return Some(Reply::Acknowledged);
    }
    let attributes = rest.get(Nlmsghdr::len()..).unwrap_or_default();
    let explained = header.flags & flag(libc::NLM_F_ACK_TLVS) != 0;
    let explanation = explained
        .then(|| NlmsgerrAttrs::new(attributes).get_msg().ok())
        .flatten()
        .map(|message| message.to_string_lossy().into_owned());
    Some(Reply::Refused(Refusal { errno: Errno::from_raw(-error), explanation }))
}

fn rule(payload: &[u8], interrupted: bool) -> Option<RuleState> {
    let (header, attributes) = OpGetruleDump::decode_reply(payload);
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let place = RulePlace {
        family: header.nfgen_family,
        table: attributes.get_table().map(text).ok()?,
        chain: attributes.get_chain().map(text).ok()?,
        handle: attributes.get_handle().ok()?,
    };
    let counters = attributes.get_expressions().ok().map(|expressions| {
        Counter::sum(expressions.get_elem().map(|expression| match expression.get_data() {
            Ok(ExprOps::Counter(counter)) => {
                Some(Counter { packets: counter.get_packets().ok()?, bytes: counter.get_bytes().ok()? })
            }
            _ => None,
        }))
    });
    Some(RuleState { place, counter: counters.flatten(), interrupted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_answer_is_unreadable_and_ends_there() {
        let header = Nlmsghdr { len: 36, r#type: 2, flags: 0, seq: 7, pid: 0 };
        let mut answer = header.as_slice().to_vec();
        answer.extend([0; 8]);
        let told: Vec<_> = replies(&answer).collect();
        assert_eq!(told.len(), 1);
        assert!(matches!(&told[0], Err(refusal) if refusal.errno == Errno::EBADMSG));
    }

    #[test]
    fn an_error_is_told_with_the_kernels_explanation() {
        let header = Nlmsghdr {
            len: 48,
            r#type: 2,
            flags: flag(libc::NLM_F_ACK_TLVS | libc::NLM_F_CAPPED),
            seq: 7,
            pid: 0,
        };
        let mut answer = header.as_slice().to_vec();
        answer.extend((-libc::EPERM).to_ne_bytes());
        answer.extend([0; 16]);
        answer.extend([10, 0, 1, 0]); // 4 bytes of header and "because" would be too long: "so it"
        answer.extend(b"so it\0\0\0");
        let told: Vec<_> = replies(&answer).collect();
        let Ok((7, Reply::Refused(refusal))) = &told[0] else { panic!("not a refusal") };
        assert_eq!(refusal.errno, Errno::EPERM);
        assert_eq!(refusal.explanation.as_deref(), Some("so it"));
    }
}
