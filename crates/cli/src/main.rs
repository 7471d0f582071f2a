//! keepalive-lab: words and pictures for people.
fn main() {}
