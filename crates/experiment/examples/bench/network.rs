//! What a cell's network costs: netlab's own comparison, told in this table.

use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::Part;
use crate::figure::Figure;

/// What a pair of hosts may cost, in bare sequences.
const AT_MOST: f64 = 1.3;

/// The kernel takes down what was dropped behind everybody's back, for a third of a second: what is
/// measured next should not meet that.
const UNTIL_ALL_IS_DOWN: Duration = Duration::from_secs(1);

/// Runs `build_cost`, which lies beside this executable.
pub(crate) fn measure() -> Part {
    let program = std::env::current_exe()?.with_file_name("build_cost");
    let output =
        Command::new(&program).output().map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() {
        return Err(format!("build_cost: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    thread::sleep(UNTIL_ALL_IS_DOWN);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let number = |key: &str| told[key].as_f64().ok_or_else(|| format!("build_cost told no {key}"));
    let pairs = usize::try_from(told["pairs"].as_u64().ok_or("build_cost told no pairs")?)?;
    Ok(vec![
        Figure::median("network of one cell built", pairs, number("builder_ms")?),
        Figure::median("  bare sequence of system calls beside it", pairs, number("bare_ms")?),
        Figure::ratio("  times the bare sequence", number("ratio")?, Some(AT_MOST)),
        Figure::median("network of one cell dropped", pairs, number("drop_ms")?),
    ])
}
