//! What a kernel's last messages tell.

/// Beginnings of messages that tell why a guest died, the most telling first.
const TELLING: [&str; 7] = [
    "keepalive-lab:",
    "Out of memory: Killed process",
    "Kernel panic - not syncing",
    "BUG:",
    "Oops:",
    "general protection fault",
    "thread '",
];

/// The message of a console's log that tells best why the guest died, without its time stamp.
pub fn reason(log: &str) -> Option<String> {
    let telling = |start: &&str| {
        let line = log.lines().find(|line| line.contains(*start))?;
        let at = line.find(*start)?;
        Some(line[at..].trim().trim_start_matches("keepalive-lab: ").to_owned())
    };
    TELLING.iter().find_map(telling)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_ran_out_tells_more_than_the_panic_it_led_to() {
        let log = "[    2.5] Out of memory: Killed process 1 (init)\n\
                   [    2.6] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n";
        assert_eq!(reason(log).as_deref(), Some("Out of memory: Killed process 1 (init)"));
    }

    #[test]
    fn our_own_words_come_first_and_garbage_tells_nothing() {
        let log = "\u{fffd}\u{7}garbage\r\nkeepalive-lab: the kernel refused the module veth: ENOEXEC\r\n\
                   [    2.6] Kernel panic - not syncing: Attempted to kill init!\n";
        assert_eq!(reason(log).as_deref(), Some("the kernel refused the module veth: ENOEXEC"));
        assert_eq!(reason("\u{fffd}\u{fffd}"), None);
    }
}
