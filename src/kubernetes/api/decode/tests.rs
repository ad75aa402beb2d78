//! What the API server writes, and what is made of it.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::api_server::{Resource, protobuf};
use crate::kubernetes::testkit;

fn resource(kind: Kind) -> Resource {
    match kind {
        Kind::Namespace => Resource::Namespaces,
        Kind::Service => Resource::Services,
        Kind::EndpointSlice => Resource::EndpointSlices,
        Kind::Pod => Resource::Pods,
        Kind::ServiceImport => Resource::ServiceImports,
    }
}

/// An item of a list, which must be the same in both formats.
fn item(kind: Kind, json: &str) -> Option<Object> {
    let value: Value = serde_json::from_str(json).unwrap();
    let read = super::item(kind, Format::Json, json.as_bytes()).unwrap();
    if kind == Kind::ServiceImport {
        // It comes in JSON alone.
        return read.0;
    }
    let binary = protobuf::object(resource(kind), &value);
    assert_eq!(super::item(kind, Format::Protobuf, &binary).unwrap(), read);
    assert_eq!(stamp(Format::Protobuf, &binary), Some(read.1));
    read.0
}

/// The same of an event of a watch.
fn change(kind: Kind, json: &str) -> Change {
    let value: Value = serde_json::from_str(json).unwrap();
    let binary = protobuf::event(resource(kind), &value);
    let read = super::change(kind, Format::Json, json.as_bytes()).unwrap();
    assert_eq!(
        super::change(kind, Format::Protobuf, &binary).unwrap(),
        read
    );
    read
}

fn mark(namespace: &str, name: &str, version: u64) -> Mark {
    Mark {
        version,
        stamp: Stamp::of(namespace, name, version),
    }
}

/// An object in the notation of the testkit.
fn object(line: &str) -> Option<Object> {
    Some(testkit::object(line))
}

#[test]
fn objects_are_trimmed_to_what_names_need() {
    let cases = [
        (
            "a Namespace",
            Kind::Namespace,
            r#"{"metadata":{"name":"a","uid":"x","labels":{"l":"v"}},"spec":{"finalizers":["k"]},"status":{}}"#,
            object("namespace a"),
        ),
        (
            "a Service of two families",
            Kind::Service,
            r#"{"metadata":{"name":"web","namespace":"a","managedFields":[{"fieldsV1":{"f:x":{}}}]},
                "spec":{"type":"NodePort","clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1","fd00::1"],"selector":{"a":"b"},
                "ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":"web","nodePort":30000},{"port":53,"protocol":"UDP","targetPort":53}]},
                "status":{"loadBalancer":{}}}"#,
            object("service a/web 10.96.0.1,fd00::1 http:80/TCP :53/UDP"),
        ),
        (
            "a headless Service by its one field",
            Kind::Service,
            r#"{"metadata":{"name":"db","namespace":"a"},"spec":{"clusterIP":"None","ports":null},"status":null}"#,
            object("service a/db None"),
        ),
        (
            "an ExternalName Service, with escapes",
            Kind::Service,
            r#"{"metadata":{"name":"ext","namespace":"a"},"spec":{"type":"ExternalName","externalName":"example\u002ecom"}}"#,
            object("service a/ext ->example.com"),
        ),
        (
            "a Service that waits for its address",
            Kind::Service,
            r#"{"metadata":{"name":"new","namespace":"a"},"spec":{"type":"ClusterIP"}}"#,
            object("service a/new -"),
        ),
        (
            "a slice",
            Kind::EndpointSlice,
            r#"{"metadata":{"name":"db-1","namespace":"a","labels":{"kubernetes.io/service-name":"db","x":"y"}},"addressType":"IPv4",
                "endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":true,"serving":true},"hostname":"db-0","targetRef":{"kind":"Pod","name":"db-0","uid":"u"}},
                {"addresses":["10.0.0.2"],"conditions":{"ready":false},"targetRef":{"kind":"Node","name":"n"}}],
                "ports":[{"name":"pg","port":5432,"protocol":"TCP"}]}"#,
            object("slice a/db-1 db pg:5432/TCP | 10.0.0.1(db-0,db-0) 10.0.0.2(,n)!"),
        ),
        (
            "a slice of nothing",
            Kind::EndpointSlice,
            r#"{"metadata":{"name":"x","namespace":"a","labels":null},"endpoints":null,"ports":null}"#,
            object("slice a/x - |"),
        ),
        (
            "a pod",
            Kind::Pod,
            r#"{"metadata":{"name":"p","namespace":"a"},"spec":{"containers":[{}]},"status":{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}]}}"#,
            object("pod a/p 10.0.0.1,fd00::1"),
        ),
        (
            "a pod with labels",
            Kind::Pod,
            r#"{"metadata":{"name":"p","namespace":"a","labels":{"app.kubernetes.io/name":"web","kubernetes.io/service-name":"x","tier":""}},"status":null}"#,
            object("pod a/p app.kubernetes.io/name=web kubernetes.io/service-name=x tier="),
        ),
        (
            "a pod without labels",
            Kind::Pod,
            r#"{"metadata":{"name":"p","namespace":"a","labels":null},"status":{"podIPs":null}}"#,
            object("pod a/p"),
        ),
        (
            "a pod that is going away",
            Kind::Pod,
            r#"{"metadata":{"name":"p","namespace":"a","deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"podIPs":[{"ip":"10.0.0.1"}]}}"#,
            None,
        ),
    ];
    for (name, kind, json, expected) in cases {
        assert_eq!(item(kind, json), expected, "{name}");
    }
}

#[test]
fn a_slice_tells_when_it_changed_and_where_its_endpoints_are() {
    let json = r#"{"metadata":{"name":"x","namespace":"a","annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"1970-01-01T00:00:01.5Z"}},
        "endpoints":[{"addresses":["10.0.0.1","www.example.com",""],"nodeName":"n1","zone":"z1"}],"ports":[{"name":"any","protocol":"TCP"},{"name":"odd","protocol":"QUIC","port":1}]}"#;
    let Some(Object::EndpointSlice(slice)) = item(Kind::EndpointSlice, json) else {
        panic!("no slice");
    };
    assert_eq!(slice.triggered, Some(1_500_000_000));
    let [endpoint] = &*slice.endpoints else {
        panic!("{:?}", slice.endpoints);
    };
    assert!(endpoint.ready, "ready unless it says otherwise");
    assert_eq!(
        &*endpoint.addresses,
        ["10.0.0.1".parse::<IpAddr>().unwrap()]
    );
    assert_eq!(&*endpoint.names, ["www.example.com".into()]);
    assert_eq!(endpoint.zone.as_deref(), Some("z1"));
    let numbers: Vec<_> = slice
        .ports
        .iter()
        .map(|port| (&*port.name, port.number))
        .collect();
    assert_eq!(
        numbers,
        [("any", 0)],
        "a port without a number is all ports"
    );
}

#[test]
fn the_addresses_of_a_service_outside_the_cluster() {
    let json = r#"{"metadata":{"name":"x","namespace":"a"},"spec":{"clusterIP":"10.96.0.1","externalIPs":["192.0.2.1","x"]},
        "status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.2"},{"hostname":"lb.example.com"},
        {"ip":"192.0.2.3","hostname":"of-an-address.example.com"},{"ip":null}]}}}"#;
    let Some(Object::Service(service)) = item(Kind::Service, json) else {
        panic!("no Service");
    };
    let external = service.external.unwrap();
    assert_eq!(&*external.ips, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(
        &*external.ingress_ips,
        ["192.0.2.2", "192.0.2.3"].map(|ip| ip.parse::<IpAddr>().unwrap())
    );
    assert_eq!(&*external.ingress_hostnames, ["lb.example.com".into()]);
}

#[test]
fn lines_of_a_watch_are_changes() {
    let cases = [
        (
            "added",
            r#"{"type":"ADDED","object":{"metadata":{"name":"web","namespace":"a","resourceVersion":"7"},"spec":{"clusterIP":"10.96.0.1"}}}"#,
            Change::Applied(object("service a/web 10.96.0.1"), mark("a", "web", 7)),
        ),
        (
            "changed, with the object first",
            r#"{"object":{"metadata":{"name":"web","namespace":"a","resourceVersion":"8"},"spec":{"clusterIP":"None"}},"type":"MODIFIED"}"#,
            Change::Applied(object("service a/web None"), mark("a", "web", 8)),
        ),
        (
            "gone",
            r#"{"type":"DELETED","object":{"metadata":{"name":"web","namespace":"a","resourceVersion":"9"},"spec":{"clusterIP":"None"}}}"#,
            Change::Deleted(testkit::key("a/web"), mark("a", "web", 9), None),
        ),
        (
            "a bookmark",
            r#"{"type":"BOOKMARK","object":{"kind":"Service","metadata":{"resourceVersion":"10"},"spec":{},"status":{"loadBalancer":{}}}}"#,
            Change::Bookmark {
                version: 10,
                closes: false,
            },
        ),
        (
            "the bookmark that closes a list",
            r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"11","annotations":{"k8s.io/initial-events-end":"true"}}}}"#,
            Change::Bookmark {
                version: 11,
                closes: true,
            },
        ),
        (
            "an error, which is no Service at all",
            r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (2)","reason":"Expired","code":410}}"#,
            Change::Failed(Status {
                code: 410,
                message: "too old resource version: 1 (2)".into(),
                retry_after: None,
            }),
        ),
        (
            "a type of the future",
            r#"{"type":"NEW","object":{"metadata":{"resourceVersion":"12"}}}"#,
            Change::Bookmark {
                version: 12,
                closes: false,
            },
        ),
    ];
    for (name, json, expected) in cases {
        assert_eq!(change(Kind::Service, json), expected, "{name}");
    }
}

#[test]
fn a_slice_that_is_gone_tells_whose_endpoints_changed_and_when() {
    let gone = |metadata: &str| {
        let json = format!(r#"{{"type":"DELETED","object":{{"metadata":{metadata}}}}}"#);
        match change(Kind::EndpointSlice, &json) {
            Change::Deleted(key, _, changed) => (key, changed),
            other => panic!("{other:?}"),
        }
    };
    let slice = testkit::key("a/web-1");
    let metadata = r#"{"name":"web-1","namespace":"a","labels":{"kubernetes.io/service-name":"web"},
        "annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"1970-01-01T00:00:01.5Z"}}"#;
    let changed = Some(EndpointsChange {
        service: testkit::key("a/web"),
        at: 1_500_000_000,
        of_import: false,
    });
    assert_eq!(gone(metadata), (slice.clone(), changed));
    assert_eq!(gone(r#"{"name":"web-1","namespace":"a"}"#), (slice, None));
}

#[test]
fn what_is_no_object_is_an_error_and_no_panic() {
    for kind in testkit::ALL_KINDS {
        for json in [
            "",
            "{",
            "null",
            "[]",
            "7",
            "{}",
            r#"{"type":"ADDED"}"#,
            r#"{"type":7,"object":{}}"#,
            "\u{7f}",
        ] {
            let read = super::change(kind, Format::Json, json.as_bytes());
            assert!(read.is_err(), "{kind:?} {json}");
        }
        for json in ["", "{", "null", "[]", r#"{"metadata":7}"#] {
            let read = super::item(kind, Format::Json, json.as_bytes());
            assert!(read.is_err(), "{kind:?} {json}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_are_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
        let slice = r#"{"type":"ADDED","object":{"metadata":{"name":"db-1","namespace":"a","labels":{"x":"y"}},
            "endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":true},"targetRef":{"kind":"Pod","name":"db-0"}}],
            "ports":[{"name":"pg","port":5432,"protocol":"TCP"}]}}"#;
        let whole = protobuf::event(Resource::EndpointSlices, &serde_json::from_str(slice).unwrap());
        let part = whole.get(..cut.min(whole.len())).unwrap_or_default();
        for kind in testkit::ALL_KINDS {
            for format in [Format::Json, Format::Protobuf] {
                for bytes in [&bytes, part] {
                    let _ = super::change(kind, format, bytes);
                    let _ = super::item(kind, format, bytes);
                    let _ = (stamp(format, bytes), stamp_of_event(format, bytes));
                }
            }
        }
        // One byte is another.
        if let (Some(byte), Some(at)) = (bytes.pop(), cut.checked_rem(whole.len())) {
            let mut whole = whole;
            if let Some(place) = whole.get_mut(at) {
                *place = byte;
            }
            let _ = super::change(Kind::EndpointSlice, Format::Protobuf, &whole);
        }
    }
}
