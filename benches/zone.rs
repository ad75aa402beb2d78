//! The zone: a lookup of each shape of record, and one event applied. Both are to be flat over
//! the size of the cluster.

#[path = "support/cluster.rs"]
mod cluster;

use callsign::kubernetes::event::Event;
use callsign::kubernetes::name::{self, Grammar};
use callsign::kubernetes::zone::{Found, Pods, View, Zone};
use cluster::{ENDPOINTS, cluster_ip, endpoint_ip, namespace, service_name, wire};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::net::IpAddr;

const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

/// How many names a lookup goes through, so that it does not measure one warm cache line.
const NAMES: u32 = 128;

fn find(zone: &Zone, view: &View, name: &[u8], read: fn(&Found<'_>) -> usize) -> usize {
    let parsed = name::parse(black_box(name), Grammar::Cluster);
    read(&zone.find(view, &parsed))
}

fn v4(found: &Found<'_>) -> usize {
    match found {
        Found::Service(selection) => selection
            .v4()
            .map_or(0, |addresses| addresses.as_slice().len()),
        _ => 0,
    }
}

fn v6(found: &Found<'_>) -> usize {
    match found {
        Found::Service(selection) => selection
            .v6()
            .map_or(0, |addresses| addresses.as_slice().len()),
        _ => 0,
    }
}

fn srv(found: &Found<'_>) -> usize {
    match found {
        Found::Service(selection) => selection.srv(64).targets.len(),
        _ => 0,
    }
}

fn nothing(_: &Found<'_>) -> usize {
    0
}

/// A shape of question: its name, the name asked of a Service by number, and what is read.
type Shape = (
    &'static str,
    fn(&str) -> String,
    bool,
    fn(&Found<'_>) -> usize,
);

const SHAPES: [Shape; 11] = [
    (
        "cluster_ip_a",
        |service| format!("{service}.svc"),
        false,
        v4,
    ),
    (
        "cluster_ip_aaaa_nodata",
        |service| format!("{service}.svc"),
        false,
        v6,
    ),
    (
        "cluster_ip_srv",
        |service| format!("_http._tcp.{service}.svc"),
        false,
        srv,
    ),
    ("headless_a", |service| format!("{service}.svc"), true, v4),
    (
        "headless_srv",
        |service| format!("_http._tcp.{service}.svc"),
        true,
        srv,
    ),
    (
        "endpoint_by_name_a",
        |service| {
            let label = service.split('.').next().unwrap_or_default();
            format!("{label}-3.{service}.svc")
        },
        true,
        v4,
    ),
    (
        "nxdomain_service",
        |service| format!("no-{service}.svc"),
        false,
        nothing,
    ),
    (
        "nxdomain_search_path",
        |service| format!("www.example.com.{service}.svc"),
        false,
        nothing,
    ),
    (
        "nodata_namespace",
        |service| {
            let namespace = service.split('.').next_back().unwrap_or_default();
            format!("{namespace}.svc")
        },
        false,
        nothing,
    ),
    (
        "pod_insecure_a",
        |service| {
            let namespace = service.split('.').next_back().unwrap_or_default();
            format!("10-244-1-7.{namespace}.pod")
        },
        false,
        nothing,
    ),
    (
        "external_name",
        |service| format!("{service}.svc"),
        false,
        nothing,
    ),
];

fn lookups(criterion: &mut Criterion) {
    let view = View {
        pods: Pods::Insecure,
        ..View::default()
    };
    for size in SIZES {
        let (mut store, zone) = cluster::cluster(size);
        // the Services asked for, at equal distances
        let step = size / NAMES;
        let service = |n: u32| format!("{}.{}", service_name(n), namespace(n));
        for (shape, name, headless, read) in SHAPES {
            let pick = |n: u32| {
                let n = n * step / 4 * 4;
                if headless { n + 3 } else { n }
            };
            let names: Vec<Vec<u8>> = (0..NAMES).map(|n| wire(&name(&service(pick(n))))).collect();
            if shape == "external_name" {
                for n in (0..NAMES).map(pick) {
                    store.apply(Event::Apply(cluster::external_name(n)), 1);
                }
            }
            let mut next = names.iter().cycle();
            let mut group = criterion.benchmark_group(shape);
            group.bench_function(BenchmarkId::from_parameter(size), |bench| {
                bench.iter(|| next.next().map(|name| find(&zone, &view, name, read)));
            });
            group.finish();
        }
        pointers(criterion, &zone, size);
    }
}

fn pointers(criterion: &mut Criterion, zone: &Zone, size: u32) {
    let view = View::default();
    let step = size / NAMES;
    let services: Vec<IpAddr> = (0..NAMES)
        .map(|n| cluster_ip(n * step / 4 * 4 + 1))
        .collect();
    let endpoints: Vec<IpAddr> = (0..NAMES)
        .map(|n| endpoint_ip(n * step, n % ENDPOINTS))
        .collect();
    for (shape, addresses) in [("ptr_service", services), ("ptr_endpoint", endpoints)] {
        let mut next = addresses.iter().cycle();
        let mut group = criterion.benchmark_group(shape);
        group.bench_function(BenchmarkId::from_parameter(size), |bench| {
            bench.iter(|| {
                next.next()
                    .map(|address| zone.pointers(&view, black_box(*address)))
            });
        });
        group.finish();
    }
}

/// Makes the next event of a Service by its number; the round tells two states apart.
type Next = fn(u32, u32) -> Event;

const EVENTS: [(&str, Next); 3] = [
    ("event_unchanged", |n, _| Event::Apply(cluster::service(n))),
    ("event_service", |n, round| {
        Event::Apply(if round.is_multiple_of(2) {
            cluster::external_name(n)
        } else {
            cluster::service(n)
        })
    }),
    ("event_slice", |n, round| {
        Event::Apply(cluster::slice(n, ENDPOINTS - 1 - round % 2))
    }),
];

fn events(criterion: &mut Criterion) {
    for size in [1_000, 100_000] {
        let (mut store, _zone) = cluster::cluster(size);
        for (shape, make) in EVENTS {
            let mut turn = 0_u32;
            let mut next = || {
                turn = turn.wrapping_add(1);
                make(turn % NAMES * (size / NAMES), turn / NAMES)
            };
            let mut group = criterion.benchmark_group(shape);
            group.bench_function(BenchmarkId::from_parameter(size), |bench| {
                bench.iter_batched(
                    &mut next,
                    |event| store.apply(event, 1),
                    BatchSize::SmallInput,
                );
            });
            group.finish();
        }
    }
}

criterion_group!(benches, lookups, events);
criterion_main!(benches);
