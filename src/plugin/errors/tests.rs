use hickory_proto::op::ResponseCode;
use tokio::time::sleep;

use super::*;
use crate::chain::{Chain, Failure, Reply};
use crate::corefile::Memory;
use crate::telemetry::Captured;
use crate::testing::{Ask, Stub, planned, setup_error};

#[test]
fn what_cannot_be_used_is_told_with_its_place() {
    for (lines, error) in [
        (
            "errors\nerrors",
            "Corefile:3:1: error: plugin/errors: this plugin can only be used once per Server Block",
        ),
        (
            "errors /var/log",
            "Corefile:2:8: error: plugin/errors: invalid log file: /var/log",
        ),
        (
            "errors stdout stdout",
            "Corefile:2:15: error: plugin/errors: Wrong argument count or unexpected line ending after 'stdout'",
        ),
        (
            "errors {\nstacktraces\n}",
            "Corefile:3:1: error: plugin/errors: unknown property 'stacktraces'",
        ),
        (
            "errors {\nconsolidate 1m\n}",
            "Corefile:3:13: error: plugin/errors: Wrong argument count or unexpected line ending after '1m'",
        ),
        (
            "errors {\nconsolidate 5x err\n}",
            "Corefile:3:13: error: plugin/errors: time: unknown unit \"x\" in duration \"5x\"",
        ),
        (
            "errors {\nconsolidate 1m (err\n}",
            "Corefile:3:16: error: plugin/errors: error parsing regexp: unclosed group: `(err`",
        ),
        (
            "errors {\nconsolidate 1m err warning error\n}",
            "Corefile:3:28: error: plugin/errors: multiple log levels specified in consolidate",
        ),
        (
            "errors {\nconsolidate 1m err show_first warning\n}",
            "Corefile:3:31: error: plugin/errors: log level must come before show_first in consolidate",
        ),
        (
            "errors {\nconsolidate 1m err fatal\n}",
            "Corefile:3:20: error: plugin/errors: unknown option in consolidate: fatal",
        ),
        (
            "errors {\nconsolidate 1m err error show_first x\n}",
            "Corefile:3:37: error: plugin/errors: Wrong argument count or unexpected line ending after 'x'",
        ),
    ] {
        assert_eq!(setup_error(lines), error, "{lines}");
    }
    let long = format!("errors {{\nconsolidate 1m {}\n}}", "x".repeat(10_001));
    assert_eq!(
        setup_error(&long),
        "Corefile:3:16: error: plugin/errors: regex pattern too long: 10001 > 10000"
    );
}

#[test]
fn what_can_be_used_is_set_up() {
    for (lines, stacktrace, patterns) in [
        ("errors", false, 0),
        ("errors stdout", false, 0),
        ("errors {\nstacktrace\n}", true, 0),
        (
            "errors {\nconsolidate 1m \".* i/o timeout$\" warning\nconsolidate 30s ^Failed error show_first\nconsolidate 0 x debug\nconsolidate 1h y info\n}",
            false,
            4,
        ),
    ] {
        let plan = planned(&format!(". {{\n{lines}\n}}"), &Memory::default()).unwrap();
        assert_eq!(plan.shared.stacktrace, stacktrace, "{lines}");
        assert_eq!(plan.shared.tasks.len(), patterns, "{lines}");
        let names: Vec<_> = plan.sites[0].block.chain.names().collect();
        assert_eq!(names, ["errors"]);
    }
}

fn pattern(regex: &str, level: Level, show_first: bool) -> Pattern {
    Pattern {
        regex: Regex::new(regex).unwrap(),
        period: Duration::from_secs(30),
        level,
        show_first,
        count: AtomicU32::new(0),
        begun: Notify::new(),
        stopped: AtomicBool::new(false),
    }
}

/// A chain whose last plugin fails with the name asked for as its error.
fn chain(patterns: Vec<Pattern>) -> (Arc<Chain>, Arc<[Pattern]>) {
    let patterns: Arc<[Pattern]> = patterns.into();
    let errors = Errors {
        patterns: patterns.clone(),
    };
    let stub = Stub::new(|query| {
        let rcode = ResponseCode::ServFail;
        match query.qtype {
            hickory_proto::rr::RecordType::A => {
                Failure::new("forward", rcode, format!("{} broke", query.lower)).into()
            }
            hickory_proto::rr::RecordType::NS => {
                let failure = Failure::new("forward", rcode, "later\n[ERROR] forged");
                Reply::later(async move { failure.into() })
            }
            hickory_proto::rr::RecordType::TXT => Outcome::Drop.into(),
            _ => Failure::refusal("forward", ResponseCode::Refused).into(),
        }
    });
    (Chain::new(vec![Arc::new(errors), Arc::new(stub)]), patterns)
}

#[tokio::test]
async fn a_failure_with_a_cause_is_logged_and_passed_on() {
    let (chain, _) = chain(Vec::new());
    let captured = Captured::default();
    let (output, guard) = captured.events();
    assert_eq!(
        Ask::new("Example.org. A").ask(&chain).await.rcode,
        "SERVFAIL"
    );
    assert_eq!(Ask::new("b.org. NS").ask(&chain).await.rcode, "SERVFAIL");
    assert_eq!(Ask::new("c.org. MX").ask(&chain).await.rcode, "REFUSED");
    assert!(Ask::new("d.org. TXT").ask(&chain).await.bytes.is_empty());
    let alone = Chain::new(vec![Arc::new(Errors {
        patterns: Arc::default(),
    })]);
    assert_eq!(Ask::new("e.org. TYPE1234").now(&alone).rcode, "SERVFAIL");
    drop(guard);
    assert_eq!(
        captured.lines(&output),
        [
            "[ERROR] plugin/errors: 2 example.org. A: example.org. broke",
            "[ERROR] plugin/errors: 2 b.org. NS: later\\n[ERROR] forged",
            "[ERROR] plugin/errors: 2 e.org. TYPE1234: plugin/errors: no next plugin found",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn like_errors_are_told_together_at_the_end_of_their_period() {
    let (chain, patterns) = chain(vec![
        pattern("^a", Level::Warning, false),
        pattern("^b", Level::Info, true),
        pattern(".", Level::Error, false),
    ]);
    let captured = Captured::default();
    let (output, guard) = captured.events();
    let stop = CancellationToken::new();
    let tasks: Vec<_> = (0..3)
        .map(|at| {
            let (patterns, stop) = (patterns.clone(), stop.clone());
            tokio::spawn(async move { patterns[at].tell_each_period(stop).await })
        })
        .collect();
    let ask = |name: &'static str| Ask::new(name).now(&chain).rcode;
    for name in ["a1. A", "a2. A", "b1. A", "b2. A", "b3. A", "c. A"] {
        assert_eq!(ask(name), "SERVFAIL");
        sleep(Duration::from_millis(1)).await;
    }
    // One error of a period: shown at once, or summed up, never both.
    sleep(Duration::from_secs(31)).await;
    ask("b4. A");
    ask("a3. A");
    sleep(Duration::from_secs(31)).await;
    ask("a4. A");
    stop.cancel();
    for task in tasks {
        task.await.unwrap();
    }
    ask("a5. A");
    drop(guard);
    assert_eq!(
        captured.lines(&output),
        [
            "[INFO] plugin/errors: 2 b1. A: b1. broke",
            "[WARNING] plugin/errors: 2 errors like '^a' occurred in last 30s",
            "[INFO] plugin/errors: 3 errors like '^b' occurred in last 30s",
            "[ERROR] plugin/errors: 1 errors like '.' occurred in last 30s",
            "[INFO] plugin/errors: 2 b4. A: b4. broke",
            "[WARNING] plugin/errors: 1 errors like '^a' occurred in last 30s",
            "[WARNING] plugin/errors: 1 errors like '^a' occurred in last 30s",
            "[WARNING] plugin/errors: 2 a5. A: a5. broke",
        ]
    );
}
