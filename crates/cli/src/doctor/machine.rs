//! The kernel, and what it takes to run others: QEMU and kernel images.

use std::fs::File;
use std::io::Read;
use std::process::Command;

use super::finding::{Finding, Weight};
use crate::kernel;

/// The running kernel.
pub(crate) fn kernel() -> Finding {
    let kernel = kernel::running();
    match kernel.hz {
        Some(hz) => Finding::works(
            Weight::Needed,
            "kernel",
            format!("{} {}, {hz} ticks a second (HZ)", kernel.release, kernel.machine),
        ),
        None => Finding::missing(Weight::Optional, "kernel", "its tick rate (HZ) could not be told"),
    }
}

/// QEMU, by running it.
pub(crate) fn qemu() -> Finding {
    const POWER: &str = "QEMU";
    let missing = |why: String| {
        let finding = Finding::missing(Weight::Optional, POWER, why);
        finding.remedy("apt-get install qemu-system-x86; only other kernels than the running one need it")
    };
    match Command::new("qemu-system-x86_64").arg("--version").output() {
        Ok(told) if told.status.success() => {
            let version = String::from_utf8_lossy(&told.stdout);
            Finding::works(Weight::Optional, POWER, version.lines().next().unwrap_or_default())
        }
        Ok(told) => missing(format!("qemu-system-x86_64 --version ended with {}", told.status)),
        Err(error) => missing(format!("qemu-system-x86_64 could not be run: {error}")),
    }
}

/// The image of the running kernel, by reading it.
pub(crate) fn kernel_image() -> Finding {
    const POWER: &str = "kernel image";
    let path = format!("/boot/vmlinuz-{}", kernel::running().release);
    match File::open(&path).and_then(|mut image| image.read_exact(&mut [0; 512])) {
        Ok(()) => Finding::works(Weight::Optional, POWER, format!("{path} can be read")),
        Err(error) => Finding::missing(Weight::Optional, POWER, format!("{path}: {error}"))
            .remedy("only running this kernel in QEMU needs it"),
    }
}
