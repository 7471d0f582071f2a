//! `keepalive-lab kernels`: which kernels there are to run, and fetching them.

use comfy_table::{Table, presets};
use keepalive_lab_kernels::{AvailableKernel, Cache, CachedKernel, DebianSpec, KernelError, Step};
use serde_json::json;

use crate::args::{KernelsArgs, KernelsCommand};
use crate::complaint::{Complaint, tell};
use crate::exit::Exit;
use crate::output::{complain, print};

/// Lists kernels, or fetches one.
pub(crate) fn kernels(args: &KernelsArgs) -> Exit {
    let done = match &args.command {
        Some(KernelsCommand::Fetch { specs }) => fetch(specs),
        None => list(args),
    };
    done.unwrap_or_else(|error| tell(&[of(&error)]))
}

/// What kept a kernel from being had, in words.
pub(crate) fn of(error: &KernelError) -> Complaint {
    let complaint = Complaint::new(Exit::Lacking, error.to_string());
    match error.help() {
        Some(help) => complaint.help(help),
        None => complaint,
    }
}

fn fetch(specs: &[DebianSpec]) -> Result<Exit, KernelError> {
    let cache = Cache::of_user()?;
    let mut exit = Exit::Success;
    for spec in specs {
        let kernel = cache.fetch(spec, &mut |step: &Step| complain(step))?;
        let origin = kernel.package.map(|package| format!(" ({} of {})", package.version, package.suite));
        exit = exit.max(print(format_args!(
            "{}: {}{}",
            kernel.spec,
            kernel.release,
            origin.unwrap_or_default()
        )));
    }
    Ok(exit)
}

fn list(args: &KernelsArgs) -> Result<Exit, KernelError> {
    let cache = Cache::of_user()?;
    let kept = cache.cached()?;
    let suite = args.suite.as_deref();
    // What is kept can be told where apt cannot be asked.
    let available = cache.available(suite);
    if args.json {
        let lines = json!({
            "kept": kept.iter().map(of_kept).collect::<Vec<_>>(),
            "available": available.as_deref().unwrap_or_default(),
            "why_not": available.as_ref().err().map(ToString::to_string),
        });
        return Ok(print(format_args!("{lines:#}")));
    }
    let kept = match kept.as_slice() {
        [] => format!("kept in {}: none yet\n", cache.folder().display()),
        kept => format!("kept in {}:\n{}\n", cache.folder().display(), kept_table(kept)),
    };
    let place = suite.map_or_else(|| "apt here sees".to_owned(), |suite| format!("the suite {suite} has"));
    let fetchable = match &available {
        Ok(kernels) if kernels.is_empty() => format!("\n{place} no cloud kernel\n"),
        Ok(kernels) if args.all => format!("\n{place}:\n{}\n", available_table(kernels.iter(), suite)),
        Ok(kernels) => {
            let newest = newest_of_each_series(kernels);
            format!(
                "\n{place} (the newest of each series; --all for all):\n{}\n",
                available_table(newest, suite)
            )
        }
        Err(error) => format!("\nwhat can be fetched is not known: {error}\n"),
    };
    let elsewhere = match suite {
        None => "\nother suites of the same mirrors: keepalive-lab kernels --suite trixie-backports",
        Some(_) => "",
    };
    let text = format!("{kept}{fetchable}{elsewhere}");
    Ok(print(text.trim_end()))
}

/// What identifies a series: the first two numbers of a release.
pub(crate) fn series(release: &str) -> String {
    release.split(['.', '-', '+']).take(2).collect::<Vec<_>>().join(".")
}

/// Of kernels newest first.
fn newest_of_each_series(kernels: &[AvailableKernel]) -> impl Iterator<Item = &AvailableKernel> {
    let is_first = |(index, kernel): &(usize, &AvailableKernel)| {
        kernels[..*index].iter().all(|newer| series(&newer.release) != series(&kernel.release))
    };
    kernels.iter().enumerate().filter(is_first).map(|(_, kernel)| kernel)
}

fn available_table<'a>(kernels: impl Iterator<Item = &'a AvailableKernel>, suite: Option<&str>) -> String {
    let rows = kernels.map(|kernel| {
        let suffix = suite.map(|suite| format!("@{suite}")).unwrap_or_default();
        [
            format!("debian:{}{suffix}", series(&kernel.release)),
            kernel.release.clone(),
            kernel.version.clone(),
            kernel.suite.clone(),
            megabytes(kernel.bytes),
        ]
    });
    table(["--kernel", "release", "version", "suite", "download"], rows)
}

fn kept_table(kernels: &[CachedKernel]) -> String {
    let rows = kernels.iter().map(|kernel| {
        let state = kernel.damage.clone().map_or_else(String::new, |why| format!("damaged: {why}"));
        [
            kernel.release.clone(),
            kernel.package.version.clone(),
            kernel.package.suite.clone(),
            megabytes(kernel.bytes),
            kernel.package.sha256.chars().take(12).collect(),
            state,
        ]
    });
    table(["release", "version", "suite", "size", "sha256 of the package", ""], rows)
}

fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    table.trim_fmt()
}

fn of_kept(kernel: &CachedKernel) -> serde_json::Value {
    json!({
        "release": kernel.release,
        "package": kernel.package,
        "folder": kernel.folder,
        "bytes": kernel.bytes,
        "damage": kernel.damage,
    })
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", (bytes + 500_000) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_the_first_two_numbers_of_a_release() {
        assert_eq!(series("6.1.0-53-cloud-amd64"), "6.1");
        assert_eq!(series("7.3.4+deb13-cloud-amd64"), "7.3");
        assert_eq!(series("6.12-cloud-amd64"), "6.12");
    }
}
