//! Flags, as scripts and manifests of CoreDNS write them.

use std::process::Output;

use crate::program::{Folder, callsign};

fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = callsign(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn the_versions_first_line_is_that_of_coredns() {
    for flag in ["-version", "--version"] {
        let (code, out, _) = run(&[flag]);
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!((code, lines[0]), (0, "CoreDNS-1.15.0"), "{flag}");
        assert!(
            lines.iter().any(|line| line.starts_with("callsign-")),
            "{out}"
        );
    }
}

#[test]
fn plugins_are_listed_in_the_order_of_the_chain() {
    let (code, out, _) = run(&["-plugins"]);
    assert_eq!(code, 0);
    let place = |name: &str| out.lines().position(|line| line == name);
    assert!(place("dns.kubernetes").is_some(), "{out}");
    assert!(place("dns.bind") < place("dns.kubernetes"), "{out}");
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_name() {
    for (arguments, told) in [
        (&["-nosuch"][..], "--nosuch"),
        (&["-dns.port", "70000"], "70000"),
        (&["-log-format", "xml"], "xml"),
        (&["-localip", "169.254.20.10,here"], "here"),
        (&["-setupinterface=maybe"], "maybe"),
        (&["-interfacename", "a/b"], "a/b"),
        (&["-syncinterval", "0"], "syncinterval"),
    ] {
        let (code, _, error) = run(arguments);
        assert_eq!(code, 2, "{arguments:?}: {error}");
        assert!(error.contains(told), "{arguments:?}: {error}");
    }
}

#[test]
fn an_argument_too_many_is_refused_as_coredns_does() {
    let (code, _, error) = run(&["stray"]);
    assert_eq!(code, 1);
    assert!(
        error.contains("extra command line arguments: stray"),
        "{error}"
    );
}

#[test]
fn a_corefile_that_is_not_there_is_named() {
    let (code, _, error) = run(&["-conf", "/no/such/Corefile"]);
    assert_eq!(code, 1);
    assert!(error.contains("/no/such/Corefile"), "{error}");
}

#[test]
fn every_error_of_a_corefile_is_told_with_its_place() {
    let folder = Folder::new();
    let path = folder.write("Corefile", ".:0 {\n    relaod\n    reload 1s\n}\n");
    let (code, _, error) = run(&["-conf", path.to_str().unwrap()]);
    assert_eq!(code, 1);
    let path = path.display();
    assert!(error.contains(&format!("{path}:2:5")), "{error}");
    assert!(error.contains("Unknown directive 'relaod'"), "{error}");
}

#[test]
fn what_node_cache_does_and_callsign_does_not_is_refused_with_what_to_do() {
    for (arguments, told) in [
        (&["-setupiptables"][..], "give -setupiptables=false"),
        (&["-setupiptables=true"], "give -setupiptables=false"),
        (&["-setupebtables=1"], "give -setupiptables=false"),
        (
            &["-upstreamsvc", "kube-dns-upstream"],
            "{$KUBE_DNS_UPSTREAM_SERVICE_HOST}",
        ),
        (&["-basecorefile", "/etc/Corefile.base"], "-conf"),
        (&["-metrics-listen-address", ":9353"], "`prometheus`"),
    ] {
        let (code, _, error) = run(arguments);
        assert_eq!(code, 1, "{arguments:?}: {error}");
        assert!(error.contains(told), "{arguments:?}: {error}");
    }
}
