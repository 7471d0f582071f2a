//! The file systems that the kernel itself provides.

use nix::mount::{MsFlags, mount};

use super::GuestError;

const ALL: [(&str, &str); 4] =
    [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tracefs", "/sys/kernel/tracing")];

/// Mounts them; one that the kernel has not (tracing may be configured out) is missed later, by those who need
/// it, except the first three.
pub(super) fn mount_all() -> Result<(), GuestError> {
    for (kind, on) in ALL {
        match mount(Some(kind), on, Some(kind), MsFlags::empty(), None::<&str>) {
            Err(errno) if kind != "tracefs" => return Err(GuestError::Mount { kind, on, errno }),
            _ => {}
        }
    }
    Ok(())
}
