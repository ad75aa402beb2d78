use std::sync::{Arc, Mutex, OnceLock};

use super::*;
use crate::answer::{Answer, Origin};
use crate::chain::Chain;
use crate::kubernetes::event::Event;
use crate::kubernetes::object::{Key, Kind, Object, Pod};
use crate::kubernetes::store;
use crate::kubernetes::zone::View;
use crate::plugin::fall::Fall;
use crate::plugin::kubernetes::grammar_of;
use crate::testing::{Ask, Stub, n};

/// A plugin for these zones, of a cluster with one pod at the address that tests ask from.
fn state(zones: &[&str], pods: Pods) -> Arc<State> {
    Arc::new(state_of(zones, pods, false))
}

/// The same with the option `zonal` or without.
fn state_of(zones: &[&str], pods: Pods, zonal: bool) -> State {
    let (store, cluster) = store::new(&[Kind::Pod]);
    let mut store = store.with_labels(true);
    let pod = Pod {
        key: Key {
            namespace: "shop".into(),
            name: "web-0".into(),
        },
        ips: ["10.240.0.1".parse().unwrap()].into(),
        labels: [
            ("app.kubernetes.io/name".into(), "web".into()),
            ("app".into(), "".into()),
        ]
        .into(),
    };
    store.apply(Event::Apply(Object::Pod(pod)), 0);
    State {
        zones: zones
            .iter()
            .map(|zone| (n(zone), grammar_of(&n(zone), &[], zonal)))
            .collect(),
        zonal,
        primary: n(zones[0]),
        view: View {
            pods,
            ..View::default()
        },
        view_of_imports: View::default(),
        ttl: 5,
        fall: Fall::default(),
        cluster,
        local: OnceLock::new(),
        listens_on_all: false,
        reader: None,
        place: "".into(),
    }
}

/// The values of these labels for a question.
fn values(state: &Arc<State>, question: &str, labels: &[&str]) -> Vec<Option<String>> {
    let found = Arc::new(Mutex::new(Vec::new()));
    let (state, into) = (state.clone(), found.clone());
    let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
    let stub = Stub::new(move |query| {
        let value = |label: &String| value(&state, query, label).map(|value| value.to_string());
        *into.lock().unwrap() = labels.iter().map(value).collect();
        Answer::new(query, "stub", Origin::Local).into()
    });
    let _ = Ask::new(question).now(&Chain::new(vec![Arc::new(stub)]));
    found.lock().unwrap().clone()
}

#[test]
fn the_parts_of_a_name() {
    let state = state(&["cluster.local", "in-addr.arpa"], Pods::Disabled);
    let labels = [
        "kind",
        "namespace",
        "service",
        "endpoint",
        "protocol",
        "port-name",
    ];
    for (case, name, parts) in [
        ("the apex", "cluster.local", ["", "", "", "", "", ""]),
        ("a half", "svc.cluster.local", ["", "", "", "", "", ""]),
        (
            "a namespace",
            "Shop.svc.cluster.local",
            ["svc", "shop", "", "", "", ""],
        ),
        (
            "a Service",
            "web.shop.svc.cluster.local",
            ["svc", "shop", "web", "", "", ""],
        ),
        (
            "an endpoint",
            "web-0.web.shop.svc.cluster.local",
            ["svc", "shop", "web", "web-0", "", ""],
        ),
        (
            "a port",
            "_http._tcp.web.shop.svc.cluster.local",
            ["svc", "shop", "web", "", "tcp", "http"],
        ),
        (
            "a pod",
            "10-0-0-1.shop.pod.cluster.local",
            ["pod", "shop", "10-0-0-1", "", "", ""],
        ),
    ] {
        let parts = parts.map(|part| Some(part.to_owned())).to_vec();
        assert_eq!(values(&state, name, &labels), parts, "{case}");
        assert_eq!(values(&state, name, &["parse-error"]), [None], "{case}");
    }
    let odd = values(&state, r#"a\.b.\"\255.shop.svc.cluster.local"#, &labels);
    let odd: Vec<_> = odd.into_iter().flatten().collect();
    let expected = ["svc", "shop", r#"\"\255"#, r"a\.b", "", ""];
    assert_eq!(odd, expected, "as text has them");
    for name in [
        "dns-version.cluster.local",
        "a.b.c.web.shop.svc.cluster.local",
        "1.0.0.10.in-addr.arpa",
    ] {
        let error = Some("invalid query name".to_owned());
        let found = values(&state, name, &["parse-error", "kind"]);
        assert_eq!(found, [error, None], "{name}");
    }
    let found = values(&state, "example.org", &["parse-error", "kind"]);
    assert_eq!(found, [None, None], "a name of another zone");
}

#[test]
fn the_topology_zone_of_a_name_with_zonal() {
    let name = "us.east.Pin._zone.db.shop.svc.cluster.local";
    let labels = ["zone", "service", "kind", "parse-error"];
    let some = |text: &str| Some(text.to_owned());
    let state = Arc::new(state_of(&["cluster.local"], Pods::Disabled, true));
    let found = values(&state, name, &labels);
    assert_eq!(found, [some("us.east"), some("db"), some("svc"), None]);
    let found = values(&state, "db.shop.svc.cluster.local", &labels);
    assert_eq!(found, [some(""), some("db"), some("svc"), None]);
    let found = values(&state, "us.near._zone.db.shop.svc.cluster.local", &labels);
    assert_eq!(found, [None, None, None, some("invalid query name")]);

    let state = self::state(&["cluster.local"], Pods::Disabled);
    let found = values(&state, name, &labels);
    assert_eq!(found, [None, None, None, some("invalid query name")]);
    let found = values(&state, "db.shop.svc.cluster.local", &labels);
    assert_eq!(found, [None, some("db"), some("svc"), None]);
}

#[test]
fn the_pod_that_asks_where_pods_are_watched() {
    let labels = [
        "client-namespace",
        "client-pod-name",
        "client-label/app.kubernetes.io/name",
        "client-label/app",
        "client-label/tier",
        "client-label/",
        "client-label",
    ];
    let some = |text: &str| Some(text.to_owned());
    let verified = [
        some("shop"),
        some("web-0"),
        some("web"),
        some(""),
        None,
        None,
        None,
    ];
    for (pods, expected) in [
        (Pods::Verified, verified),
        (Pods::Insecure, Default::default()),
        (Pods::Disabled, Default::default()),
    ] {
        let state = state(&["cluster.local"], pods);
        assert_eq!(
            values(&state, "example.org", &labels),
            expected,
            "{pods:?}, whatever the name"
        );
    }
}
