//! Only one direction is broken, and the peer's data still arrives: each retransmission of it is heard, and keepalive
//! starts anew.

use std::time::Duration;

use tcp_timers::{Loss, Window};

use super::View;
use super::chain::{Chain, Ending, chain as chain_of};
use super::flight;
use super::history::History;
use crate::segment::Kind;
use crate::span::surely_before;
use crate::timeline::Stretch;
use crate::way::Way;

/// Data that follows so soon goes out before the first timeout; then what is retransmitted is older than what was last
/// acknowledged, and is not heard as news of the peer.
const ALONE: Duration = Duration::from_millis(500);

/// What keepalive does while the peer's data still arrives; `None`: none does.
pub(super) fn chain(
    view: &View,
    stretch: &Stretch,
    [heard, mended]: [Window; 2],
    losses: &[Loss],
) -> Result<Option<Chain>, String> {
    let peer = view.end.peer();
    if !view.peer_may_write_in(stretch)
        || view.while_the_peer_lives(stretch).all(|epoch| matches!(epoch.line(peer), Way::Lost(..)))
    {
        return Ok(None);
    }
    if !view.while_the_peer_lives(stretch).all(|epoch| epoch.line(peer) == Way::Passes) {
        return Err(format!("when the last of the {peer}'s data arrives is not certain"));
    }
    let Some((_, sent)) = flight::of_the_peer(view, stretch)? else { return Ok(None) };
    let gives_up = match sent.ending {
        Ending::Dies { at, .. } => Some(at),
        Ending::Reset { .. } | Ending::Never => None,
    };
    if view.peer.is_some() && view.peer_over() != gives_up {
        return Err(format!("how often the {peer} sends its data again before it is gone is not certain"));
    }
    if view.scene.writes_when_well(peer).period().is_some_and(|period| period < ALONE) {
        return Err(format!(
            "how many segments of the {peer} arrive before its first timeout is not certain"
        ));
    }
    let socket = view.scene.socket(view.end)?;
    let mut arrivals: Vec<Window> = vec![heard];
    arrivals.extend(sent.attempts.iter().map(|attempt| attempt.at));
    for (index, arrival) in arrivals.iter().enumerate() {
        let history = History::new(view, *arrival, mended, &arrivals[1..=index])?;
        let answered = if index == 0 { flight::sound_for(heard, stretch) } else { [Duration::ZERO; 2] };
        let answer =
            history.keepalive(&socket, losses, answered).ok_or("what becomes of its probes is not known")?;
        let chain = chain_of(answer, *arrival, Kind::Ack, |death| {
            format!(
                "the {peer}'s data still arrives at the {}, the last time at {arrival}; keepalive probes get no answer, and {} \
                 after that it gives up",
                view.end, death.at
            )
        })?;
        let Ending::Dies { at, .. } = &chain.ending else { return Ok(Some(chain)) };
        match arrivals.get(index + 1) {
            Some(next) if surely_before(*next, *at) => {}
            Some(next) if !surely_before(*at, *next) => {
                return Err(format!(
                    "whether keepalive gives up before the {peer} sends its data again depends on the phase"
                ));
            }
            Some(_) => return Ok(Some(chain)),
            None if gives_up.is_some() => return Ok(Some(chain)),
            None => return Err(format!("how long the {peer} sends its data again is not known")),
        }
    }
    Ok(None)
}
