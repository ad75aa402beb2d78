//! A Corefile of 10,000 lines: reading it, and all that `check` does. Both together are to take
//! less than 50 ms.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use callsign::app::examine::examine;
use callsign::corefile::{Corefile, Input, Memory, Severity};
use callsign::kubernetes::manifests::Source;
use callsign::plugin::names;
use callsign::plugin::setup::Settings;
use criterion::{Criterion, criterion_group, criterion_main};

const LINES: usize = 10_000;

/// Stub domains, each with a server block of its own.
fn blocks() -> String {
    let mut text = String::new();
    for number in 0..LINES / 10 {
        let _ = write!(
            text,
            "zone-{number}.example.org:53 {{\n    errors\n    cache 30 {{\n        success 9984 30\n    \
             }}\n    forward . 192.0.2.1 192.0.2.2 {{\n        max_concurrent 1000\n    }}\n    loop\n}}\n"
        );
    }
    text
}

/// One server block with a forward for each stub domain.
fn forwards() -> String {
    let forwards = (2..LINES).map(|n| format!("    forward zone-{n}.example.org 192.0.2.1\n"));
    format!(".:53 {{\n{}}}\n", forwards.collect::<String>())
}

fn corefile(bench: &mut Criterion) {
    let settings = Arc::new(Settings {
        manifests: Some(Source::Embedded),
        ..Settings::default()
    });
    let (memory, known) = (Memory::default(), names());
    for (name, text) in [("blocks", blocks()), ("forwards", forwards())] {
        assert_eq!(text.lines().count(), LINES);
        let input = || Input::text("Corefile", black_box(text.as_str()));
        let examined = examine(input(), &memory, 53, &settings);
        assert_eq!(
            examined.count(Severity::Error),
            0,
            "{:?}",
            examined.diagnostics
        );
        bench.bench_function(&format!("corefile/{name}/parse"), |bench| {
            bench.iter(|| Corefile::load(input(), &memory, &known));
        });
        bench.bench_function(&format!("corefile/{name}/check"), |bench| {
            bench.iter(|| examine(input(), &memory, 53, &settings));
        });
    }
}

criterion_group!(benches, corefile);
criterion_main!(benches);
