//! How much memory a Service and an endpoint take, by a counting allocator: store, zone, reverse
//! names and the maps' overhead together. It fails above the goals.
//!
//! A Service is counted with one empty EndpointSlice, an endpoint by what it adds to that slice.

#[path = "support/cluster.rs"]
mod cluster;

use callsign::kubernetes::event::Event;
use callsign::kubernetes::store;
use cluster::ENDPOINTS;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SERVICES: u32 = 10_000;

/// Bytes, at most.
const SERVICE_GOAL: usize = 420;
const ENDPOINT_GOAL: usize = 55;

fn main() {
    let (mut store, zone) = store::new(&[]);
    cluster::apply_namespaces(&mut store, SERVICES);
    let region = Region::new(ALLOCATOR);
    let live = || {
        let change = region.change();
        change.bytes_allocated - change.bytes_deallocated
    };
    let pieces = || {
        let change = region.change();
        change.allocations - change.deallocations
    };
    for n in 0..SERVICES {
        store.apply(Event::Apply(cluster::service(n)), 1);
    }
    let bare = live();
    for n in 0..SERVICES {
        store.apply(Event::Apply(cluster::slice(n, 0)), 1);
    }
    let services = live();
    for n in 0..SERVICES {
        store.apply(Event::Apply(cluster::slice(n, ENDPOINTS)), 1);
    }
    let (all, pieces) = (live(), pieces());
    for n in 0..SERVICES {
        store.apply(Event::Apply(cluster::service(n)), 2);
        store.apply(Event::Apply(cluster::slice(n, ENDPOINTS)), 2);
    }
    let totals = zone.totals();
    println!(
        "{} Services, {} endpoints",
        totals.services, totals.endpoints
    );
    println!(
        "  {:>5} bytes a Service without slices",
        bare / totals.services
    );
    let service = services / totals.services;
    println!("  {service:>5} bytes a Service with a slice (goal: under {SERVICE_GOAL})");
    let endpoint = (all - services) / totals.endpoints;
    println!("  {endpoint:>5} bytes an endpoint (goal: under {ENDPOINT_GOAL})");
    let with_slices = (all - bare) / totals.endpoints;
    println!("  {with_slices:>5} bytes an endpoint with its share of the slice");
    let pieces = pieces as f64 / totals.services as f64;
    println!("  {pieces:>5.1} pieces of memory a Service with slice and endpoints");
    println!(
        "  {:>5} KiB in all, {} KiB after a relist",
        all / 1024,
        live() / 1024
    );
    assert!(service < SERVICE_GOAL, "a Service takes {service} bytes");
    assert!(
        endpoint < ENDPOINT_GOAL,
        "an endpoint takes {endpoint} bytes"
    );
}
