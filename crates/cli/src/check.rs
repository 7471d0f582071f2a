//! `keepalive-lab check` and `keepalive-lab schema`.

use crate::args::{ChangeArgs, CheckArgs};
use crate::complaint::tell;
use crate::exit::Exit;
use crate::load::load;
use crate::output::{Output, print};
use crate::span::counted;

/// Validates scenario files; a line for each that is right, the errors of each that is not.
pub(crate) fn check(args: &CheckArgs) -> Exit {
    let mut complaints = Vec::new();
    let mut output = Output::default();
    for path in &args.files {
        match load(path, &ChangeArgs::default()) {
            Ok(scenario) if !args.quiet => {
                output.line(format_args!("{}: {}", path.display(), counted(scenario.cells.len(), "cell")));
            }
            Ok(_) => {}
            Err(more) => complaints.extend(more),
        }
    }
    let exit = tell(&complaints);
    output.end(exit)
}

/// Prints the JSON Schema of scenario files.
pub(crate) fn schema() -> Exit {
    let schema = keepalive_lab_scenario::schema();
    print(serde_json::to_string_pretty(&schema).expect("a JSON value serialises"))
}
