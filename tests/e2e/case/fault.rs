//! What becomes of names when the control plane does not work.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::api::Place;
use crate::differential::cluster::ask::Depth;
use crate::interceptor::{Interceptor, Rules};
use crate::proxy::{Proxy, Trouble};
use crate::server::View;
use crate::steady::{self, Steady};
use crate::world::{Row, World, until, wrong};

pub(super) const APISERVER: &str = "kube-apiserver";
const ETCD: &str = "etcd";
const CONTROLLERS: &str = "kube-controller-manager";

/// How long something is gone. Servers see a closed connection at once, and a silent one not at all
/// in this time.
const GONE: Duration = Duration::from_secs(3);

pub(super) fn stopped(world: &mut World) -> Result<(), String> {
    steady::prepare(world)?;
    for process in [APISERVER, ETCD] {
        let steady = Steady::begin(world);
        world.plane.signal(process, Signal::SIGSTOP)?;
        std::thread::sleep(GONE);
        world.plane.signal(process, Signal::SIGCONT)?;
        change(world, process)?;
        world.agree(&[FAULTS], Depth::Brief)?;
        steady.end()?;
    }
    Ok(())
}

pub(super) fn killed(world: &mut World) -> Result<(), String> {
    steady::prepare(world)?;
    for process in [APISERVER, ETCD, CONTROLLERS] {
        let steady = Steady::begin(world);
        world.plane.signal(process, Signal::SIGKILL)?;
        std::thread::sleep(GONE);
        world.plane.up(process)?;
        change(world, process)?;
        world.agree(&[FAULTS], Depth::Brief)?;
        steady.end()?;
    }
    Ok(())
}

pub(super) fn started_without(world: &mut World) -> Result<(), String> {
    steady::prepare(world)?;
    world.plane.down(APISERVER)?;
    world.restart()?;
    let unknown = [
        ("web.steady.svc.cluster.local.", "A", "SERVFAIL"),
        ("nothing.steady.svc.cluster.local.", "A", "SERVFAIL"),
    ];
    world.expect(View::Verified, &unknown)?;
    world.plane.up(APISERVER)?;
    change(world, "started-without")?;
    world.agree(&["steady"], Depth::Brief)
}

pub(super) fn forgotten(world: &mut World) -> Result<(), String> {
    steady::prepare(world)?;
    let signal = |signal: &str, world: &World| {
        let servers = world.servers();
        servers
            .into_iter()
            .try_for_each(|server| server.signal(signal))
    };
    for round in ["first", "second"] {
        // While the servers see nothing, objects come, change and go, and the history of it all goes.
        let [goes, stays, comes] = ["goes", "stays", "comes"].map(|what| format!("{round}-{what}"));
        change(world, &goes)?;
        change(world, &stays)?;
        signal("STOP", world)?;
        let ip = objects(world, &comes)?;
        world.api.delete(Place::new("Service", FAULTS, &goes))?;
        let other = ip.replace("198.18", "198.19");
        world.api.apply_one(&slice(&stays, &other))?;
        world.plane.down(APISERVER)?;
        world.plane.forget_history()?;
        world.plane.up(APISERVER)?;
        signal("CONT", world)?;
        let steady = Steady::begin(world);
        expect(world, &comes, &ip)?;
        expect(world, &goes, "NXDOMAIN")?;
        expect(world, &stays, &other)?;
        world.agree(&[FAULTS], Depth::Brief)?;
        steady.end()?;
    }
    world.agree(&[], Depth::Brief)
}

pub(super) fn slow(world: &mut World) -> Result<(), String> {
    steady::prepare(world)?;
    let slow = Trouble {
        delay: Duration::from_millis(100),
        ..Trouble::default()
    };
    let proxy = Proxy::start(&world.api, world.plane.api, slow)?;
    world.restart_by_way_of(&format!("https://{}", proxy.address), &[])?;
    change(world, "slow")?;
    world.agree(&[FAULTS], Depth::Brief)?;
    // Now the way is fast, and no connection lives long.
    let steady = Steady::begin(world);
    proxy.set(Trouble {
        cut: Some(Duration::from_millis(700)),
        ..Trouble::default()
    });
    for number in 0..20 {
        objects(world, &format!("cut-{number}"))?;
        std::thread::sleep(Duration::from_millis(150));
    }
    proxy.set(Trouble::default());
    world.agree(&[FAULTS], Depth::Brief)?;
    steady.end()?;
    world.restart()
}

/// A way to the API server on which what is told can be read, and changed.
fn intercepted(world: &mut World, flags: &[&str], rules: Rules) -> Result<Interceptor, String> {
    let client = world.api.client_of(&world.plane.state("dns.kubeconfig"))?;
    let way = Interceptor::start(&world.api, client)?;
    way.set(rules);
    world.restart_by_way_of(&way.url, flags)?;
    Ok(way)
}

/// Waits until callsign answers so, while CoreDNS never will: it answers as it is given.
fn callsign_alone(world: &World, row: Row<'_>, coredns: &str) -> Result<(), String> {
    until(|| wrong(&world.callsign, View::Verified, &[row]))?;
    let (name, rtype, _) = row;
    match wrong(&world.coredns, View::Verified, &[(name, rtype, coredns)]) {
        Some(problem) => Err(problem),
        None => Ok(()),
    }
}

pub(super) fn bookmarks(world: &mut World) -> Result<(), String> {
    steady::prepare(world)?;
    let rules = Rules {
        withhold_end: true,
        withhold_bookmarks: true,
        ..Rules::default()
    };
    let _way = intercepted(world, &[], rules)?;
    let web = ("web.steady.svc.cluster.local.", "A", "10.96.104.1");
    callsign_alone(world, web, "SERVFAIL")?;
    let nothing = ("nothing.steady.svc.cluster.local.", "A", "NXDOMAIN");
    callsign_alone(world, nothing, "SERVFAIL")?;
    let ip = objects(world, "unmarked")?;
    let row = format!("unmarked.{FAULTS}.svc.cluster.local.");
    callsign_alone(world, (&row, "A", &ip), "SERVFAIL")?;
    world.restart()?;
    expect(world, "unmarked", &ip)
}

pub(super) fn lost(world: &mut World) -> Result<(), String> {
    steady::prepare(world)?;
    let way = intercepted(world, &["--audit-interval", "3"], Rules::default())?;
    change(world, "before")?;
    way.set(Rules {
        lose: Some("lost"),
        ..Rules::default()
    });
    let ip = objects(world, "lost")?;
    // What came after it was told.
    change(world, "after")?;
    let row = format!("lost.{FAULTS}.svc.cluster.local.");
    callsign_alone(world, (&row, "A", &ip), "NXDOMAIN")?;
    world.restart()?;
    expect(world, "lost", &ip)
}

pub(super) fn refused(world: &mut World) -> Result<(), String> {
    steady::prepare(world)?;
    let way = intercepted(world, &[], Rules::default())?;
    change(world, "asked")?;
    world.agree(&["steady"], Depth::Brief)?;
    let steady = Steady::begin(world);
    for code in [410, 429, 403, 500] {
        way.set(Rules {
            refuse: Some(code),
            ..Rules::default()
        });
        let name = format!("refused-{code}");
        let ip = objects(world, &name)?;
        std::thread::sleep(GONE);
        way.set(Rules::default());
        expect(world, &name, &ip)?;
    }
    steady.end()?;
    // CoreDNS waits longer each time, and has not forgotten that yet.
    world.renew_coredns()?;
    world.agree(&[FAULTS], Depth::Brief)?;
    world.restart()
}

/// The namespace of what is changed here.
const FAULTS: &str = "faults";

/// Makes a Service with an endpoint, waits until both servers know it, and says how long that took.
fn change(world: &World, name: &str) -> Result<(), String> {
    let ip = objects(world, name)?;
    expect(world, name, &ip)
}

/// Waits until both servers answer so for a Service, and says how long that took.
fn expect(world: &World, name: &str, answer: &str) -> Result<(), String> {
    let row = format!("{name}.{FAULTS}.svc.cluster.local.");
    let [coredns, callsign] = world.expect(View::Verified, &[(&row, "A", answer)])?;
    println!("          {name}: CoreDNS after {coredns:.1?}, callsign after {callsign:.1?}");
    Ok(())
}

/// Makes a Service with an endpoint that no other has; its address.
pub(super) fn objects(world: &World, name: &str) -> Result<String, String> {
    world.new_namespace(FAULTS, "no")?;
    world.api.apply_one(&json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": FAULTS}, "spec": {"clusterIP": "None"},
    }))?;
    let number = world.api.list("Service", FAULTS)?.len();
    let ip = format!("198.18.{}.{}", number / 250, number % 250 + 1);
    world.api.apply_one(&slice(name, &ip))?;
    Ok(ip)
}

fn slice(name: &str, ip: &str) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": FAULTS, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4", "endpoints": [{"addresses": [ip]}],
    })
}
