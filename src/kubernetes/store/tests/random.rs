//! Random clusters, compared with the oracle.

use super::oracle::Oracle;
use super::{assert_is_empty, new};
use crate::kubernetes::event::Event;
use crate::kubernetes::name::{Grammar, parse};
use crate::kubernetes::object::{
    Endpoint, EndpointSlice, Key, Kind, Namespace, Object, Pod, Port, Protocol, Service,
    ServiceKind,
};
use crate::kubernetes::testkit::{ALL_KINDS, ask, object};
use crate::kubernetes::zone::{Found, Pods, View, Zone};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::net::IpAddr;

const NAMESPACES: [&str; 2] = ["a", "bb"];
const SERVICES: [&str; 3] = ["x", "yy", "z"];
/// owned by Services, endpoints and pods alike
const ADDRESSES: [&str; 7] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.0.4",
    "fd00::1",
    "fd00::",
    "fd00::2:0:1",
];
const PORTS: [&str; 6] = [
    "",
    "http:80/TCP",
    "http:8080/TCP dns:53/UDP dns-tcp:53/TCP",
    ":80/TCP",
    "http:0/TCP dns:53/UDP",
    "HTTP:80/SCTP",
];
const NAMES: [&str; 6] = ["", "", "(h,)", "(h,p-1)", "(,p-1)", "(p-2,p-2)"];

fn namespace() -> impl Strategy<Value = String> {
    select(&NAMESPACES[..]).prop_map(|name| format!("namespace {name}"))
}

fn name<const N: usize>(names: &'static [&'static str; N]) -> impl Strategy<Value = String> {
    (select(&NAMESPACES[..]), select(&names[..]))
        .prop_map(|(namespace, name)| format!("{namespace}/{name}"))
}

fn service() -> impl Strategy<Value = String> {
    let ips = subsequence(ADDRESSES.to_vec(), 1..3)
        .prop_shuffle()
        .prop_map(|ips| ips.join(","));
    let kind = prop_oneof![
        4 => ips,
        4 => Just("None".to_owned()),
        1 => Just("->example.com".to_owned()),
        1 => Just("->10.0.0.1".to_owned()),
        1 => Just("-".to_owned()),
    ];
    (name(&SERVICES), kind, select(&PORTS[..]))
        .prop_map(|(name, kind, ports)| format!("service {name} {kind} {ports}"))
}

fn endpoint() -> impl Strategy<Value = String> {
    let addresses = subsequence(ADDRESSES.to_vec(), 1..3).prop_map(|ips| ips.join("+"));
    (
        addresses,
        select(&NAMES[..]),
        select(&["", "", "", "!"][..]),
    )
        .prop_map(|(ips, names, ready)| format!("{ips}{names}{ready}"))
}

fn slice() -> impl Strategy<Value = String> {
    const SLICES: [&str; 4] = ["s1", "s2", "s3", "s4"];
    let service = prop_oneof![8 => select(&SERVICES[..]), 1 => Just("-")];
    let endpoints = vec(endpoint(), 0..4).prop_map(|endpoints| endpoints.join(" "));
    (name(&SLICES), service, select(&PORTS[..]), endpoints).prop_map(
        |(name, service, ports, endpoints)| format!("slice {name} {service} {ports} | {endpoints}"),
    )
}

fn pod() -> impl Strategy<Value = String> {
    const PODS: [&str; 4] = ["p-1", "p-2", "p-3", "p-4"];
    let ips = subsequence(ADDRESSES.to_vec(), 0..3).prop_map(|ips| ips.join(","));
    let labels = select(&["", "app=web", "app=web tier=", "app=db"][..]);
    (name(&PODS), ips, labels).prop_map(|(name, ips, labels)| format!("pod {name} {ips} {labels}"))
}

pub(crate) fn any_object() -> impl Strategy<Value = Object> {
    prop_oneof![1 => namespace(), 4 => service(), 6 => slice(), 2 => pod()]
        .prop_map(|line| object(&line))
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => any_object().prop_map(Event::Apply),
        3 => any_object().prop_map(|object| Event::Delete(object.kind(), object.key())),
        1 => select(&ALL_KINDS[..]).prop_map(Event::Listing),
        1 => select(&ALL_KINDS[..]).prop_map(Event::Listed),
    ]
}

pub(crate) fn views() -> Vec<View> {
    let all = View::default();
    vec![
        View {
            pods: Pods::Insecure,
            ..all.clone()
        },
        View {
            pods: Pods::Verified,
            endpoint_pod_names: true,
            ..all.clone()
        },
        View {
            ignore_empty_service: true,
            ..all.clone()
        },
        View {
            endpoints: false,
            ..all.clone()
        },
        View {
            endpoints: false,
            ignore_empty_service: true,
            ..all.clone()
        },
        View {
            namespaces: ["bb"].into_iter().collect(),
            ..all
        },
    ]
}

pub(crate) fn questions() -> Vec<String> {
    let mut names = vec!["@".to_owned(), "svc".to_owned(), "pod".to_owned()];
    for namespace in ["a", "bb", "nope"] {
        names.push(format!("{namespace}.svc"));
        names.push(format!("{namespace}.pod"));
        let labels: Vec<String> = ADDRESSES
            .iter()
            .map(|ip| ip.replace(['.', ':'], "-"))
            .collect();
        names.extend(
            labels
                .iter()
                .map(|label| format!("{label}.{namespace}.pod")),
        );
        for service in SERVICES {
            let service = format!("{service}.{namespace}.svc");
            let endpoints = ["h", "p-1", "p-2", "fd00--0", "none"].map(str::to_owned);
            let endpoints = endpoints.iter().chain(&labels);
            names.extend(endpoints.map(|label| format!("{label}.{service}")));
            for port in ["_http", "_dns", "_", "_none"] {
                for protocol in ["_tcp", "_udp", "_sctp", "_"] {
                    names.push(format!("{port}.{protocol}.{service}"));
                }
            }
            names.push(service);
        }
    }
    let types = ["A", "AAAA", "SRV"];
    let questions = names
        .iter()
        .flat_map(|name| types.map(|qtype| format!("{name} {qtype}")));
    questions
        .chain(ADDRESSES.map(|ip| format!("{ip} PTR")))
        .collect()
}

/// Ends what was begun, so that the oracle and the store have seen the same lists.
fn end_lists(events: &mut Vec<Event>) {
    let mut open: Vec<Kind> = Vec::new();
    events.retain(|event| match event {
        Event::Listing(kind) => {
            open.push(*kind);
            true
        }
        Event::Listed(kind) => {
            let was_open = open.contains(kind);
            open.retain(|other| other != kind);
            was_open
        }
        _ => true,
    });
    open.dedup();
    events.extend(open.into_iter().map(Event::Listed));
}

fn compare(events: &[Event], questions: &[String]) -> Result<(), TestCaseError> {
    let (mut store, zone) = new(&ALL_KINDS);
    let mut oracle = Oracle::default();
    for event in events {
        store.apply(event.clone(), 1);
        oracle.apply(event);
    }
    for view in views() {
        for question in questions {
            let answer = ask(&zone, &view, question);
            prop_assert_eq!(
                answer,
                oracle.ask(&view, question),
                "{} through {:?}",
                question,
                view
            );
        }
    }
    let totals = zone.totals();
    prop_assert_eq!(totals.endpoints, oracle.ready_addresses());
    let counts = [totals.namespaces, totals.services, totals.pods];
    let expected = [Kind::Namespace, Kind::Service, Kind::Pod].map(|kind| oracle.count(kind));
    prop_assert_eq!(counts, expected);
    for kind in ALL_KINDS {
        store.apply(Event::Listing(kind), 2);
        store.apply(Event::Listed(kind), 2);
    }
    assert_is_empty(&store);
    Ok(())
}

fn questions_once() -> &'static [String] {
    static QUESTIONS: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    QUESTIONS.get_or_init(questions)
}

/// Objects of any text, as no API server would let through but a manifest can hold.
fn odd_object() -> impl Strategy<Value = Object> {
    let text = || {
        prop_oneof![
            select(&["", "a", "x", "a.b", "A"][..]).prop_map(str::to_owned),
            ".{0,70}"
        ]
    };
    let key = move || {
        (text(), text()).prop_map(|(namespace, name)| Key {
            namespace: namespace.into(),
            name: name.into(),
        })
    };
    let ips = || vec(any::<IpAddr>(), 0..4).prop_map(Vec::into_boxed_slice);
    let ports = move || {
        vec((text(), any::<u16>()), 0..4).prop_map(|ports| -> Box<[Port]> {
            let port = |(name, number): (String, u16)| Port {
                name: name.into(),
                protocol: Protocol::Tcp,
                number,
            };
            ports.into_iter().map(port).collect()
        })
    };
    let kind = prop_oneof![
        ips().prop_map(ServiceKind::ClusterIp),
        Just(ServiceKind::Headless),
        text().prop_map(|target| ServiceKind::ExternalName(target.into())),
    ];
    let service = (key(), kind, ports()).prop_map(|(key, kind, ports)| {
        Object::Service(Service {
            key,
            kind,
            ports,
            external: None,
        })
    });
    let name = move || proptest::option::of(text().prop_map(String::into_boxed_str));
    let endpoint =
        (ips(), any::<bool>(), name(), name()).prop_map(|(addresses, ready, hostname, pod)| {
            Endpoint {
                addresses,
                names: Box::default(),
                ready,
                hostname,
                pod,
                zone: None,
            }
        });
    let slice = (key(), text(), vec(endpoint, 0..5), ports()).prop_map(
        |(key, service, endpoints, ports)| {
            let endpoints = endpoints.into();
            Object::EndpointSlice(EndpointSlice {
                key,
                service: service.into(),
                endpoints,
                ports,
                triggered: None,
                import: None,
            })
        },
    );
    let label = (text(), text()).prop_map(|(name, value)| (name.into(), value.into()));
    let pod = (key(), ips(), vec(label, 0..3)).prop_map(|(key, ips, labels)| {
        let labels = labels.into();
        Object::Pod(Pod { key, ips, labels })
    });
    let namespace = text().prop_map(|name| Object::Namespace(Namespace { name: name.into() }));
    prop_oneof![namespace, service, slice, pod]
}

proptest! {
    #![proptest_config(crate::testing::cases(128))]

    #[test]
    fn what_is_exported_makes_a_zone_that_answers_the_same(
        objects in vec(any_object(), 0..30),
    ) {
        let (mut store, zone) = new(&ALL_KINDS);
        for object in objects {
            store.apply(Event::Apply(object), 1);
        }
        let export = |zone: &Zone| {
            let mut told = Vec::new();
            let all = zone.export(|object| {
                told.push(object);
                Ok::<_, ()>(())
            });
            prop_assert_eq!(all, Ok(()));
            told.sort_by_key(|object| (object.kind(), object.key()));
            Ok(told)
        };
        let exported = export(&zone)?;
        let (mut other, copy) = new(&ALL_KINDS);
        for object in exported.iter().rev().cloned() {
            other.apply(Event::Apply(object), 1);
        }
        for view in views() {
            for question in questions() {
                let (one, other) = (ask(&zone, &view, &question), ask(&copy, &view, &question));
                prop_assert_eq!(one, other, "{} {:?}", question, view);
            }
        }
        prop_assert_eq!(export(&copy)?, exported);
        let totals = |zone: &Zone| {
            let totals = zone.totals();
            (totals.namespaces, totals.services, totals.endpoints, totals.not_ready)
        };
        prop_assert_eq!(totals(&copy), totals(&zone));
    }

    #[test]
    fn any_history_ends_in_the_answers_of_its_last_objects(mut events in vec(any_event(), 0..60)) {
        end_lists(&mut events);
        compare(&events, questions_once())?;
    }

    #[test]
    fn any_order_of_the_same_objects_ends_in_the_same_answers(
        objects in vec(any_object(), 0..30),
        seed in any::<u64>(),
    ) {
        // of two objects of one name only one can be the last
        let mut unique: Vec<Object> = Vec::new();
        for object in objects {
            let id = |object: &Object| -> (Kind, Key) { (object.kind(), object.key()) };
            if !unique.iter().any(|other| id(other) == id(&object)) {
                unique.push(object);
            }
        }
        let mut order: Vec<usize> = (0..unique.len()).collect();
        order.sort_by_key(|place| (*place as u64 + 1).wrapping_mul(seed | 1).rotate_left(17));
        let all = |order: &[usize]| {
            let (mut store, zone) = new(&ALL_KINDS);
            for place in order {
                store.apply(Event::Apply(unique[*place].clone()), 1);
            }
            let services = |view: &View| -> Vec<_> {
                let all = zone.services(view).into_iter();
                all.map(|(service, entry)| (service.name().to_vec(), entry)).collect()
            };
            let views = views();
            views.iter().map(services).collect::<Vec<_>>()
        };
        let straight: Vec<usize> = (0..unique.len()).collect();
        prop_assert_eq!(all(&straight), all(&order), "the entries are equal to the last byte");
        let events: Vec<Event> = order.iter().map(|place| Event::Apply(unique[*place].clone())).collect();
        compare(&events, questions_once())?;
    }
}

proptest! {
    #![proptest_config(crate::testing::cases(1000))]

    #[test]
    fn no_object_makes_it_panic(
        objects in vec(odd_object(), 0..20),
        names in vec(vec(vec(any::<u8>(), 1..8), 0..6), 0..20),
        addresses in vec(any::<IpAddr>(), 0..4),
    ) {
        let (mut store, zone) = new(&ALL_KINDS);
        for object in &objects {
            store.apply(Event::Apply(object.clone()), 1);
            store.apply(Event::Apply(object.clone()), 1);
        }
        let wire = |labels: &Vec<Vec<u8>>| -> Vec<u8> {
            labels.iter().flat_map(|label| [&[label.len() as u8][..], label].concat()).collect()
        };
        let keys = objects.iter().map(|object| (object.key(), object.kind()));
        let of_objects = keys.clone().map(|(key, _)| {
            let labels = [&*key.name, &*key.namespace, "svc"];
            wire(&labels.map(|label| label.as_bytes().to_vec()).to_vec())
        });
        for name in names.iter().map(wire).chain(of_objects) {
            for view in views() {
                if let Found::Service(found) = zone.find(&view, &parse(&name, Grammar::Cluster)) {
                    let _ = (found.v4(), found.v6(), found.srv(usize::MAX));
                }
            }
        }
        for view in views() {
            for address in &addresses {
                let _ = zone.pointers(&view, *address);
            }
            let _ = zone.name_servers(&view, &addresses);
            let _ = zone.services(&view);
        }
        for (key, kind) in keys {
            store.apply(Event::Delete(kind, key), 2);
        }
        assert_is_empty(&store);
    }
}
