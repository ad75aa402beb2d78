//! The tests, each with the sentence that it holds.

mod access;
mod change;
mod conformance;
mod deploy;
mod fault;
mod imports;
mod outside;
mod random;
mod running;
mod service;
pub(crate) mod silence;
mod snapshot;

use crate::world::World;

/// A test.
pub(crate) struct Case {
    /// What holds.
    pub(crate) name: &'static str,
    /// What is wrong, where it does not.
    pub(crate) run: fn(&mut World) -> Result<(), String>,
}

/// All tests, in the order in which they are run. Those of faults come last: they leave a control
/// plane behind that has been through much.
pub(crate) const ALL: &[Case] = &[
    // It takes minutes: what comes of it is seen below.
    Case {
        name: "the way to the API server falls silent, while other tests run",
        run: silence::begin,
    },
    Case {
        name: "the zone's own names",
        run: service::zone,
    },
    Case {
        name: "each type of Service, with endpoints of each kind",
        run: service::types,
    },
    Case {
        name: "pods by their addresses, if they are there",
        run: service::pods,
    },
    Case {
        name: "a Deployment of 1, 5, no and 3 pods",
        run: change::scale,
    },
    Case {
        name: "a StatefulSet of 1, 3 and 2 pods, by their names",
        run: change::stateful,
    },
    Case {
        name: "endpoints become ready, unready, and terminate",
        run: change::readiness,
    },
    Case {
        name: "a Service is deleted and comes back as another",
        run: change::recreate,
    },
    Case {
        name: "a Service in several slices, which come and go",
        run: change::slices,
    },
    Case {
        name: "labels change: what a selector takes comes and goes",
        run: change::labels,
    },
    Case {
        name: "a namespace is deleted",
        run: change::namespace,
    },
    Case {
        name: "names outside: what a load balancer gives, changes and takes back",
        run: outside::names,
    },
    Case {
        name: "search lists that are walked for a pod, which moves",
        run: outside::walked,
    },
    Case {
        name: "a server that runs as a pod, by its ServiceAccount and kubeadm's Corefile",
        run: access::pod,
    },
    Case {
        name: "client certificates, by endpoint and by a context of a kubeconfig",
        run: access::certificates,
    },
    Case {
        name: "certificates that do not match, until they do",
        run: access::mismatched,
    },
    Case {
        name: "how long changes of endpoints took until they were told, as metrics",
        run: running::programming,
    },
    Case {
        name: "a reload with another zone, and one without it",
        run: running::reload,
    },
    // Before the ranges of addresses become several: what would be allotted is then told wrongly.
    Case {
        name: "the manifests of deploy/ as a cluster takes them",
        run: deploy::manifests,
    },
    Case {
        name: "random objects, changed at random: by events, and by a list",
        run: random::clusters,
    },
    Case {
        name: "Services of several clusters: what is installed late, changes, and goes",
        run: imports::all,
    },
    Case {
        name: "what Kubernetes' own conformance tests ask of DNS",
        run: conformance::tests,
    },
    // Before rights are taken away and the API server with them.
    Case {
        name: "what changed behind a way that fell silent is known after 95 seconds at most",
        run: silence::end,
    },
    Case {
        name: "deploy/ by kubectl, and its chart by helm",
        run: deploy::by_hand,
    },
    Case {
        name: "a server without its rights, which it gets later",
        run: deploy::rights,
    },
    Case {
        name: "the API server is stopped for a while",
        run: fault::stopped,
    },
    Case {
        name: "the API server is killed and comes back",
        run: fault::killed,
    },
    Case {
        name: "servers that start before the API server",
        run: fault::started_without,
    },
    Case {
        name: "a snapshot: right answers half a second after a start without the API server",
        run: snapshot::start,
    },
    Case {
        name: "changes that nobody sees: the watch comes back to a history that is gone",
        run: fault::forgotten,
    },
    Case {
        name: "a slow way to the API server, and one that breaks",
        run: fault::slow,
    },
    Case {
        name: "a way to the API server that swallows bookmarks",
        run: fault::bookmarks,
    },
    Case {
        name: "a way to the API server that loses events",
        run: fault::lost,
    },
    Case {
        name: "a way to the API server that answers 410, 429, 403 and 500",
        run: fault::refused,
    },
];
