//! Which texts a rule takes, and what becomes of them. Texts are names as they are written.

use std::sync::Arc;

use regex::{Captures, Regex};

use crate::name::NameRef;

/// How a rule compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Exact,
    Prefix,
    Suffix,
    Substring,
    Regex,
}

/// The texts that a rule takes.
#[derive(Debug)]
pub(super) enum Match {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Substring(String),
    Regex(Regex),
}

/// Whether bytes of a name start like a text, whose dots may stand for any byte; from a backslash on
/// it is not looked at.
#[inline]
fn looks_like(bytes: &[u8], text: &str) -> bool {
    let mut bytes = bytes.iter();
    let is_next = |told| matches!(bytes.next(), Some(byte) if told == b'.' || told == *byte);
    let mut text = text.bytes().take_while(|told| *told != b'\\');
    text.all(is_next)
}

/// The texts that a rule takes, and what it makes of them.
#[derive(Debug)]
pub(super) struct Substitution {
    from: Match,
    to: Template,
}

/// A text with places for what the groups of a pattern matched, and for values of metadata.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    /// 0 is the whole match.
    Group(usize),
    /// The value of a label of metadata, in lower case.
    Label(Box<str>),
}

impl Kind {
    /// The kind that a word names, in any case.
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word.to_lowercase().as_str() {
            "exact" => Self::Exact,
            "prefix" => Self::Prefix,
            "suffix" => Self::Suffix,
            "substring" => Self::Substring,
            "regex" => Self::Regex,
            _ => return None,
        })
    }
}

impl Match {
    #[inline]
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(from) => text == from,
            Self::Prefix(from) => text.starts_with(from.as_str()),
            Self::Suffix(from) => text.ends_with(from.as_str()),
            Self::Substring(from) => text.contains(from.as_str()),
            Self::Regex(from) => from.is_match(text),
        }
    }

    /// Whether the text of a name in lower case may be taken, told from its bytes: where it says no,
    /// no text needs to be made.
    #[inline]
    pub(super) fn may_match(&self, name: NameRef<'_>) -> bool {
        // The text of a name is its bytes from the first letter on, with dots in the place of the
        // lengths and of the root; but for escapes, which only a text with a backslash is like.
        let bytes = name.as_bytes().get(1..).unwrap_or_default();
        match self {
            _ if bytes.is_empty() => true,
            Self::Exact(from) | Self::Prefix(from) => looks_like(bytes, from),
            Self::Suffix(from) => {
                let cut = bytes.len().checked_sub(from.len());
                let part = cut.and_then(|cut| bytes.get(cut..));
                // It may begin with the last digits of an escape.
                let is_odd = || from.starts_with(|first: char| first.is_ascii_digit());
                part.is_some_and(|part| looks_like(part, from)) || is_odd() || from.contains('\\')
            }
            Self::Substring(_) | Self::Regex(_) => true,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Exact(from) | Self::Prefix(from) | Self::Suffix(from) | Self::Substring(from) => {
                from.is_empty()
            }
            Self::Regex(from) => from.as_str().is_empty(),
        }
    }
}

impl Substitution {
    pub(super) fn new(from: Match, to: Template) -> Self {
        Self { from, to }
    }

    /// Whether the text of a name in lower case may be taken; see [`Match::may_match`].
    #[inline]
    pub(super) fn may_apply(&self, name: NameRef<'_>) -> bool {
        self.from.may_match(name)
    }

    /// Whether one side of it is empty, which nothing is made of.
    pub(super) fn is_empty(&self) -> bool {
        self.from.is_empty() || self.to.0.is_empty()
    }

    /// Whether it needs values of metadata.
    pub(super) fn has_labels(&self) -> bool {
        let mut parts = self.to.0.iter();
        parts.any(|part| matches!(part, Part::Label(_)))
    }

    /// What becomes of a text; `None` where the rule does not take it.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        self.apply_with(text, |_| None)
    }

    /// The same with values of metadata by their labels. Without one that it needs, the rule does not
    /// take the text.
    pub(super) fn apply_with(
        &self,
        text: &str,
        value: impl Fn(&str) -> Option<Arc<str>>,
    ) -> Option<String> {
        if !self.from.matches(text) {
            return None;
        }
        match &self.from {
            Match::Exact(_) => self.to.expand(None, value),
            Match::Prefix(from) => {
                let rest = text.strip_prefix(from.as_str())?;
                Some(self.to.expand(None, value)? + rest)
            }
            Match::Suffix(from) => {
                let rest = text.strip_suffix(from.as_str())?;
                Some(rest.to_owned() + &self.to.expand(None, value)?)
            }
            Match::Substring(from) => {
                let to = self.to.expand(None, value)?;
                Some(text.replace(from.as_str(), &to))
            }
            Match::Regex(from) if self.to.has_groups() => {
                self.to.expand(Some(&from.captures(text)?), value)
            }
            Match::Regex(_) => self.to.expand(None, value),
        }
    }
}

impl Template {
    /// A text without places.
    pub(super) fn literal(text: impl Into<String>) -> Self {
        match text.into() {
            empty if empty.is_empty() => Self(Vec::new()),
            text => Self(vec![Part::Literal(text)]),
        }
    }

    /// A text in which `{N}` stands for a group, where `pattern` has so many; any other brace is
    /// itself.
    pub(super) fn with_groups(text: &str, pattern: &Regex) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, brace) = rest.split_at(at);
            literal.push_str(before);
            let group = brace.get(1..).and_then(|inside| inside.split_once('}'));
            let group = group.and_then(|(number, after)| {
                let group: usize = number.parse().ok()?;
                let written = group.to_string() == number;
                (written && group < pattern.captures_len()).then_some((group, after))
            });
            rest = match group {
                Some((group, after)) => {
                    push_literal(&mut parts, &mut literal);
                    parts.push(Part::Group(group));
                    after
                }
                None => {
                    literal.push('{');
                    brace.get(1..).unwrap_or_default()
                }
            };
        }
        literal.push_str(rest);
        push_literal(&mut parts, &mut literal);
        Self(parts)
    }

    /// A text of these parts, one after the other.
    pub(super) fn of_parts(parts: Vec<Part>) -> Self {
        Self(parts)
    }

    fn has_groups(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Group(_)))
    }

    fn expand(
        &self,
        captures: Option<&Captures<'_>>,
        value: impl Fn(&str) -> Option<Arc<str>>,
    ) -> Option<String> {
        let mut text = String::with_capacity(64);
        for part in &self.0 {
            text.push_str(match part {
                Part::Literal(literal) => literal,
                Part::Group(group) => captures
                    .and_then(|captures| captures.get(*group))
                    .map_or("", |group| group.as_str()),
                Part::Label(label) => {
                    let value = value(label).filter(|value| !value.is_empty())?;
                    text.push_str(&value.to_lowercase());
                    continue;
                }
            });
        }
        Some(text)
    }
}

fn push_literal(parts: &mut Vec<Part>, literal: &mut String) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::NameText;
    use crate::testing::n;

    #[test]
    fn a_rule_that_passes_a_names_bytes_does_not_take_its_text() {
        let names = [
            ".",
            "org.",
            "example.org.",
            "a.example.org.",
            "aexample.org.",
            "a\\.example.org.",
            "a\\000b.org.",
            "\\000.",
            "b\\\\.org.",
        ];
        let texts = [
            "",
            ".",
            "a",
            "a.",
            "org",
            "org.",
            ".org.",
            "g.",
            "example.org.",
            "a.example.org.",
            "a\\.example.org.",
            "a\\",
            "\\.example.org.",
            "00b.org.",
            "\\000b.org.",
            "\\000.",
            "000.",
            "\\\\.org.",
            "b\\\\.org.",
            "net.",
            "exa",
            "x.example.org.",
        ];
        let mut passed = 0;
        for name in names.map(n) {
            let text = NameText::from(name.view());
            for from in texts.map(str::to_owned) {
                for rule in [
                    Match::Exact(from.clone()),
                    Match::Prefix(from.clone()),
                    Match::Suffix(from.clone()),
                ] {
                    let may = rule.may_match(name.view());
                    assert!(may || !rule.matches(text.as_str()), "{rule:?} {name}");
                    passed += usize::from(!may);
                }
            }
        }
        assert!(passed > 200, "{passed}");
    }
}
