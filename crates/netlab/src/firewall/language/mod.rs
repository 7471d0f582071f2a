//! The languages of firewall rules: reading a line of iptables(8), ip6tables(8) or nft(8), and printing one.

mod iptables;
mod iptables_values;
pub(in crate::firewall) mod nft;
mod nft_flags;
mod nft_statements;
mod print;
pub(in crate::firewall) mod syntax;
pub(in crate::firewall) mod words;

#[cfg(test)]
mod iptables_tests;
#[cfg(test)]
mod nft_tests;
#[cfg(test)]
mod round_trip_tests;
