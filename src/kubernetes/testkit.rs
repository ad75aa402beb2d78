//! Objects and answers as text, for the tests of the store and the zone.

use super::event::Event;
use super::name::{self, Grammar, Parsed};
use super::object::{
    Endpoint, EndpointSlice, External, Import, Key, Kind, Namespace, Object, Pod, Port, Protocol,
    Service, ServiceKind,
};
use super::store::{self, Store};
use super::zone::{Found, Label, Pointers, Selection, Shape, View, Zone};
use std::net::IpAddr;
use std::sync::Arc;

pub(crate) const ALL_KINDS: [Kind; 4] = [
    Kind::Namespace,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::Pod,
];

/// A zone of these objects, whose lists are complete, and its store. Imports are watched where
/// there is one.
pub(crate) fn cluster(text: &str) -> (Store, Arc<Zone>) {
    let objects = objects(text);
    let is_import = |object: &Object| object.kind() == Kind::ServiceImport;
    let imports = objects.iter().any(is_import).then_some(Kind::ServiceImport);
    let kinds: Vec<Kind> = ALL_KINDS.into_iter().chain(imports).collect();
    let (mut store, zone) = store::new(&kinds);
    let applied = objects.into_iter().map(Event::Apply);
    let listed = kinds.into_iter().map(Event::Listed);
    for event in applied.chain(listed) {
        store.apply(event, 0);
    }
    (store, zone)
}

/// Applies objects, at time 0.
pub(crate) fn apply(store: &mut Store, text: &str) {
    for object in objects(text) {
        store.apply(Event::Apply(object), 0);
    }
}

/// Reads objects, one a line:
///
/// ```text
/// namespace default
/// service   default/web 10.96.0.1,fd00::1 http:80/TCP :53/UDP
/// service   default/db  None
/// service   default/ext ->www.example.com
/// service   default/out 10.96.0.2 http:80/TCP @198.51.100.1,lb.example.com
/// slice     default/web-1 web http:8080/TCP | 10.0.0.1 10.0.0.2(a,web-xyz) 10.0.0.3! 10.0.0.4+fd00::4
/// pod       default/web-xyz 10.0.0.1,fd00::1 app=web
/// import    default/web 10.200.0.1 http:80/TCP
/// slice     default/web-2 -<web@east http:8080/TCP | 10.1.0.1
/// ```
///
/// An endpoint that is no address is a name. In the brackets are the host name and the pod; `!` says not ready. After `@` are the addresses
/// and host names outside the cluster. `~zone` is a topology zone. A slice's Service may be followed by `<`, an import and its
/// cluster.
pub(super) fn objects(text: &str) -> Vec<Object> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(object).collect()
}

pub(crate) fn object(line: &str) -> Object {
    let (words, endpoints) = line.split_once('|').unwrap_or((line, ""));
    let words: Vec<&str> = words.split_whitespace().collect();
    match words[..] {
        ["namespace", name] => Object::Namespace(Namespace { name: name.into() }),
        ["service", name, kind, ref rest @ ..] => Object::Service(service(name, kind, rest)),
        ["import", name, kind, ref rest @ ..] => Object::ServiceImport(service(name, kind, rest)),
        ["slice", name, service, ref ports @ ..] => {
            let (service, import) = service.split_once('<').unwrap_or((service, ""));
            let import = import.split_once('@').map(|(service, cluster)| Import {
                service: service.into(),
                cluster: cluster.into(),
            });
            Object::EndpointSlice(EndpointSlice {
                key: key(name),
                service: service.trim_matches('-').into(),
                endpoints: endpoints.split_whitespace().map(endpoint).collect(),
                ports: ports.iter().map(|port| self::port(port)).collect(),
                triggered: None,
                import: import.map(Box::new),
            })
        }
        ["pod", name, ref rest @ ..] => {
            let addresses = rest.iter().filter(|word| !word.contains('='));
            let labels = rest.iter().filter_map(|word| word.split_once('='));
            Object::Pod(Pod {
                key: key(name),
                ips: addresses.flat_map(|text| ips(text, ',')).collect(),
                labels: labels
                    .map(|(name, value)| (name.into(), value.into()))
                    .collect(),
            })
        }
        _ => panic!("not an object: {line}"),
    }
}

fn service(name: &str, kind: &str, rest: &[&str]) -> Service {
    let ports = rest.iter().filter(|word| !word.starts_with('@'));
    Service {
        key: key(name),
        kind: match kind.strip_prefix("->") {
            Some(target) => ServiceKind::ExternalName(target.into()),
            None if kind == "None" => ServiceKind::Headless,
            None => ServiceKind::ClusterIp(ips(kind, ',')),
        },
        ports: ports.map(|port| self::port(port)).collect(),
        external: rest.iter().find_map(|word| external(word)).map(Box::new),
    }
}

fn external(word: &str) -> Option<External> {
    let (ips, hosts): (Vec<&str>, Vec<&str>) = word
        .strip_prefix('@')?
        .split(',')
        .partition(|text| text.parse::<IpAddr>().is_ok());
    Some(External {
        ips: ips.iter().map(|ip| ip.parse().expect(ip)).collect(),
        ingress_ips: Box::default(),
        ingress_hostnames: hosts.into_iter().map(Box::from).collect(),
    })
}

pub(super) fn key(name: &str) -> Key {
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    Key {
        namespace: namespace.into(),
        name: name.into(),
    }
}

fn ips(text: &str, separator: char) -> Box<[IpAddr]> {
    let texts = text.split(separator).filter(|text| *text != "-");
    texts.map(|text| text.parse().expect(text)).collect()
}

fn port(text: &str) -> Port {
    let (name, rest) = text.split_once(':').expect(text);
    let (number, protocol) = rest.split_once('/').expect(text);
    Port {
        name: name.into(),
        protocol: match protocol {
            "UDP" => Protocol::Udp,
            "SCTP" => Protocol::Sctp,
            "" => Protocol::Unset,
            _ => Protocol::Tcp,
        },
        number: number.parse().expect(text),
    }
}

fn endpoint(text: &str) -> Endpoint {
    let (text, ready) = match text.strip_suffix('!') {
        Some(text) => (text, false),
        None => (text, true),
    };
    let (text, zone) = text.split_once('~').unwrap_or((text, ""));
    let (addresses, names) = text.split_once('(').unwrap_or((text, ",)"));
    let (hostname, pod) = names.trim_end_matches(')').split_once(',').expect(text);
    let name = |name: &str| (!name.is_empty()).then(|| name.into());
    let (addresses, targets) = Endpoint::destinations(addresses.split('+'));
    Endpoint {
        addresses,
        names: targets,
        ready,
        hostname: name(hostname),
        pod: name(pod),
        zone: (!zone.is_empty()).then(|| zone.into()),
    }
}

/// The records of `NAME TYPE`, sorted, the name without its zone and the glue after a `+`; or
/// `NXDOMAIN` or `NODATA`. `ADDRESS PTR` asks for an address.
pub(super) fn ask(zone: &Zone, view: &View, question: &str) -> Vec<String> {
    let (name, qtype) = question.split_once(' ').expect(question);
    if qtype == "PTR" {
        return pointers(zone, view, name.parse().expect(question));
    }
    let wire = wire(name);
    let parsed = name::parse(&wire, Grammar::Cluster);
    let mut records = match zone.find(view, &parsed) {
        Found::Nothing => vec!["NXDOMAIN".to_owned()],
        Found::Empty => Vec::new(),
        Found::ExternalName(entry) => match (entry.shape(), qtype) {
            (_, "SRV") => Vec::new(),
            (Shape::ExternalName(Some(target)), _) => vec![format!("CNAME {target}")],
            (shape, _) => panic!("a CNAME to {shape:?}"),
        },
        Found::Service(selection) => selected(&selection, &parsed, qtype),
        Found::Pod { address, count } => {
            let own = labels(&wire).split_off(labels(&wire).len() - 3).join(".");
            let weight = (100 / count).max(1);
            match qtype {
                "SRV" => vec![
                    format!("SRV 0 {weight} 0 {own}"),
                    format!("+ {own} {address}"),
                ],
                _ if is_of(address, qtype) => vec![format!("{qtype} {address}")],
                _ => Vec::new(),
            }
        }
    };
    if records.is_empty() {
        records.push("NODATA".to_owned());
    }
    records.sort();
    records
}

fn selected(selection: &Selection<'_>, parsed: &Parsed<'_>, qtype: &str) -> Vec<String> {
    let Parsed::Service(service) = parsed else {
        panic!("a Service at {parsed:?}");
    };
    let service = labels(service.key).join(".");
    if let (Some(target), "A" | "AAAA") = (selection.alias(), qtype) {
        return vec![format!("CNAME {target}")];
    }
    match qtype {
        "A" => {
            let addresses = selection.v4();
            let addresses = addresses.iter().flat_map(|all| all.as_slice());
            addresses.map(|address| format!("A {address}")).collect()
        }
        "AAAA" => {
            let addresses = selection.v6();
            let addresses = addresses.iter().flat_map(|all| all.as_slice());
            addresses.map(|address| format!("AAAA {address}")).collect()
        }
        _ => {
            let srv = selection.srv(usize::MAX);
            let names: Vec<String> = srv
                .targets
                .iter()
                .map(|target| under(target.map(|target| target.label), &service))
                .collect();
            let of_port = |(place, port): &(usize, u16)| {
                format!("SRV 0 {} {port} {}.svc", srv.weight, names[*place])
            };
            let glue =
                |(place, address): &(usize, IpAddr)| format!("+ {}.svc {address}", names[*place]);
            let mut records: Vec<String> = srv.records.iter().map(of_port).collect();
            records.extend(srv.glue.iter().map(glue));
            records
        }
    }
}

fn pointers(zone: &Zone, view: &View, address: IpAddr) -> Vec<String> {
    let text = |name: &[u8]| labels(name).join(".");
    let mut records = match zone.pointers(view, address) {
        Pointers::Nothing => vec!["NXDOMAIN".to_owned()],
        Pointers::Service(service) => vec![format!("PTR {}.svc", text(service.name()))],
        Pointers::Endpoints(endpoints) => {
            let target = |(service, label): &(Arc<super::zone::Service>, Label)| {
                format!("PTR {}.svc", under(Some(*label), &text(service.name())))
            };
            endpoints.iter().map(target).collect()
        }
    };
    records.sort();
    records
}

pub(super) fn under(endpoint: Option<Label>, service: &str) -> String {
    match endpoint {
        Some(label) => format!("{}.{service}", String::from_utf8_lossy(label.as_bytes())),
        None => service.to_owned(),
    }
}

fn is_of(address: IpAddr, qtype: &str) -> bool {
    (qtype == "A" && address.is_ipv4()) || (qtype == "AAAA" && address.is_ipv6())
}

/// A name as text in wire form, without the root. `@` is the name of no label.
pub(super) fn wire(name: &str) -> Vec<u8> {
    let labels = name
        .split('.')
        .filter(|label| !label.is_empty() && *label != "@");
    labels
        .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat())
        .collect()
}

/// The labels of a name in wire form.
pub(super) fn labels(mut wire: &[u8]) -> Vec<String> {
    let mut labels = Vec::new();
    while let Some((label, rest)) = name::split_label(wire) {
        labels.push(String::from_utf8_lossy(label).into_owned());
        wire = rest;
    }
    labels
}
