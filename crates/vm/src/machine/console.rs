//! What a kernel's last messages tell.

/// Beginnings of messages that tell why a guest died, the most telling first.
const TELLING: [&str; 9] = [
    // What follows from files that are not all there, our own words included, only misleads.
    "Initramfs unpacking failed",
    "keepalive-lab:",
    "System is deadlocked on memory",
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

/// Whether a reason, of the kernel's or of QEMU's, is that the guest has too little memory.
///
/// Sources: `mm/oom_kill.c`; `init/initramfs.c` (the file system that the initramfs is unpacked into takes at most half
/// of the memory); `hw/i386/x86.c` of QEMU.
pub fn is_of_memory(reason: &str) -> bool {
    let words =
        ["Out of memory", "deadlocked on memory", "Initramfs unpacking failed", "initrd is too large"];
    words.iter().any(|words| reason.contains(words))
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
    fn an_initramfs_that_did_not_fit_tells_more_than_what_was_made_of_its_half() {
        let log = "[    1.0] Initramfs unpacking failed: write error\n\
                   keepalive-lab: the job could not be read: control character\n";
        let reason = reason(log).expect("a reason");
        assert_eq!(reason, "Initramfs unpacking failed: write error");
        assert!(is_of_memory(&reason));
    }

    #[test]
    fn our_own_words_come_first_and_garbage_tells_nothing() {
        let log = "\u{fffd}\u{7}garbage\r\nkeepalive-lab: the kernel refused the module veth: ENOEXEC\r\n\
                   [    2.6] Kernel panic - not syncing: Attempted to kill init!\n";
        assert_eq!(reason(log).as_deref(), Some("the kernel refused the module veth: ENOEXEC"));
        assert_eq!(reason("\u{fffd}\u{fffd}"), None);
    }
}
