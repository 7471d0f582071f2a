//! A kernel of the machine's own suites.

use std::fs;
use std::time::{Duration, Instant};

use keepalive_lab_kernels::{KernelError, KernelSpec, ModuleTree, Step};
use libtest_mimic::Completion;

use crate::Test;
use crate::child::{lines, start, wait_for};
use crate::ground::{Ground, state_of_apt};

pub(crate) const TESTS: &[Test] = &[
    (
        "a_killed_fetch_leaves_nothing_and_of_two_at_once_one_fetches",
        a_killed_fetch_leaves_nothing_and_of_two_at_once_one_fetches,
    ),
    ("a_kept_kernel_is_there_at_once_and_whole", a_kept_kernel_is_there_at_once_and_whole),
    (
        "a_damaged_kernel_is_fetched_anew_and_the_machines_apt_stays_as_it_was",
        a_damaged_kernel_is_fetched_anew_and_the_machines_apt_stays_as_it_was,
    ),
    ("what_does_not_exist_is_refused_with_what_does", what_does_not_exist_is_refused_with_what_does),
];

fn a_killed_fetch_leaves_nothing_and_of_two_at_once_one_fetches(ground: &Ground) -> Completion {
    let spec = ground.spec().to_string();
    let mut killed = start(&ground.cache, &spec, |_| ());
    wait_for(&mut killed, "downloading");
    killed.kill().expect("it runs");
    killed.wait().expect("it was started");
    assert_eq!(ground.cache.cached().unwrap(), [], "nothing half is kept");

    let both = [0, 1].map(|_| start(&ground.cache, &spec, |_| ()));
    let both = both.map(lines);
    let fetched =
        both.iter().filter(|lines| lines.iter().any(|line| line.starts_with("downloading"))).count();
    assert_eq!(fetched, 1, "{both:#?}");
    assert_eq!(both[0].last(), both[1].last());
    assert_eq!(ground.cache.cached().unwrap().len(), 1);
    assert!(!ground.cache.folder().join("partial").exists());
    Completion::Completed
}

fn a_kept_kernel_is_there_at_once_and_whole(ground: &Ground) -> Completion {
    let obtain = |tell: &mut dyn FnMut(&Step)| ground.cache.obtain(&ground.spec(), None, tell).unwrap();
    let kernel = obtain(&mut |_| ());
    assert_eq!(kernel.release, ground.kernel.release);
    assert_eq!(kernel.spec, ground.spec().to_string());
    let package = kernel.package.as_ref().unwrap();
    assert_eq!((&package.name, &package.version), (&ground.kernel.package, &ground.kernel.version));
    assert_eq!(package.suite, ground.kernel.suite);
    assert!(fs::read(&kernel.image).unwrap().starts_with(b"\x7fELF"), "{kernel:?}");
    let tree = ModuleTree::open(kernel.modules.as_ref().unwrap()).unwrap();
    let modules = tree.resolve(&["veth", "nf_tables", "nft_reject_inet", "sch_netem"]).unwrap();
    let names: Vec<_> = modules.iter().map(|module| module.name.as_str()).collect();
    let place =
        |name| names.iter().position(|&other| other == name).unwrap_or_else(|| panic!("{name}: {names:?}"));
    assert!(
        place("nf_tables") < place("nft_reject") && place("nft_reject") < place("nft_reject_inet"),
        "{names:?}"
    );
    for module in &modules {
        assert!(module.read().unwrap().starts_with(b"\x7fELF"), "{module:?}");
    }

    let quickest = (0..5).map(|_| {
        let start = Instant::now();
        assert_eq!(obtain(&mut |step| panic!("{step}")), kernel);
        start.elapsed()
    });
    let quickest = quickest.min().unwrap();
    assert!(quickest < Duration::from_millis(50), "{quickest:?}");

    // By its path, the same image is as good, and its modules are given.
    let vmlinuz = kernel.image.with_file_name("vmlinuz");
    let root = kernel.image.parent().unwrap();
    let by_path = ground.cache.obtain(&KernelSpec::Path(vmlinuz), Some(root), &mut |_| ()).unwrap();
    assert_eq!(fs::read(&by_path.image).unwrap(), fs::read(&kernel.image).unwrap());
    assert_eq!((by_path.release, by_path.modules), (kernel.release, kernel.modules));
    Completion::Completed
}

fn a_damaged_kernel_is_fetched_anew_and_the_machines_apt_stays_as_it_was(ground: &Ground) -> Completion {
    let before = state_of_apt();
    let mut steps = Vec::new();
    let mut obtain = || {
        steps.clear();
        let kernel = ground.cache.obtain(&ground.spec(), None, &mut |step| steps.push(step.clone())).unwrap();
        (kernel, steps.clone())
    };
    let (kernel, _) = obtain();
    let mut image = fs::read(&kernel.image).unwrap();
    let middle = image.len() / 2;
    image[middle] ^= 1;
    fs::write(&kernel.image, &image).unwrap();
    let (again, steps) = obtain();
    assert!(
        steps.iter().any(|step| matches!(step, Step::Damaged { why, .. } if why.contains("checksum"))),
        "{steps:?}"
    );
    assert!(steps.iter().any(|step| matches!(step, Step::Downloading { .. })), "{steps:?}");
    image[middle] ^= 1;
    assert!(fs::read(&again.image).unwrap() == image, "it is as it was");
    assert_eq!(obtain(), (kernel, vec![]));
    assert_eq!(state_of_apt(), before);
    Completion::Completed
}

fn what_does_not_exist_is_refused_with_what_does(ground: &Ground) -> Completion {
    let spec: KernelSpec = "debian:0.9".parse().unwrap();
    match ground.cache.obtain(&spec, None, &mut |_| ()).unwrap_err() {
        KernelError::NoMatch { series, .. } => {
            assert!(series.iter().any(|series| ground.kernel.version.starts_with(series)), "{series:?}");
        }
        other => panic!("{other}"),
    }
    Completion::Completed
}
