use std::collections::BTreeSet;

use super::*;
use crate::corefile::{Input, Memory, Severity};
use crate::plugin::REGISTRY;

/// Each finding of a Corefile as `LINE severity rule: message`, in the order of the checks.
fn found(text: &str, environment: &Memory) -> Vec<String> {
    let input = Input::text("Corefile", text);
    let corefile = Corefile::load(input, environment, CHAIN).unwrap();
    let findings = findings(&corefile, 53, environment);
    let lines = findings.iter().map(|finding| {
        let line = finding.place().map_or(0, |place| place.line());
        let severity = finding.severity().word();
        format!(
            "{line} {severity} {}: {}",
            finding.rule_name(),
            finding.message()
        )
    });
    lines.collect()
}

/// The warnings alone: blocks of the tests need not have all that hints ask for.
fn warned(text: &str) -> Vec<String> {
    let mut found = found(text, &Memory::default());
    found.retain(|line| line.contains(" warning "));
    found
}

/// A Corefile and the starts of the lines that are expected.
fn assert_warned(cases: &[(&str, &str, &[&str])]) {
    for (what, text, expected) in cases {
        let warned = warned(text);
        let same = warned.len() == expected.len()
            && warned
                .iter()
                .zip(*expected)
                .all(|(one, start)| one.starts_with(start));
        assert!(same, "{what}: {warned:#?}");
    }
}

#[test]
fn a_plugin_behind_one_that_answers_everything_never_runs() {
    assert_warned(&[
        (
            "whoami behind forward, wherever they stand",
            ". {\n whoami\n forward . 192.0.2.1\n}",
            &["2 warning never-runs: 'whoami' never runs: 'forward' is asked before it"],
        ),
        (
            "hosts keeps what it does not know",
            ". {\n hosts\n forward . 192.0.2.1\n}",
            &["3 warning never-runs: 'forward' never runs: 'hosts' is asked before it"],
        ),
        (
            "hosts that falls through does not",
            ". {\n hosts {\n fallthrough\n }\n forward . 192.0.2.1\n}",
            &[],
        ),
        (
            "hosts for one zone leaves the others",
            ". {\n hosts /etc/hosts a.org\n forward . 192.0.2.1\n}",
            &[],
        ),
        (
            "hosts passes on what it does not know of addresses",
            "10.in-addr.arpa {\n hosts\n forward . 192.0.2.1\n}",
            &[],
        ),
        (
            "of kubernetes' zones only those of addresses are left",
            ". {\n hosts\n kubernetes cluster.local 10.in-addr.arpa\n}",
            &["3 warning never-runs: 'kubernetes' is never asked for 'cluster.local': 'hosts'"],
        ),
        (
            "kubernetes for all zones of its block",
            "cluster.local {\n kubernetes\n forward . 192.0.2.1\n}",
            &["3 warning never-runs: 'forward' never runs: 'kubernetes'"],
        ),
        (
            "kubernetes that passes on a part",
            "cluster.local {\n kubernetes {\n fallthrough a.cluster.local\n }\n forward . 192.0.2.1\n}",
            &[],
        ),
        (
            "a template for all questions",
            ". {\n kubernetes cluster.local\n template ANY ANY cluster.local {\n rcode NXDOMAIN\n }\n}",
            &["2 warning never-runs: 'kubernetes' never runs: 'template'"],
        ),
        (
            "a template that falls through only answers what it matches, if it has a pattern",
            ". {\n template IN ANY {\n match a\n fallthrough\n }\n forward . 192.0.2.1\n}",
            &[],
        ),
        (
            "without a pattern it matches all",
            ". {\n template IN ANY {\n fallthrough\n }\n forward . 192.0.2.1\n}",
            &["5 warning never-runs: 'forward' never runs: 'template'"],
        ),
        (
            "a template for one type",
            ". {\n template IN AAAA {\n rcode NOERROR\n }\n forward . 192.0.2.1\n}",
            &[],
        ),
        (
            "a template behind a broader one",
            ". {\n template ANY ANY org {\n rcode NXDOMAIN\n }\n template ANY ANY a.org {\n rcode NXDOMAIN\n }\n whoami\n}",
            &["5 warning never-runs: this 'template' is never asked"],
        ),
        (
            "zones that two plugins take together",
            ". {\n hosts /h a.org\n file db b.org\n secondary a.org b.org c.org\n}",
            &[
                "4 warning never-runs: 'secondary' is never asked for 'a.org': 'hosts'",
                "4 warning never-runs: 'secondary' is never asked for 'b.org': 'file'",
            ],
        ),
        (
            "file is one plugin, however often it stands",
            ". {\n file a a.org\n file b a.org\n}",
            &[],
        ),
    ]);
}

#[test]
fn a_forward_behind_a_broader_one_is_shadowed() {
    assert_warned(&[
        (
            "the first one whose domain fits is asked, not the narrowest",
            ". {\n forward . 192.0.2.1\n forward example.org 192.0.2.2\n}",
            &["3 warning shadowed-forward: this 'forward' is never asked"],
        ),
        (
            "the narrower one first",
            ". {\n forward example.org 192.0.2.2\n forward . 192.0.2.1\n}",
            &[],
        ),
        (
            "the broader one leaves it out",
            ". {\n forward . 192.0.2.1 {\n except example.org\n }\n forward example.org 192.0.2.2\n}",
            &[],
        ),
        (
            "the broader one passes some answers on",
            ". {\n forward . 192.0.2.1 {\n next NXDOMAIN\n }\n forward . 192.0.2.2\n whoami\n}",
            &["6 warning never-runs: 'whoami' never runs: 'forward'"],
        ),
        (
            "of a network only the first zone is forwarded",
            ". {\n forward 10.0.0.0/15 192.0.2.1\n forward 10.1.0.0/16 192.0.2.2\n}",
            &[],
        ),
    ]);
}

#[test]
fn words_that_are_read_as_something_else_are_told() {
    assert_warned(&[
        (
            "a duration where seconds stand",
            ". {\n cache 5m\n whoami\n}",
            &["2 warning misread-word: '5m' is read as the zone that is cached"],
        ),
        (
            "the seconds behind a zone",
            "a.org {\n cache a.org 30\n whoami\n}\n. {\n cache 30 b.org 30\n whoami\n}",
            &[
                "6 warning misread-word: '30' is read as the zone that is cached",
                "2 warning unreached-zone: 'cache' is never asked for '30'",
            ],
        ),
        (
            "a level where a domain stands",
            ". {\n log debug\n log a.org\n whoami\n}",
            &["2 warning misread-word: 'debug' is read as a domain: only its names are logged"],
        ),
        (
            "a star that is no wildcard",
            ". {\n rewrite name *.a b\n rewrite stop name suffix .a .b\n rewrite name regex .* b\n forward *.a 192.0.2.1\n}",
            &[
                "2 warning misread-word: the '*' in '*.a' stands for itself",
                "5 warning misread-word: the '*' in '*.a' stands for itself",
            ],
        ),
        (
            "a name is missing",
            ". {\n rewrite name exact a.org\n whoami\n}",
            &["2 warning misread-word: 'exact' is read as the name that is rewritten"],
        ),
        (
            "quotes of a word processor",
            ". {\n nsid \u{201c}a\u{201d}\n whoami\n}",
            &[
                "2 warning misread-word: the quotation marks in \u{201c}a\u{201d} belong to the word",
            ],
        ),
    ]);
}

#[test]
fn zones_and_blocks_that_no_question_reaches_are_told() {
    assert_warned(&[
        (
            "a domain outside of the block's",
            "example.com {\n forward foo.com 192.0.2.1\n}",
            &[
                "2 warning unreached-zone: 'forward' is never asked: no name of 'foo.com' comes to this server block, which is for 'example.com'",
            ],
        ),
        (
            "a duration is a zone to the cache",
            "a.org b.org {\n cache 3600s\n whoami\n}",
            &["2 warning unreached-zone: 'cache' is never asked: no name of '3600s'"],
        ),
        (
            "one zone of several",
            "cluster.local {\n kubernetes cluster.local in-addr.arpa\n}",
            &["2 warning unreached-zone: 'kubernetes' is never asked for 'in-addr.arpa'"],
        ),
        (
            "another block has the names",
            ". {\n kubernetes cluster.local\n}\ncluster.local {\n forward . 192.0.2.1\n}",
            &[
                "2 warning unreached-zone: 'kubernetes' is never asked: the names of 'cluster.local' go to another server block",
            ],
        ),
        (
            "another block has a part of the names",
            ". {\n kubernetes cluster.local\n}\na.cluster.local {\n forward . 192.0.2.1\n}",
            &[],
        ),
        (
            "another block has the names on another port, or address",
            ".:53 {\n kubernetes cluster.local\n}\ncluster.local:5353 {\n whoami\n}\ncluster.local {\n bind 127.0.0.1\n whoami\n}",
            &[],
        ),
        (
            "another block has them for some clients",
            ". {\n kubernetes cluster.local\n}\ncluster.local {\n view a {\n expr true\n }\n whoami\n}",
            &[],
        ),
        (
            "a view behind a block without one",
            "a.org {\n whoami\n}\na.org {\n view v {\n expr true\n }\n whoami\n}",
            &[
                "4 warning unreached-block: no question comes here: a block without a view serves 'a.org'",
            ],
        ),
        (
            "a view before it",
            "a.org {\n view v {\n expr true\n }\n whoami\n}\na.org {\n whoami\n}",
            &[],
        ),
        (
            "nothing answers",
            ". {\n errors\n cache\n}\na.org {\n chaos\n}",
            &["1 warning answers-nothing: no plugin of this server block has an answer"],
        ),
    ]);
}

#[test]
fn upstreams_that_are_this_server_are_told() {
    assert_warned(&[
        (
            "the loopback address, where all addresses are served",
            ". {\n forward . 127.0.0.1\n}\na.org {\n forward . 192.0.2.1 [::1]:53 tls://127.0.0.1\n}",
            &[
                "2 warning upstream-is-self: the upstream 127.0.0.1:53 is this server itself",
                "5 warning upstream-is-self: the upstream [::1]:53 is this server itself",
                "5 warning loopback-upstream: the upstream 127.0.0.1:853 is a resolver of the machine",
            ],
        ),
        (
            "the machine's resolver, where other addresses are served",
            ". {\n bind 192.0.2.1\n forward . 127.0.0.53\n}",
            &[
                "3 warning loopback-upstream: the upstream 127.0.0.53:53 is a resolver of the machine",
            ],
        ),
        (
            "an address that the block is bound to",
            ".:1053 {\n bind 192.0.2.1\n forward . 192.0.2.1:1053 192.0.2.1\n}",
            &["3 warning upstream-is-self: the upstream 192.0.2.1:1053 is this server itself"],
        ),
        (
            "another port of the machine: a sidecar, or another block",
            ". {\n forward . 127.0.0.1:5353 [::1]:5353 dns://127.0.0.1:54\n}",
            &[],
        ),
        (
            "over TLS with a server's name",
            "tls://. {\n tls a b\n forward . tls://127.0.0.1%me.org:853 tls://9.9.9.9%dns.quad9.net\n}",
            &["3 warning upstream-is-self: the upstream 127.0.0.1:853 is this server itself"],
        ),
    ]);
}

#[test]
fn a_file_of_resolvers_is_read_as_this_machine_has_it() {
    let environment = Memory::default()
        .with_file("/etc/resolv.conf", "search x\nnameserver 127.0.0.53\n")
        .with_file("/run/upstreams", "nameserver 192.0.2.1\nnameserver ::1\n");
    let text = ". {\n loop\n forward a.org /etc/resolv.conf\n forward . /run/upstreams /no/file\n}";
    assert_eq!(
        found(text, &environment),
        [
            "3 hint upstream-is-self: the upstream 127.0.0.53:53 of /etc/resolv.conf is this server itself: questions would go in circles",
            "4 warning upstream-is-self: the upstream [::1]:53 of /run/upstreams is this server itself: questions would go in circles",
        ]
    );
}

#[test]
fn directives_that_need_another_are_told() {
    assert_warned(&[
        (
            "a key that promises encryption",
            "tls://a.org https://b.org {\n whoami\n}",
            &["1 warning not-encrypted: 'tls://a.org' is served without encryption"],
        ),
        (
            "autopath without kubernetes",
            ". {\n autopath @kubernetes\n whoami\n}",
            &["2 warning autopath-blind: 'autopath' does nothing: this server block has no"],
        ),
        (
            "autopath without the plugin that it asks",
            ". {\n autopath @erratic\n whoami\n}",
            &["2 warning autopath-blind: 'autopath' does nothing: this server block has no"],
        ),
        (
            "autopath with erratic",
            ". {\n autopath @erratic\n erratic\n}",
            &[],
        ),
        (
            "autopath without verified pods",
            ". {\n autopath @kubernetes\n kubernetes cluster.local {\n pods insecure\n }\n}",
            &["2 warning autopath-blind: 'autopath' does nothing: 'kubernetes' does not know"],
        ),
        (
            "autopath as it should be",
            ". {\n autopath cluster.local @kubernetes\n kubernetes cluster.local {\n pods verified\n }\n}",
            &[],
        ),
    ]);
}

#[test]
fn lesser_things_are_hints() {
    for (what, text, expected) in [
        (
            "no ready, no loop",
            ". {\n kubernetes cluster.local\n forward . /etc/resolv.conf\n}",
            vec!["2 hint missing-ready", "3 hint missing-loop"],
        ),
        (
            "ready in another block; an upstream by its address",
            ". {\n kubernetes cluster.local\n forward . 192.0.2.1\n}\na.org {\n ready\n whoami\n}",
            vec![],
        ),
        (
            "what stands below is asked first, and keeps some questions",
            ". {\n file db a.org\n template IN AAAA a.org {\n rcode NOERROR\n }\n}",
            vec![
                "3 hint asked-first: 'template' is asked before 'file', though it stands below it",
            ],
        ),
        (
            "what stands below is narrower",
            ". {\n forward . 192.0.2.1\n template IN AAAA a.org {\n rcode NOERROR\n }\n}",
            vec![],
        ),
        (
            "rewritten names are what acl sees",
            ". {\n acl {\n allow\n }\n rewrite name a b\n whoami\n}",
            vec!["5 hint asked-first: 'rewrite' is asked before 'acl'"],
        ),
        (
            "what CoreDNS does differently",
            ". {\n debug\n pprof\n whoami\n}",
            vec![
                "2 hint coredns-differs: with it CoreDNS ends",
                "3 hint coredns-differs",
            ],
        ),
    ] {
        let found = found(text, &Memory::default());
        let same = found.len() == expected.len()
            && found
                .iter()
                .zip(&expected)
                .all(|(one, start)| one.starts_with(start));
        assert!(same, "{what}: {found:#?}");
    }
}

#[test]
fn the_order_of_plugins_is_explained() {
    let text = "a.org:1053, tls://. {\n forward . 192.0.2.1 dns://192.0.2.2 {\n except b.org\n }\n tls a b\n template IN A x\n hosts {\n fallthrough\n }\n log\n kubernetes cluster.local\n}";
    let corefile = crate::corefile::testing::load(text).unwrap();
    let explained = explain(&corefile, 53);
    assert_eq!(explained.len(), 1);
    assert_eq!(
        explained[0].to_string(),
        "a.org:1053 tls://.:853
   1. log         Corefile:10:2
   2. tls         Corefile:5:2
   3. template    Corefile:6:2  answers some questions for x
   4. hosts       Corefile:7:2  answers for a.org, ., and passes on what it does not know
   5. kubernetes  Corefile:11:2  answers for cluster.local, and passes nothing on
   6. forward     Corefile:2:2  sends . but b.org to 192.0.2.1, dns://192.0.2.2
"
    );
}

#[test]
fn the_chain_here_is_the_registrys() {
    let places: Vec<Option<usize>> = REGISTRY
        .iter()
        .map(|entry| CHAIN.iter().position(|name| *name == entry.name))
        .collect();
    assert!(
        places.iter().all(Option::is_some),
        "a plugin is not in CHAIN: {places:?}"
    );
    assert!(
        places.is_sorted(),
        "REGISTRY and CHAIN have different orders: {places:?}"
    );
}

#[test]
fn every_rule_has_one_sentence() {
    let names: BTreeSet<&str> = RULES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), RULES.len());
    for severity in [Severity::Error, Severity::Warning] {
        assert!(names.contains(severity.word()));
    }
}

#[test]
fn interfaces_that_this_machine_does_not_have_are_told() {
    let text = ". {\n bind lo eth1 enp3s0 192.0.2.1 {\n  except eth0 tunnel9\n }\n whoami\n}";
    let told = |machine: &Memory| {
        let mut told = found(text, machine);
        told.retain(|line| line.contains("missing-interface"));
        told
    };
    let machine = Memory::default()
        .with_file("/sys/class/net/lo/mtu", "65536")
        .with_file("/sys/class/net/eth0/mtu", "1500");
    let missing = |line, name| {
        format!(
            "{line} warning missing-interface: {name}: no such interface on this machine, where callsign would not start"
        )
    };
    let expected = [
        missing(2, "eth1"),
        missing(2, "enp3s0"),
        missing(3, "tunnel9"),
    ];
    assert_eq!(told(&machine), expected);
    // Where the system does not tell, nothing is known.
    assert!(told(&Memory::default()).is_empty());
}
