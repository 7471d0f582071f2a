//! Virtual machines: QEMU, kernels to run in it, and whether both together work on each clock.

use std::fs::OpenOptions;
use std::thread;
use std::time::Duration;

use keepalive_lab_kernels::{Cache, CachedKernel, KernelError};
use keepalive_lab_vm::{Accelerator, MachineClock, MachineError, qemu_version};

use super::finding::{Finding, Weight};
use crate::run::trial;
use crate::span::measured;

const KERNELS: &str = "kernels";
const VIRTUAL_TIME: &str = "virtual time";
const KVM: &str = "KVM";

/// How long a guest on the virtual clock may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one may take where the processor itself is to run it, and may not be able to.
const PATIENCE_WITH_KVM: Duration = Duration::from_secs(15);

/// QEMU, by asking it for its version.
pub(crate) fn qemu() -> Finding {
    const POWER: &str = "QEMU";
    match qemu_version() {
        Ok(version) => Finding::works(Weight::Optional, POWER, format!("version {version}")),
        Err(error @ MachineError::QemuMissing) => {
            Finding::missing(Weight::Optional, POWER, error.to_string())
                .remedy("apt-get install qemu-system-x86; only --virtual-time and --kernel need it")
        }
        Err(error) => Finding::missing(Weight::Optional, POWER, error.to_string())
            .remedy("only --virtual-time and --kernel need it"),
    }
}

/// The kernels at hand: which are kept, and which apt's lists promise. Nothing is fetched.
pub(crate) fn kernels() -> (Finding, Vec<CachedKernel>) {
    let looked = Cache::of_user().and_then(|cache| Ok((cache.cached()?, cache)));
    let (mut kept, cache) = match looked {
        Ok(found) => found,
        Err(error) => return (no_kernels(&error), Vec::new()),
    };
    kept.retain(|kernel| kernel.damage.is_none());
    let promised = match cache.promised() {
        Ok(None) => "apt has no lists of packages".to_owned(),
        Ok(Some(kernels)) if kernels.is_empty() => "apt here sees no cloud kernel".to_owned(),
        Ok(Some(kernels)) => {
            format!("apt sees {}", series(kernels.iter().map(|kernel| kernel.release.as_str())))
        }
        Err(error) if kept.is_empty() => return (no_kernels(&error), kept),
        Err(error) => format!("apt cannot be asked: {error}"),
    };
    let finding = if kept.is_empty() {
        Finding::missing(Weight::Optional, KERNELS, format!("none is kept; {promised}"))
            .remedy("keepalive-lab kernels fetch 6.12; only --virtual-time and --kernel need one")
    } else {
        let kept = series(kept.iter().map(|kernel| kernel.release.as_str()));
        Finding::works(Weight::Optional, KERNELS, format!("kept are {kept}; {promised}"))
    };
    (finding, kept)
}

fn no_kernels(error: &KernelError) -> Finding {
    let help = error.help().map_or_else(String::new, |help| format!("{help}; "));
    Finding::missing(Weight::Optional, KERNELS, error.to_string())
        .remedy(format!("{help}only --virtual-time and --kernel need one"))
}

/// The series of these releases, each once: `6.12, 6.1`.
fn series<'a>(releases: impl Iterator<Item = &'a str>) -> String {
    let mut series: Vec<String> = releases.map(crate::kernels::series).collect();
    series.dedup();
    series.join(", ")
}

/// The newest kept kernel is booted on each clock, both at once.
pub(crate) fn probe(qemu: &Finding, kept: &[CachedKernel]) -> [Finding; 2] {
    let kernel = if qemu.works { kept.first() } else { None };
    let Some(kernel) = kernel else {
        let (lacks, remedy) = if qemu.works {
            ("no kept kernel to boot", "keepalive-lab kernels fetch 6.12")
        } else {
            ("no QEMU", "apt-get install qemu-system-x86")
        };
        return [VIRTUAL_TIME, KVM]
            .map(|power| Finding::missing(Weight::Optional, power, lacks).remedy(remedy));
    };
    thread::scope(|scope| {
        // A guest lives as long as the thread that started it.
        let with_kvm = scope.spawn(|| kvm(kernel));
        let virtual_time = virtual_time(kernel);
        [virtual_time, with_kvm.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))]
    })
}

fn virtual_time(kernel: &CachedKernel) -> Finding {
    match trial::boot(kernel, MachineClock::Virtual, PATIENCE) {
        Ok(took) => Finding::works(Weight::Optional, VIRTUAL_TIME, booted(kernel, took)),
        Err(why) => Finding::missing(Weight::Optional, VIRTUAL_TIME, format!("{}: {why}", kernel.release))
            .remedy("only --virtual-time needs it; keepalive-lab kernels fetch gets other kernels"),
    }
}

fn kvm(kernel: &CachedKernel) -> Finding {
    const REMEDY: &str = "without it --kernel in real time is slower to boot, --virtual-time is not";
    if let Err(error) = OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        return Finding::missing(Weight::Optional, KVM, format!("/dev/kvm: {error}")).remedy(REMEDY);
    }
    match trial::boot(kernel, MachineClock::Real(Accelerator::Kvm), PATIENCE_WITH_KVM) {
        Ok(took) => Finding::works(Weight::Optional, KVM, booted(kernel, took)),
        Err(why) => {
            let detail = format!("/dev/kvm opens, but {} does not run: {why}", kernel.release);
            Finding::missing(Weight::Optional, KVM, detail).remedy(REMEDY)
        }
    }
}

fn booted(kernel: &CachedKernel, took: Duration) -> String {
    format!("{} booted and ran a cell in {}", kernel.release, measured(took.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_told_by_their_series_each_once() {
        let releases = ["6.12.117+deb12-cloud-amd64", "6.12.100+deb12-cloud-amd64", "6.1.0-56-cloud-amd64"];
        assert_eq!(series(releases.into_iter()), "6.12, 6.1");
    }

    #[test]
    fn without_qemu_or_a_kernel_no_guest_is_tried_and_the_remedy_names_what_is_missing() {
        let without = Finding::missing(Weight::Optional, "QEMU", "not installed");
        let remedies = probe(&without, &[]).map(|finding| finding.remedy.unwrap_or_default());
        assert!(remedies.iter().all(|remedy| remedy.contains("qemu-system-x86")), "{remedies:?}");
        let with = Finding::works(Weight::Optional, "QEMU", "7.2");
        let remedies = probe(&with, &[]).map(|finding| finding.remedy.unwrap_or_default());
        assert!(remedies.iter().all(|remedy| remedy.contains("kernels fetch")), "{remedies:?}");
    }
}
