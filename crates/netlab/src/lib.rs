//! The world of one experiment: network namespaces, a veth pair, addresses, sysctls, link state and
//! firewall rules.
//!
//! Everything here is a value that owns a piece of the world and gives it back when dropped.
//! Namespaces have no names; they live as long as their descriptors, so nothing is left even after
//! `kill -9`.

pub mod address;
pub mod firewall;
pub mod link;
pub mod namespace;
pub mod readiness;
mod route_connection;
pub mod sysctl;
pub mod userns;
pub mod world;

pub use address::{IpVersion, Subnet};
pub use link::{Bracket, LinkError, LinkState, LinkStatus};
pub use namespace::{EnterError, Namespace};
pub use readiness::NotReady;
pub use sysctl::SysctlError;
pub use userns::{Privilege, UserNamespaceError};
pub use world::{BuildError, Builder, Host, Pair, PairPlan};
