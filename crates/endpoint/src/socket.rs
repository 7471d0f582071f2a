//! The sockets of both ends, made inside a namespace and not yet in use.

use std::net::SocketAddr;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_scenario::program::Program;
use socket2::{Domain, Protocol, Socket, Type};

use crate::errno::errno_of;
use crate::error::SocketError;
use crate::option::{self, OptionInForce};

/// Length of the accept queue, as node asks for it. The kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 511;

/// A listening socket, ready for [`run_server`](crate::run_server).
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: Socket,
    pub(crate) local: SocketAddr,
    pub(crate) program: Program,
    /// The buffers; the other options are set on the accepted socket.
    pub(crate) options: Vec<OptionInForce>,
    pub(crate) since: Monotonic,
}

impl Listener {
    /// Listens on `address` in the network namespace of the calling thread.
    ///
    /// The buffers are set before `listen()`, all other options when a connection is accepted; that
    /// the kernel takes them is tried here, on a socket that is thrown away.
    pub fn bind(address: SocketAddr, program: &Program) -> Result<Self, SocketError> {
        option::set_others(&create(address)?, &program.options)?;
        let socket = create(address)?;
        // As libuv does. It matters only to a second bind of the same address.
        socket.set_reuse_address(true).map_err(|error| bind_error(address, &error))?;
        let options = option::set_buffers(&socket, &program.options)?;
        socket.bind(&address.into()).map_err(|error| bind_error(address, &error))?;
        socket.listen(BACKLOG).map_err(|error| SocketError::Listen { address, errno: errno_of(&error) })?;
        let since = Monotonic::now();
        Ok(Self { local: local_address(&socket, address)?, socket, program: program.clone(), options, since })
    }

    /// The address it listens on, with the port the kernel chose if 0 was asked.
    pub const fn local_address(&self) -> SocketAddr {
        self.local
    }
}

/// A socket that is bound and has its options, ready for [`run_client`](crate::run_client).
#[derive(Debug)]
pub struct Connector {
    pub(crate) socket: Socket,
    pub(crate) local: SocketAddr,
    pub(crate) program: Program,
    pub(crate) options: Vec<OptionInForce>,
    pub(crate) since: Monotonic,
}

impl Connector {
    /// Binds to `local` (port 0: the kernel chooses) in the network namespace of the calling thread,
    /// and sets all options.
    pub fn new(local: SocketAddr, program: &Program) -> Result<Self, SocketError> {
        let socket = create(local)?;
        let mut options = option::set_buffers(&socket, &program.options)?;
        options.extend(option::set_others(&socket, &program.options)?);
        socket.bind(&local.into()).map_err(|error| bind_error(local, &error))?;
        let since = Monotonic::now();
        Ok(Self { local: local_address(&socket, local)?, socket, program: program.clone(), options, since })
    }

    /// The address it is bound to.
    pub const fn local_address(&self) -> SocketAddr {
        self.local
    }
}

fn create(address: SocketAddr) -> Result<Socket, SocketError> {
    Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))
        .map_err(|error| SocketError::Create { address, errno: errno_of(&error) })
}

fn local_address(socket: &Socket, address: SocketAddr) -> Result<SocketAddr, SocketError> {
    let local = socket
        .local_addr()
        .map_err(|error| SocketError::AddressUnreadable { address, errno: errno_of(&error) })?;
    // The family is that of `address`, so this is an IP address.
    Ok(local.as_socket().unwrap_or(address))
}

fn bind_error(address: SocketAddr, error: &std::io::Error) -> SocketError {
    SocketError::Bind { address, errno: errno_of(error) }
}
