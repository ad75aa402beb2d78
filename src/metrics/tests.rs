use super::*;

const COUNT: Desc = Desc {
    name: "t_total",
    help: "Counts.",
};
const SIZES: Desc = Desc {
    name: "t_bytes",
    help: "Sizes.",
};
const TIMES: Desc = Desc {
    name: "t_seconds",
    help: "Times.",
};
const FINE: Desc = Desc {
    name: "t_fine_seconds",
    help: "Times, finer.",
};

fn check(page: &str, lines: &[&str]) {
    for line in lines {
        assert!(page.lines().any(|have| have == *line), "{line}\n{page}");
    }
}

#[test]
fn a_page_is_the_classic_text_format() {
    let registry = Registry::default();
    registry.counter(COUNT, &[("zone", "a\"b\n")]).add(2);
    registry.counter(COUNT, &[("zone", "a\"b\n")]).inc();
    let sizes = registry.histogram(SIZES, &SIZE_BUCKETS, &[("proto", "udp")]);
    sizes.observe(0.0);
    sizes.observe(100.0);
    sizes.observe(1e6);
    check(
        &registry.text(),
        &[
            "# HELP t_total Counts.",
            "# TYPE t_total counter",
            r#"t_total{zone="a\"b\n"} 3"#,
            "# TYPE t_bytes histogram",
            r#"t_bytes_bucket{proto="udp",le="0"} 1"#,
            r#"t_bytes_bucket{proto="udp",le="100"} 2"#,
            r#"t_bytes_bucket{proto="udp",le="64000"} 2"#,
            r#"t_bytes_bucket{proto="udp",le="+Inf"} 3"#,
            r#"t_bytes_sum{proto="udp"} 1.0001e+06"#,
            r#"t_bytes_count{proto="udp"} 3"#,
        ],
    );
}

#[test]
fn what_has_labels_is_told_from_its_first_count_on() {
    let registry = Registry::default();
    let counter = registry.counter(COUNT, &[("zone", "a")]);
    registry.counter(COUNT, &[("zone", "b")]);
    let sizes = registry.histogram(SIZES, &SIZE_BUCKETS, &[("proto", "udp")]);
    registry.histogram(TIMES, &SLIM_TIME_BUCKETS, &[]);
    let page = registry.text();
    for line in page.lines() {
        assert!(
            !line.contains(" t_total ") && !line.contains(" t_bytes "),
            "{line}"
        );
        assert!(
            !line.starts_with("t_total") && !line.starts_with("t_bytes"),
            "{line}"
        );
    }
    check(&page, &["t_seconds_count 0"]);
    counter.inc();
    sizes.observe(1.0);
    let page = registry.text();
    check(
        &page,
        &[r#"t_total{zone="a"} 1"#, r#"t_bytes_count{proto="udp"} 1"#],
    );
    assert!(!page.contains(r#"zone="b""#), "{page}");
}

#[test]
fn big_counts_have_an_exponent_where_gos_library_has_one() {
    let registry = Registry::default();
    registry.counter(COUNT, &[]).add(2_500_000);
    let times = registry.histogram(TIMES, &SLIM_TIME_BUCKETS, &[]);
    (0..3).for_each(|_| times.observe_duration(Duration::from_micros(250)));
    times.observe_duration(Duration::from_secs(3));
    check(
        &registry.text(),
        &[
            "t_total 2.5e+06",
            r#"t_seconds_bucket{le="0.00025"} 3"#,
            r#"t_seconds_bucket{le="2.5"} 3"#,
            r#"t_seconds_bucket{le="+Inf"} 4"#,
            "t_seconds_sum 3.00075",
            "t_seconds_count 4",
        ],
    );
}

#[test]
fn a_view_tells_the_same_values_by_fewer_edges() {
    const EDGES: [f64; 3] = [0.000_001, 0.00025, 0.0025];
    const FEWER: [f64; 2] = [0.00025, 0.0025];
    let registry = Registry::default();
    let fine = registry.histogram(FINE, &EDGES, &[("zone", ".")]);
    registry.histogram_view(TIMES, &FEWER, &[("zone", ".")], &fine);
    fine.observe_duration(Duration::from_nanos(500));
    fine.observe_duration(Duration::from_micros(2));
    fine.observe_duration(Duration::from_millis(9));
    let page = registry.text();
    check(
        &page,
        &[
            r#"t_fine_seconds_bucket{zone=".",le="1e-06"} 1"#,
            r#"t_fine_seconds_bucket{zone=".",le="0.00025"} 2"#,
            r#"t_seconds_bucket{zone=".",le="0.00025"} 2"#,
            r#"t_seconds_bucket{zone=".",le="0.0025"} 2"#,
            r#"t_seconds_bucket{zone=".",le="+Inf"} 3"#,
            r#"t_seconds_count{zone="."} 3"#,
            r#"t_seconds_sum{zone="."} 0.0090025"#,
        ],
    );
    assert!(!page.contains(r#"t_seconds_bucket{zone=".",le="1e-06"}"#));
}

#[test]
fn counts_of_many_threads_add_up() {
    let registry = Registry::default();
    let counter = registry.counter(COUNT, &[]);
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| (0..1000).for_each(|_| counter.inc()));
        }
    });
    assert_eq!(counter.get(), 40_000);
}

#[test]
fn a_scrape_may_register() {
    let registry = Arc::new(Registry::default());
    let inner = registry.clone();
    registry.sampled(SIZES, &[], move || inner.counter(COUNT, &[]).get() as f64);
    check(&registry.text(), &["t_bytes 0"]);
}

#[test]
fn the_process_tells_of_itself() {
    let page = Registry::default().text();
    for name in [
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_network_receive_bytes_total",
        "process_network_transmit_bytes_total",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
        "process_virtual_memory_max_bytes",
    ] {
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        assert!(value.is_some_and(|value| value >= 0.0), "{name}\n{page}");
    }
}

#[test]
fn a_batch_is_settled_at_its_end() {
    thread_local! {
        static TIMES: std::cell::RefCell<Vec<Duration>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let settle = |time| TIMES.with_borrow_mut(|times| times.push(time));
    let count = || TIMES.with_borrow(Vec::len);
    let now = tokio::time::Instant::now();
    let earlier = now - Duration::from_millis(700);
    let batch = Batch::open(earlier);
    assert!(Batch::will_settle(earlier, settle));
    assert!(Batch::will_settle(earlier, settle));
    assert!(!Batch::will_settle(now, settle), "it is of no batch");
    assert_eq!(count(), 0, "the batch is open");
    drop(batch);
    assert_eq!(count(), 1, "once for all of them");
    assert!(TIMES.with_borrow(|times| times[0] >= Duration::from_millis(700)));
    assert!(
        !Batch::will_settle(earlier, settle),
        "there is no batch any more"
    );
    drop(Batch::open(now));
    assert_eq!(count(), 1, "nobody asked for it");
}

#[test]
fn sizes_have_the_places_that_their_edges_give() {
    for bytes in [
        0, 1, 100, 101, 511, 512, 1023, 1024, 8291, 64_000, 64_001, 100_000,
    ] {
        let place = SIZE_BUCKETS.iter().position(|edge| bytes as f64 <= *edge);
        assert_eq!(
            size_place(bytes),
            place.unwrap_or(SIZE_BUCKETS.len()),
            "{bytes}"
        );
    }
}
