//! One connection in one phase, written as the kernel is: one start at one nanosecond, one jiffy after the other.

pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const MILLISECOND: u64 = 1_000_000;

/// Far enough from 0 for what happens before the start; a multiple of every bucket.
pub(crate) const ORIGIN: u64 = 1 << 24;

/// A kernel with one connection. All tick rates here divide a second into whole nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) hz: u64,
    pub(crate) slack: bool,
}

impl Machine {
    pub(crate) fn tick(self) -> u64 {
        SECOND / self.hz
    }

    fn jiffy(self, at: u64) -> u64 {
        at / self.tick()
    }

    pub(crate) fn ticks(self, span: u64) -> u64 {
        span.div_ceil(self.tick())
    }

    /// When a timer fires: searched for, not computed.
    fn fires(self, now: u64, delta: u64, armed_by_timer: bool) -> u64 {
        let target = now + delta;
        if self.slack {
            let reach = if delta < 256 { 0 } else { delta / 256 };
            // The roundest after the target; the target only where there is none.
            return (target + 1..=target + reach)
                .max_by_key(|jiffy| jiffy.trailing_zeros())
                .filter(|jiffy| (target ^ (target + reach)) >> jiffy.trailing_zeros() != 0)
                .unwrap_or(target);
        }
        let ahead = delta.saturating_sub(u64::from(armed_by_timer));
        let mut width = 1;
        while ahead >= 63 * width {
            width *= 8;
        }
        (target / width + 1) * width
    }
}

/// When it dies after the start, and when it sent what before that, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Life {
    pub(crate) death: u64,
    pub(crate) attempts: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Quiet {
    pub(crate) machine: Machine,
    pub(crate) idle: u64,
    pub(crate) interval: u64,
    pub(crate) count: usize,
    pub(crate) user_timeout: Option<u64>,
    pub(crate) armed_before: u64,
    pub(crate) stream: Option<u64>,
    pub(crate) answered_for: u64,
}

pub(crate) fn quiet_life(quiet: Quiet, start: u64) -> Life {
    let Quiet { machine, idle, interval, count, user_timeout, armed_before, stream, answered_for } = quiet;
    let mut heard: Vec<u64> = vec![start - armed_before, start];
    if let Some(every) = stream {
        heard.extend((1..=armed_before / every).map(|n| start - n * every));
    }
    let mut life = Life::default();
    let mut fire = machine.fires(machine.jiffy(start - armed_before), machine.ticks(idle), false);
    let mut unanswered = 0;
    loop {
        let now = fire * machine.tick();
        let last = heard.iter().copied().filter(|&at| at <= now).max().expect("the connection came up");
        let silent = fire - machine.jiffy(last);
        let wait = if silent < machine.ticks(idle) {
            machine.ticks(idle) - silent
        } else {
            let over = match user_timeout {
                None => unanswered >= count,
                Some(limit) => unanswered > 0 && silent >= machine.ticks(limit),
            };
            if over {
                life.death = now - start;
                return life;
            }
            if now <= start + answered_for {
                heard.push(now);
                unanswered = 0;
            } else {
                unanswered += 1;
                life.attempts.push(now - start);
            }
            machine.ticks(interval)
        };
        fire = machine.fires(fire, wait, true);
    }
}

/// What ages data: `tcp_retries2` or `TCP_USER_TIMEOUT`, in milliseconds.
pub(crate) fn model(machine: Machine, retries: u64, base: u64) -> u64 {
    let mut timeout = base;
    let mut sum = 0;
    for _ in 0..=retries {
        sum += timeout;
        timeout = (timeout * 2).min(120 * machine.hz);
    }
    sum * 1000 / machine.hz
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    pub(crate) machine: Machine,
    pub(crate) retries: u64,
    pub(crate) user_timeout: Option<u64>,
    pub(crate) round_trip: u64,
    pub(crate) loss_probe: bool,
    pub(crate) segments: u32,
}

pub(crate) fn flight_life(sending: Sending, start: u64) -> Life {
    let Sending { machine, retries, user_timeout, round_trip, loss_probe, segments } = sending;
    let mut life = Life::default();
    let mut timeout = machine.ticks(200 * MILLISECOND + round_trip);
    let mut fire = machine.jiffy(start);
    let mut by_timer = false;
    if loss_probe {
        let extra = if segments > 1 { 2 } else { 200 };
        let probe = machine.ticks(2 * round_trip + extra * MILLISECOND).min(timeout);
        fire = machine.fires(fire, probe, false);
        life.attempts.push(fire * machine.tick() - start);
        by_timer = true;
    }
    let mut wait = timeout;
    let mut first = None;
    loop {
        fire = machine.fires(fire, wait, by_timer);
        by_timer = true;
        let now = fire * machine.tick();
        let first = *first.get_or_insert(now);
        let age = (now - first) / MILLISECOND;
        let limit = user_timeout.unwrap_or_else(|| model(machine, retries, machine.hz / 5));
        if now > first && age >= limit {
            life.death = now - start;
            return life;
        }
        life.attempts.push(now - start);
        timeout = (timeout * 2).min(120 * machine.hz);
        wait = match user_timeout {
            Some(limit) if limit > age => timeout.min(machine.ticks((limit - age) * MILLISECOND)),
            Some(_) => 1,
            None => timeout,
        };
    }
}

/// The persist timer: `alive` is how long probes are answered.
pub(crate) fn persist_life(sending: Sending, alive: u64, start: u64) -> Life {
    let Sending { machine, retries, user_timeout, round_trip, .. } = sending;
    let mut life = Life::default();
    let base = machine.ticks(200 * MILLISECOND + round_trip);
    let mut fire = machine.fires(machine.jiffy(start), base, false);
    let (mut probes, mut backoff) = (0, 0);
    let (mut first, mut answered) = (None, None);
    loop {
        let now = fire * machine.tick();
        let age = fire - *first.get_or_insert(fire);
        if user_timeout.is_some_and(|limit| age >= machine.ticks(limit * MILLISECOND) && age > 0)
            || probes >= retries
        {
            life.death = now - start;
            return life;
        }
        life.attempts.push(now - start);
        if backoff < retries {
            backoff += 1;
        }
        let mut wait = (0..backoff.min(10)).fold(base, |wait, _| wait * 2).min(120 * machine.hz);
        let lives = now < start + alive && answered.is_none_or(|last| fire - last >= machine.hz / 2);
        let armed = if lives { machine.jiffy(now + round_trip) } else { fire };
        if let Some(limit) = user_timeout {
            let age = armed - first.expect("set above");
            wait = wait.min(machine.ticks(limit * MILLISECOND).saturating_sub(age).max(2));
        }
        if lives {
            probes = 0;
            answered = Some(fire);
        } else {
            probes += 1;
        }
        fire = machine.fires(armed, wait, !lives);
    }
}

pub(crate) fn connect_life(
    machine: Machine,
    count: u64,
    linear: u64,
    user_timeout: Option<u64>,
    start: u64,
) -> Life {
    let mut life = Life::default();
    let mut timeout = machine.hz;
    let mut fire = machine.fires(machine.jiffy(start), timeout, false);
    let mut sent = 0;
    loop {
        let now = fire * machine.tick();
        let limit = user_timeout.unwrap_or_else(|| model(machine, count, machine.hz));
        if sent >= count + linear || sent > 0 && now - start >= limit * MILLISECOND {
            life.death = now - start;
            return life;
        }
        life.attempts.push(now - start);
        sent += 1;
        if sent > linear {
            timeout = (timeout * 2).min(120 * machine.hz);
        }
        let age = now / MILLISECOND - start / MILLISECOND;
        let wait = match user_timeout {
            Some(limit) if limit > age => timeout.min(machine.ticks((limit - age) * MILLISECOND)),
            Some(_) => 1,
            None => timeout,
        };
        fire = machine.fires(fire, wait, true);
    }
}
