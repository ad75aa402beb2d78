use std::io::{self, Write};
use std::sync::mpsc;
use std::time::Duration;

use smallvec::SmallVec;

use super::line::{escape, line};
use super::*;
use crate::testing::n;
use crate::wire::Flags;

/// A query as CoreDNS logged it, and its line.
fn query(format: &str) -> QueryLine {
    QueryLine {
        template: Template::parse(format).into(),
        time: Some("2026-09-15T08:00:00.5Z".parse().unwrap()),
        client: "[::1]:50759".parse().unwrap(),
        local: "10.96.0.10".parse().unwrap(),
        proto: "udp",
        id: 29008,
        opcode: 0,
        name: SmallVec::from_slice(n("example.org").view().as_bytes()),
        qtype: 1,
        qclass: 1,
        size: 41,
        dnssec_ok: false,
        bufsize: 4096,
        response: Some(Response {
            rcode: 0,
            flags: Flags::QR.with(Flags::RD).with(Flags::RA).with(Flags::AD),
        }),
        response_size: 68,
        response_type: "NOERROR",
        response_class: "success",
        duration: Duration::from_nanos(37_990_251),
        metadata: Box::default(),
    }
}

fn told(query: QueryLine, format: Format) -> String {
    let captured = Captured::default();
    let output = captured.output(format);
    output.query(query);
    captured.lines(&output).concat()
}

#[test]
fn the_default_line_is_the_common_log_format() {
    assert_eq!(
        told(query(Template::COMMON), Format::Text),
        "[INFO] [::1]:50759 - 29008 \"A IN example.org. udp 41 false 4096\" NOERROR qr,rd,ra,ad 68 0.037990251s"
    );
    assert_eq!(
        told(query(Template::COMBINED), Format::Text),
        "[INFO] [::1]:50759 - 29008 \"A IN example.org. udp 41 false 4096\" NOERROR qr,rd,ra,ad 68 0.037990251s \"0\""
    );
}

#[test]
fn placeholders_are_replaced_and_other_braces_stand() {
    for (name, format, told_as) in [
        ("no word", "text", "text"),
        ("nothing", "", ""),
        ("a word that is not known", "{foo} {type}", "{foo} A"),
        ("a word in braces", "{ {type} }", "{ A }"),
        ("a brace that nothing opens", "A } {type}", "A } A"),
        ("a brace that nothing closes", "{type} {name", "A {name"),
        ("words side by side", "{type}{class}", "AIN"),
        ("the local address", "{local}", "10.96.0.10"),
        ("case counts", "{>ID} {>id}", "{>ID} 29008"),
        ("sorting", "{/log/type} {/log/class}", "NOERROR success"),
        ("metadata that is not there", "{/a/b} {/}", "- -"),
    ] {
        assert_eq!(
            told(query(format), Format::Text),
            format!("[INFO] {told_as}"),
            "{name}"
        );
    }
}

#[test]
fn a_query_without_a_response_is_told_so() {
    let mut silent = query("{rcode} {>rflags} {rsize} {duration}");
    silent.response = None;
    silent.response_size = 0;
    silent.duration = Duration::ZERO;
    assert_eq!(told(silent.clone(), Format::Text), "[INFO] - - 0 0s");
    let json = told(silent, Format::Json);
    assert!(
        json.contains("\"rcode\":null,\"response_size\":0,"),
        "{json}"
    );
}

#[test]
fn odd_values_are_told_as_numbers() {
    let mut odd = query("{type} {class} {rcode} {name} {duration}");
    odd.qtype = 1234;
    odd.qclass = 7;
    odd.response = Some(Response {
        rcode: 4095,
        flags: Flags::QR,
    });
    odd.name = SmallVec::from_slice(n(r#"a\.b\001"x"#).view().as_bytes());
    odd.duration = Duration::from_nanos(120);
    assert_eq!(
        told(odd, Format::Text),
        r#"[INFO] TYPE1234 CLASS7 4095 a\.b\001\"x. 0.00000012s"#
    );
}

#[test]
fn json_lines_have_coredns_fields() {
    let line = told(query("{name} {rcode}"), Format::Json);
    assert_eq!(
        line,
        "{\"time\":\"2026-09-15T08:00:00.5Z\",\"level\":\"INFO\",\"msg\":\"example.org. NOERROR\",\
         \"plugin\":\"log\",\"client_ip\":\"::1\",\"client_port\":50759,\"qname\":\"example.org.\",\
         \"qtype\":\"A\",\"qclass\":\"IN\",\"protocol\":\"udp\",\"id\":29008,\"opcode\":0,\
         \"request_size\":41,\"dnssec_ok\":false,\"bufsize\":4096,\"rcode\":\"NOERROR\",\
         \"response_size\":68,\"duration_seconds\":0.037990251}"
    );
}

#[test]
fn metadata_cannot_forge_a_line() {
    let mut forged = query("{/a/b} {/a/b} {/c/d}");
    forged.metadata = Box::new([Some("x\n[ERROR] y\u{1b}[2J".into()), None]);
    assert_eq!(
        told(forged.clone(), Format::Text),
        "[INFO] x\\n[ERROR] y\\x1b[2J x\\n[ERROR] y\\x1b[2J -"
    );
    let json = told(forged, Format::Json);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let message = value.get("msg").and_then(|value| value.as_str()).unwrap();
    assert!(message.starts_with("x\n[ERROR]"), "{message}");
}

#[test]
fn lines_have_coredns_shape() {
    for (format, level, plugin, message, expected) in [
        (Format::Text, Level::Info, None, "a", "[INFO] a"),
        (
            Format::Text,
            Level::Warning,
            Some("forward"),
            "b",
            "[WARNING] plugin/forward: b",
        ),
        (Format::Text, Level::Debug, None, "c", "[DEBUG] c"),
        (
            Format::Text,
            Level::Fatal,
            Some("loop"),
            "d",
            "[FATAL] plugin/loop: d",
        ),
        (
            Format::Text,
            Level::Error,
            None,
            "x\r\n\u{7f}\u{9b}y\u{202e}",
            "[ERROR] x\\r\\n\\x7f\\x9by\\u{202e}",
        ),
    ] {
        assert_eq!(line(format, level, plugin, message), expected);
    }
    let json = line(Format::Json, Level::Warning, Some("x"), "a\"\nb");
    let (time, rest) = json.split_once("\",").unwrap();
    assert!(
        time.starts_with("{\"time\":\"20") && time.ends_with('Z'),
        "{json}"
    );
    assert_eq!(rest, r#""level":"WARN","msg":"a\"\nb","plugin":"x"}"#);
    assert_eq!(fatal(Format::Text, "a\nb"), "a\nb");
    assert!(fatal(Format::Json, "a\nb").contains(r#""level":"FATAL","msg":"a\nb"}"#));
    assert_eq!("json".parse(), Ok(Format::Json));
    let error = "yaml".parse::<Format>().unwrap_err().to_string();
    assert_eq!(error, "unknown log format \"yaml\": expected text or json");
}

#[test]
fn text_that_is_harmless_is_left_alone() {
    let mut out = String::new();
    escape(&mut out, "tab\tüñ漢 \"q\" \\");
    assert_eq!(out, "tab\tüñ漢 \"q\" \\");
}

#[test]
fn events_become_lines() {
    let captured = Captured::default();
    let (output, guard) = captured.events();
    tracing::info!("ours");
    tracing::warn!(target: "plugin/forward", upstream = "10.0.0.1:53", "down");
    tracing::error!(target: "plugin/loop", fatal = true, "a\nb");
    let debug = || tracing::debug!("asked for or not");
    debug();
    set_debug(true);
    debug();
    tracing::debug!(target: "hyper::proto", "chatter");
    tracing::trace!("never");
    set_debug(false);
    debug();
    tracing::info!(target: "hyper::proto", "chatter");
    tracing::warn!(target: "kube_client", "trouble");
    tracing::error!(target: "kube_client::client::builder", "told by who asked");
    tracing::error_span!("span").in_scope(|| tracing::info!("in a span"));
    drop(guard);
    assert_eq!(
        captured.lines(&output),
        [
            "[INFO] ours",
            "[WARNING] plugin/forward: down upstream=\"10.0.0.1:53\"",
            "[FATAL] plugin/loop: a\\nb",
            "[DEBUG] asked for or not",
            "[WARNING] kube_client: trouble",
            "[INFO] in a span",
        ]
    );
}

/// A reader that takes nothing until it is told to.
struct Stuck {
    released: mpsc::Receiver<()>,
    inner: Captured,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Ends with an error once the test lets go of the sender: from then on nothing waits.
        let _ = self.released.recv();
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stuck_reader_costs_lines_and_no_time() {
    let registry = Registry::default();
    let dropped = registry.counter(DROPPED, &[]);
    let captured = Captured::default();
    let (release, released) = mpsc::channel();
    let stuck = Stuck {
        released,
        inner: captured.clone(),
    };
    let output = Output::start(Format::Text, Box::new(stuck), dropped.clone()).unwrap();
    // Far more than the queue holds; would never end if one line waited for the reader.
    for _ in 0..200 {
        output.message(Level::Info, None, &"x".repeat(60_000));
    }
    assert!(dropped.get() > 0, "nothing was dropped");
    assert!(
        !output.close(Duration::ZERO),
        "the writer is stuck, so it has not ended"
    );
    drop(release);
    let lines = captured.lines(&output);
    let kept = lines
        .iter()
        .filter(|line| line.starts_with("[INFO] x"))
        .count();
    assert!(kept > 0 && kept as u64 + dropped.get() == 200, "{kept}");
    let said = lines
        .iter()
        .any(|line| line.ends_with("log lines were dropped: the reader of the log is too slow"));
    assert!(said, "the loss is not told");
}

#[test]
fn lines_that_cannot_be_written_are_counted() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let registry = Registry::default();
    let dropped = registry.counter(DROPPED, &[]);
    let output = Output::start(Format::Text, Box::new(Full), dropped.clone()).unwrap();
    output.message(Level::Info, None, "a");
    output.announce("b");
    assert!(output.close(Duration::from_secs(60)));
    assert_eq!(dropped.get(), 2);
    output.message(Level::Info, None, "after the end");
    assert_eq!(dropped.get(), 3);
}

#[test]
fn a_message_is_cut_where_it_is_too_long() {
    let captured = Captured::default();
    let output = captured.output(Format::Text);
    output.message(Level::Info, None, &"ü".repeat(100_000));
    let lines = captured.lines(&output);
    let length = lines.first().unwrap().len();
    assert!((60_000..70_000).contains(&length), "{length}");
}

#[test]
fn what_a_start_says_has_no_level_in_text() {
    for (format, expected) in [
        (Format::Text, vec![".:53", "CoreDNS-1.15.0", "linux"]),
        (Format::Json, vec![]),
    ] {
        let captured = Captured::default();
        let output = captured.output(format);
        output.announce(".:53");
        output.announce("CoreDNS-1.15.0\nlinux");
        let lines = captured.lines(&output);
        if format == Format::Text {
            assert_eq!(lines, expected);
        } else {
            assert!(
                lines.iter().all(|line| line.starts_with("{\"time\":")),
                "{lines:?}"
            );
            assert!(
                lines
                    .concat()
                    .contains(r#""level":"INFO","msg":"CoreDNS-1.15.0\nlinux"}"#)
            );
        }
    }
}
