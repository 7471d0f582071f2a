//! A line cut into words that know their place.

use std::ops::Range;

use super::syntax::Stop;

/// One word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::firewall) struct Word {
    /// The word without its quotes.
    pub(in crate::firewall) text: String,
    /// Where it stands in the line, quotes included.
    pub(in crate::firewall) range: Range<usize>,
    /// Whether any of it was quoted.
    pub(in crate::firewall) quoted: bool,
}

/// Which characters are words of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::firewall) enum Grammar {
    /// A shell's: words are separated by space, quotes are taken away.
    Shell,
    /// nft's: operators, brackets and the ends of lines are words without space around them.
    Nft,
}

/// Single characters that are words in nft's language; `==`, `!=`, `<=` and `>=` are words too.
const NFT_OPERATORS: &str = "{}()[],|&/;=!<>@$#^\\";

/// What separates the commands of nft; the end of a line does so too, and becomes the same word.
pub(in crate::firewall) const SEPARATOR: &str = ";";

/// Cuts `line` into words.
pub(in crate::firewall) fn words(line: &str, grammar: Grammar) -> Result<Vec<Word>, Stop> {
    words_within(line, 0..line.len(), grammar)
}

/// Cuts a part of `line` into words, which know their place in the whole line.
pub(in crate::firewall) fn words_within(
    line: &str,
    part: Range<usize>,
    grammar: Grammar,
) -> Result<Vec<Word>, Stop> {
    let mut words: Vec<Word> = Vec::new();
    let mut open: Option<Word> = None;
    let start = part.start;
    let part = &line[..part.end];
    let mut chars = part[start..].char_indices().map(|(at, char)| (start + at, char)).peekable();
    while let Some((at, char)) = chars.next() {
        let end = at + char.len_utf8();
        if char == '\n' && grammar == Grammar::Nft {
            words.extend(open.take());
            words.push(Word { text: SEPARATOR.to_owned(), range: at..end, quoted: false });
        } else if char.is_whitespace() {
            words.extend(open.take());
        } else if grammar == Grammar::Nft && NFT_OPERATORS.contains(char) {
            words.extend(open.take());
            let doubled = "=!<>".contains(char) && chars.next_if(|(_, next)| *next == '=').is_some();
            let text = if doubled { format!("{char}=") } else { char.to_string() };
            words.push(Word { range: at..at + text.len(), text, quoted: false });
        } else {
            let word = open.get_or_insert_with(|| Word { text: String::new(), range: at..at, quoted: false });
            word.range.end = end;
            match char {
                '"' | '\'' => {
                    word.quoted = true;
                    word.range.end = quotation(part, at, char, &mut chars, &mut word.text)?;
                }
                '\\' if grammar == Grammar::Shell => {
                    if let Some((at, char)) = chars.next() {
                        word.text.push(char);
                        word.range.end = at + char.len_utf8();
                    }
                }
                plain => word.text.push(plain),
            }
        }
    }
    words.extend(open);
    Ok(words)
}

/// Reads to the closing quote; returns the position after it.
fn quotation(
    line: &str,
    start: usize,
    quote: char,
    chars: &mut impl Iterator<Item = (usize, char)>,
    text: &mut String,
) -> Result<usize, Stop> {
    while let Some((at, char)) = chars.next() {
        if char == quote {
            return Ok(at + 1);
        }
        if char == '\\' && quote == '"' {
            text.extend(chars.next().map(|(_, escaped)| escaped));
        } else {
            text.push(char);
        }
    }
    Err(Stop::mistake(start..line.len(), format!("the quote {quote} is not closed")))
}

/// Drops the words before the rule itself that people paste along: `sudo` and the program's name.
pub(in crate::firewall) fn without_program<'w>(mut words: &'w [Word], program: &str) -> &'w [Word] {
    for prefix in ["sudo", program] {
        if let Some((first, rest)) = words.split_first()
            && (first.text == prefix || first.text.ends_with(&format!("/{prefix}")))
        {
            words = rest;
        }
    }
    words
}

/// A word as iptables-restore(8) reads it: in double quotes where it must be.
pub(in crate::firewall) fn quoted_for_restore(text: &str) -> String {
    let plain =
        !text.is_empty() && text.chars().all(|char| char.is_ascii_graphic() && !"\"'\\".contains(char));
    if plain {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str, grammar: Grammar) -> Vec<String> {
        words(line, grammar).expect("well quoted").into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn a_shell_line_is_cut_at_space_and_loses_its_quotes() {
        let line = r#" -m comment  --comment "it's \"me\"" -j 'DROP' a\ b"#;
        assert_eq!(
            texts(line, Grammar::Shell),
            ["-m", "comment", "--comment", "it's \"me\"", "-j", "DROP", "a b"]
        );
    }

    #[test]
    fn operators_of_nft_are_words_without_space() {
        assert_eq!(
            texts("tcp flags&(syn|ack)!=syn iifname \"eth*\" ip saddr 198.18.0.0/15", Grammar::Nft),
            [
                "tcp",
                "flags",
                "&",
                "(",
                "syn",
                "|",
                "ack",
                ")",
                "!=",
                "syn",
                "iifname",
                "eth*",
                "ip",
                "saddr",
                "198.18.0.0",
                "/",
                "15"
            ]
        );
    }

    #[test]
    fn a_word_knows_its_bytes() {
        let line = "ä -p 'tcp'x";
        let found = words(line, Grammar::Shell).expect("well quoted");
        assert_eq!(&line[found[2].range.clone()], "'tcp'x");
        assert_eq!(found[2].text, "tcpx");
    }

    #[test]
    fn an_open_quote_is_a_mistake_at_its_place() {
        let Err(Stop::Mistake(error)) = words("-j \"DROP", Grammar::Shell) else { panic!("no mistake") };
        assert_eq!(error.range, 3..8);
    }

    #[test]
    fn words_for_restore_are_quoted_only_where_they_must_be() {
        assert_eq!(quoted_for_restore("--sport"), "--sport");
        assert_eq!(quoted_for_restore("a \"b\""), r#""a \"b\"""#);
        assert_eq!(quoted_for_restore(""), "\"\"");
    }
}
