//! What is known before anything happens: the two ends as their kernels see them, and what they write.

use std::time::Duration;

use keepalive_lab_scenario::cell::Experiment;
use keepalive_lab_scenario::end::{End, Ends};
use keepalive_lab_scenario::program::{Send, Traffic};
use tcp_timers::{Kernel, Options, Socket, Sysctls};

use crate::Ground;
use crate::fit::Cell;
use crate::socket;
use crate::traffic::Writes;

/// A round trip between two namespaces of one machine; some tens of microseconds, and in a virtual machine some more.
const ROUND_TRIP: Duration = Duration::from_micros(100);

/// The range of the kernel's own choice of ports (`net.ipv4.ip_local_port_range`).
const EPHEMERAL: (u16, u16) = (32768, 60999);

/// How long an end may wait with an acknowledgement for data of its own to go with it (`TCP_DELACK_MIN`).
const DELAYED_ACK: Duration = Duration::from_millis(40);

/// One cell before it begins.
pub(crate) struct Scene<'a> {
    pub(crate) experiment: &'a Experiment,
    pub(crate) cell: Cell,
    kernel: Kernel,
    sysctls: Ends<Result<Sysctls, String>>,
    options: Ends<Options>,
    /// What each end writes by timers of its own.
    pub(crate) writes: Ends<Writes>,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(experiment: &'a Experiment, ground: &Ground) -> Self {
        let programs = &experiment.programs;
        let sysctls = Ends::from_fn(|end| socket::sysctls(&ground.sysctls, experiment.sysctls.get(end)));
        let options = Ends::from_fn(|end| {
            let known = sysctls.get(end).clone().unwrap_or_default();
            socket::options(&programs.get(end).options, &known)
        });
        Self {
            experiment,
            cell: Cell { ip: experiment.ip, port: experiment.port, ephemeral: EPHEMERAL },
            kernel: ground.kernel,
            sysctls,
            options,
            writes: Ends::from_fn(|end| Writes::of(programs.get(end))),
        }
    }

    /// One end as its kernel sees it; or why the theory does not know it.
    pub(crate) fn socket(&self, end: End) -> Result<Socket<'_>, String> {
        let sysctls = self.sysctls.get(end).as_ref().map_err(Clone::clone)?;
        Ok(Socket { kernel: self.kernel, options: self.options.get(end), sysctls, round_trip: ROUND_TRIP })
    }

    /// Round trips that an end may have measured: where its peer delays acknowledgements, up to that delay and a tick.
    pub(crate) fn round_trips(&self, end: End) -> Vec<Duration> {
        let delay = self.ack_delay(end.peer());
        if delay.is_zero() {
            return vec![ROUND_TRIP];
        }
        // The first timeout is a whole number of ticks, of 1 ms at least.
        let latest = u64::try_from((delay * 6 / 5).as_millis()).unwrap_or_default();
        (0..=latest).map(|delay| ROUND_TRIP + Duration::from_millis(delay)).collect()
    }

    /// What one end is to send and to read.
    pub(crate) fn traffic(&self, end: End) -> &Traffic {
        &self.experiment.programs.get(end).traffic
    }

    /// Does it write until the buffers are full?
    pub(crate) fn fills(&self, end: End) -> bool {
        self.traffic(end).sends.contains(&Send::Fill)
    }

    /// Does keepalive watch this end's connection?
    pub(crate) fn has_keepalive(&self, end: End) -> bool {
        self.options.get(end).keepalive.is_some()
    }

    /// All writes of an end while the network is well, replies included.
    pub(crate) fn writes_when_well(&self, end: End) -> Writes {
        let own = self.writes.get(end);
        if self.traffic(end).reply { own.and(self.writes.get(end.peer())) } else { own.clone() }
    }

    /// Does an end send anything of its own accord, ever?
    pub(crate) fn is_silent(&self, end: End) -> bool {
        !self.fills(end) && !self.has_keepalive(end) && self.writes_when_well(end).is_empty()
    }

    /// How late an end may acknowledge: one that sends data again and again may wait a little for some to go with it.
    pub(crate) fn ack_delay(&self, of: End) -> Duration {
        let traffic = self.traffic(of);
        let sends = traffic.reply || traffic.sends.iter().any(|send| !matches!(send, Send::Once { .. }));
        if sends { DELAYED_ACK } else { Duration::ZERO }
    }
}
