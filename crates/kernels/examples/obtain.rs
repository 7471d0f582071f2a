//! Obtains each kernel named on the command line and prints what it is; for trying things out.

use std::time::Instant;

use keepalive_lab_kernels::{Cache, KernelSpec, ModuleTree};

const WANTED: [&str; 8] =
    ["veth", "nf_tables", "nft_ct", "nft_reject_inet", "nft_limit", "nf_conntrack", "sch_netem", "virtio_console"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = Cache::of_user()?;
    for text in std::env::args().skip(1) {
        let spec: KernelSpec = text.parse()?;
        let start = Instant::now();
        let kernel = cache.obtain(&spec, None, &mut |step| println!("  {step}"));
        println!("{text}: {:.0?}", start.elapsed());
        match kernel {
            Ok(kernel) => {
                println!("{kernel:#?}");
                if let Some(modules) = &kernel.modules {
                    let start = Instant::now();
                    let modules = ModuleTree::open(modules)?.resolve(&WANTED)?;
                    let names: Vec<_> = modules.iter().map(|module| module.name.as_str()).collect();
                    println!("modules in {:.1?}: {}", start.elapsed(), names.join(" "));
                }
            }
            Err(error) => println!("error: {error}\n  = help: {}", error.help().unwrap_or_default()),
        }
    }
    Ok(())
}
