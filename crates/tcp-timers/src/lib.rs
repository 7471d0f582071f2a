//! How long Linux's TCP timers really take: arithmetic only, without I/O, privilege or dependencies.
//!
//! A sum of keepalive or retransmission times is always too small, for the kernel rounds every one of
//! them up: [`wheel`] says by how much.

pub mod wheel;
