use super::profile::{Mode, Usage};
use super::*;
use crate::corefile::Memory;
use crate::http::Service as _;
use crate::testing::{planned, setup_error};

#[test]
fn what_cannot_be_used_is_told_with_its_place() {
    for (lines, error) in [
        ("pprof /foo", "2:7: address /foo: missing port in address"),
        (
            "pprof :1234 -1",
            "2:13: Wrong argument count or unexpected line ending after '-1'",
        ),
        (
            "pprof {\nblock 20 30\n}",
            "3:10: Wrong argument count or unexpected line ending after '30'",
        ),
        (
            "pprof {\nblock often\n}",
            "3:7: property 'block' invalid integer value 'often'",
        ),
        ("pprof {\nbloc\n}", "3:1: unknown property 'bloc'"),
        (
            "pprof\npprof",
            "3:1: this plugin can only be used once per Server Block",
        ),
    ] {
        let (place, message) = error.split_once(": ").unwrap();
        let expected = format!("Corefile:{place}: error: plugin/pprof: {message}");
        assert_eq!(setup_error(lines), expected, "{lines}");
    }
}

#[test]
fn the_address_is_that_of_coredns_unless_one_is_named() {
    for (lines, address, warnings) in [
        ("pprof", "localhost:6053", 0),
        ("pprof :1234 {\nblock 20\n}", ":1234", 1),
        ("pprof {\nblock\n}", "localhost:6053", 1),
    ] {
        let plan = planned(&format!(". {{\n{lines}\n}}"), &Memory::default()).unwrap();
        assert_eq!(plan.shared.http[0].address, address, "{lines}");
        assert_eq!(plan.warnings.len(), warnings, "{lines}");
    }
}

#[test]
fn pages_that_only_go_has_say_so() {
    for (path, status, part) in [
        ("/debug/pprof", 200, "go tool pprof"),
        ("/debug/pprof/", 200, "/debug/pprof/profile"),
        ("/debug/pprof/cmdline", 200, ""),
        ("/debug/pprof/heap", 404, "no profile 'heap'"),
    ] {
        let page = Pages.get(path).unwrap();
        let body = String::from_utf8(page.body).unwrap();
        assert_eq!(page.status, status, "{path}");
        assert!(body.contains(part), "{path}: {body}");
    }
    assert_eq!(Pages.get("/debug/pprofile"), None);
    assert_eq!(Pages.get("/metrics"), None);
}

#[test]
fn the_seconds_of_a_profile_are_read_as_go_reads_them() {
    for (parameters, expected) in [
        ("", 30),
        ("seconds=5", 5),
        ("debug=1&seconds=7", 7),
        ("seconds=0", 30),
        ("seconds=-1", 30),
        ("seconds=x", 30),
    ] {
        assert_eq!(seconds(parameters), expected, "{parameters}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_takes_the_time_that_was_asked_for() {
    let began = tokio::time::Instant::now();
    let profile = Pages.wait("/debug/pprof/profile", "seconds=5").unwrap();
    assert_eq!(profile.await.status, 200);
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    let long = Pages.wait("/debug/pprof/profile", "seconds=301").unwrap();
    assert_eq!(long.await.status, 400);
    assert!(Pages.wait("/debug/pprof/heap", "").is_none());
}

fn usage(lines: &[&str]) -> Usage {
    let mut usage = Usage::default();
    for line in lines {
        usage.add(line).unwrap();
    }
    usage
}

#[test]
fn threads_are_told_apart_whatever_their_names() {
    let before = usage(&["7 (udp) S 1 2 3 4 5 6 7 8 9 10 100 200 0"]);
    let after = usage(&[
        "7 (udp) S 1 2 3 4 5 6 7 8 9 10 103 200 0",
        "8 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 0 5 0",
    ]);
    let used: Vec<_> = after.since(&before).0.into_iter().collect();
    assert_eq!(
        used,
        [
            ((7, "udp".to_owned(), Mode::Program), 3),
            ((8, "a) b (c".to_owned(), Mode::Kernel), 5),
        ]
    );
    assert_eq!(Usage::default().add("no line of /proc"), None);
}

#[test]
fn this_process_has_used_time() {
    assert!(!Usage::now().0.is_empty());
}

/// The bytes are those that `go tool pprof -raw` reads as: one sample, cpu/nanoseconds 30000000,
/// of the stack kernel, udp, callsign.
#[test]
fn a_profile_has_the_form_of_pprof() {
    let used = Usage([((7, "udp".to_owned(), Mode::Kernel), 3)].into());
    let text =
        |field: u8, text: &str| [&[field << 3 | 2, text.len() as u8], text.as_bytes()].concat();
    let thing = |id: u8, name: u8| {
        let location = vec![0x22, 6, 8, id, 0x22, 2, 8, id];
        [location, vec![0x2a, 6, 8, id, 16, name, 24, name]].concat()
    };
    let expected = [
        vec![0x0a, 4, 8, 1, 16, 2],
        thing(1, 3),
        thing(2, 4),
        thing(3, 5),
        // 30000000 in groups of seven bits.
        vec![
            0x12, 17, 8, 1, 8, 2, 8, 3, 16, 0x80, 0x87, 0xa7, 0x0e, 0x1a, 4, 8, 6, 24, 7,
        ],
        vec![0x50, 0x80, 0x94, 0xeb, 0xdc, 0x03],
        vec![0x5a, 4, 8, 1, 16, 2],
        vec![0x60, 0x80, 0xad, 0xe2, 0x04],
        [
            "",
            "cpu",
            "nanoseconds",
            "kernel",
            "udp",
            "callsign",
            "thread",
        ]
        .map(|word| text(6, word))
        .concat(),
    ]
    .concat();
    assert_eq!(used.encode(Duration::from_secs(1)), expected);
}
