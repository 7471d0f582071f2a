//! QEMU's command line: every word of it is there for a reason.

use std::ffi::OsString;

use super::{Accelerator, Channel, Machine, MachineClock};
use crate::guest::{PARAMETER, PAUSE};

/// The files of a machine, by the paths under which QEMU opens them.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) initramfs: OsString,
    pub(super) output: OsString,
    pub(super) console: OsString,
    pub(super) life: Life,
}

/// What a machine is started for.
#[derive(Debug)]
pub(super) enum Life {
    /// To boot and do the job that is in its initramfs.
    Boot,
    /// To boot up to where it asks for its job, and be saved there.
    Save,
    /// To go on from there, with this job.
    Resume {
        /// The job's file.
        job: OsString,
        /// The saved machine, as a descriptor's number.
        state: i32,
    },
}

/// The job's name among what QEMU shows the guest (QEMU: `docs/specs/fw_cfg.rst`).
const JOB: &str = "name=opt/keepalive-lab/job";

/// One instruction is one nanosecond (2^0), and an idle CPU's time jumps to its next timer.
const ICOUNT: &str = "shift=0,sleep=off";

/// The device by which a guest has itself paused, what to do then, and the channel by which it is told to go on.
const PAUSING: &str = "-device pvpanic -action panic=pause -qmp stdio";

/// The arguments of QEMU (tried with 7.2) for a machine.
pub(super) fn arguments(machine: &Machine, files: &Files) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    let mut add = |line: &str| words.extend(line.split_whitespace().map(OsString::from));
    // No disk, no network card, no display, no monitor: nothing by which the host could come in.
    add("-M pc -nodefaults -no-user-config -display none -monitor none -nic none -no-reboot");
    add(match machine.clock {
        // One thread, one CPU: one order of all that happens. `shift=auto` would adapt to the host's load,
        // `-cpu max` was seen to differ from run to run.
        MachineClock::Virtual => {
            "-accel tcg,thread=single -cpu qemu64 -smp 1 -rtc base=2026-01-01T00:00:00,clock=vm"
        }
        MachineClock::Real(Accelerator::Kvm) => "-accel kvm -cpu host -smp 1 -rtc base=utc",
        MachineClock::Real(Accelerator::Tcg) => "-accel tcg -cpu qemu64 -smp 1 -rtc base=utc",
    });
    match (machine.clock, &files.life) {
        (MachineClock::Real(_), _) => {}
        // A machine that is recorded cannot be saved.
        (MachineClock::Virtual, Life::Save) => add(&format!("-icount {ICOUNT}")),
        // Recording (into nothing) has QEMU's main loop and the CPU take turns, instead of racing for the moment at
        // which the clock of an idle CPU jumps: without it, 5 of 30 runs from one saved machine left the path of the
        // others by some nanoseconds, with it none of 30 (QEMU 7.2).
        (MachineClock::Virtual, Life::Boot | Life::Resume { .. }) => {
            add(&format!("-icount {ICOUNT},rr=record,rrfile=/dev/null"));
        }
    }
    add(&format!("-m {}", machine.memory_mib));
    if machine.channel == Channel::VirtioSerial {
        // ioeventfd=off: the device takes the bytes at the instruction that offers them (see the crate's page).
        add(
            "-device virtio-serial-pci,ioeventfd=off -device virtserialport,chardev=output,name=keepalive-lab",
        );
    }
    add("-serial chardev:console");
    if machine.channel == Channel::Serial {
        add("-serial chardev:output");
    }
    for (name, path) in [("console", &files.console), ("output", &files.output)] {
        let mut device = OsString::from(format!("file,id={name},path="));
        device.push(path);
        words.extend(["-chardev".into(), device]);
    }
    match &files.life {
        Life::Boot => {}
        Life::Save => {
            words.extend(PAUSING.split(' ').map(OsString::from));
            words.extend(["-fw_cfg".into(), format!("{JOB},string=none").into()]);
        }
        Life::Resume { job, state } => {
            words.extend(PAUSING.split(' ').map(OsString::from));
            let mut entry = OsString::from(format!("{JOB},file="));
            entry.push(job);
            words.extend(["-fw_cfg".into(), entry, "-incoming".into(), format!("fd:{state}").into()]);
        }
    }
    words.extend(["-kernel".into(), machine.kernel.clone().into_os_string()]);
    words.extend(["-initrd".into(), files.initramfs.clone()]);
    words.extend(["-append".into(), kernel_command_line(machine, &files.life).into()]);
    words
}

/// The kernel's command line (`Documentation/admin-guide/kernel-parameters.txt`).
fn kernel_command_line(machine: &Machine, life: &Life) -> String {
    let device = match machine.channel {
        Channel::VirtioSerial => "/dev/vport0p1",
        Channel::Serial => "/dev/ttyS1",
    };
    // A panic ends the machine at once; nothing on the console but what is wrong; mitigations guard nobody here
    // and cost instructions; random numbers are credited at once, so that nothing waits for them.
    let common = "console=ttyS0 panic=-1 oops=panic quiet mitigations=off random.trust_cpu=on random.trust_bootloader=on";
    let clock = match machine.clock {
        // nolapic_timer: the calibration of the LAPIC timer spins for some 3 s of the host's; HPET serves instead.
        // cryptomgr.notests: 0.7 guest seconds of self-tests. nokaslr: the same addresses in each run.
        // tsc_early_khz: one tick of the TSC a nanosecond, which is what -icount makes of it.
        MachineClock::Virtual => {
            "tsc=reliable nokaslr nowatchdog cryptomgr.notests no_timer_check tsc_early_khz=1000000 nolapic_timer"
        }
        MachineClock::Real(_) => "cryptomgr.notests nowatchdog",
    };
    // What the kernel does not know it hands to its first process: this one as a variable.
    let path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    let pause = match life {
        Life::Boot => String::new(),
        Life::Save | Life::Resume { .. } => format!(" {PAUSE}"),
    };
    format!("{common} {clock} {path} {PARAMETER}{device}{pause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(clock: MachineClock, channel: Channel, life: Life) -> String {
        let machine = Machine { kernel: "/boot/vmlinux".into(), memory_mib: 256, clock, channel };
        let files = Files { initramfs: "/1".into(), output: "/2".into(), console: "/3".into(), life };
        let words = arguments(&machine, &files);
        words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_command_line_of_a_virtual_clock() {
        insta::assert_snapshot!(words(MachineClock::Virtual, Channel::VirtioSerial, Life::Boot));
    }

    #[test]
    fn the_command_line_of_a_machine_that_goes_on() {
        let life = Life::Resume { job: "/4".into(), state: 5 };
        insta::assert_snapshot!(words(MachineClock::Virtual, Channel::VirtioSerial, life));
    }

    #[test]
    fn a_machine_goes_on_with_the_devices_it_was_saved_with() {
        let devices = |life| {
            let words = words(MachineClock::Virtual, Channel::VirtioSerial, life);
            words
                .lines()
                .filter(|word| !word.contains("opt/keepalive-lab/job") && !word.starts_with(ICOUNT))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let mut resumed = devices(Life::Resume { job: "/4".into(), state: 5 });
        let incoming = resumed.iter().position(|word| word == "-incoming").expect("a saved machine");
        resumed.drain(incoming..incoming + 2);
        assert_eq!(resumed, devices(Life::Save));
    }

    #[test]
    fn the_command_line_of_a_real_clock() {
        insta::assert_snapshot!(words(MachineClock::Real(Accelerator::Kvm), Channel::Serial, Life::Boot));
    }
}
