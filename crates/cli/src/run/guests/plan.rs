//! What each guest will be: its kernel, its machine and all that is packed for it. Nothing is started here.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keepalive_lab_experiment::interrupt::Interrupt;
use keepalive_lab_kernels::{Cache, Kernel, KernelSpec, Module, ModuleError, ModuleTree};
use keepalive_lab_netlab::firewall::Program as FirewallProgram;
use keepalive_lab_results::{Owner, metadata};
use keepalive_lab_scenario::Scenario;
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::fault::Action;
use keepalive_lab_vm::{
    Accelerator, Channel, Guest, Initramfs, Machine, MachineClock, MachineError, Need, Program, Saved,
    qemu_version,
};

use super::job::Job;
use super::modules::{CHANNEL, JOB_OF_THE_HOST, NETWORK, RULE_PARTS, RULES, candidates, has_rules};
use crate::args::RunArgs;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::run::news::Reporter;
use crate::run::ports_of;
use crate::{kernels, load};

/// What a cell may take of the guest's memory, in MiB, at the most: two namespaces, two sockets and their tasks.
const CELL_MIB: u32 = 1;

/// What a firewall program takes that waits for the moment of its rule, in MiB: some 0.6 were counted.
const PROGRAM_MIB: u32 = 1;

/// What the guest's kernel and this program take of its memory, in MiB.
const BASE_MIB: u32 = 128;

/// The largest job, in bytes, that a resumed machine is given: the kernel reads it anew from its beginning for each page
/// (`drivers/firmware/qemu_fw_cfg.c`, `fw_cfg_sysfs_read_raw()`), so that a large one costs more than a boot.
const RESUMABLE_JOB: usize = 256 * 1024;

/// Booted machines, in the folder of the kernels.
const MACHINES: &str = "machines";

/// The extensions of iptables' programs on Debian: they are loaded by name, so no loader lists them.
const XTABLES: &str = "/usr/lib/x86_64-linux-gnu/xtables";

/// One guest, ready to be started.
pub(super) struct Plan {
    /// Its kernel.
    pub kernel: Kernel,
    /// Its machine.
    pub machine: Machine,
    /// How long it may show no sign of life: one comes every two seconds of its time, which take some ten of ours
    /// where it is busy in virtual time on a loaded machine.
    pub patience: Duration,
    /// Versions of the firewall programs that are packed.
    pub programs: BTreeMap<String, String>,
    /// Whose the files of its results are.
    pub owner: Owner,
    initramfs: Initramfs,
    job: Vec<u8>,
    /// Where booted machines are saved, if this one can be.
    machines: Option<PathBuf>,
    qemu: String,
}

/// One plan for each kernel that is asked for, in that order.
pub(super) fn all(
    args: &RunArgs,
    scenarios: &[(PathBuf, Scenario)],
    programs: &BTreeMap<String, String>,
    owner: Owner,
    reporter: &mut dyn Reporter,
) -> Result<Vec<Plan>, Complaint> {
    let qemu = qemu_version().map_err(|error| of_machine(&error))?;
    let clock = clock(args);
    let cache = Cache::of_user().map_err(|error| kernels::of(&error))?;
    let mut found = Vec::new();
    for spec in specs(args, &cache)? {
        let modules = args.vm.modules.as_deref().filter(|_| matches!(spec, KernelSpec::Path(_)));
        let kernel = cache.obtain(&spec, modules, &mut |step| reporter.step(&step.to_string()));
        found.push(kernel.map_err(|error| kernels::of(&error))?);
    }
    let init = Packed::read(&std::env::current_exe().map_err(|error| unpackable(&error.to_string()))?)?;
    let packed = firewall_programs(scenarios)?;
    let job = job(scenarios, args, clock, !packed.is_empty());
    found
        .into_iter()
        .map(|kernel| {
            let (initramfs, modules) = pack(&kernel, &init, &packed, scenarios)?;
            let image = kernel.image.clone();
            let machine =
                Machine { kernel: image, memory_mib: args.vm.memory, clock, channel: modules.channel };
            let machines = modules.can_be_saved.then(|| cache.folder().join(MACHINES));
            let job = job.clone();
            let (programs, qemu) = (programs.clone(), qemu.clone());
            let patience = args.vm.patience;
            Ok(Plan { kernel, machine, patience, programs, owner, initramfs, job, machines, qemu })
        })
        .collect()
}

impl Plan {
    /// Starts the guest on this clock; what it sends is held in an unnamed file in `folder`.
    ///
    /// In virtual time it goes on from where it was saved after its boot, which is done here if it was not yet.
    pub(super) fn start(
        &self,
        clock: MachineClock,
        folder: &Path,
        interrupt: &Interrupt,
        reporter: &mut dyn Reporter,
    ) -> Result<Guest, Complaint> {
        let keeper = std::env::current_exe().map_err(|error| unpackable(&error.to_string()))?;
        let release = &self.kernel.release;
        let machines = self.machines.as_ref().filter(|_| self.job.len() <= RESUMABLE_JOB);
        if let (MachineClock::Virtual, Some(machines)) = (clock, machines) {
            match self.resume(machines, folder, &keeper, interrupt, reporter) {
                Ok(guest) => return Ok(guest),
                Err(error) if interrupt.is_interrupted() => return Err(of_machine(&error)),
                Err(error) => reporter.step(&format!("{release}: {error}; booting it instead")),
            }
        }
        reporter.step(&format!("{release}: booting {}", in_words(clock)));
        self.boot(clock, folder)
    }

    /// Boots the guest on this clock, whatever was saved of it.
    pub(super) fn boot(&self, clock: MachineClock, folder: &Path) -> Result<Guest, Complaint> {
        let keeper = std::env::current_exe().map_err(|error| unpackable(&error.to_string()))?;
        let machine = Machine { clock, ..self.machine.clone() };
        let guest = machine.start(&self.initramfs.with_job(self.job.clone()), folder, &keeper);
        guest.map_err(|error| of_machine(&error))
    }

    fn resume(
        &self,
        machines: &Path,
        folder: &Path,
        keeper: &Path,
        interrupt: &Interrupt,
        reporter: &mut dyn Reporter,
    ) -> Result<Guest, MachineError> {
        let saved = Saved::of(&self.machine, &self.initramfs, &self.qemu, machines)?;
        let release = &self.kernel.release;
        if saved.exists() {
            reporter.step(&format!("{release}: resuming {}", in_words(MachineClock::Virtual)));
        } else {
            reporter.step(&format!("{release}: booting, to be resumed from there from now on"));
            saved.save(keeper, self.patience, &|| interrupt.is_interrupted())?;
        }
        saved.resume(&self.job, folder, keeper).inspect_err(|_| saved.forget())
    }

    /// For `run.json`.
    pub(super) fn metadata(&self, clock: MachineClock) -> metadata::Machine {
        metadata::Machine {
            asked: self.kernel.spec.clone(),
            package: self.kernel.package.as_ref().map(|package| metadata::Package {
                name: package.name.clone(),
                version: package.version.clone(),
                sha256: package.sha256.clone(),
            }),
            qemu: self.qemu.clone(),
            accelerator: match clock {
                MachineClock::Real(Accelerator::Kvm) => "kvm".into(),
                MachineClock::Virtual | MachineClock::Real(Accelerator::Tcg) => "tcg".into(),
            },
            memory_mib: self.machine.memory_mib,
        }
    }
}

/// How a guest runs on this clock.
pub(super) const fn in_words(clock: MachineClock) -> &'static str {
    match clock {
        MachineClock::Virtual => "in virtual time",
        MachineClock::Real(Accelerator::Kvm) => "in real time, with KVM",
        MachineClock::Real(Accelerator::Tcg) => "in real time, without KVM",
    }
}

/// The kernels that are asked for; without any, the running kernel's own image, or where that is not at hand, the
/// newest that apt sees.
fn specs(args: &RunArgs, cache: &Cache) -> Result<Vec<KernelSpec>, Complaint> {
    if !args.vm.kernel.is_empty() {
        return Ok(args.vm.kernel.clone());
    }
    if cache.obtain(&KernelSpec::Host, None, &mut |_| {}).is_ok() {
        return Ok(vec![KernelSpec::Host]);
    }
    let newest = cache.available(None).map_err(|error| kernels::of(&error))?.into_iter().next();
    let spec = newest.and_then(|newest| format!("debian:{}", newest.release).parse().ok());
    spec.map(|spec| vec![spec]).ok_or_else(|| {
        Complaint::new(Exit::Lacking, "this machine has no kernel to run in a virtual machine")
            .help("name one: --kernel debian:6.12@trixie, or --kernel PATH")
    })
}

fn clock(args: &RunArgs) -> MachineClock {
    if args.vm.virtual_time {
        return MachineClock::Virtual;
    }
    let kvm = std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm");
    MachineClock::Real(if kvm.is_ok() { Accelerator::Kvm } else { Accelerator::Tcg })
}

/// A program with the path it has in the guest.
struct Packed {
    path: PathBuf,
    program: Program,
    is_iptables: bool,
}

impl Packed {
    fn read(path: &Path) -> Result<Self, Complaint> {
        let program = Program::read(path).map_err(|error| unpackable(&error.to_string()))?;
        Ok(Self { path: path.to_owned(), program, is_iptables: false })
    }
}

/// The programs that rules need, as this machine has them.
fn firewall_programs(scenarios: &[(PathBuf, Scenario)]) -> Result<Vec<Packed>, Complaint> {
    let mut packed = Vec::<Packed>::new();
    for (program, complaint) in scenarios.iter().flat_map(|(_, scenario)| load::programs(scenario)) {
        let path = program.find().map_err(|missing| complaint.reason(missing.to_string()))?;
        if packed.iter().all(|other| other.path != path) {
            packed.push(Packed { is_iptables: program != FirewallProgram::Nft, ..Packed::read(&path)? });
        }
    }
    Ok(packed)
}

fn pack(
    kernel: &Kernel,
    init: &Packed,
    programs: &[Packed],
    scenarios: &[(PathBuf, Scenario)],
) -> Result<(Initramfs, Modules), Complaint> {
    let mut initramfs = Initramfs::new(&init.program).map_err(|error| unpackable(&error.to_string()))?;
    for packed in programs {
        let added = initramfs.add_program(&packed.path, &packed.program);
        added.map_err(|error| unpackable(&error.to_string()))?;
    }
    if programs.iter().any(|packed| packed.is_iptables) {
        for extension in std::fs::read_dir(XTABLES).into_iter().flatten().flatten() {
            initramfs.add_copy(&extension.path()).map_err(|error| unpackable(&error.to_string()))?;
        }
    }
    let modules = pack_modules(&mut initramfs, kernel, scenarios, !programs.is_empty())?;
    Ok((initramfs, modules))
}

/// What the guests are to do, the same for all.
fn job(scenarios: &[(PathBuf, Scenario)], args: &RunArgs, clock: MachineClock, by_program: bool) -> Vec<u8> {
    let job = Job {
        ports: ports_of(scenarios),
        scenarios: scenarios.iter().map(|(_, scenario)| scenario.cells.clone()).collect(),
        at_once: match clock {
            MachineClock::Virtual => cells_at_once(args.vm.memory, scenarios, by_program),
            MachineClock::Real(_) => NonZeroUsize::MIN,
        },
    };
    serde_json::to_vec(&job).expect("plain values serialise")
}

/// How many of these cells a guest of this memory bears at once. With any rule that needs its program, all are taken to:
/// those of one host and tool go the same way.
fn cells_at_once(memory_mib: u32, scenarios: &[(PathBuf, Scenario)], by_program: bool) -> NonZeroUsize {
    let cells = scenarios.iter().flat_map(|(_, scenario)| &scenario.cells);
    let rules_of = |cell: &Cell| rules(cell).count();
    let most = if by_program { cells.map(rules_of).max().unwrap_or(0) } else { 0 };
    let each = PROGRAM_MIB.saturating_mul(u32::try_from(most).unwrap_or(u32::MAX)).saturating_add(CELL_MIB);
    let cells = memory_mib.saturating_sub(BASE_MIB) / each;
    NonZeroUsize::new(usize::try_from(cells).unwrap_or(usize::MAX)).unwrap_or(NonZeroUsize::MIN)
}

/// What the modules of a kernel allow.
struct Modules {
    /// By what the guest tells the host.
    channel: Channel,
    /// Whether it can be given its job after it was saved and resumed.
    can_be_saved: bool,
}

/// Packs the modules that the cells need. A kernel without a folder of modules is taken to have all of them
/// built in.
fn pack_modules(
    initramfs: &mut Initramfs,
    kernel: &Kernel,
    scenarios: &[(PathBuf, Scenario)],
    by_program: bool,
) -> Result<Modules, Complaint> {
    let Some(folder) = &kernel.modules else {
        return Ok(Modules { channel: Channel::Serial, can_be_saved: false });
    };
    let tree = ModuleTree::open(folder).map_err(|error| of_modules(kernel, &error))?;
    let mut names = vec![NETWORK.to_owned()];
    // A cell opens the firewalls of its hosts also where no rule goes in; only one with rules cannot do without.
    let has_rules = scenarios.iter().any(|(_, scenario)| has_rules(scenario));
    if has_rules || tree.has(RULES) {
        names.push(RULES.into());
    }
    if has_rules {
        names.extend(RULE_PARTS.map(str::to_owned).into_iter().filter(|name| tree.has(name)));
    }
    if by_program {
        names.extend(lines(scenarios).flat_map(candidates).filter(|name| tree.has(name)));
    }
    let has_channel = CHANNEL.iter().all(|name| tree.has(name));
    if has_channel {
        names.extend(CHANNEL.map(str::to_owned));
    }
    for (name, need, bytes) in read_modules(&tree, kernel, &names)? {
        initramfs.add_module(&name, need, bytes);
    }
    let can_be_saved = has_channel && tree.has(JOB_OF_THE_HOST);
    if can_be_saved {
        for (name, need, bytes) in read_modules(&tree, kernel, &[JOB_OF_THE_HOST.to_owned()])? {
            initramfs.add_late_module(&name, need, bytes);
        }
    }
    let channel = if has_channel { Channel::VirtioSerial } else { Channel::Serial };
    Ok(Modules { channel, can_be_saved })
}

/// These modules and what they need, in load order.
fn read_modules(
    tree: &ModuleTree,
    kernel: &Kernel,
    names: &[String],
) -> Result<Vec<(String, Need, Vec<u8>)>, Complaint> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let modules = tree.resolve(&names).map_err(|error| of_modules(kernel, &error))?;
    let read = |module: Module| {
        let bytes = module.read().map_err(|error| of_modules(kernel, &error))?;
        Ok((module.name, if module.optional { Need::Optional } else { Need::Required }, bytes))
    };
    modules.into_iter().map(read).collect()
}

/// The lines of all rules.
fn lines(scenarios: &[(PathBuf, Scenario)]) -> impl Iterator<Item = &str> {
    scenarios.iter().flat_map(|(_, scenario)| &scenario.cells).flat_map(rules)
}

/// The lines of the rules of one cell.
fn rules(cell: &Cell) -> impl Iterator<Item = &str> {
    cell.experiment.faults.iter().filter_map(|fault| match &fault.action {
        Action::Rule { rule, .. } => Some(rule.line.as_str()),
        _ => None,
    })
}

fn of_machine(error: &MachineError) -> Complaint {
    let complaint = Complaint::new(Exit::Lacking, "there is no virtual machine").reason(error.to_string());
    match error {
        MachineError::QemuMissing => complaint.help("apt-get install qemu-system-x86"),
        MachineError::Io { .. } | MachineError::Saved { .. } => complaint,
    }
}

fn of_modules(kernel: &Kernel, error: &ModuleError) -> Complaint {
    let message = format!("kernel {} cannot run these scenarios", kernel.release);
    Complaint::new(Exit::Lacking, message).reason(error.to_string())
}

fn unpackable(why: &str) -> Complaint {
    Complaint::new(Exit::Lacking, "this program could not be packed for a guest").reason(why)
}
