//! What was measured in real kernels, and what the theory says to it: each figure must lie in its window, and the
//! window must be as narrow as the wheel allows.

mod opening_and_closing;
mod sending;
mod silence;

use std::time::Duration;

use tcp_timers::{Answer, Death, Keepalive, Kernel, Options, Socket, Sysctls};

/// One end in a kernel, with all that a question needs.
pub(crate) struct End {
    pub(crate) kernel: Kernel,
    pub(crate) options: Options,
    pub(crate) sysctls: Sysctls,
}

impl End {
    pub(crate) fn of(release: &str, hz: u32) -> Self {
        let kernel = Kernel { version: release.parse().expect("a release"), hz };
        Self { kernel, options: Options::default(), sysctls: Sysctls::default() }
    }

    pub(crate) fn keepalive(mut self, [idle, interval, count]: [u32; 3]) -> Self {
        let [idle, interval] = [idle, interval].map(|s| Duration::from_secs(s.into()));
        self.options.keepalive = Some(Keepalive { idle, interval, count });
        self
    }

    pub(crate) fn user_timeout(mut self, limit: Duration) -> Self {
        self.options.user_timeout = Some(limit);
        self
    }

    pub(crate) fn retries2(mut self, retries: u32) -> Self {
        self.sysctls.retries2 = retries;
        self
    }

    pub(crate) fn ask(&self, question: impl FnOnce(&Socket) -> Answer) -> Answer {
        let round_trip = Duration::from_micros(50);
        question(&Socket { kernel: self.kernel, options: &self.options, sysctls: &self.sysctls, round_trip })
    }

    pub(crate) fn death(&self, question: impl FnOnce(&Socket) -> Answer) -> Death {
        match self.ask(question) {
            Answer::Dies(death) => death,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn modern() -> End {
    End::of("6.18.44", 250)
}

#[track_caller]
pub(crate) fn assert_window(death: &Death, shown: &str, measured: &[f64]) {
    assert_eq!(death.at.to_string(), shown);
    for &seconds in measured {
        assert!(death.at.contains(Duration::from_secs_f64(seconds)), "{seconds} s lies outside {shown}");
    }
}
