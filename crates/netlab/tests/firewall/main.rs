//! The firewall on the real kernel: every translated match eats what it should, as it does when the
//! real program takes the same line. As root, or as anyone whom the system lets have a user
//! namespace; elsewhere, and where a program is missing, tests report themselves as ignored.

mod matches;
mod order;
mod probe;
mod processes;
mod program;
mod reject;

use std::process::ExitCode;

use keepalive_lab_netlab::firewall::{Firewall, PlannedLine, Program, Route, Tool, plan};
use keepalive_lab_netlab::{Builder, Host, IpVersion, Pair, PairPlan, Subnet, userns};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// A test: its name, a sentence, what it does, and the program that it needs, if it needs one.
type Test = (&'static str, fn(), Option<Program>);

fn main() -> ExitCode {
    // Before anything starts a thread.
    let refusal = userns::acquire().err().map(|error| error.to_string());
    if processes::is_child() {
        processes::child();
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    // A process being started holds every open socket until it runs its program: a port that another
    // test has just closed would still be taken.
    arguments.test_threads = Some(1);
    let tests = [matches::TESTS, order::TESTS, reject::TESTS, program::TESTS, processes::TESTS].concat();
    let trials = tests.into_iter().map(|(name, test, program)| {
        let refusal = refusal.clone();
        Trial::ignorable_test(name, move || -> Result<Completion, Failed> {
            let missing = program.and_then(|program| program.version().err()).map(|error| error.to_string());
            if let Some(reason) = refusal.or(missing) {
                return Ok(Completion::ignored_with(reason));
            }
            test();
            Ok(Completion::Completed)
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// How a line is to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Netlink,
    Program,
}

/// Plans a line so that it takes this way: one line that needs the program takes all along.
fn planned(tool: Tool, line: &str, way: Way) -> PlannedLine {
    let companion = if tool == Tool::Nft { "list ruleset" } else { "-F" };
    let lines = match way {
        Way::Netlink => vec![(tool, line)],
        Way::Program => vec![(tool, line), (tool, companion)],
    };
    let line = plan(&lines).remove(0).expect("no mistake in it");
    assert_eq!(matches!(line.route, Route::Netlink(_)), way == Way::Netlink, "{line:?}");
    line
}

fn program_of(tool: Tool) -> Program {
    match tool {
        Tool::Iptables => Program::Iptables,
        Tool::Ip6tables => Program::Ip6tables,
        Tool::Nft => Program::Nft,
    }
}

/// The ways that can be tried on this machine.
fn ways(tool: Tool) -> Vec<Way> {
    let mut ways = vec![Way::Netlink];
    ways.extend(program_of(tool).version().is_ok().then_some(Way::Program));
    ways
}

fn pair(version: IpVersion) -> Pair {
    let builder = Builder::new().expect("main() made sure of the privilege");
    builder.pair(&PairPlan { subnet: Subnet::nth(7, version) }).expect("a pair can be built")
}

fn firewall(host: &Host) -> Firewall {
    Firewall::open(host.namespace()).expect("a firewall can be opened")
}
