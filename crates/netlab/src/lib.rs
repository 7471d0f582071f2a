//! The world of one experiment: network namespaces, a veth pair, addresses, sysctls, link state and
//! firewall rules.
//!
//! Everything here is a value that owns a piece of the world and gives it back when dropped.
//! Namespaces have no names; they live as long as their descriptors, so nothing is left even after
//! `kill -9`.

pub mod namespace;

pub use namespace::{EnterError, Namespace};
