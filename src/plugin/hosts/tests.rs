use super::*;
use crate::chain::Chain;
use crate::plugin::setup::Shared;
use crate::testing::{Ask, SetUp, Stub, n, place_and_message, set_up};
use crate::wire::Flags;

/// A block of `example.org` and the reverse zone of 10.0.0.0/8, with these lines as its directive.
fn read(directive: &str) -> SetUp<Result<Config, SetupError>> {
    let corefile = format!("example.org 10.0.0.0/8 {{\n{directive}\n}}");
    set_up(&corefile, NAME, &mut Shared::default(), Config::parse)
}

/// The plugin in front of one that tells REFUSED, so that what was passed on can be seen.
fn chain(directive: &str) -> Arc<Chain> {
    let corefile = format!("example.org 10.0.0.0/8 {{\n{directive}\n}}");
    let set_up = set_up(&corefile, NAME, &mut Shared::default(), setup);
    set_up.value.unwrap();
    let mut plugins = set_up.plugins;
    plugins.push(Arc::new(Stub::upstream(
        ResponseCode::Refused,
        [&[], &[], &[]],
    )));
    Chain::new(plugins)
}

const LINES: &str = "10.0.0.1 a.example.org both.example.org
10.0.0.2 both.example.org
fd00::1 both.example.org six.example.org
10.0.0.3 *.w.example.org outside.example.com";

/// Options, a question, a code and the answer.
const ANSWERED: &[(&str, &str, &str, &[&str])] = &[
    (
        "",
        "a.example.org. A",
        "NOERROR",
        &["a.example.org. 3600 IN A 10.0.0.1"],
    ),
    (
        "",
        "A.Example.ORG. A",
        "NOERROR",
        &["a.example.org. 3600 IN A 10.0.0.1"],
    ),
    (
        "",
        "both.example.org. A",
        "NOERROR",
        &[
            "both.example.org. 3600 IN A 10.0.0.1",
            "both.example.org. 3600 IN A 10.0.0.2",
        ],
    ),
    (
        "",
        "both.example.org. AAAA",
        "NOERROR",
        &["both.example.org. 3600 IN AAAA fd00::1"],
    ),
    (
        "ttl 60",
        "a.example.org. A",
        "NOERROR",
        &["a.example.org. 60 IN A 10.0.0.1"],
    ),
    (
        "",
        "x.w.example.org. A",
        "NOERROR",
        &["x.w.example.org. 3600 IN A 10.0.0.3"],
    ),
    (
        "",
        "X.w.example.org. A",
        "NOERROR",
        &["x.w.example.org. 3600 IN A 10.0.0.3"],
    ),
    // NODATA: the name exists.
    ("", "a.example.org. AAAA", "NOERROR", &[]),
    ("", "six.example.org. A", "NOERROR", &[]),
    ("", "a.example.org. TXT", "NOERROR", &[]),
    ("fallthrough", "a.example.org. TXT", "NOERROR", &[]),
    ("", "x.w.example.org. AAAA", "NOERROR", &[]),
    // Reverse.
    (
        "",
        "1.0.0.10.in-addr.arpa. PTR",
        "NOERROR",
        &[
            "1.0.0.10.in-addr.arpa. 3600 IN PTR a.example.org.",
            "1.0.0.10.in-addr.arpa. 3600 IN PTR both.example.org.",
        ],
    ),
    (
        "ttl 7",
        "2.0.0.10.IN-ADDR.arpa. PTR",
        "NOERROR",
        &["2.0.0.10.in-addr.arpa. 7 IN PTR both.example.org."],
    ),
];

#[test]
fn names_are_answered_with_authority() {
    for (options, question, rcode, answer) in ANSWERED {
        let chain = chain(&format!("hosts absent {{\n{LINES}\n{options}\n}}"));
        let told = Ask::new(question).now(&chain);
        assert_eq!(
            (told.rcode.as_str(), told.answer.as_slice()),
            (*rcode, &owned(answer)[..]),
            "{question}"
        );
        assert_eq!(told.flags, Flags::RD.with(Flags::AA), "{question}");
        assert!(
            told.authority.is_empty() && told.additional.is_empty(),
            "{question}"
        );
    }
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

const PASSED_ON: &[(&str, &str, &str, &str)] = &[
    ("an unknown name", "", "no.example.org. A", "SERVFAIL"),
    ("of any type", "", "no.example.org. TXT", "SERVFAIL"),
    (
        "a name outside of the zones",
        "",
        "example.com. A",
        "REFUSED",
    ),
    (
        "a line outside of the zones",
        "",
        "outside.example.com. A",
        "REFUSED",
    ),
    ("the wildcard's parent", "", "w.example.org. A", "SERVFAIL"),
    (
        "two labels below the wildcard's parent",
        "",
        "y.x.w.example.org. A",
        "SERVFAIL",
    ),
    (
        "an unknown address",
        "",
        "9.0.0.10.in-addr.arpa. PTR",
        "REFUSED",
    ),
    (
        "an address outside of the zones",
        "",
        "1.0.0.11.in-addr.arpa. PTR",
        "REFUSED",
    ),
    (
        "a PTR of what is no address",
        "",
        "a.example.org. PTR",
        "REFUSED",
    ),
    (
        "an address's name, asked for its address",
        "",
        "1.0.0.10.in-addr.arpa. A",
        "SERVFAIL",
    ),
    (
        "a wildcard's address",
        "",
        "3.0.0.10.in-addr.arpa. PTR",
        "REFUSED",
    ),
    (
        "no_reverse",
        "no_reverse",
        "1.0.0.10.in-addr.arpa. PTR",
        "REFUSED",
    ),
    ("fallthrough", "fallthrough", "no.example.org. A", "REFUSED"),
    (
        "fallthrough for the name's zone",
        "fallthrough example.org",
        "no.example.org. A",
        "REFUSED",
    ),
    (
        "fallthrough for another zone",
        "fallthrough 10.0.0.0/8",
        "no.example.org. A",
        "SERVFAIL",
    ),
    (
        "fallthrough is not about types",
        "fallthrough",
        "a.example.org. AAAA",
        "NOERROR",
    ),
    (
        "fallthrough_unsupported",
        "fallthrough\nfallthrough_unsupported",
        "a.example.org. HTTPS",
        "REFUSED",
    ),
    (
        "fallthrough_unsupported is not about A and AAAA",
        "fallthrough_unsupported\nfallthrough",
        "a.example.org. AAAA",
        "NOERROR",
    ),
    (
        "fallthrough_unsupported outside of its zones",
        "fallthrough_unsupported\nfallthrough sub.example.org",
        "a.example.org. TXT",
        "NOERROR",
    ),
];

#[test]
fn what_is_not_known_fails_or_is_passed_on() {
    for (name, options, question, rcode) in PASSED_ON {
        let chain = chain(&format!("hosts absent {{\n{LINES}\n{options}\n}}"));
        assert_eq!(Ask::new(question).now(&chain).rcode, *rcode, "{name}");
    }
}

#[test]
fn the_zones_of_the_directive_come_before_the_blocks() {
    let chain =
        chain("hosts absent sub.example.org {\n10.0.0.1 a.sub.example.org a.example.org\n}");
    assert_eq!(
        Ask::new("a.sub.example.org. A").now(&chain).rcode,
        "NOERROR"
    );
    assert_eq!(Ask::new("a.example.org. A").now(&chain).rcode, "REFUSED");
    // PTR questions are answered all the same.
    let told = Ask::new("1.0.0.10.in-addr.arpa. PTR").now(&chain);
    assert_eq!(
        told.answer,
        ["1.0.0.10.in-addr.arpa. 3600 IN PTR a.sub.example.org."]
    );
}

#[test]
fn the_directive_is_read_as_coredns_does() {
    let config = read("hosts").value.unwrap();
    assert_eq!(config.file.path.as_os_str(), "/etc/hosts");
    assert_eq!(config.zones, [n("example.org"), n("10.in-addr.arpa")]);
    assert_eq!((config.ttl, config.reverse), (3600, true));
    assert_eq!(config.reload, Duration::from_secs(5));
    assert_eq!(config.fall, Fall::default());

    let config = read(
        "hosts my.hosts miek.nl 10.0.0.9/8 {\nreload 0\nttl 60 more\nno_reverse x\nfallthrough\n}",
    );
    let config = config.value.unwrap();
    assert_eq!(config.file.path.as_os_str(), "/my.hosts");
    assert_eq!(config.file.label, "my.hosts");
    assert_eq!(config.zones, [n("miek.nl"), n("10.in-addr.arpa")]);
    assert_eq!((config.ttl, config.reverse), (60, false));
    assert!(config.reload.is_zero());
    assert!(config.fall.through(n("x").view()));

    let k3s = "hosts /etc/coredns/NodeHosts {\nttl 60\nreload 15s\nfallthrough\n}";
    let config = read(k3s).value.unwrap();
    assert_eq!((config.ttl, config.reload), (60, Duration::from_secs(15)));
}

#[test]
fn lines_that_are_no_option_are_hosts_lines_until_fallthrough() {
    let read = read(
        "hosts absent {\n10.0.0.1 a.example.org b.example.org\nttl 5\nfoo bar\nfallthrough\nttl 6\n}",
    );
    let config = read.value.unwrap();
    assert_eq!(
        config.inline,
        "10.0.0.1 a.example.org b.example.org\nfoo bar\n"
    );
    assert_eq!(config.ttl, 6);
    assert_eq!(
        read.warnings,
        [
            "2:7: File does not exist: /absent; it is read as soon as it is there",
            "5:1: 'foo' is no option and no IP address; the line is passed over; the options are: \
             fallthrough, fallthrough_unsupported, no_reverse, ttl, reload",
        ]
    );
}

const WRONG: &[(&str, &str)] = &[
    (
        "hosts {\nttl\n}",
        "3:1: ttl needs a time in second; write a number of seconds: ttl 60",
    ),
    ("hosts {\nttl soon\n}", "3:5: invalid number \"soon\""),
    ("hosts {\nttl 0\n}", "3:5: invalid number \"0\""),
    ("hosts {\nttl 65536\n}", "3:5: invalid number \"65536\""),
    (
        "hosts {\nreload\n}",
        "3:1: reload needs a duration (zero seconds to disable); write a duration: reload 15s",
    ),
    (
        "hosts {\nreload 5\n}",
        "3:8: time: missing unit in duration \"5\"; write a number and a unit, without white \
             space: 500ms, 5s, 1h30m",
    ),
    (
        "hosts {\nreload -5s\n}",
        "3:8: invalid negative duration \"-5s\"; leave out the '-'",
    ),
    (
        "hosts {\nfallthrough\n10.0.0.1 a.example.org\n}",
        "4:1: unknown property '10.0.0.1'; hosts lines must stand before fallthrough",
    ),
    (
        "hosts {\nfallthrough\nreloads 5s\n}",
        "4:1: unknown property 'reloads'; did you mean 'reload'?",
    ),
    (
        "hosts {\nfallthrough_unsupported\n}",
        "3:1: fallthrough_unsupported requires fallthrough; add a line: fallthrough",
    ),
    (
        "hosts {\nfallthrough\nfallthrough_unsupported x\n}",
        "4:25: Wrong argument count or unexpected line ending after 'x'",
    ),
];

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (directive, error) in WRONG {
        let found = read(directive)
            .value
            .map_err(|error| place_and_message(&error));
        assert_eq!(found.err().as_deref(), Some(*error), "{directive}");
    }
    let twice = read("hosts\nhosts")
        .value
        .map_err(|error| place_and_message(&error));
    let twice = twice.err().unwrap();
    assert!(
        twice.ends_with("this plugin can only be used once per Server Block"),
        "{twice}"
    );
}

#[tokio::test]
async fn the_file_is_read_before_the_block_serves_and_watched_after() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    std::fs::write(&path, "10.0.0.1 a.example.org\n").unwrap();
    for (option, tasks) in [("reload 1h", 1), ("reload 0", 0)] {
        let mut shared = Shared::default();
        let corefile = format!(
            "example.org {{\nhosts {} {{\n{option}\n}}\n}}",
            path.display()
        );
        let set_up = set_up(&corefile, NAME, &mut shared, setup);
        set_up.value.unwrap();
        assert_eq!(shared.tasks.len(), tasks, "{option}");
        for (_, before) in shared.before_serving {
            before.await.unwrap();
        }
        let chain = Chain::new(set_up.plugins);
        let told = Ask::new("a.example.org. A").now(&chain);
        assert_eq!(told.answer, ["a.example.org. 3600 IN A 10.0.0.1"]);
        let entries = format!(
            "coredns_hosts_entries{{hostsfile=\"{}\"}} 2",
            path.display()
        );
        assert!(shared.metrics.text().contains(&entries));
    }
}
