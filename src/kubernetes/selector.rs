//! Label selectors as text: `app=shop,tier in (web,api),!canary`.
//!
//! The grammar is the API's (`labels.Parse` of apimachinery) with the limits of the `labels` and
//! `namespace_labels` options: `!=`, `<` and `>` are refused, as CoreDNS refuses them.

use std::collections::BTreeSet;

use kube::core::{Expression, Selector};
use thiserror::Error;

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseSelectorError {
    /// something stands where the grammar has no place for it
    #[error("found '{found}', expected {expected}")]
    Unexpected {
        /// the token; empty at the end of the text
        found: String,
        /// what may stand there
        expected: &'static str,
    },
    /// an operator that selectors have elsewhere, but not in these options
    #[error("'{0}' is not a valid label selector operator here")]
    Operator(String),
    /// not a label's name
    #[error(
        "'{0}' is not a label's name: [PREFIX/]NAME, where NAME has at most 63 letters, digits, '-', \
         '_' or '.', and a letter or digit at both ends"
    )]
    Name(String),
    /// not a label's value
    #[error(
        "'{0}' is not a label's value: at most 63 letters, digits, '-', '_' or '.', and a letter or \
         digit at both ends"
    )]
    Value(String),
}

/// Parses a selector. The empty text selects everything.
///
/// # Errors
///
/// A [`ParseSelectorError`] that names the token it stumbled over.
pub fn parse(text: &str) -> Result<Selector, ParseSelectorError> {
    let mut tokens = Tokens(text);
    let mut selector = Selector::default();
    if tokens.peek().is_empty() {
        return Ok(selector);
    }
    loop {
        selector.extend([requirement(&mut tokens)?]);
        match tokens.next() {
            "" => return Ok(selector),
            "," => {}
            other => return unexpected(other, "',' or the end"),
        }
    }
}

fn requirement(tokens: &mut Tokens<'_>) -> Result<Expression, ParseSelectorError> {
    let absent = tokens.skip("!");
    let name = tokens.next();
    if !is_word(name) {
        return unexpected(name, "a label's name");
    }
    if !is_label_name(name) {
        return Err(ParseSelectorError::Name(name.to_owned()));
    }
    let name = name.to_owned();
    if absent {
        return Ok(Expression::DoesNotExist(name));
    }
    if matches!(tokens.peek(), "" | ",") {
        return Ok(Expression::Exists(name));
    }
    match tokens.next() {
        "=" | "==" => Ok(Expression::Equal(name, value(tokens)?)),
        "in" => Ok(Expression::In(name, values(tokens)?)),
        "notin" => Ok(Expression::NotIn(name, values(tokens)?)),
        operator @ ("!=" | "<" | ">") => Err(ParseSelectorError::Operator(operator.to_owned())),
        other => unexpected(other, "'=', '==', 'in', 'notin' or ','"),
    }
}

/// The one value after `=`; nothing is the empty value.
fn value(tokens: &mut Tokens<'_>) -> Result<String, ParseSelectorError> {
    let value = tokens.peek();
    if matches!(value, "" | ",") {
        return Ok(String::new());
    }
    tokens.next();
    if !is_word(value) {
        return unexpected(value, "a value");
    }
    label_value(value)
}

/// `(a,b)`; what is missing beside a comma, or between the brackets, is the empty value.
fn values(tokens: &mut Tokens<'_>) -> Result<BTreeSet<String>, ParseSelectorError> {
    let open = tokens.next();
    if open != "(" {
        return unexpected(open, "'('");
    }
    let mut values = BTreeSet::new();
    loop {
        let value = tokens.peek();
        if is_word(value) {
            tokens.next();
            values.insert(label_value(value)?);
        } else {
            values.insert(String::new());
        }
        match tokens.next() {
            "," => {}
            ")" => return Ok(values),
            other => return unexpected(other, "',' or ')'"),
        }
    }
}

fn unexpected<T>(found: &str, expected: &'static str) -> Result<T, ParseSelectorError> {
    Err(ParseSelectorError::Unexpected {
        found: found.to_owned(),
        expected,
    })
}

fn label_value(value: &str) -> Result<String, ParseSelectorError> {
    if value.is_empty() || is_label_word(value) {
        Ok(value.to_owned())
    } else {
        Err(ParseSelectorError::Value(value.to_owned()))
    }
}

fn is_label_name(name: &str) -> bool {
    match name.split_once('/') {
        Some((prefix, name)) => is_prefix(prefix) && is_label_word(name),
        None => is_label_word(name),
    }
}

/// A DNS subdomain, lower case.
fn is_prefix(prefix: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|b| *b != b'-')
            && bytes.last().is_some_and(|b| *b != b'-')
            && bytes
                .iter()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    prefix.len() <= 253 && prefix.split('.').all(label)
}

fn is_label_word(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

/// Not an operator, a bracket, a comma, or the end.
fn is_word(token: &str) -> bool {
    !token.is_empty() && !token.starts_with(is_special)
}

fn is_special(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

/// The tokens of a selector; the empty token is the end.
struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    fn peek(&self) -> &'a str {
        let rest = self.0.trim_start_matches([' ', '\t', '\r', '\n']);
        for operator in ["==", "!=", "=", "!", "(", ")", ",", ">", "<"] {
            if rest.starts_with(operator) {
                return rest.get(..operator.len()).unwrap_or_default();
            }
        }
        let end = |c: char| is_special(c) || matches!(c, ' ' | '\t' | '\r' | '\n');
        rest.split(end).next().unwrap_or_default()
    }

    fn next(&mut self) -> &'a str {
        let token = self.peek();
        let rest = self.0.trim_start_matches([' ', '\t', '\r', '\n']);
        self.0 = rest.get(token.len()..).unwrap_or_default();
        token
    }

    fn skip(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        if found {
            self.next();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use kube::core::SelectorExt;

    use super::*;

    #[test]
    fn selectors_read_as_the_api_server_reads_them() {
        for (text, canonical) in [
            ("", ""),
            ("  ", ""),
            ("a=b", "a=b"),
            (" a == b , c ", "a=b,c"),
            ("a=", "a="),
            ("a=,b", "a=,b"),
            ("!a", "!a"),
            ("! a,b", "!a,b"),
            ("tier in (web, api)", "tier in (api,web)"),
            ("tier notin (web)", "tier notin (web)"),
            ("a in ()", "a in ()"),
            ("a in (x,,y)", "a in (,x,y)"),
            ("a in (,)", "a in ()"),
            ("in in (in,notin)", "in in (in,notin)"),
            ("example.com/a-b_c.D=1.2-3_x", "example.com/a-b_c.D=1.2-3_x"),
            ("a in(x),b notin(y)", "a in (x),b notin (y)"),
        ] {
            let selector = parse(text).map(|selector| selector.to_string());
            assert_eq!(selector.as_deref(), Ok(canonical), "{text:?}");
        }
    }

    #[test]
    fn what_coredns_refuses_is_refused_with_what_was_found() {
        for (text, error) in [
            ("a!=b", "'!=' is not a valid label selector operator here"),
            ("a>1", "'>' is not a valid label selector operator here"),
            ("a=b c", "found 'c', expected ',' or the end"),
            ("a,", "found '', expected a label's name"),
            (",a", "found ',', expected a label's name"),
            ("a b", "found 'b', expected '=', '==', 'in', 'notin' or ','"),
            ("a in x", "found 'x', expected '('"),
            ("a in (x", "found '', expected ',' or ')'"),
            ("a=(b)", "found '(', expected a value"),
            ("!a=b", "found '=', expected ',' or the end"),
            ("=b", "found '=', expected a label's name"),
        ] {
            let found = parse(text).map_err(|error| error.to_string());
            assert_eq!(found, Err(error.to_owned()), "{text:?}");
        }
        for name in ["-a", "a/", "/a", "A.com/b", "a/b/c", &"x".repeat(64)] {
            let error = ParseSelectorError::Name(name.to_owned());
            assert_eq!(parse(name), Err(error));
        }
        let error = ParseSelectorError::Value("-x".to_owned());
        assert_eq!(parse("a in (b,-x)"), Err(error));
    }

    #[test]
    fn a_missing_label_is_not_in_any_set() {
        let labels = [("app", "shop"), ("empty", "")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let labels = labels.into_iter().collect();
        for (text, matches) in [
            ("", true),
            ("app", true),
            ("app=shop", true),
            ("app=web", false),
            ("app in (web,shop)", true),
            ("tier notin (web)", true),
            ("tier in (web)", false),
            ("tier=", false),
            ("empty=", true),
            ("!tier,app", true),
            ("!app", false),
        ] {
            let selector = parse(text).expect(text);
            assert_eq!(selector.matches(&labels), matches, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_selector_or_an_error(text in "[a-z!=(),<> \\PC]{0,40}") {
            if let Ok(selector) = parse(&text) {
                proptest::prop_assert_eq!(parse(&selector.to_string()), Ok(selector));
            }
        }
    }
}
