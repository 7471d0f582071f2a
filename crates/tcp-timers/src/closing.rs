//! A connection that its application has closed, wholly or halfway, and whose peer is gone.

use std::time::Duration;

use crate::answer::{Answer, Errno, Timer, seconds};
use crate::clock::TICK;
use crate::fates::Peer;
use crate::ladder::Ladder;
use crate::loss::Loss;
use crate::options::Socket;
use crate::persist::refused;
use crate::phases::{Alarm, Beginning, Then, follow};
use crate::retransmission::{Flight, Owner, give_up};

/// How far the end of a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// `close()`; the FIN is never acknowledged (`FIN_WAIT1`, `LAST_ACK`, `CLOSING`), and nothing else is
    /// unacknowledged. Counts from `close()`.
    Closed(Loss),
    /// `close()`; the FIN was acknowledged, the peer's FIN never comes (`FIN_WAIT2`). Counts from the acknowledgement.
    FinWait2,
    /// `shutdown(SHUT_WR)` and no `close()`; the FIN is never acknowledged. Counts from the `shutdown()`.
    ShutDown(Loss),
    /// `shutdown(SHUT_WR)` and no `close()`; the FIN was acknowledged. Counts from the acknowledgement.
    ShutDownFinWait2,
    /// The peer's FIN has come, this end neither closes nor sends (`CLOSE_WAIT`). Counts from the last segment
    /// received.
    CloseWait,
}

/// When does the kernel forget a connection that is being closed?
///
/// After `close()` nobody is told: [`crate::Death::errno`] is what the kernel notes, and no `read()` will ever see it.
///
/// - A FIN that is lost is retransmitted as data is, one that its own host refuses is probed for, but
///   `tcp_orphan_retries` counts instead of `tcp_retries2` once the socket is closed; `TCP_USER_TIMEOUT` goes
///   before both.
/// - `FIN_WAIT2` after `close()` lasts as long as `TCP_LINGER2` or `tcp_fin_timeout` says. Of more than 60 s only
///   the part beyond is waited, twice: once by the socket (`tcp_rcv_state_process()`, `tcp_keepalive_timer()`)
///   and once in `TIME_WAIT`'s little brother.
/// - Without `close()`, `FIN_WAIT2` and `CLOSE_WAIT` last for ever, unless keepalive ends them: then ask
///   [`crate::keepalive()`].
pub fn closing(socket: &Socket, closing: Closing) -> Answer {
    let fin = |loss, owner| match loss {
        Loss::Path => give_up(socket, &Flight::new(loss), owner),
        Loss::Refused | Loss::Congested | Loss::NoRoute(_) => refused(socket, loss, owner),
    };
    match closing {
        Closing::Closed(loss) => fin(loss, Owner::Nobody),
        Closing::ShutDown(loss) => fin(loss, Owner::Application),
        Closing::FinWait2 => fin_wait2(socket),
        Closing::ShutDownFinWait2 | Closing::CloseWait if socket.options.keepalive.is_some() => {
            Answer::unpredicted(
                "keepalive ends it, counted from the last segment received: a question of its own",
            )
        }
        Closing::ShutDownFinWait2 => Answer::lives("only close() limits FIN_WAIT2, and keepalive is off"),
        Closing::CloseWait => Answer::lives("CLOSE_WAIT has no timer of its own, and keepalive is off"),
    }
}

/// `TCP_TIMEWAIT_LEN`
const TIME_WAIT: Duration = Duration::from_mins(1);

/// `FIN_WAIT2` without an owner.
fn fin_wait2(socket: &Socket) -> Answer {
    let ladder = Ladder::of(socket);
    let asked = socket.options.linger2.filter(|time| !time.is_zero()).unwrap_or(socket.sysctls.fin_timeout);
    // `tcp_fin_time()`: 3.5 times the RTO at least.
    let time = ladder.clock.jiffies(asked).max(ladder.first * 7 / 2);
    let limit = ladder.clock.jiffies(TIME_WAIT);
    let (first, stages) = if time > limit { (time - limit, 2) } else { (time, 1) };
    let beginning = Beginning { before: 0, timer: first, longest: first };
    let fates = follow(ladder.clock, beginning, 1, |part| {
        Ok(if part.state == stages { Then::Dies } else { Then::Arm(None, Alarm::In(first), part.state + 1) })
    });
    fates.answer((Timer::FinWait2, Errno::Etimedout), Peer::KnowsNothing, |_| {
        let [once, all] = [1, stages].map(|times| ladder.clock.span(times * first * TICK));
        let twice = if stages == 1 { "" } else { ", twice" };
        (format!("FIN_WAIT2 {}{twice}", seconds(once)), all)
    })
}
