//! `keepalive-lab check` and `keepalive-lab schema`.

use anstream::println;

use crate::args::{ChangeArgs, CheckArgs};
use crate::complaint::tell;
use crate::exit::Exit;
use crate::load::load;

/// Validates scenario files; a line for each that is right, the errors of each that is not.
pub(crate) fn check(args: &CheckArgs) -> Exit {
    let mut exit = Exit::Success;
    for path in &args.files {
        match load(path, &ChangeArgs::default()) {
            Ok(scenario) if !args.quiet => match scenario.cells.len() {
                1 => println!("{}: 1 cell", path.display()),
                cells => println!("{}: {cells} cells", path.display()),
            },
            Ok(_) => {}
            Err(complaints) => exit = exit.max(tell(&complaints)),
        }
    }
    exit
}

/// Prints the JSON Schema of scenario files.
pub(crate) fn schema() -> Exit {
    let schema = keepalive_lab_scenario::schema();
    println!("{}", serde_json::to_string_pretty(&schema).expect("a JSON value serialises"));
    Exit::Success
}
