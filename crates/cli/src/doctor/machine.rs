//! The running kernel, and its image.

use std::fs::File;
use std::io::Read;

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
