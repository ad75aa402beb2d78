//! What cannot be used, bounds, and whose names an answer holds; the answers are held by the
//! differential suite.

use std::sync::{Arc, Mutex};

use crate::answer::{Answer, Origin};
use crate::chain::{Chain, Next, Outcome, Plugin, Reply};
use crate::corefile::Memory;
use crate::plugin::setup::Shared;
use crate::query::Query;
use crate::testing::{Ask, Stub, listener, place_and_message, planned, set_up, setup_error};

/// Lines of a server block, where in it something is wrong, and what.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "template",
        "2:1",
        "Wrong argument count or unexpected line ending after 'template'",
    ),
    (
        "template IN",
        "2:10",
        "Wrong argument count or unexpected line ending after 'IN'",
    ),
    ("template in A", "2:10", "invalid query class in"),
    ("template IN a", "2:13", "invalid RR class a"),
    ("template IN A {\nnope\n}", "3:1", "unknown property 'nope'"),
    (
        "template IN A {\nmatch\n}",
        "3:1",
        "Wrong argument count or unexpected line ending after 'match'",
    ),
    (
        "template IN A {\nmatch (\n}",
        "3:7",
        "invalid regex matching pattern: (: unclosed group",
    ),
    (
        "template IN A {\nanswer\n}",
        "3:1",
        "Wrong argument count or unexpected line ending after 'answer'",
    ),
    (
        "template IN A {\nanswer \"{{ .Name }} {{ nope }}\"\n}",
        "3:24",
        "could not compile template: function \"nope\" not defined",
    ),
    (
        "template IN A {\nanswer \"{{ .Name\"\n}",
        "3:8",
        "could not compile template: unclosed action",
    ),
    (
        "template IN A {\nrcode\n}",
        "3:1",
        "Wrong argument count or unexpected line ending after 'rcode'",
    ),
    (
        "template IN A {\nrcode nxdomain\n}",
        "3:7",
        "unknown rcode nxdomain",
    ),
    (
        "template IN A {\nederror\n}",
        "3:1",
        "Wrong argument count or unexpected line ending after 'ederror'",
    ),
    (
        "template IN A {\nederror x\n}",
        "3:9",
        "error parsing extended DNS error code x",
    ),
    (
        "template IN A {\nederror 70000\n}",
        "3:9",
        "error parsing extended DNS error code 70000",
    ),
    (
        "template IN A {\nvar x\n}",
        "3:5",
        "Wrong argument count or unexpected line ending after 'x'",
    ),
    (
        "template IN A {\nvar 1x 1\n}",
        "3:5",
        "invalid variable name \"1x\"",
    ),
    (
        "template IN A {\nvar len 1\n}",
        "3:5",
        "variable name \"len\" is reserved",
    ),
    (
        "template IN A {\nvar group 1\n}",
        "3:5",
        "variable name \"group\" is reserved",
    ),
    (
        "template IN A {\nvar true 1\n}",
        "3:5",
        "variable name \"true\" is reserved",
    ),
    (
        "template IN A {\nvar x 1\nvar x 2\n}",
        "4:5",
        "variable name \"x\" is reserved",
    ),
    ("template IN A {\nvar x y\n}", "3:7", "unknown name y"),
    (
        "template IN A {\nexpr\n}",
        "3:1",
        "Wrong argument count or unexpected line ending after 'expr'",
    ),
    (
        "template IN A {\nvar x 1\nexpr x == 'a'\n}",
        "4:8",
        "invalid operation: == (mismatched types int and string)",
    ),
];

#[test]
fn what_is_wrong_with_a_template_is_told_where_it_stands() {
    let mut wrong = Vec::new();
    for (lines, place, message) in WRONG {
        let error = setup_error(lines);
        let expected = format!("Corefile:{place}: error: plugin/template: {message}");
        if error != expected {
            wrong.push(format!("{lines}:\n  {error}\n  {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn fields_that_there_are_not_are_warned_of() {
    let text = ". {\ntemplate IN A {\nanswer \"{{ .name }} A 192.0.2.1\"\n}\n}";
    let plan = planned(text, &Memory::default()).unwrap();
    let warnings: Vec<_> = plan.warnings.iter().map(place_and_message).collect();
    assert_eq!(
        warnings,
        [
            "3:12: plugin/template: there is no .name, so each answer would fail; did you mean '.Name'?"
        ]
    );
}

#[tokio::test]
async fn steps_and_length_are_bounded() {
    let server = listener(
        ". {\n\
         template IN TXT steps.test {\n\
         answer \"{{ range 100000000000 }}{{ range 100000 }}{{ end }}{{ end }}\"\n\
         }\n\
         template IN TXT long.test {\n\
         answer \"{{ $x := `aaaaaaaaaaaaaaaa` }}{{ range 5000 }}{{ $x }}{{ end }}\"\n\
         }\n\
         template IN TXT wide.test {\n\
         answer \"{{ printf `%99999d` 1 }}\"\n\
         }\n\
         template IN TXT grows.test {\n\
         answer \"{{ $x := `a` }}{{ range 5000 }}{{ $x = printf `%s%s` $x $x }}{{ end }}\"\n\
         }\n\
         }",
    );
    for name in ["steps", "long", "wide", "grows"] {
        let told = Ask::new(&format!("{name}.test. TXT"))
            .ask_server(&server)
            .await;
        assert_eq!(told.rcode, "SERVFAIL", "{name}");
    }
}

/// Tells the origin of the answer that it passes on.
struct Top(Arc<Mutex<Option<Origin>>>);

impl Plugin for Top {
    fn name(&self) -> &'static str {
        "top"
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let reply = next.serve(query);
        if let Reply::Now(Outcome::Answer(answer)) = &reply {
            *self.0.lock().unwrap() = Some(answer.origin);
        }
        reply
    }
}

/// Whether the answer for an alias holds the cluster's names decides whether a cache keeps it.
#[test]
fn an_alias_of_a_name_of_the_cluster_is_of_the_cluster() {
    let text = ". {\ntemplate IN ANY alias {\nanswer \"{{ .Name }} CNAME svc.cluster.\"\n}\n\
                template IN ANY other {\nanswer \"{{ .Name }} CNAME up.\"\n}\n}";
    for (name, origin) in [("alias.", Origin::Zone), ("other.", Origin::Local)] {
        let done = set_up(text, "template", &mut Shared::default(), super::setup);
        done.value.unwrap();
        let mut plugins = done.plugins;
        plugins.push(Arc::new(Stub::new(|query| {
            let origin = match query.lower.label_count() {
                2 => Origin::Zone,
                _ => Origin::Upstream,
            };
            Answer::new(query, "stub", origin).into()
        })));
        let seen = Arc::default();
        plugins.insert(0, Arc::new(Top(Arc::clone(&seen))));
        let told = Ask::new(&format!("{name} A")).now(&Chain::new(plugins));
        assert_eq!(told.answer.len(), 1, "{name}");
        assert_eq!(*seen.lock().unwrap(), Some(origin), "{name}");
    }
}
