//! One experiment as a plain value.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::end::Ends;
use crate::expect::Expectation;
use crate::fault::Fault;
use crate::program::Program;

/// One experiment: one combination of parameters, one pair of ends, one schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The scenario's name: its file name without `.toml`.
    pub scenario: String,
    /// The combination of swept parameters, counted from 1 and padded so that names sort: `1`, `007`.
    /// The same for all repeats of a combination.
    pub id: String,
    /// Which repeat of that combination, counted from 1.
    pub repeat: u32,
    /// At which phase of the kernel's timer wheel it begins; `None`: at once, whatever the phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The swept parameters with their values as written, in the order of the file; empty without a sweep.
    pub parameters: Vec<Parameter>,
    /// What to do.
    pub experiment: Experiment,
}

impl Cell {
    /// A name for this cell that is unique in its run and fit for a folder: `007`, `007-r2`, `007-r2-p3`.
    pub fn folder(&self) -> String {
        let repeat = (self.repeat > 1).then(|| format!("-r{}", self.repeat));
        let phase = self.phase.filter(|phase| phase.of > 1).map(|phase| format!("-p{}", phase.index + 1));
        [Some(self.id.clone()), repeat, phase].into_iter().flatten().collect()
    }
}

/// One of several phases of the kernel's timer wheel, spread over its period.
///
/// The wheel rounds each timer up, depending on when it is armed; so one cell shows one of the times that are
/// possible, and the same cell begun at several phases shows how far they spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Phase {
    /// Which, counted from 0.
    pub index: u32,
    /// How many there are, at least 1.
    pub of: u32,
}

/// One swept parameter and its value in this cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// The scenario key, such as `client.keepalive.idle`: a column of the CSV.
    pub key: String,
    /// The value as written, such as `2s`; a table is written as inline TOML.
    pub value: String,
}

/// What one cell does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experiment {
    /// IPv4 or IPv6.
    pub ip: IpVersion,
    /// The TCP port the server listens on.
    pub port: u16,
    /// The two programs.
    pub programs: Ends<Program>,
    /// Sysctls of each host's namespace, name (`net.ipv4.tcp_retries2`) to value; `[sysctl]` and
    /// `[SIDE.sysctl]` already merged.
    pub sysctls: Ends<BTreeMap<String, String>>,
    /// What to break, in the order of the file.
    pub faults: Vec<Fault>,
    /// When to stop.
    pub stop: Stop,
    /// What is expected of each end, if anything.
    pub expect: Ends<Option<Expectation>>,
}

/// The Internet Protocol version of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpVersion {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// When a cell ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The condition.
    pub when: StopWhen,
    /// At the latest this long after the client's `connect()`.
    pub limit: Duration,
}

/// The condition that ends a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopWhen {
    /// Both ends have an error or are closed (or can no longer be connected).
    BothClosed,
    /// The client has.
    ClientClosed,
    /// The server has.
    ServerClosed,
    /// Only the limit.
    Limit,
}
