//! How long Linux's TCP timers really take: arithmetic only, without I/O, privilege or dependencies.
//!
//! A sum of keepalive or retransmission times is always too small, for the kernel rounds every one of
//! them up: [`wheel`] says by how much, and [`slack`] for kernels before 4.8. How much it is in one case depends on the
//! moment at which the timers are armed, so that the answer to "when?" is a [`Window`]. It is exact: the chain of
//! timers is followed for all moments at once, jiffy by jiffy as the kernel counts, and nothing is added for
//! safety.
//!
//! Each question is a function about one end of one connection, a [`Socket`], on a path that has gone dead:
//! [`keepalive()`] for one that is silent, [`data_in_flight`], [`data_refused`] and [`zero_window()`] for one that
//! has data to send, [`connecting`], [`accepting`] and [`closing()`] for one that is not established. The
//! [`Answer`] is a death, life for ever, or that the theory does not reach so far, and why.
//!
//! ```
//! use std::time::Duration;
//! use tcp_timers::{Keepalive, Kernel, Loss, Options, Silence, Socket, Sysctls, keepalive};
//!
//! let options = Options {
//!     keepalive: Some(Keepalive { idle: Duration::from_secs(2), interval: Duration::from_secs(75), count: 9 }),
//!     ..Options::default()
//! };
//! let socket = Socket {
//!     kernel: Kernel { version: "6.12.117-amd64".parse()?, hz: 250 },
//!     options: &options,
//!     sysctls: &Sysctls::default(),
//!     round_trip: Duration::from_micros(100),
//! };
//! let answer = keepalive(&socket, &Silence::new(Duration::ZERO, Loss::Path));
//! let death = answer.death().expect("keepalive is on");
//! // Not 2 + 9 * 75 = 677 s.
//! assert_eq!(death.at.to_string(), "683.2-685.3 s");
//! # Ok::<(), tcp_timers::NoVersion>(())
//! ```
//!
//! What the kernel does was read in its sources (`net/ipv4/tcp_timer.c`, `tcp_output.c`, `tcp_input.c`,
//! `kernel/time/timer.c`) and held against Debian's 5.10, 6.1, 6.12, 6.18 and 7.3 at `HZ=250`; what is said of
//! versions before 5.10 was read only.

mod answer;
mod clock;
mod closing;
mod fates;
mod keepalive;
mod kernel;
mod ladder;
mod loss;
mod options;
mod persist;
mod phases;
mod retransmission;
mod rounding;
pub mod slack;
mod syn;
pub mod wheel;
mod zero_window;

pub use answer::{Answer, Attempt, Death, Errno, Term, Timer, Window};
pub use closing::{Closing, closing};
pub use keepalive::{Silence, keepalive};
pub use kernel::{Kernel, KernelVersion, NoVersion};
pub use loss::Loss;
pub use options::{Keepalive, Options, Socket, Sysctls};
pub use persist::data_refused;
pub use retransmission::{Flight, data_in_flight};
pub use syn::{SynMeets, accepting, connecting};
pub use zero_window::{ShutWindow, zero_window};
