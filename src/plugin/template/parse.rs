//! Reading the directive.

use hickory_proto::op::ResponseCode;

use super::text::Text;
use super::{Template, Variable};
use crate::answer::{ExtendedError, Section};
use crate::corefile::{Cursor, Diagnostic, Token};
use crate::name::{Name, NameText};
use crate::plugin::expression::{self, Expression, Scope};
use crate::plugin::fall::Fall;
use crate::plugin::pattern;
use crate::plugin::setup::{Setup, SetupError};
use crate::wire::mnemonic::{class_number, rcode_number, type_number};

/// The lines of its block, by their first words.
pub(in crate::plugin) const OPTIONS: &[&str] = &[
    "match",
    "var",
    "expr",
    "answer",
    "additional",
    "authority",
    "rcode",
    "ederror",
    "fallthrough",
    "upstream",
];
/// Any class or type.
const ANY: u16 = 255;

/// All occurrences of the directive.
pub(super) fn templates(setup: &mut Setup<'_>) -> Result<Vec<Template>, SetupError> {
    let directive = setup.directive;
    let mut cursor = directive.cursor();
    let mut templates = Vec::new();
    while let Some(first) = cursor.next_token() {
        let mut template = head(setup, &mut cursor, first)?;
        let mut scope = Scope {
            groups: true,
            variables: Vec::new(),
        };
        while cursor.next_block().is_some() {
            option(setup, &mut cursor, &mut template, &mut scope)?;
        }
        if template.patterns.is_empty() {
            // Compiles, and so is always there.
            template.patterns.extend(
                pattern::compile(".*")
                    .ok()
                    .map(|regex| (".*".into(), regex)),
            );
        }
        template.records.sort_by_key(|(section, _)| *section);
        templates.push(template);
    }
    Ok(templates)
}

/// `template CLASS TYPE [ZONES...]`.
fn head(
    setup: &mut Setup<'_>,
    cursor: &mut Cursor<'_>,
    first: &Token,
) -> Result<Template, SetupError> {
    let help = "write a class and a type: template IN A example.org";
    let Some(class) = cursor.next_arg() else {
        return Err(cursor.arg_err().help(help));
    };
    let Some(qclass) = class_number(class.text()) else {
        let error = class.err(format!("invalid query class {}", class.text()));
        return Err(error.help("it is IN in most cases; ANY is all"));
    };
    let Some(qtype) = cursor.next_arg() else {
        return Err(cursor.arg_err().help(help));
    };
    let Some(number) = type_number(qtype.text()) else {
        let error = qtype.err(format!("invalid RR class {}", qtype.text()));
        return Err(error.help(match qtype.text().contains(',') {
            true => "one type stands here: write a template for each",
            false => "types are written in capitals: AAAA; ANY is all",
        }));
    };
    let zones = setup.zones(&cursor.remaining_args());
    let with_text = |zone: Name| {
        let text = NameText::from(zone.view()).as_str().into();
        (zone, text)
    };
    Ok(Template {
        zones: zones.into_iter().map(with_text).collect(),
        class: (qclass != ANY).then_some(qclass),
        qtype: (number != ANY).then_some(number),
        patterns: Vec::new(),
        variables: Vec::new(),
        conditions: Vec::new(),
        records: Vec::new(),
        rcode: ResponseCode::NoError,
        error: None,
        fall: Fall::default(),
        place: first.place().to_string().into(),
    })
}

fn option(
    setup: &mut Setup<'_>,
    cursor: &mut Cursor<'_>,
    template: &mut Template,
    scope: &mut Scope,
) -> Result<(), SetupError> {
    match cursor.text() {
        "match" => {
            for word in some(cursor)? {
                let regex = pattern::of_token(word, word.text())?;
                template.patterns.push((word.text().into(), regex));
            }
        }
        "var" => template.variables.push(variable(setup, cursor, scope)?),
        "expr" => {
            let words = some(cursor)?;
            let condition = Expression::of_tokens(&words, scope, setup.warnings)?;
            setup
                .warnings
                .extend(condition.warn_unless_condition(&words));
            template.conditions.push(condition);
        }
        "answer" => records(setup, cursor, template, Section::Answer)?,
        "additional" => records(setup, cursor, template, Section::Additional)?,
        "authority" => records(setup, cursor, template, Section::Authority)?,
        "rcode" => {
            let Some(word) = cursor.next_arg() else {
                return Err(cursor.arg_err().help("a code follows: rcode NXDOMAIN"));
            };
            let number = rcode_number(word.text());
            let number = number.ok_or_else(|| {
                let error = word.err(format!("unknown rcode {}", word.text()));
                error.help(match word.text().eq_ignore_ascii_case("NODATA") {
                    true => "no data is NOERROR without an answer: rcode NOERROR",
                    false => "codes are written in capitals: NXDOMAIN",
                })
            })?;
            template.rcode = number.into();
        }
        "ederror" => template.error = Some(extended(cursor)?),
        "fallthrough" => template.fall = Fall::read(setup, &cursor.remaining_args()),
        // What it was for is always so.
        "upstream" => {
            cursor.remaining_args();
        }
        _ => return Err(cursor.unknown_property(OPTIONS)),
    }
    Ok(())
}

fn some<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<&'a Token>, Diagnostic> {
    let arguments = cursor.remaining_args();
    match arguments.is_empty() {
        true => Err(cursor.arg_err()),
        false => Ok(arguments),
    }
}

fn records(
    setup: &mut Setup<'_>,
    cursor: &mut Cursor<'_>,
    template: &mut Template,
    section: Section,
) -> Result<(), SetupError> {
    for word in some(cursor)? {
        let text = Text::of_token(word, setup.warnings)?;
        template.records.push((section, text));
    }
    Ok(())
}

/// `var NAME EXPRESSION`.
fn variable(
    setup: &mut Setup<'_>,
    cursor: &mut Cursor<'_>,
    scope: &mut Scope,
) -> Result<Variable, Diagnostic> {
    let words = cursor.remaining_args();
    let [name, words @ ..] = words.as_slice() else {
        return Err(cursor.arg_err());
    };
    if words.is_empty() {
        let error = cursor.arg_err();
        return Err(error.help("an expression follows: var ip group('ip')"));
    }
    let text = name.text();
    let is_name = |char: char| char == '_' || char.is_ascii_alphanumeric();
    if text.is_empty()
        || !text.chars().all(is_name)
        || text.starts_with(|char: char| char.is_ascii_digit())
    {
        return Err(name.err(format!("invalid variable name {text:?}")));
    }
    let taken = scope.variables.iter().any(|(known, _)| known == text);
    if taken || expression::is_reserved(text) {
        let error = name.err(format!("variable name {text:?} is reserved"));
        return Err(error.help("give the variable another name"));
    }
    let expression = Expression::of_tokens(words, scope, setup.warnings)?;
    scope
        .variables
        .push((text.to_owned(), expression.gives.clone()));
    Ok(Variable {
        name: text.into(),
        expression,
    })
}

/// `ederror CODE [TEXT]`.
fn extended(cursor: &mut Cursor<'_>) -> Result<ExtendedError, Diagnostic> {
    let words = cursor.remaining_args();
    let (code, text) = match words.as_slice() {
        [code] => (code, ""),
        [code, text] => (code, text.text()),
        _ => return Err(cursor.arg_err().help("write ederror CODE [TEXT]")),
    };
    let number = code.text().parse::<u16>().map_err(|_| {
        let error = code.err(format!(
            "error parsing extended DNS error code {}",
            code.text()
        ));
        error.help("it is a number of RFC 8914: 15 is Blocked")
    })?;
    Ok(ExtendedError {
        code: number,
        text: text.to_owned(),
    })
}
