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
fn plugins_are_listed_as_coredns_lists_them() {
    let (code, out, _) = run(&["-plugins"]);
    assert_eq!(code, 0);
    let names: Vec<&str> = out.lines().collect();
    let (last, names) = names.split_last().unwrap();
    assert_eq!(*last, "", "an empty line at the end");
    assert!(names.contains(&"kubernetes"), "{out}");
    assert!(names.is_sorted(), "{out}");
}

#[test]
fn switches_are_turned_as_go_takes_them() {
    for (arguments, expected) in [
        (&["-version"][..], Some(0)),
        (&["-version=true"], Some(0)),
        (&["--version=T"], Some(0)),
        (&["-version", "-version=false", "-plugins=1"], Some(0)),
        (&["-version=perhaps"], Some(2)),
        // Words behind a switch are none of its own.
        (&["-version", "false"], Some(1)),
    ] {
        let (code, out, error) = run(arguments);
        assert_eq!(Some(code), expected, "{arguments:?}: {out}{error}");
    }
    let (_, out, _) = run(&["-version", "-version=0", "-plugins"]);
    assert!(!out.contains("CoreDNS-"), "the last one counts: {out}");
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_name() {
    for (arguments, status, told) in [
        (&["-nosuch"][..], 2, "--nosuch"),
        // CoreDNS takes these two for text, and looks at them later.
        (&["-dns.port", "70000"], 1, "70000"),
        (&["-log-format", "xml"], 1, "xml"),
        (&["-localip", "169.254.20.10,here"], 2, "here"),
        (&["-setupinterface=maybe"], 2, "maybe"),
        (&["-interfacename", "a/b"], 2, "a/b"),
        (&["-syncinterval", "0"], 2, "syncinterval"),
        (&["-drain", "1e18"], 2, "more than a year"),
        (&["--audit-interval=-1"], 2, "value is negative"),
    ] {
        let (code, _, error) = run(arguments);
        assert_eq!(code, status, "{arguments:?}: {error}");
        assert!(error.contains(told), "{arguments:?}: {error}");
    }
}

#[test]
fn an_argument_too_many_is_refused_as_coredns_does() {
    for (arguments, told) in [
        (&["stray"][..], "extra command line arguments: [stray]\n"),
        (
            &["-conf", "Corefile", "a", "b"],
            "extra command line arguments: [a b]\n",
        ),
        // A subcommand, almost.
        (
            &["chekc", "Corefile"],
            "extra command line arguments: [chekc Corefile]; did you mean 'callsign check'?\n",
        ),
    ] {
        let (code, out, error) = run(arguments);
        assert_eq!((code, &*out, &*error), (1, "", told), "{arguments:?}");
    }
}

#[test]
fn with_json_lines_a_start_that_fails_is_told_in_json() {
    let (code, out, error) = run(&["-log-format", "json", "-conf", "/no/such/Corefile"]);
    assert_eq!((code, &*out), (1, ""));
    let line: serde_json::Value = serde_json::from_str(&error).unwrap();
    assert_eq!(line["level"], "FATAL");
    let message = line["msg"].as_str().unwrap();
    assert!(message.contains("/no/such/Corefile"), "{message}");
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
