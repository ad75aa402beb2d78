//! Rules that rename: the question's name, and names in the answer.

use hickory_proto::op::ResponseCode;
use regex::Regex;

use super::parse::{Words, normal, unknown_kind};
use super::substitution::{Kind, Match, Part, Substitution, Template};
use super::{Change, NAME, Undo};
use crate::chain::Failure;
use crate::corefile::{Diagnostic, Token};
use crate::name::{Name, NameRef};
use crate::plugin::pattern;

/// How answer rules are written.
const ANSWER_FORM: &str = "write answer auto, answer name FROM TO or answer value FROM TO";

/// `name [KIND] FROM TO [metadata] [answer ...]`.
#[derive(Debug)]
pub(super) struct NameRule {
    question: Substitution,
    /// Names in the answer that are the question's, or below it, are changed back.
    auto: bool,
    /// What else is done to names in the answer, in the order in which it is written.
    pub(super) answers: Vec<AnswerRule>,
}

/// What is done to one name of each record of an answer.
#[derive(Debug)]
pub(super) struct AnswerRule {
    pub(super) part: RecordPart,
    pub(super) substitution: Substitution,
}

/// A name of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordPart {
    /// Whose it is.
    Owner,
    /// The name that it holds, where its type holds one.
    Value,
}

impl NameRule {
    /// Whether it is plain at once that the rule does not take a name in lower case.
    #[inline]
    pub(super) fn passes(&self, name: NameRef<'_>) -> bool {
        !self.question.may_apply(name)
    }

    /// Renames the question.
    pub(super) fn apply(&self, change: &mut Change<'_>) -> Result<Option<Undo>, Box<Failure>> {
        let value = |label: &str| change.query.metadata(label);
        let Some(text) = self.question.apply_with(change.text(), value) else {
            return Ok(None);
        };
        let after = Name::from_text(&text).map_err(|_| invalid_name(&text))?;
        let before = change.lower().to_name();
        change.rename(after.clone());
        Ok(Some(match self.auto {
            true => Undo::Rename { before, after },
            false => Undo::Nothing,
        }))
    }

    /// Whether it needs a value of the plugin `metadata`.
    pub(super) fn needs_metadata(&self) -> bool {
        self.question.has_labels()
    }

    /// Reads a rule.
    pub(super) fn parse(words: Words<'_>) -> Result<Self, Diagnostic> {
        let (kind, from, to, options) = match words.words {
            [] | [_] => {
                let error = words.missing("too few arguments for a name rule");
                return Err(error.help("write rewrite [continue|stop] name [KIND] FROM TO"));
            }
            [from, to] => (None, *from, *to, &[][..]),
            [kind, from, to, options @ ..] => (Some(*kind), *from, *to, options),
        };
        let kind = kind.map_or(Ok(Kind::Exact), |word| {
            Kind::of(word.text()).ok_or_else(|| unknown_kind(word, "name"))
        })?;
        let (metadata, options) = match options {
            [word, options @ ..] if word.text() == "metadata" => (Some(*word), options),
            options => (None, options),
        };
        if let Some(word) = metadata.filter(|_| kind != Kind::Regex) {
            let error = word.err("metadata is only supported for regex name rules");
            return Err(error.help("write name regex, or leave out metadata"));
        }
        let (auto, answers) = match options {
            [] => (false, Vec::new()),
            options => answer_rules(words, options)?,
        };
        let question = match metadata {
            None => question(kind, from, to)?,
            Some(_) => metadata_question(from, to)?,
        };
        let mut rule = Self {
            question,
            auto: auto || kind == Kind::Exact,
            answers,
        };
        // A suffix can be changed back in all names, not only in the question's.
        if kind == Kind::Suffix {
            let reversed = auto.then(|| reversed(&normal(from.text()), &normal(to.text())));
            rule.answers.splice(0..0, reversed.into_iter().flatten());
            rule.auto = false;
        }
        Ok(rule)
    }
}

/// What is made of a question's name.
fn question(kind: Kind, from: &Token, to: &Token) -> Result<Substitution, Diagnostic> {
    let (from_text, to_text) = (normal(from.text()), normal(to.text()));
    let from = match kind {
        Kind::Exact => {
            // CoreDNS reads TO as a pattern here, and so refuses a `*` in it.
            checked_pattern(to, &to_text, from, &from_text)?;
            Match::Exact(from_text)
        }
        Kind::Prefix => Match::Prefix(from_text),
        Kind::Substring => Match::Substring(from_text),
        Kind::Suffix => Match::Suffix(from_text),
        Kind::Regex => {
            let pattern = checked_pattern(from, from.text(), to, to.text())?;
            let template = Template::with_groups(&to_text, &pattern);
            return Ok(Substitution::new(Match::Regex(pattern), template));
        }
    };
    Ok(Substitution::new(from, Template::literal(to_text)))
}

/// The same for a replacement with labels of metadata.
fn metadata_question(from: &Token, to: &Token) -> Result<Substitution, Diagnostic> {
    let pattern = pattern::of_token(from, from.text())?;
    let template = metadata_template(to, &pattern)?;
    Ok(Substitution::new(Match::Regex(pattern), template))
}

/// The rules that undo a suffix rule.
fn reversed(from: &str, to: &str) -> [AnswerRule; 2] {
    [RecordPart::Owner, RecordPart::Value].map(|part| AnswerRule {
        part,
        substitution: Substitution::new(Match::Suffix(to.to_owned()), Template::literal(from)),
    })
}

/// Fails a query whose name a rule made into none.
pub(super) fn invalid_name(text: &str) -> Box<Failure> {
    let cause = format!("invalid name after rewrite: {text}");
    Box::new(Failure::new(NAME, ResponseCode::ServFail, cause))
}

/// Reads `answer auto|name FROM TO|value FROM TO`, and more of these, where `answer` may be left out.
fn answer_rules(
    words: Words<'_>,
    mut options: &[&Token],
) -> Result<(bool, Vec<AnswerRule>), Diagnostic> {
    if let [only] = options {
        let error = only.err("invalid arguments for a name rule");
        return Err(error.help(ANSWER_FORM));
    }
    let (mut auto, mut rules) = (None, Vec::<AnswerRule>::new());
    let mut is_first = true;
    while let [first, rest @ ..] = options {
        let (word, rest) = match (first.text(), rest) {
            ("answer", [word, rest @ ..]) => (*word, rest),
            ("answer", []) => {
                let error = first.err("type missing for answer rule");
                return Err(error.help(ANSWER_FORM));
            }
            _ if is_first => {
                let message = "exceeded the number of arguments for a non-answer rule argument";
                return Err(first.err(message).help(ANSWER_FORM));
            }
            _ => (*first, rest),
        };
        is_first = false;
        options = rest;
        if word.text() == "auto" {
            auto = Some(word);
            continue;
        }
        rules.push(AnswerRule::parse(word, options, words)?);
        options = options.get(2..).unwrap_or_default();
    }
    let renames = |rule: &AnswerRule| rule.part == RecordPart::Owner;
    if let Some(auto) = auto.filter(|_| rules.iter().any(renames)) {
        let error =
            auto.err("auto name answer rule cannot be combined with explicit name answer rules");
        return Err(error.help("leave out one of answer auto and answer name"));
    }
    Ok((auto.is_some(), rules))
}

impl AnswerRule {
    /// Reads a rule whose kind is this word, and whose arguments follow.
    fn parse(word: &Token, arguments: &[&Token], words: Words<'_>) -> Result<Self, Diagnostic> {
        let what = word.text();
        let part = match what {
            "name" => RecordPart::Owner,
            "value" => RecordPart::Value,
            other => {
                let error = word.err(format!("invalid type {other:?} for answer rule"));
                return Err(error.help(ANSWER_FORM));
            }
        };
        let [from, to, ..] = arguments else {
            let error = words.missing(format!("{what} answer rule: 2 arguments required"));
            return Err(error.help(format!("write answer {what} FROM TO")));
        };
        let pattern = checked_pattern(from, from.text(), to, to.text())?;
        let template = Template::with_groups(&normal(to.text()), &pattern);
        Ok(Self {
            part,
            substitution: Substitution::new(Match::Regex(pattern), template),
        })
    }
}

/// Compiles a pattern, whose replacement may not name more groups than it has.
fn checked_pattern(
    word: &Token,
    text: &str,
    replacement: &Token,
    replacement_text: &str,
) -> Result<Regex, Diagnostic> {
    let pattern = pattern::of_token(word, text)?;
    let used = (0..=100).filter(|group| replacement_text.contains(&format!("{{{group}}}")));
    let (used, groups) = (used.count(), pattern.captures_len() - 1);
    if used > groups {
        let error = replacement.err(format!(
            "the rewrite regex pattern ({replacement_text}) uses more subexpressions than its corresponding matching regex pattern ({text})"
        ));
        return Err(error.help(format!(
            "the pattern has {groups} groups, the replacement names {used}"
        )));
    }
    Ok(pattern)
}

/// Reads a replacement with groups and labels of metadata.
fn metadata_template(word: &Token, pattern: &Regex) -> Result<Template, Diagnostic> {
    let mut text = word.text().to_owned();
    if normal(&text).len() > text.len() {
        text.push('.');
    }
    let (mut parts, mut rest) = (Vec::new(), text.as_str());
    while !rest.is_empty() {
        let (literal, after) = rest
            .split_once('{')
            .map_or((rest, None), |(literal, after)| (literal, Some(after)));
        if literal.contains('}') {
            return Err(word.err("unmatched closing brace in metadata name replacement"));
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_lowercase()));
        }
        let Some(after) = after else {
            break;
        };
        let Some((place, after)) = after.split_once('}') else {
            return Err(word.err("unclosed placeholder in metadata name replacement"));
        };
        parts.push(metadata_place(word, place, pattern)?);
        rest = after;
    }
    Ok(Template::of_parts(parts))
}

fn metadata_place(word: &Token, place: &str, pattern: &Regex) -> Result<Part, Diagnostic> {
    if let Ok(group) = place.parse::<i64>() {
        let group = usize::try_from(group).ok();
        let group = group.filter(|group| *group < pattern.captures_len());
        return group.map(Part::Group).ok_or_else(|| {
            word.err(format!(
                "capture group {place} does not exist in name matching pattern"
            ))
        });
    }
    if is_label(place) && !place.contains(['{', '}']) {
        return Ok(Part::Label(place.into()));
    }
    let error = word.err(format!(
        "invalid metadata label {place:?} in name replacement"
    ));
    Err(error.help("a label is PLUGIN/NAME, like kubernetes/client-namespace"))
}

/// Whether a text is a label of metadata: a plugin's name, a slash, and what it tells.
pub(super) fn is_label(text: &str) -> bool {
    text.find('/')
        .is_some_and(|at| at > 0 && at + 1 < text.len())
}
