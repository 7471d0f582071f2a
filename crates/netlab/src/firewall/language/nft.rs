//! Lines of nft(8): `add rule` and `insert rule`.
//!
//! Meanings follow nft 1.0 (`src/parser_bison.y`, `src/evaluate.c`), as shown by `nft --debug=netlink`.

use std::ops::Range;

use super::nft_statements::Statements;
use super::syntax::Stop;
use super::words::{Grammar, SEPARATOR, Word, words_within};
use crate::firewall::matches::{Condition, Matches, Protocol};
use crate::firewall::rule::{BaseChain, Family, Operation, Rule, RuleOperation, Tool};

/// Reads one line.
pub(in crate::firewall) fn parse(line: &str) -> Result<RuleOperation, Stop> {
    let words = command_words(line)?;
    if words.iter().any(|word| word.text == SEPARATOR && !word.quoted) {
        return Err(Stop::program("several commands in one are not translated"));
    }
    let mut cursor = Cursor::new(&words, line.len());
    let (operation, family, table, chain) = head(&mut cursor)?;
    let Some(chain) = BaseChain::usual(family, &table, &chain) else {
        return Err(Stop::program(format!(
            "chain `{chain}` has no usual hook: it must have been made by `add chain`"
        )));
    };
    if let Some(word) = cursor.peek()
        && ["position", "handle", "index"].contains(&word.text.as_str())
    {
        return Err(Stop::program("placing a rule beside another is not translated"));
    }
    let mut statements = Statements::new(family);
    while statements.read(&mut cursor)? {}
    let (matches, verdict) = statements.finish(cursor.end())?;
    Ok(RuleOperation { tool: Tool::Nft, operation, rule: Rule { chain, matches, verdict } })
}

/// The chain in which the rule of an `add rule` or `insert rule` line stands, if it is a usual one:
/// what must be there before nft can take the line, whatever follows.
pub(in crate::firewall) fn chain_of(line: &str) -> Option<BaseChain> {
    let words = command_words(line).ok()?;
    let (_, family, table, chain) = head(&mut Cursor::new(&words, line.len())).ok()?;
    BaseChain::usual(family, &table, &chain)
}

/// The table that a line defines itself, or a chain of it: `add table inet filter`,
/// `add chain inet filter input {...}`, `table inet filter {...}`.
pub(in crate::firewall) fn table_defined(line: &str) -> Option<(Family, String)> {
    let words = command_words(line).ok()?;
    let mut words = words.iter().map(|word| word.text.as_str()).peekable();
    words.next_if(|word| ["add", "create"].contains(word));
    words.next_if(|word| ["table", "chain"].contains(word))?;
    let family = words.next_if(|word| Family::from_name(word).is_some()).and_then(Family::from_name);
    words.next().map(|table| (family.unwrap_or(Family::Ip), table.to_owned()))
}

/// Where in a line nft's own command stands: behind `sudo` and `nft`, inside the quotes that a shell
/// would have needed, without a last separator.
pub(in crate::firewall) fn command(line: &str) -> Range<usize> {
    let mut command = line.trim();
    for prefix in ["sudo", "nft"] {
        if let Some((first, rest)) = command.split_once(char::is_whitespace)
            && (first == prefix || first.ends_with(&format!("/{prefix}")))
        {
            command = rest.trim_start();
        }
    }
    for quote in ['\'', '"'] {
        if let Some(inner) = command.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote))
            && !inner.contains(quote)
        {
            command = inner.trim();
        }
    }
    let command = command.trim_end_matches(|char: char| char == ';' || char.is_whitespace());
    // `command` is a part of `line`, so the distance of their starts is its place.
    let start = command.as_ptr().addr() - line.as_ptr().addr();
    start..start + command.len()
}

fn command_words(line: &str) -> Result<Vec<Word>, Stop> {
    words_within(line, command(line), Grammar::Nft)
}

/// `add rule [FAMILY] TABLE CHAIN`.
fn head(cursor: &mut Cursor) -> Result<(Operation, Family, String, String), Stop> {
    let verb = cursor.next("a command")?;
    if verb.text.starts_with('-') {
        return Err(Stop::mistake(verb.range.clone(), "options of nft have no meaning here")
            .help("write the command only: add rule ..."));
    }
    let operation = match verb.text.as_str() {
        "add" => Operation::Append,
        "insert" => Operation::Insert,
        other => return Err(Stop::program(format!("command `{other}` is not translated"))),
    };
    let object = cursor.next("`rule`")?;
    if object.text != "rule" {
        return Err(Stop::program(format!("`{} {}` is not translated", verb.text, object.text)));
    }
    let first = cursor.next("the table")?;
    let (family, table) = match (Family::from_name(&first.text), first.text.as_str()) {
        (Some(family), _) => (family, cursor.next("the table")?),
        (None, "arp" | "bridge" | "netdev") => {
            return Err(Stop::program(format!("family `{}` is not translated", first.text)));
        }
        (None, _) => (Family::Ip, first),
    };
    let table = name(table, "table")?;
    let chain = name(cursor.next("the chain")?, "chain")?;
    Ok((operation, family, table, chain))
}

/// The name of a table or chain as nft's scanner takes it without quotes.
fn name(word: &Word, what: &str) -> Result<String, Stop> {
    let plain = word.text.starts_with(|first: char| first.is_ascii_alphabetic())
        && word.text.chars().all(|char| char.is_ascii_alphanumeric() || "_-.".contains(char));
    if plain && word.text.len() < 128 {
        Ok(word.text.clone())
    } else {
        Err(Stop::program(format!("the name of the {what}, `{}`, is not a plain word", word.text)))
    }
}

/// The place in the line.
#[derive(Clone)]
pub(in crate::firewall) struct Cursor<'w> {
    words: &'w [Word],
    end: usize,
}

impl<'w> Cursor<'w> {
    fn new(words: &'w [Word], end: usize) -> Self {
        Self { words, end }
    }

    /// The end of the line in bytes: the place of what is missing.
    pub(in crate::firewall) const fn end(&self) -> usize {
        self.end
    }

    /// The next word, which stays.
    pub(in crate::firewall) fn peek(&self) -> Option<&'w Word> {
        self.words.first()
    }

    /// The next word.
    pub(in crate::firewall) fn next(&mut self, wanted: &str) -> Result<&'w Word, Stop> {
        let (first, rest) = self
            .words
            .split_first()
            .ok_or_else(|| Stop::mistake(self.end..self.end, format!("{wanted} is missing")))?;
        self.words = rest;
        Ok(first)
    }

    /// The next word, if it is this one.
    pub(in crate::firewall) fn next_if(&mut self, text: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if first.text == text && !first.quoted => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

/// Sets the protocol that another condition implies, unless the line already said another.
pub(in crate::firewall) fn imply_protocol(
    matches: &mut Matches,
    protocol: Protocol,
    word: &Word,
) -> Result<(), Stop> {
    match matches.protocol {
        None => matches.protocol = Some(Condition::Is(protocol)),
        Some(Condition::Is(said)) if said == protocol => {}
        Some(Condition::Is(said)) => {
            return Err(Stop::mistake(
                word.range.clone(),
                format!("no packet is {protocol} and, as said before, {said}"),
            ));
        }
        Some(Condition::IsNot(_)) => {
            return Err(Stop::program("two conditions on the protocol are not translated"));
        }
    }
    Ok(())
}
