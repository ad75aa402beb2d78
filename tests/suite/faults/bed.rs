//! A program that watches an API server, and what both tell.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Instant;

use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::EdnsCode;
use hickory_proto::serialize::binary::BinEncodable;
use serde_json::{Value, json};

use crate::api::{Api, Resource};
use crate::port::Reservation;
use crate::program::{Folder, PATIENCE, PAUSE, Program, question, uninterrupted};

/// A Service with an address of its own.
pub(super) const WEB: &str = "web.a.svc.cluster.local.";
/// A headless one.
pub(super) const DB: &str = "db.a.svc.cluster.local.";

/// An API server with a small cluster, and a Corefile that reads it.
pub(super) struct Bed {
    pub(super) api: Api,
    pub(super) folder: Folder,
    ready: Reservation,
    metrics: Reservation,
}

impl Bed {
    /// A start waits for the API server as long as anything may take.
    pub(super) fn new() -> Self {
        Self::waiting(PATIENCE.as_secs())
    }

    /// A start waits for the API server for so many seconds.
    pub(super) fn waiting(seconds: u64) -> Self {
        let api = Api::listen();
        let way = format!("endpoint {}\n startup_timeout {seconds}s", api.url());
        Self::with(api, &way)
    }

    /// By HTTPS, with the CA and the token in the files that a kubeconfig names: `ca.pem`, `token`.
    pub(super) fn tls() -> Self {
        let api = Api::listen_tls();
        let seconds = PATIENCE.as_secs();
        let way = format!("kubeconfig @folder/kubeconfig\n startup_timeout {seconds}s");
        let bed = Self::with(api, &way);
        bed.folder.write("ca.pem", &bed.api.authority());
        let folder = bed.folder.path().display();
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": bed.api.url(),
                "certificate-authority": format!("{folder}/ca.pem"),
            }}],
            "users": [{"name": "test", "user": {"tokenFile": format!("{folder}/token")}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        bed.folder.write("kubeconfig", &kubeconfig.to_string());
        bed
    }

    /// By HTTPS, with the files of a client's certificate: `cert.pem`, `key.pem`, `ca.pem`.
    pub(super) fn certified() -> Self {
        let api = Api::listen_tls();
        let way = format!(
            "endpoint {}\n tls @folder/cert.pem @folder/key.pem @folder/ca.pem",
            api.url()
        );
        let bed = Self::with(api, &way);
        bed.folder.write("ca.pem", &bed.api.authority());
        bed
    }

    fn with(api: Api, way: &str) -> Self {
        api.put_all([
            namespace("kube-system"),
            namespace("a"),
            service("a/web", "10.96.0.1"),
            slice("a/web-1", "web", &["10.0.0.1"]),
            service("a/db", "None"),
            slice("a/db-1", "db", &["10.0.1.1", "10.0.1.2"]),
        ]);
        let (ready, metrics) = (Reservation::new().unwrap(), Reservation::new().unwrap());
        let folder = Folder::new();
        let way = way.replace("@folder", &folder.path().display().to_string());
        let corefile = format!(
            ".:0 {{\n bind 127.0.0.1\n errors\n ready 127.0.0.1:{}\n prometheus 127.0.0.1:{}\n \
             kubernetes cluster.local in-addr.arpa {{\n {way}\n }}\n}}\n",
            ready.port, metrics.port
        );
        folder.write("Corefile", &corefile);
        Self {
            api,
            folder,
            ready,
            metrics,
        }
    }

    pub(super) fn start(&self, flags: &[&str]) -> Program {
        Program::start(&self.folder.path().join("Corefile"), flags)
    }

    /// What `/ready` answers.
    pub(super) fn ready(&self) -> (u16, String) {
        get(self.ready.port, "/ready")
    }

    pub(super) fn wait_until_ready(&self) {
        wait_for(|| self.ready().0 == 200);
    }

    /// Deletes an object that was put.
    pub(super) fn delete(&self, object: &Value) {
        let mut all = Resource::ALL.into_iter();
        let resource = all.find(|one| object["kind"] == one.kind()).unwrap();
        let metadata = &object["metadata"];
        let name = metadata["name"].as_str().unwrap();
        match metadata["namespace"].as_str() {
            Some(namespace) => self.api.delete(resource, &format!("{namespace}/{name}")),
            None => self.api.delete(resource, name),
        }
    }

    /// Waits until the program has seen all that was put in and deleted before: objects of a kind
    /// come in the order of their changes, so the last one is there when all are.
    pub(super) fn settle(&self, program: &Program, word: &str) {
        self.api.put(namespace(word));
        self.api.put(service(&format!("{word}/last"), "None"));
        let slice = slice(&format!("{word}/last-1"), "last", &["10.0.9.9"]);
        self.api.put(slice);
        let name = format!("last.{word}.svc.cluster.local.");
        program.ask_until(&name, |reply| reply.answers.len() == 1);
    }

    /// The value of the first metric that starts so.
    pub(super) fn metric(&self, name: &str) -> f64 {
        let page = get(self.metrics.port, "/metrics").1;
        let line = page.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in\n{page}"))
    }
}

/// Names of the namespace `b` that [`odd`] gives, and their addresses.
pub(super) const ODD: &[(&str, &[&str])] = &[
    ("web", &["10.96.1.1"]),
    ("twice", &["10.0.2.1"]),
    ("in-two", &["10.0.2.2", "10.0.2.3"]),
    ("first", &["10.0.3.1"]),
    ("second", &["10.0.3.1"]),
    ("unsaid", &["10.0.4.1"]),
    ("ending", &[]),
    ("alone", &[]),
    ("empty", &[]),
    ("portless", &["10.0.5.1"]),
    ("host.named", &["10.0.6.1"]),
    ("both", &["10.96.1.2"]),
];

/// Objects that come in an order of their own in a real cluster, or are of an odd shape.
pub(super) fn odd() -> Vec<Value> {
    let mut objects = vec![namespace("b"), service("b/web", "10.96.1.1")];
    for name in [
        "twice", "in-two", "first", "second", "unsaid", "ending", "empty", "portless", "named",
    ] {
        objects.push(service(&format!("b/{name}"), "None"));
    }
    // The same pod in two slices; two slices of one Service; an address that two Services have.
    objects.push(slice("b/twice-1", "twice", &["10.0.2.1"]));
    objects.push(slice("b/twice-2", "twice", &["10.0.2.1"]));
    objects.push(slice("b/in-two-1", "in-two", &["10.0.2.2"]));
    objects.push(slice("b/in-two-2", "in-two", &["10.0.2.3"]));
    objects.push(slice("b/first-1", "first", &["10.0.3.1"]));
    objects.push(slice("b/second-1", "second", &["10.0.3.1"]));
    // A slice without a Service.
    objects.push(slice("b/alone-1", "alone", &["10.0.7.1"]));
    let mut unsaid = slice("b/unsaid-1", "unsaid", &["10.0.4.1"]);
    unsaid["endpoints"][0]["conditions"] = json!({"ready": null});
    let mut ending = slice("b/ending-1", "ending", &["10.0.4.2"]);
    ending["endpoints"][0]["conditions"] =
        json!({"ready": false, "serving": true, "terminating": true});
    let mut portless = slice("b/portless-1", "portless", &["10.0.5.1"]);
    portless["ports"] = json!([{"name": "", "port": 0, "protocol": "TCP"}, {}]);
    let mut named = slice("b/named-1", "named", &["10.0.6.1", "10.0.6.2"]);
    named["endpoints"][0]["hostname"] = json!("Host");
    named["endpoints"][1]["hostname"] = json!("h".repeat(64));
    let mut both = service("b/both", "10.96.1.2");
    both["spec"]["clusterIPs"] = json!(["10.96.1.2", "fd00::2"]);
    objects.extend([unsaid, ending, portless, named, both]);
    objects
}

/// A certificate that signs itself, and its key.
pub(super) fn client() -> [String; 2] {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["client".to_owned()]).unwrap();
    [params.self_signed(&key).unwrap().pem(), key.serialize_pem()]
}

/// Waits until it is so.
pub(super) fn wait_for(is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it never is");
        std::thread::sleep(PAUSE);
    }
}

fn get(port: u16, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let body = text.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}

/// The extended error (RFC 8914) of an answer to a client with EDNS.
pub(super) fn extended_error(program: &Program, name: &str) -> Option<(u16, String)> {
    let mut request = Message::from_vec(&question(name, RecordType::A)).unwrap();
    request.edns = Some(Edns::new());
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.connect(program.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send(&request.to_bytes().unwrap()).unwrap();
    let mut reply = [0; 4096];
    let length = uninterrupted(|| socket.recv(&mut reply)).unwrap();
    let reply = Message::from_vec(&reply[..length]).unwrap();
    let option = reply.edns.as_ref()?.option(EdnsCode::Unknown(15))?;
    let bytes = Vec::<u8>::try_from(option).unwrap();
    let text = String::from_utf8_lossy(&bytes[2..]).into_owned();
    Some((u16::from_be_bytes([bytes[0], bytes[1]]), text))
}

pub(super) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// `NAMESPACE/NAME` with this `clusterIP`, and one port.
pub(super) fn service(name: &str, ip: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": ip,
            "clusterIPs": [ip],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        },
    })
}

/// A slice of a Service, all endpoints of which are ready.
pub(super) fn slice(name: &str, service: &str, ips: &[&str]) -> Value {
    let endpoints: Vec<Value> = ips
        .iter()
        .map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}}))
        .collect();
    let mut metadata = metadata(name);
    metadata["labels"] = json!({"kubernetes.io/service-name": service});
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    })
}

fn metadata(name: &str) -> Value {
    let (namespace, name) = name.split_once('/').unwrap();
    json!({"namespace": namespace, "name": name})
}
