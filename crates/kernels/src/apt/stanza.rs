//! Stanzas of `Field: value` lines, as in apt's output and its `.sources` files.

/// One stanza, with its fields in order.
///
/// Source: `deb822(5)`. Names of fields are the same in any case; a line that begins with a blank
/// continues the field before; `#` begins a comment line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stanza {
    fields: Vec<(String, String)>,
}

impl Stanza {
    /// All stanzas of a text. Lines that are none of these are left out.
    pub(super) fn parse(text: &str) -> Vec<Self> {
        let mut stanzas = vec![Self::default()];
        for line in text.lines() {
            let stanza = stanzas.last_mut().expect("there is one from the beginning");
            if line.trim().is_empty() {
                if !stanza.fields.is_empty() {
                    stanzas.push(Self::default());
                }
            } else if line.starts_with('#') {
            } else if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = stanza.fields.last_mut() {
                    value.push('\n');
                    value.push_str(line);
                }
            } else if let Some((name, value)) = line.split_once(':') {
                stanza.fields.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
        stanzas.retain(|stanza| !stanza.fields.is_empty());
        stanzas
    }

    /// The value of a field; the lines of a long one begin with their blank.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The words of a field; none where it is not there.
    pub(super) fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.get(name).into_iter().flat_map(str::split_whitespace)
    }

    /// All fields.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_go_on_over_lines_and_comments_are_left_out() {
        let text = "\nPackage: a\nDescription: one\n two\n .\n# no field\nversion:1:2-3\n\n\nPackage: b\n";
        let stanzas = Stanza::parse(text);
        assert_eq!(stanzas.len(), 2);
        assert_eq!(stanzas[0].get("description"), Some("one\n two\n ."));
        assert_eq!(stanzas[0].get("Version"), Some("1:2-3"));
        assert_eq!(stanzas[1].get("Package"), Some("b"));
        assert_eq!(stanzas[1].get("Version"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "([ A-Za-z:#\t-]{0,8}\n){0,8}") {
            for stanza in Stanza::parse(&text) {
                prop_assert!(stanza.fields().count() > 0);
            }
        }
    }
}
