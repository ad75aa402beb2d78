//! A way to the API server that says nothing for longer than any server waits. It takes minutes, so
//! other tests are run meanwhile.

use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use crate::api::Api;
use crate::awake::Begun;
use crate::proxy::{Proxy, Trouble};
use crate::server::{Server, View};
use crate::world::{World, until, wrong};

/// How long nothing comes: longer than a watch is given, and than a connection is waited for.
const HELD: Duration = Duration::from_secs(100);

/// How long a change may be unknown since nothing came any more, or since all came again: that of
/// docs/faults.md, F5, and what a new connection takes.
const MOST: Duration = Duration::from_secs(95);

/// What comes before that came the old way: a watch that heard something just now is given 90 seconds.
const LEAST: Duration = Duration::from_secs(20);

const NAMESPACE: &str = "silence";

/// What is going on.
pub(crate) struct Silence(Vec<JoinHandle<Result<(), String>>>);

/// A callsign, and its way.
struct Follower {
    api: Api,
    proxy: Proxy,
    server: Server,
}

pub(super) fn begin(world: &mut World) -> Result<(), String> {
    world.new_namespace(NAMESPACE, "no")?;
    let follower = |name: &str| {
        let proxy = Proxy::start(&world.api, world.plane.api, Trouble::default())?;
        let url = format!("https://{}", proxy.address);
        let access = world.access_by_way_of(&url, name)?;
        // What would find it too.
        let flags = ["--audit-interval", "0"].map(str::to_owned);
        let server = Server::start("callsign", View::ONE, &access, &flags)?;
        Ok::<_, String>(Follower {
            api: world.api.clone(),
            proxy,
            server,
        })
    };
    let (lost, held) = (follower("lost")?, follower("held")?);
    world.silence = Some(Silence(vec![
        std::thread::spawn(move || forgotten(&lost)),
        std::thread::spawn(move || silent(&held)),
    ]));
    Ok(())
}

pub(super) fn end(world: &mut World) -> Result<(), String> {
    if world.silence.is_none() {
        begin(world)?;
    }
    let Silence(threads) = world.silence.take().ok_or("nothing was begun")?;
    threads.into_iter().try_for_each(|thread| {
        let joined = thread.join().map_err(|_| "a thread panicked")?;
        joined.map_err(|problem| format!("behind a way that is silent: {problem}"))
    })
}

/// The connections that there are are forgotten on the way. A new one would do.
fn forgotten(follower: &Follower) -> Result<(), String> {
    follower.change("before-loss", "198.18.200.1")?;
    follower.knows("before-loss", "198.18.200.1")?;
    follower.proxy.forget();
    let begun = Begun::now();
    follower.change("lost", "198.18.200.2")?;
    follower.knows("lost", "198.18.200.2")?;
    let took = begun.took();
    println!("          forgotten: known after {:.1?}", took.passed);
    if took.passed < LEAST {
        return Err(format!(
            "nothing was forgotten: known after {:?}",
            took.passed
        ));
    }
    within(took.awake)
}

/// Nothing comes through for a time, on no connection.
fn silent(follower: &Follower) -> Result<(), String> {
    follower.change("before-silence", "198.18.201.1")?;
    follower.knows("before-silence", "198.18.201.1")?;
    let hold = |hold| {
        follower.proxy.set(Trouble {
            hold,
            ..Trouble::default()
        });
    };
    hold(true);
    follower.change("held", "198.18.201.2")?;
    // It lasts so long: nothing is waited for.
    std::thread::sleep(HELD);
    let meanwhile = follower.is_other("held", "NXDOMAIN");
    let meanwhile = meanwhile.or_else(|| follower.is_other("before-silence", "198.18.201.1"));
    if let Some(problem) = meanwhile {
        return Err(format!("after {HELD:?}: {problem}"));
    }
    let begun = Begun::now();
    hold(false);
    follower.knows("held", "198.18.201.2")?;
    let took = begun.took();
    println!("          silent: known {:.1?} after it", took.passed);
    within(took.awake)
}

fn within(awake: Duration) -> Result<(), String> {
    match awake <= MOST {
        true => Ok(()),
        false => Err(format!(
            "known after {awake:.1?}, at most {MOST:?} are allowed"
        )),
    }
}

impl Follower {
    /// Makes a headless Service with this address.
    fn change(&self, name: &str, ip: &str) -> Result<(), String> {
        self.api.apply_one(&json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"clusterIP": "None"},
        }))?;
        self.api.apply_one(&json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "endpoints": [{"addresses": [ip]}],
        }))
    }

    /// Waits until a Service has this address.
    fn knows(&self, name: &str, ip: &str) -> Result<(), String> {
        until(|| self.is_other(name, ip))
    }

    fn is_other(&self, name: &str, answer: &str) -> Option<String> {
        let name = format!("{name}.{NAMESPACE}.svc.cluster.local.");
        wrong(&self.server, View::Verified, &[(&name, "A", answer)])
    }
}
