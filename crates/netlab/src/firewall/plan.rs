//! How each line of one host will be applied: decided before anything starts, without privilege.

use super::language::nft;
use super::language::syntax::{Parsed, RuleSyntaxError, parse};
use super::language::words::{Grammar, Word, quoted_for_restore, without_program, words};
use super::program::Program;
use super::rule::{BaseChain, Family, RuleOperation, Tool};

/// A line that was read, and how it will be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedLine {
    /// The language it is written in.
    pub tool: Tool,
    /// The line as written.
    pub line: String,
    /// How it will be applied.
    pub route: Route,
}

/// How a line is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Translated, through netlink.
    Netlink(RuleOperation),
    /// By the real program.
    Program {
        /// The program.
        program: Program,
        /// Why it is needed, such as "match `owner` is not translated".
        why: String,
        /// What it is fed on its standard input.
        input: String,
        /// How the line can be taken back.
        undo: Undo,
        /// The chain that has to be there first and that nobody else makes.
        chain: Option<BaseChain>,
    },
}

/// How a line that a program applied can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// There is nothing to take back: the line only deletes.
    Nothing,
    /// By deleting the rules that it added.
    Rules,
    /// The same; where the kernel shows no rule that it added (iptables-legacy, a policy), by feeding
    /// the program this.
    RulesOrInput(String),
}

/// Decides how the lines of one host are applied; one answer for each line, in order.
///
/// All lines of one tool take the same way, so that their order in a chain is as written: if one of
/// them needs the program, all of them go through it. (Through netlink, iptables' rules stand in the
/// tables and chains that iptables-nft would use; iptables-legacy keeps others, which nft can't see.)
pub fn plan(lines: &[(Tool, &str)]) -> Vec<Result<PlannedLine, RuleSyntaxError>> {
    let parsed: Vec<_> = lines.iter().map(|(tool, line)| parse(*tool, line)).collect();
    let reason = |tool: Tool| {
        lines.iter().zip(&parsed).find_map(|((other, _), parsed)| match parsed {
            Ok(Parsed::NeedsProgram { why }) if *other == tool => Some(why.clone()),
            _ => None,
        })
    };
    let reasons = Tool::ALL.map(|tool| (tool, reason(tool)));
    let defined: Vec<(Family, String)> = lines
        .iter()
        .filter(|(tool, _)| *tool == Tool::Nft)
        .filter_map(|(_, line)| nft::table_defined(line))
        .collect();
    let planned = |(tool, line): (Tool, &str), parsed| {
        let shared = reasons.iter().find(|(other, _)| *other == tool).and_then(|(_, why)| why.as_ref());
        let route = match (parsed, shared) {
            (Parsed::Translated(operation), None) => Route::Netlink(operation),
            (Parsed::NeedsProgram { why }, _) => by_program(tool, line, why, &defined),
            (Parsed::Translated(_), Some(why)) => {
                let why = format!("another {tool} line of this host needs it: {why}");
                by_program(tool, line, why, &defined)
            }
        };
        PlannedLine { tool, line: line.to_owned(), route }
    };
    lines.iter().zip(parsed).map(|(line, parsed)| parsed.map(|parsed| planned(*line, parsed))).collect()
}

fn by_program(tool: Tool, line: &str, why: String, defined: &[(Family, String)]) -> Route {
    match tool {
        Tool::Iptables | Tool::Ip6tables => {
            let restore = Restore::from_line(tool, line);
            Route::Program {
                program: if tool == Tool::Iptables { Program::Iptables } else { Program::Ip6tables },
                why,
                input: restore.input(&restore.words),
                undo: restore.undo(),
                chain: None,
            }
        }
        Tool::Nft => {
            let chain = nft::chain_of(line).filter(|chain| {
                !defined.iter().any(|(family, table)| (*family, table) == (chain.family, &chain.table))
            });
            let command = &line[nft::command(line)];
            let undo = nft_undo(command);
            Route::Program { program: Program::Nft, why, input: format!("{command}\n"), undo, chain }
        }
    }
}

/// An iptables line taken apart for iptables-restore(8), which takes the table on a line of its own.
struct Restore {
    table: String,
    words: Vec<String>,
}

impl Restore {
    fn from_line(tool: Tool, line: &str) -> Self {
        let words = words(line, Grammar::Shell).unwrap_or_default();
        let mut table = "filter".to_owned();
        let mut kept = Vec::new();
        let mut rest = without_program(&words, tool.name()).iter().peekable();
        while let Some(Word { text, .. }) = rest.next() {
            match text.as_str() {
                "-t" | "--table" => table = rest.next().map_or(table, |name| name.text.clone()),
                // iptables-restore waits for the lock by an option of its own.
                "-w" | "--wait" => {
                    rest.next_if(|next| next.text.bytes().all(|byte| byte.is_ascii_digit()));
                }
                other if other.starts_with("--wait=") => {}
                other => match other.strip_prefix("--table=") {
                    Some(name) => name.clone_into(&mut table),
                    None => kept.push(other.to_owned()),
                },
            }
        }
        Self { table, words: kept }
    }

    fn input(&self, words: &[String]) -> String {
        let line: Vec<String> = words.iter().map(|word| quoted_for_restore(word)).collect();
        format!("*{}\n{}\nCOMMIT\n", self.table, line.join(" "))
    }

    /// The opposite of `-A`, `-I` and `-P`; the policy before `-P` is taken to be ACCEPT, as it is in
    /// every new namespace.
    fn undo(&self) -> Undo {
        let mut words = self.words.clone();
        let command = |names: &[&str]| self.words.iter().position(|word| names.contains(&word.as_str()));
        if let Some(at) = command(&["-A", "--append"]) {
            "-D".clone_into(&mut words[at]);
        } else if let Some(at) = command(&["-I", "--insert"]) {
            "-D".clone_into(&mut words[at]);
            if words.get(at + 2).is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
                words.remove(at + 2);
            }
        } else if let Some(at) = command(&["-P", "--policy"])
            && let Some(policy) = words.get_mut(at + 2)
        {
            "ACCEPT".clone_into(policy);
        } else if command(&IPTABLES_DELETES).is_some() {
            return Undo::Nothing;
        } else {
            return Undo::Rules;
        }
        Undo::RulesOrInput(self.input(&words))
    }
}

/// Commands of iptables that add nothing.
const IPTABLES_DELETES: [&str; 8] =
    ["-D", "--delete", "-F", "--flush", "-X", "--delete-chain", "-Z", "--zero"];

/// Commands of nft that add nothing.
const NFT_DELETES: [&str; 5] = ["delete", "destroy", "flush", "list", "reset"];

fn nft_undo(command: &str) -> Undo {
    let deletes =
        |command: &str| command.split_whitespace().next().is_none_or(|verb| NFT_DELETES.contains(&verb));
    if command.split([';', '\n']).all(deletes) { Undo::Nothing } else { Undo::Rules }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(lines: &[(Tool, &str)]) -> Vec<Route> {
        plan(lines).into_iter().map(|line| line.expect("no mistake in it").route).collect()
    }

    #[test]
    fn one_line_that_needs_the_program_takes_the_others_of_its_tool_along() {
        let routes = routes(&[
            (Tool::Iptables, "-A INPUT -p tcp --dport 7654 -j DROP"),
            (Tool::Iptables, "-A OUTPUT -m owner --uid-owner 0 -j DROP"),
            (Tool::Ip6tables, "-A INPUT -p tcp --dport 7654 -j DROP"),
        ]);
        let Route::Program { why, input, .. } = &routes[0] else { panic!("{:?}", routes[0]) };
        assert_eq!(why, "another iptables line of this host needs it: match `owner` is not translated");
        assert_eq!(input, "*filter\n-A INPUT -p tcp --dport 7654 -j DROP\nCOMMIT\n");
        assert!(matches!(routes[1], Route::Program { program: Program::Iptables, .. }));
        assert!(matches!(routes[2], Route::Netlink(_)), "{:?}", routes[2]);
    }

    #[test]
    fn a_mistake_in_one_line_does_not_hide_the_others() {
        let planned =
            plan(&[(Tool::Iptables, "-A INPUT -p tcp --dport 99999 -j DROP"), (Tool::Nft, "flush ruleset")]);
        assert_eq!(planned[0].as_ref().expect_err("no such port").range, 24..29);
        assert!(planned[1].is_ok());
    }

    #[test]
    fn an_iptables_line_is_taken_apart_for_restore() {
        let line = r#"sudo iptables -w 5 -t mangle -I PREROUTING 2 -m comment --comment "two words" -j DROP"#;
        let Route::Program { input, undo, .. } = &routes(&[(Tool::Iptables, line)])[0] else { panic!() };
        assert_eq!(input, "*mangle\n-I PREROUTING 2 -m comment --comment \"two words\" -j DROP\nCOMMIT\n");
        assert_eq!(
            *undo,
            Undo::RulesOrInput(
                "*mangle\n-D PREROUTING -m comment --comment \"two words\" -j DROP\nCOMMIT\n".to_owned()
            )
        );
    }

    #[test]
    fn a_line_that_only_deletes_needs_no_undoing() {
        for line in
            [(Tool::Iptables, "-F"), (Tool::Nft, "flush ruleset"), (Tool::Nft, "list ruleset; flush table f")]
        {
            let Route::Program { undo, .. } = routes(&[line]).remove(0) else { panic!() };
            assert_eq!(undo, Undo::Nothing, "{line:?}");
        }
        for line in [(Tool::Iptables, "-N own"), (Tool::Nft, "flush ruleset; add table f")] {
            let Route::Program { undo, .. } = routes(&[line]).remove(0) else { panic!() };
            assert_eq!(undo, Undo::Rules, "{line:?}");
        }
    }

    #[test]
    fn a_policy_is_undone_by_accept() {
        let Route::Program { undo, .. } = &routes(&[(Tool::Iptables, "-P INPUT DROP")])[0] else { panic!() };
        assert_eq!(*undo, Undo::RulesOrInput("*filter\n-P INPUT ACCEPT\nCOMMIT\n".to_owned()));
    }

    #[test]
    fn the_usual_chain_is_made_for_nft_unless_the_lines_define_its_table() {
        let rule = (Tool::Nft, "sudo nft 'add rule inet filter input meta skuid 0 drop'");
        let Route::Program { chain, .. } =
            &routes(&[(Tool::Nft, "add rule inet filter input meta skuid 0 drop")])[0]
        else {
            panic!()
        };
        assert_eq!(*chain, BaseChain::usual(Family::Inet, "filter", "input"));
        let own = (Tool::Nft, "add table inet filter");
        let routes = routes(&[own, (Tool::Nft, "add rule inet filter input drop"), rule]);
        for route in routes {
            assert!(matches!(route, Route::Program { chain: None, .. }), "{route:?}");
        }
    }

    #[test]
    fn nft_is_fed_the_command_without_what_the_shell_would_take() {
        let fed = |line: &str| match routes(&[(Tool::Nft, line)]).remove(0) {
            Route::Program { input, .. } => input,
            other @ Route::Netlink(_) => panic!("{other:?}"),
        };
        assert_eq!(fed("sudo nft 'add rule ip f c drop'"), "add rule ip f c drop\n");
        assert_eq!(
            fed(" nft add rule ip f c iifname \"a*\" drop; "),
            "add rule ip f c iifname \"a*\" drop\n"
        );
        assert_eq!(fed("add table ip f\nadd chain ip f c\n"), "add table ip f\nadd chain ip f c\n");
    }
}
