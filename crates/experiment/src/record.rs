//! What a cell tells while it runs: the lines of `events.jsonl`.

use std::net::IpAddr;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_endpoint::EndpointEvent;
use keepalive_lab_scenario::end::End;
use serde::{Deserialize, Serialize};

/// One line of `events.jsonl`: who tells, when (`CLOCK_MONOTONIC` nanoseconds), what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum Record {
    /// What the application at one end saw or did.
    Application(EndpointEvent),
    /// What the lab did to the network.
    Lab(LabRecord),
    /// What the kernel said of one end's socket.
    Kernel(KernelRecord),
}

impl Record {
    /// When it happened.
    pub const fn at(&self) -> Monotonic {
        match self {
            Self::Application(event) => event.at,
            Self::Lab(record) => record.at,
            Self::Kernel(record) => record.at,
        }
    }
}

/// What the lab did, and when it was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabRecord {
    /// The moment it was done: for faults, the kernel's acknowledgement.
    pub at: Monotonic,
    /// What.
    #[serde(flatten)]
    pub what: LabEvent,
}

/// What the lab does to the network of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum LabEvent {
    /// Two namespaces, a veth pair, addresses: ready.
    NetworkReady {
        /// The client's address.
        client: IpAddr,
        /// The server's address.
        server: IpAddr,
    },
    /// A sysctl was written in a host's namespace and read back.
    SysctlInForce {
        /// The host.
        on: End,
        /// Its name, such as `net.ipv4.tcp_retries2`.
        name: String,
        /// The value read back.
        value: String,
    },
    /// A fault came into force, somewhere between `called` and `at`.
    FaultInForce {
        /// Its name.
        fault: String,
        /// The host it is on.
        on: End,
        /// What it is, in the words of its tool.
        what: String,
        /// When it was to come into force; absent for a fault before the connection.
        #[serde(skip_serializing_if = "Option::is_none")]
        due: Option<Monotonic>,
        /// Just before the kernel, or the program, was asked.
        called: Monotonic,
    },
    /// A fault was undone, somewhere between `called` and `at`.
    FaultUndone {
        /// Its name.
        fault: String,
        /// The host it was on.
        on: End,
        /// The name of the entry that undid it: a `heal`, or a rule with `-D`.
        by: String,
        /// When that was due; absent before the connection.
        #[serde(skip_serializing_if = "Option::is_none")]
        due: Option<Monotonic>,
        /// Just before the kernel, or the program, was asked.
        called: Monotonic,
        /// How many packets the rule matched; absent for links, and where the rule has no counter.
        #[serde(skip_serializing_if = "Option::is_none")]
        packets: Option<u64>,
        /// How many bytes.
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
    },
    /// How many packets a rule that is still in force had matched when the cell stopped.
    RuleCounted {
        /// The fault's name.
        fault: String,
        /// The host it is on.
        on: End,
        /// Packets.
        packets: u64,
        /// Bytes.
        bytes: u64,
    },
    /// A fault waited for an event that did not come before the cell stopped.
    FaultNeverDue {
        /// Its name.
        fault: String,
    },
    /// The cell stopped.
    Stopped {
        /// Why.
        because: StopReason,
    },
}

/// Why a cell stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// Its `stop.when` came true.
    Condition,
    /// Its `stop.limit` was reached.
    Limit,
}

/// What the kernel said of one end's socket, by a tracepoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelRecord {
    /// When, to the microsecond.
    pub at: Monotonic,
    /// Whose socket.
    pub end: End,
    /// What.
    #[serde(flatten)]
    pub what: KernelFact,
}

/// What the kernel says of a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum KernelFact {
    /// `sock:inet_sock_set_state`.
    StateChanged {
        /// Before, such as `ESTABLISHED`.
        from: String,
        /// After.
        to: String,
    },
    /// `sock:inet_sk_error_report`: the moment the kernel decided.
    ErrorReported {
        /// The error's name.
        errno: String,
    },
}
