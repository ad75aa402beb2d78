//! `{$NAME}` and `{%NAME%}`: environment variables inside words.

use std::borrow::Cow;

use super::environment::Environment;

/// Values that bring in more variables are followed this many times.
const MAX_ROUNDS: usize = 256;
/// The longest word that variables may make, in bytes.
const MAX_LENGTH: usize = 1 << 20;

/// Variables that lead to themselves, or to a word without end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endless;

/// A word in which variables are replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replaced<'a> {
    pub(super) text: Cow<'a, str>,
    /// The names that were not set, and so gave nothing.
    pub(super) unset: Vec<String>,
}

/// Replaces the variables in `text`: all of the form `{%NAME%}`, then all of the form `{$NAME}`.
///
/// As caddy: until none is left, so a value may bring in another; what is not set gives nothing;
/// an empty name (`{$}`) ends the search, and what follows it in the word stays as it is. Where
/// caddy would loop for ever, this is an error.
pub(super) fn replace<'a>(
    text: &'a str,
    environment: &dyn Environment,
) -> Result<Replaced<'a>, Endless> {
    let mut replaced = Replaced {
        text: Cow::Borrowed(text),
        unset: Vec::new(),
    };
    for (open, close) in [("{%", "%}"), ("{$", "}")] {
        let mut rounds = 0;
        while let Some(name) = first_name(&replaced.text, open, close) {
            rounds += 1;
            let value = environment.variable(&name).unwrap_or_else(|| {
                replaced.unset.push(name.clone());
                String::new()
            });
            let reference = format!("{open}{name}{close}");
            let grown = replaced
                .text
                .matches(&reference)
                .count()
                .saturating_mul(value.len());
            if rounds > MAX_ROUNDS || replaced.text.len().saturating_add(grown) > MAX_LENGTH {
                return Err(Endless);
            }
            replaced.text = Cow::Owned(replaced.text.replace(&reference, &value));
        }
    }
    Ok(replaced)
}

/// The name in the first reference, where that is complete and has one.
fn first_name(text: &str, open: &str, close: &str) -> Option<String> {
    let (_, rest) = text.split_at_checked(text.find(open)?)?;
    // The end is looked for from the start of the reference: in `{%}` both are one.
    let name = rest.get(open.len()..rest.find(close)?)?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::environment::Memory;
    use super::*;

    #[test]
    fn variables_are_replaced_as_caddy_does() {
        let environment = Memory::default()
            .with_variable("A", "1")
            .with_variable("EMPTY", "")
            .with_variable("CHAIN", "<{$A}>")
            .with_variable("PERCENT", "{%A%}")
            .with_variable("WORDS", "two words");
        for (text, expected) in [
            ("none", "none"),
            ("{$A}", "1"),
            ("{%A%}", "1"),
            ("x{$A}y{$A}z{%A%}", "x1y1z1"),
            ("{$EMPTY}:53", ":53"),
            ("{$NOT_SET}:53", ":53"),
            ("{$CHAIN}", "<1>"),
            ("{$WORDS}", "two words"),
            // `{%...%}` is over when `{$...}` starts.
            ("{$PERCENT}", "{%A%}"),
            // An empty name ends the search.
            ("{$}{$A}", "{$}{$A}"),
            ("{$A}{$}{$A}", "1{$}1"),
            ("{%%}{%A%}{$A}", "{%%}{%A%}1"),
            ("{%}", "{%}"),
            ("{$A", "{$A"),
            ("{%A}", "{%A}"),
            ("{$NAME:default}", ""),
            ("{{ $x }}", "{{ $x }}"),
            ("{{$A}}", "{1}"),
        ] {
            let found = replace(text, &environment).unwrap();
            assert_eq!(found.text, expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_set_is_named() {
        let found = replace("{%X%}{$Y}{$Y}", &Memory::default()).unwrap();
        assert_eq!(found.unset, ["X", "Y"]);
    }

    #[test]
    fn variables_that_lead_to_themselves_end() {
        let environment = Memory::default()
            .with_variable("LOOP", "{$LOOP}")
            .with_variable("GROW", "{$GROW2}{$GROW2}")
            .with_variable("GROW2", "{$GROW}{$GROW}");
        for text in ["{$LOOP}", "{$GROW}"] {
            assert_eq!(replace(text, &environment), Err(Endless), "{text}");
        }
    }
}
