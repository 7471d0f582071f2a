//! A connection from its first moment to its close: the same at both ends.

use keepalive_lab_clock::Monotonic;
use keepalive_lab_scenario::expect::Outcome;
use keepalive_lab_scenario::program::Traffic;
use tokio::net::TcpStream;

use crate::close;
use crate::conversation::{Conversation, Ending};
use crate::event::{ClosedBy, EndpointEventKind};
use crate::stop::StopSignal;
use crate::summary::Life;

/// Lives with a connection until it is over, and gives the socket back.
pub(crate) async fn converse(
    life: &mut Life,
    stream: TcpStream,
    traffic: &Traffic,
    connected: Monotonic,
    stop: &mut StopSignal,
) {
    let linger = close::abort_unless_closed(&stream);
    let ending = Conversation::new(&stream, traffic, &mut life.reporter, connected).run(stop).await;
    match ending {
        Ending::Failed(error) => {
            life.failed(error);
            life.snapshot(&stream);
        }
        Ending::Closing { by, at } => {
            life.snapshot(&stream);
            let closed = Monotonic::now();
            life.reporter.tell(closed, EndpointEventKind::Closed { by });
            let finished = match by {
                ClosedBy::Peer => at,
                ClosedBy::Itself => closed,
            };
            life.ended(Outcome::Closed, Some(finished));
            tokio::select! {
                biased;
                () = close::in_order(stream, linger) => {}
                () = stop.raised() => {}
            }
        }
        Ending::Stopped { closed } => {
            life.ended(if closed.is_some() { Outcome::Closed } else { Outcome::Alive }, closed);
            life.snapshot(&stream);
            stop.leave(stream);
        }
    }
}
