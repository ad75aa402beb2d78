use futures_util::FutureExt;

use crate::corefile::Memory;
use crate::testing::{Ask, listener, place_and_message, planned, setup_error};

#[test]
fn what_cannot_be_used_is_told_with_its_place() {
    let once = "this plugin can only be used once per Server Block";
    let arguments = "Wrong argument count or unexpected line ending after";
    for (lines, error) in [
        ("view", format!("2:1: plugin/view: {arguments} 'view'")),
        ("view a b", format!("2:8: plugin/view: {arguments} 'b'")),
        ("view a\nview b", format!("3:1: plugin/view: {once}")),
        (
            "view a {\nexp true\n}",
            "3:1: plugin/view: unknown property 'exp'".into(),
        ),
        (
            "view a {\nexpr\n}",
            format!("3:1: plugin/view: {arguments} 'expr'"),
        ),
        (
            "view a {\nexpr nmae() == 'x'\n}",
            "3:6: plugin/view: unknown name nmae".into(),
        ),
        (
            "view a {\nexpr type() == 'A' && name == 'x'\n}",
            "3:23: plugin/view: unknown name name".into(),
        ),
        (
            "view a {\nexpr type() == 1\n}",
            "3:13: plugin/view: invalid operation: == (mismatched types string and int)".into(),
        ),
        (
            "view a {\nexpr \"type()  == 1\"\n}",
            "3:15: plugin/view: invalid operation: == (mismatched types string and int)".into(),
        ),
        (
            "view a {\nexpr sum([1]) == 1\n}",
            "3:6: plugin/view: callsign does not have the function sum of expr-lang".into(),
        ),
        (
            "view a {\nexpr true\n} x",
            "4:3: plugin/view: unexpected 'x' behind the end of the directive".into(),
        ),
        (
            "view a {\nexpr name() ==\n}",
            "3:13: plugin/view: unexpected end of the expression".into(),
        ),
    ] {
        let found = setup_error(lines)
            .replace("Corefile:", "")
            .replace("error: ", "");
        assert_eq!(found, error, "{lines}");
    }
}

#[test]
fn who_writes_an_expression_is_told_what_to_do() {
    for (expression, help) in [
        ("nmae() == 'x'", "did you mean 'name'?"),
        ("name == 'x'", "call the function: name()"),
        ("type() == A", "text stands in single quotes: 'A'"),
        ("type() = 'A'", "equality is '=='"),
        (
            "type() == \"A\"",
            "a Corefile takes double quotes away, so this reads: type() == A; write 'text'",
        ),
        ("any([1])", "give it a predicate: any(ARRAY, # == 'a')"),
    ] {
        let text = format!(". {{\nview a {{\nexpr {expression}\n}}\n}}");
        let environment = Memory::default();
        let input = crate::corefile::Input::text("Corefile", text);
        let corefile = crate::corefile::Corefile::load(input, &environment, &["view"]).unwrap();
        let directive = corefile.blocks()[0].directive("view").unwrap();
        let words: Vec<_> = directive.tokens().iter().skip(4).collect();
        let words = &words[..words.len() - 1];
        let error = super::Expression::of_tokens(words, &super::Scope::default(), &mut Vec::new())
            .unwrap_err();
        assert_eq!(error.help_text(), Some(help), "{expression}");
    }
}

#[test]
fn what_never_holds_is_warned_of() {
    let text = ". {\nview a {\nexpr 1\nexpr incidr(client_ip(), '10.0.0.0/40')\n}\nwhoami\n}";
    let plan = planned(text, &Memory::default()).unwrap();
    let warnings: Vec<_> = plan.warnings.iter().map(place_and_message).collect();
    assert_eq!(
        warnings,
        [
            "3:6: plugin/view: the expression gives int, so the condition never holds; compare it: name() == 'example.org.'",
            "4:26: plugin/view: incidr fails for each query: invalid CIDR address: 10.0.0.0/40; write an address and a prefix length: 10.0.0.0/8"
        ]
    );
}

const VIEWS: &str = "
. {
    metadata
    view pods {
        expr incidr(client_ip(), '10.240.0.0/16')
        expr type() in ['A', 'AAAA']
    }
    hosts {
        192.0.2.1 test
    }
}
. {
    view tcp {
        expr proto() == 'tcp' && metadata('view/name') == 'pods'
    }
    hosts {
        192.0.2.2 test
    }
}
test {
    view never {
        expr 1
    }
    hosts {
        192.0.2.3 test
    }
}
. {
    view open
    hosts {
        192.0.2.4 test
    }
}
. {
    hosts {
        192.0.2.5 test
    }
}
";

#[test]
fn the_first_view_that_takes_a_query_serves_it() {
    let server = listener(VIEWS);
    let far = "203.0.113.1:4000".parse().unwrap();
    for (case, ask, answer) in [
        ("all conditions hold", Ask::new("test. A"), "192.0.2.1"),
        (
            "over TCP, from elsewhere: metadata of a block that refused stays",
            Ask::new("test. A").tcp().from(far),
            "192.0.2.2",
        ),
        (
            "a view without conditions takes all, one of a longer zone that refuses none",
            Ask::new("test. A").from(far),
            "192.0.2.4",
        ),
    ] {
        let told = ask.ask_server(&server).now_or_never().unwrap();
        assert_eq!(told.answer, [format!("test. 3600 IN A {answer}")], "{case}");
    }
}
