//! The directive's words to rules.

use hickory_proto::op::ResponseCode;

use super::cname::CnameRule;
use super::edns::EdnsRule;
use super::name::NameRule;
use super::substitution::{Kind, Match};
use super::{Action, Rule};
use crate::corefile::{Diagnostic, Token};
use crate::plugin::pattern;
use crate::plugin::setup::Setup;
use crate::wire::mnemonic;

/// The highest TTL of a range that names none (RFC 2181, 8).
const HIGHEST_TTL: u32 = (1 << 31) - 1;
/// The highest response code that may be written as a number.
const HIGHEST_RCODE: u16 = 23;
/// The fields that a rule may change.
const FIELDS: &str = "name, type, class, edns0, ttl, cname and rcode";

/// The words of one rule from its field on.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    /// The word before them, where errors stand that are about words that are not there.
    pub(super) before: &'a Token,
    pub(super) words: &'a [&'a Token],
}

/// Reads all rules, in their order.
pub(super) fn rules(setup: &mut Setup<'_>) -> Result<Vec<Rule>, Diagnostic> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut cursor = setup.directive.cursor();
    while let Some(directive) = cursor.next_token() {
        let mut words = cursor.remaining_args();
        // As in CoreDNS, a block is part of the rule where at most one word stands before it.
        if words.len() < 2 {
            while let Some(word) = cursor.next_block() {
                words.push(word);
            }
        }
        let rule = rule(directive, &words)?;
        let last = rules.last().filter(|last| last.stop && last.takes_all());
        if let Some(last) = last {
            let warning = Diagnostic::warning("this rule is never reached").at(directive.place());
            let help = format!(
                "the rule at {} takes every question and stops: write rewrite continue there",
                last.place
            );
            setup.warnings.push(warning.help(help));
        }
        if rule.needs_metadata() && setup.block.metadata.is_none() {
            let warning = Diagnostic::warning(
                "this rule never applies: it needs metadata, and this server block has no plugin 'metadata'",
            );
            setup.warnings.push(warning.at(directive.place()));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn rule(directive: &Token, words: &[&Token]) -> Result<Rule, Diagnostic> {
    let Some((first, rest)) = words.split_first() else {
        let error = directive.err("no rule type specified for rewrite");
        return Err(error.help(format!("the fields are {FIELDS}")));
    };
    let mode = first.text().to_lowercase();
    let (stop, field, rest) = match (mode.as_str(), rest) {
        ("continue" | "stop", []) => {
            let error = first.err(format!("{mode} rule must begin with a rule type"));
            return Err(error.help(format!("write a field after it: {FIELDS}")));
        }
        ("continue" | "stop", [field, rest @ ..]) => (mode == "stop", *field, rest),
        _ => (true, *first, rest),
    };
    let words = Words {
        before: field,
        words: rest,
    };
    Ok(Rule {
        action: action(words)?,
        stop,
        place: directive.place().to_string().into(),
    })
}

fn action(words: Words<'_>) -> Result<Action, Diagnostic> {
    let field = words.before;
    Ok(match field.text().to_lowercase().as_str() {
        "name" => Action::Name(NameRule::parse(words)?),
        "type" => {
            let (from, to) = words.pair(|word| {
                let word = word.text().to_uppercase();
                mnemonic::type_number(&word).filter(|number| *number > 0)
            })?;
            Action::Type(from.into(), to.into())
        }
        "class" => {
            let (from, to) =
                words.pair(|word| mnemonic::class_number(&word.text().to_uppercase()))?;
            Action::Class(from.into(), to.into())
        }
        "edns0" => Action::Edns(EdnsRule::parse(words)?),
        "ttl" => words.ttl()?,
        "cname" => Action::Cname(CnameRule::parse(words)?),
        "rcode" => words.rcode()?,
        "answer" => {
            let error = field.err("response rewrites must begin with a name rule");
            return Err(error.help("write name FROM TO before answer, in the same rule"));
        }
        _ => {
            let error = field.err(format!("invalid rule type {:?}", field.text()));
            return Err(error.help(format!("the fields are {FIELDS}")));
        }
    })
}

impl<'a> Words<'a> {
    /// An error about words that are missing.
    pub(super) fn missing(&self, message: impl Into<String>) -> Diagnostic {
        self.words.last().unwrap_or(&self.before).err(message)
    }

    /// FROM and TO of a rule for types or classes.
    fn pair(&self, number: impl Fn(&Token) -> Option<u16>) -> Result<(u16, u16), Diagnostic> {
        let field = self.before.text().to_lowercase();
        let [from, to] = self.words else {
            let error = self.missing(format!("{field} rules must have exactly two arguments"));
            return Err(error.help(format!("write rewrite {field} FROM TO")));
        };
        let read = |word: &Token| {
            let invalid = || {
                let error = word.err(format!("invalid {field} {:?}", word.text().to_uppercase()));
                error.help(match field.as_str() {
                    "type" => "a type is written like A, AAAA, HTTPS",
                    _ => "the classes are IN, CS, CH, HS, NONE and ANY",
                })
            };
            number(word).ok_or_else(invalid)
        };
        Ok((read(from)?, read(to)?))
    }

    /// `[KIND] NAME` of a rule for answers, with the kind `exact` where none is written.
    fn names(&self, words: &[&Token]) -> Result<Match, Diagnostic> {
        let field = self.before.text().to_lowercase();
        match words {
            [name] => Ok(Match::Exact(normal(name.text()))),
            [kind, name] => {
                let from = normal(name.text());
                let unknown = || unknown_kind(kind, &field);
                Ok(match Kind::of(kind.text()).ok_or_else(unknown)? {
                    Kind::Exact => Match::Exact(from),
                    Kind::Prefix => Match::Prefix(from),
                    Kind::Suffix => Match::Suffix(from),
                    Kind::Substring => Match::Substring(from),
                    Kind::Regex => Match::Regex(pattern::of_token(name, name.text())?),
                })
            }
            _ => Err(self.missing(format!("a {field} rule has one name"))),
        }
    }

    fn ttl(&self) -> Result<Action, Diagnostic> {
        let (names, ttl) = match self.words {
            [names @ .., ttl] if (1..=2).contains(&names.len()) => (names, ttl),
            words => return Err(self.wrong_count(words.len() < 2, "[KIND] NAME SECONDS|MIN-MAX")),
        };
        let Some((least, most)) = ttl_range(ttl.text()) else {
            let error = ttl.err(format!("invalid TTL '{}' for a ttl rule", ttl.text()));
            return Err(error.help("write seconds, or a range of them: 30, 30-300, 30- or -300"));
        };
        Ok(Action::Ttl(self.names(names)?, least, most))
    }

    fn rcode(&self) -> Result<Action, Diagnostic> {
        let (names, from, to) = match self.words {
            [names @ .., from, to] if (1..=2).contains(&names.len()) => (names, from, to),
            words => return Err(self.wrong_count(words.len() < 3, "[KIND] NAME FROM TO")),
        };
        let read = |word: &Token, which: &str| {
            let text = word.text();
            rcode_number(text).ok_or_else(|| {
                let error = word.err(format!("invalid {which} RCODE '{text}' for a rcode rule"));
                error.help("write a code like NXDOMAIN, or its number, at most 23")
            })
        };
        let from = read(from, "matching")?;
        let to = read(to, "replacement")?;
        Ok(Action::Rcode(self.names(names)?, from, to))
    }

    /// The error for a number of words that no form of the rule has.
    pub(super) fn wrong_count(&self, too_few: bool, form: &str) -> Diagnostic {
        let field = self.before.text().to_lowercase();
        let count = self.words.len();
        let which = if too_few { "few" } else { "many" };
        self.missing(format!(
            "too {which} ({count}) arguments for a {field} rule"
        ))
        .help(format!("write rewrite [continue|stop] {field} {form}"))
    }
}

/// The error for a word that is no way to compare.
pub(super) fn unknown_kind(word: &Token, field: &str) -> Diagnostic {
    let message = format!(
        "{field} rule supports only exact, prefix, suffix, substring, and regex name matching, received: {}",
        word.text()
    );
    word.err(message)
}

/// A name in lower case, with the dot at its end.
pub(super) fn normal(text: &str) -> String {
    let mut text = text.to_lowercase();
    let escaped = text.strip_suffix('.').is_some_and(|before| {
        let backslashes = before.bytes().rev().take_while(|byte| *byte == b'\\');
        backslashes.count() % 2 == 1
    });
    if !text.ends_with('.') || escaped {
        text.push('.');
    }
    text
}

/// `N`, `N-`, `-N` or `N-N`.
fn ttl_range(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    let (least, most) = match text.split_once('-') {
        None => (number(text)?, number(text)?),
        Some(("", "")) => return None,
        Some(("", most)) => (0, number(most)?),
        Some((least, "")) => (number(least)?, HIGHEST_TTL),
        Some((least, most)) => (number(least)?, number(most)?),
    };
    (least <= most).then_some((least, most))
}

fn rcode_number(text: &str) -> Option<ResponseCode> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits {
        text.parse::<u16>()
            .ok()
            .filter(|number| *number <= HIGHEST_RCODE)
    } else {
        mnemonic::rcode_number(&text.to_uppercase())
    };
    number.map(u16::into)
}
