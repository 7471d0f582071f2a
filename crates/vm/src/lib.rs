//! The same program inside another kernel: a stock kernel under QEMU, with this very executable as its
//! init, on the ordinary clock or on a virtual one on which waiting is free.
//!
//! The way of a guest, from the host:
//!
//! 1. [`Program`]: an executable and the shared libraries it is linked with.
//! 2. [`Initramfs`]: that program as `/init`, modules in load order, and the job, as a cpio archive in memory.
//! 3. [`Machine`]: the QEMU command line; [`Machine::start`] gives a [`Guest`].
//! 4. [`Guest::next`]: the lines that the guest writes, as they arise, and how it ended.
//!
//! and from inside: [`guest::run_as_init`] mounts, loads the modules, opens the channel and hands over the job.
//!
//! # Why a run in virtual time is the same every time
//!
//! Under `-icount shift=0,sleep=off` (one emulated CPU) each instruction takes one nanosecond, and when the
//! CPU is idle the clock jumps to the next timer. So what happens in the guest depends on nothing but its
//! input, provided that no input comes in at a moment that the host's load decides. Therefore all input is in
//! the initramfs, and output goes one way, through a virtio-serial port into a file, with `ioeventfd=off`: the
//! device then takes the bytes at the instruction that offers them, and not when a thread of the host gets
//! round to it.

pub mod guest;
pub mod initramfs;
pub mod machine;
pub mod program;

pub use initramfs::{Initramfs, Need};
pub use machine::{
    Accelerator, Channel, Guest, Machine, MachineClock, MachineError, Next, Saved, qemu_version,
};
pub use program::{Program, ProgramError};
