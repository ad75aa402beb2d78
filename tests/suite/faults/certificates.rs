//! Tokens, authorities and certificates that are others than before, or do not match.

use super::bed::{self, Bed, WEB, service};

/// F9
#[test]
fn a_new_token_and_a_new_authority_are_taken_from_their_files() {
    let bed = Bed::tls();
    bed.folder.write("token", "one\n");
    bed.api
        .fault(|faults| faults.token = Some("one".to_owned()));
    let mut program = bed.start(&[]);
    bed.api.wait_for_watches(3);
    assert_eq!(program.addresses(WEB), ["10.96.0.1"]);

    // The old token ends; the new one is in its file.
    bed.folder.write("token", "two\n");
    bed.api
        .fault(|faults| faults.token = Some("two".to_owned()));
    bed.api.cut();
    bed.api.put(service("a/web", "10.96.0.7"));
    program.ask_until(WEB, |reply| reply.to_string().contains("10.96.0.7"));

    // The authority is another one, which is in no file yet.
    bed.api.rotate_authority();
    bed.api.cut();
    bed.api.put(service("a/web", "10.96.0.8"));
    let line = program.wait_line(|line| line.contains("invalid peer certificate"));
    assert!(
        line.contains("/ca.pem must be the one that signed its certificate"),
        "{line}"
    );
    assert_eq!(program.addresses(WEB), ["10.96.0.7"]);
    bed.folder.write("ca.pem", &bed.api.authority());
    program.ask_until(WEB, |reply| reply.to_string().contains("10.96.0.8"));
}

/// F9
#[test]
fn certificates_that_do_not_match_are_named_and_taken_once_they_do() {
    let bed = Bed::certified();
    let [[cert, key], [_, other_key]] = [bed::client(), bed::client()];
    let authority = bed.api.authority();
    let write_all = || {
        for (file, text) in [
            ("cert.pem", &cert),
            ("key.pem", &key),
            ("ca.pem", &authority),
        ] {
            bed.folder.write(file, text);
        }
    };
    write_all();
    let mut program = bed.start(&[]);
    bed.api.wait_for_watches(3);
    let cases = [
        (
            &[("key.pem", other_key.as_str())][..],
            None,
            ["/key.pem", "KeyMismatch"],
        ),
        (&[("key.pem", "")], None, ["/key.pem", "missing"]),
        (
            &[("ca.pem", cert.as_str())],
            None,
            ["/ca.pem", "UnknownIssuer"],
        ),
        (
            &[],
            Some("api.example.org"),
            ["127.0.0.1", "api.example.org"],
        ),
    ];
    for (number, (files, name, said)) in cases.into_iter().enumerate() {
        files
            .iter()
            .for_each(|(file, text)| _ = bed.folder.write(file, text));
        bed.api.certify(name);
        bed.api.cut();
        let ip = format!("10.96.1.{number}");
        bed.api.put(service("a/web", &ip));
        program.wait_line(|line| said.iter().all(|text| line.contains(text)));
        assert!(!program.addresses(WEB).contains(&ip), "{said:?}");
        write_all();
        bed.api.certify(None);
        program.ask_until(WEB, |reply| reply.to_string().contains(&ip));
        // What comes next is another outage, and told as one.
        program.wait_line(|line| line.contains("is back after"));
    }
}
