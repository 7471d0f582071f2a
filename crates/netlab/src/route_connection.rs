//! The crate `rtnetlink` for plain threads: its connection, driven while somebody waits for an answer.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::proto::Connection;
use rtnetlink::{AddressHandle, Error, Handle, LinkHandle};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// The kernel answers within the system call that asks; this only keeps an answer that was lost, or
/// that the crate could not read and so dropped, from hanging us.
const PATIENCE: Duration = Duration::from_secs(5);

/// What wakes those who wait for answers: one for any number of connections, because it costs
/// descriptors of its own. It has no thread; whoever waits lends it his.
#[derive(Debug)]
pub(crate) struct Reactor {
    runtime: Option<Runtime>,
}

impl Reactor {
    pub(crate) fn new() -> Result<Arc<Self>, Errno> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        runtime.map(|runtime| Arc::new(Self { runtime: Some(runtime) })).map_err(system_errno)
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("taken only when dropped")
    }
}

impl Drop for Reactor {
    /// A runtime that is simply dropped panics inside an asynchronous task, where a host may well end.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A connection to `NETLINK_ROUTE` that acts in the network namespace it was opened in.
///
/// It is no task of the runtime: dropping it closes its socket there and then, which would else keep
/// the namespace alive until somebody waits again.
pub(crate) struct RouteConnection {
    // Callers take turns to drive it.
    connection: Mutex<Connection<RouteNetlinkMessage>>,
    handle: Handle,
    reactor: Arc<Reactor>,
}

impl RouteConnection {
    /// Opens a connection in the calling thread's network namespace.
    pub(crate) fn open(reactor: &Arc<Reactor>) -> Result<Self, Errno> {
        let _entered = reactor.runtime().enter();
        let (connection, handle, _) = rtnetlink::new_connection().map_err(system_errno)?;
        Ok(Self { connection: Mutex::new(connection), handle, reactor: Arc::clone(reactor) })
    }

    /// Requests about links.
    pub(crate) fn link(&self) -> LinkHandle {
        self.handle.link()
    }

    /// Requests about addresses.
    pub(crate) fn address(&self) -> AddressHandle {
        self.handle.address()
    }

    /// Carries a request out and waits for the answer. Panics inside an asynchronous task.
    pub(crate) fn wait<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Errno> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        self.reactor.runtime().block_on(async {
            tokio::select! {
                biased; // an answer that came while the thread was held up counts before the time does
                () = &mut *connection => Err(Errno::ENOTCONN),
                answer = timeout(PATIENCE, request) => match answer {
                    Ok(answer) => answer.map_err(|error| reason(&error)),
                    Err(_) => Err(Errno::ETIMEDOUT),
                },
            }
        })
    }
}

impl fmt::Debug for RouteConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteConnection").field("handle", &self.handle).finish_non_exhaustive()
    }
}

fn system_errno(error: io::Error) -> Errno {
    Errno::try_from(error).unwrap_or(Errno::EIO)
}

/// The kernel's reason, or `EPROTO` for an answer that makes no sense.
fn reason(error: &Error) -> Errno {
    match error {
        Error::NetlinkError(message) => Errno::from_raw(message.raw_code().saturating_abs()),
        Error::RequestFailed => Errno::ENOTCONN,
        _ => Errno::EPROTO,
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use super::*;
    use crate::link::{self, LOOPBACK, LinkState};

    const NOBODY: u32 = 0x7fff_0000;

    fn connection() -> RouteConnection {
        RouteConnection::open(&Reactor::new().expect("a runtime")).expect("anyone may open one")
    }

    #[test]
    fn a_refusal_is_told_in_the_kernels_words_each_time() {
        // Without privilege the kernel says EPERM before it looks at the index; either is a refusal.
        let connection = connection();
        for _ in 0..2 {
            let errno = link::set(&connection, NOBODY, LinkState::Up).expect_err("there is no such link");
            assert!(matches!(errno, Errno::ENODEV | Errno::EPERM), "{errno}");
        }
    }

    #[test]
    fn threads_that_share_a_reactor_get_each_its_own_answers() {
        let reactor = Reactor::new().expect("a runtime");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let connection = RouteConnection::open(&reactor).expect("a connection");
                    for _ in 0..200 {
                        link::status(&connection, LOOPBACK).expect("every namespace has `lo`");
                        assert_eq!(link::status(&connection, NOBODY), Err(Errno::ENODEV));
                    }
                });
            }
        });
    }

    #[test]
    fn a_connection_may_end_inside_an_asynchronous_task() {
        let connection = connection();
        let other = Builder::new_current_thread().build().expect("a runtime");
        other.block_on(async { drop(connection) });
    }

    #[test]
    fn a_request_that_the_connection_gave_up_is_an_error() {
        let lost = future::ready(Err::<(), _>(Error::RequestFailed));
        assert_eq!(connection().wait(lost), Err(Errno::ENOTCONN));
    }
}
