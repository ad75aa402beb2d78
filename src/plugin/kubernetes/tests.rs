//! The plugin: names to answers.
//!
//! What CoreDNS 1.15 answers in the same place is asked of both servers by the differential suite;
//! these tables hold each fact on its own.

mod access;
mod chains;
mod churn;
mod imports;
mod options;
mod shapes;
mod topology;
mod transfers;

use std::sync::Arc;

use super::config::Config;
use super::*;
use crate::chain::Chain;
use crate::kubernetes::store::Store;
use crate::kubernetes::testkit;
use crate::plugin::setup::Shared;
use crate::testing::{Ask, Stub, Told, set_up};
use crate::wire::Flags;

/// The Corefile's part that most tests need: `zones`, then options.
const ZONES: &str = "cluster.local in-addr.arpa ip6.arpa";

/// The SOA record in the authority section of a negative answer.
const SOA: &str =
    "cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 0 7200 1800 86400 5";

/// The name exists and has no record of the type: no answer, [`SOA`].
const NODATA: &[&str] = &["NODATA"];
/// The name does not exist: no answer, [`SOA`].
const NXDOMAIN: &[&str] = &["NXDOMAIN"];

/// A question, and what must come: the answer's records, then the additional ones after a `+`.
/// Other response codes than NOERROR stand first.
type Case = (&'static str, &'static [&'static str]);

/// A cluster, and a chain that serves it.
struct Cluster {
    store: Store,
    state: Arc<State>,
    chain: Arc<Chain>,
}

impl Cluster {
    /// These objects, in the notation of the testkit, served by `kubernetes` with these options.
    fn new(options: &str, objects: &str) -> Self {
        Self::of_zones(ZONES, options, objects)
    }

    fn of_zones(zones: &str, options: &str, objects: &str) -> Self {
        let next = Stub::upstream(ResponseCode::Refused, [&[], &[], &[]]);
        Self::with_next(&format!("{zones} {{\n{options}\n}}"), objects, next)
    }

    /// The same before another plugin.
    fn with_next(directive: &str, objects: &str, next: Stub) -> Self {
        let (store, zone) = testkit::cluster(objects);
        let state = state(directive, zone, &[]);
        let plugin = Kubernetes {
            state: state.clone(),
        };
        Self {
            store,
            state,
            chain: Chain::new(vec![Arc::new(plugin), Arc::new(next)]),
        }
    }

    fn ask(&self, question: &str) -> Told {
        Ask::new(question).tcp().now(&self.chain)
    }

    /// Asks each question, and reports all that differ.
    fn check(&self, cases: &[Case]) {
        let mut wrong = String::new();
        for (question, expected) in cases {
            let told = self.ask(question);
            assert_eq!(told.flags, Flags::RD.with(Flags::AA), "{question}");
            let (got, expected) = (lines(&told), expected.join("\n"));
            if got != expected {
                wrong += &format!("{question}\n--- expected\n{expected}\n--- got\n{got}\n\n");
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }
}

/// The plugin's state of a directive; these are the machine's own addresses.
pub(super) fn state(directive: &str, zone: Arc<Zone>, local: &[&str]) -> Arc<State> {
    let corefile = format!("cluster.local {{\nkubernetes {directive}\n}}");
    let config = set_up(&corefile, NAME, &mut Shared::default(), |setup| {
        Config::parse(setup)
    });
    let state = State::new(config.value.unwrap(), zone, "here".into(), true);
    let local = local.iter().map(|address| address.parse().unwrap());
    state.local.set(local.collect()).unwrap();
    Arc::new(state)
}

/// A reply in the form of a [`Case`].
fn lines(told: &Told) -> String {
    let is_negative = told.answer.is_empty() && told.authority == [SOA];
    let mut lines: Vec<String> = Vec::new();
    match told.rcode.as_str() {
        "NOERROR" if is_negative => lines.push("NODATA".to_owned()),
        "NOERROR" => {}
        rcode => lines.push(rcode.to_owned()),
    }
    if !is_negative {
        let of_authority = told.authority.iter().map(|record| format!("! {record}"));
        lines.extend(told.answer.iter().cloned().chain(of_authority));
    }
    lines.extend(told.additional.iter().map(|record| format!("+ {record}")));
    lines.join("\n")
}
