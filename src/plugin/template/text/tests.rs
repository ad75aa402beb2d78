//! What is refused and warned of; what templates write is held by the differential suite.

use proptest::prelude::*;

use super::Text;

fn fault(text: &str) -> Option<(String, String)> {
    let fault = Text::parse(text).err()?;
    let at = text.get(fault.at.clone()).unwrap_or_default();
    Some((fault.message, at.to_owned()))
}

/// The causes are those of Go's own reader, but for the last ones.
#[test]
fn what_go_does_not_read_is_refused() {
    let mut wrong = Vec::new();
    for (text, message, at) in [
        ("{{ .Name", "unclosed action", ""),
        ("{{ }}", "missing value for command", "}}"),
        ("{{ .Name }", "unclosed action", ""),
        ("{{ nope .Name }}", "function \"nope\" not defined", "nope"),
        ("{{ $x }}", "undefined variable \"$x\"", "$x"),
        ("{{ if .Name }}x", "unexpected EOF", ""),
        ("{{ end }}", "unexpected {{end}}", "end"),
        ("a {{ else }}", "unexpected {{else}}", "else"),
        ("{{ if }}x{{ end }}", "missing value for if", "}}"),
        (
            "{{ if true }}{{ else }}{{ else }}{{ end }}",
            "unexpected {{else}}; expected {{end}}",
            "else",
        ),
        ("{{ break }}", "{{break}} outside {{range}}", "break"),
        (
            "{{ 1 | 2 }}",
            "non executable command in pipeline stage 2",
            "2",
        ),
        ("{{ (1 }}", "unclosed left paren", "}}"),
        ("{{ 1) }}", "unexpected right paren", ")"),
        ("{{ \"a }}", "unterminated quoted string", "\""),
        ("{{ `a }}", "unterminated raw quoted string", "`"),
        ("{{ 'ab' }}", "malformed character constant: 'ab'", "'ab'"),
        ("{{ 1x }}", "bad number syntax: \"1x\"", "1x"),
        ("{{ \"\\q\" }}", "invalid syntax", "\\"),
        ("{{ 1.Name }}", "bad number syntax: \"1.Name\"", "1.Name"),
        ("{{ true.x }}", "unexpected . after term \"true\"", ".x"),
        ("{{ .a# }}", "bad character '#'", "#"),
        ("{{ é€ }}", "bad character '€'", "€"),
        ("{{ : }}", "expected :=", ":"),
        ("{{/* x }}", "unclosed comment", "{{/*"),
        ("{{/* x */ }}", "comment ends before closing delimiter", " "),
        ("{{ $a, $b := 1 }}", "too many declarations in command", ","),
        (
            "{{ range $a, 1 := 1 }}{{ end }}",
            "range can only initialize variables",
            "1",
        ),
        ("{{ | len }}", "unexpected \"|\" in command", "|"),
        ("{{ len | | len }}", "unexpected \"|\" in command", "|"),
        (
            "{{ define \"a\" }}{{ end }}",
            "callsign's templates do not have 'define'",
            "define",
        ),
        (
            "{{ html .Name }}",
            "callsign's templates do not have the function html",
            "html",
        ),
        (
            "{{ .Message.Answer }}",
            "callsign's templates do not have .Message.Answer",
            ".Answer",
        ),
        (
            "{{ 1+2i }}",
            "callsign's templates have no complex numbers",
            "+2i",
        ),
    ] {
        let found = fault(text);
        let expected = Some((message.to_owned(), at.to_owned()));
        if found != expected {
            wrong.push(format!("{text}\n  {found:?}\n  {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_would_always_fail_is_warned_of() {
    for (text, expected) in [
        ("{{ .Name }}", None),
        ("{{ .name }}", Some("did you mean '.Name'?")),
        ("{{ $.Nmae }}", Some("did you mean '.Name'?")),
        ("{{ range .Match }}{{ .x }}{{ end }}", None),
        ("{{ if .Grup }}{{ end }}", Some("did you mean '.Group'?")),
    ] {
        let (_, faults) = Text::parse(text).unwrap();
        let help = faults.first().and_then(|fault| fault.help.as_deref());
        assert_eq!(help, expected, "{text}");
    }
}

#[test]
fn what_was_read_is_printed_as_go_prints_it() {
    for (text, canonical) in [
        ("{{ .Name }} A", "{{.Name}} A"),
        ("{{- .Name -}}  A", "{{.Name}}A"),
        (
            "{{ if eq .Type  \"A\" }}a{{ else if .Zone }}b{{ end }}",
            "{{if eq .Type \"A\"}}a{{else}}{{if .Zone}}b{{end}}{{end}}",
        ),
        (
            "{{ range $i, $x := .Match }}{{ ($x | len) }}{{ break }}{{ end }}",
            "{{range $i, $x := .Match}}{{($x | len)}}{{break}}{{end}}",
        ),
        ("{{ (index .Match 0x1).Foo }}", "{{(index .Match 0x1).Foo}}"),
        (
            "{{/* gone */}}{{ $x := nil }}{{ $x = `a` }}",
            "{{$x := nil}}{{$x = `a`}}",
        ),
    ] {
        let (text, _) = Text::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
        assert_eq!(text.canonical, canonical);
    }
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("{{{{ {}1{} }}}}", "(".repeat(200), ")".repeat(200));
    let (message, _) = fault(&text).unwrap();
    assert_eq!(message, "max expression depth exceeded");
}

proptest! {
    #[test]
    fn no_text_panics(text in "(\\{\\{-?[ ]?|[ ]?-?\\}\\}|[a-z.$ ()|:=`\"'0-9,]|if |range |end|else |len |printf |index |.Name|.Match|\\PC){0,40}") {
        let _ = Text::parse(&text);
    }
}
