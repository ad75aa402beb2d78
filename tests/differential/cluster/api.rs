//! A Kubernetes API server for CoreDNS: it lists and watches what a directory of manifests yields.
//!
//! The objects come from callsign's own source of manifests, so both servers hold the very same
//! cluster. Nothing ever changes here: a watch gives the objects that there are, then stays open.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use callsign::kubernetes::manifests::Options;
use callsign::kubernetes::object::Kind;
use callsign::kubernetes::selector;
use serde_json::{Value, json};

use super::variant::Told;
use super::{data, object};

/// A running API server. It closes its connections when dropped.
pub(crate) struct Api {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    manifests: PathBuf,
    told: Told,
    connections: Mutex<Vec<TcpStream>>,
    ended: AtomicBool,
}

/// What a request asks for.
struct Asked {
    path: String,
    parameters: HashMap<String, String>,
}

impl Api {
    /// Serves the objects of a directory of manifests on a port from the kernel.
    pub(crate) fn start(manifests: &Path, told: Told) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            manifests: manifests.to_owned(),
            told,
            connections: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                accepting.keep(&stream);
                let serving = accepting.clone();
                // A client that goes away ends its connection, and nothing else.
                std::thread::spawn(move || _ = serving.connection(&stream));
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it is, for the option `endpoint`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        for stream in self.shared.connections().iter() {
            // Whoever has closed it already is as welcome.
            _ = stream.shutdown(std::net::Shutdown::Both);
        }
        // Wakes the thread that accepts.
        _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, stream: &TcpStream) {
        if let Ok(stream) = stream.try_clone() {
            self.connections().push(stream);
        }
    }

    /// Answers requests one after the other, until a watch takes the connection for itself.
    fn connection(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(asked) = Asked::read(&mut reader)? {
            let Some((kind, objects)) = self.objects(&asked) else {
                let status = json!({"apiVersion": "v1", "kind": "Status", "code": 503});
                respond(stream, "503 Service Unavailable", &status)?;
                continue;
            };
            if asked.is("watch") {
                watch(stream, &asked, kind, &objects, self.told)?;
                // The client ends it.
                return reader.read_to_end(&mut Vec::new()).map(drop);
            }
            respond(stream, "200 OK", &object::list(kind, objects))?;
        }
        Ok(())
    }

    /// The objects that a path and its selector name. `None` where it cannot tell.
    fn objects(&self, asked: &Asked) -> Option<(Kind, Vec<Value>)> {
        let kind = match asked.path.as_str() {
            "/api/v1/namespaces" => Kind::Namespace,
            "/api/v1/services" => Kind::Service,
            "/apis/discovery.k8s.io/v1/endpointslices" => Kind::EndpointSlice,
            "/api/v1/pods" if self.told != Told::InPart => Kind::Pod,
            "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports" => Kind::ServiceImport,
            _ => return None,
        };
        if self.told == Told::AsWritten {
            return Some((kind, written(&self.manifests, kind)?));
        }
        let labels = asked.parameters.get("labelSelector");
        let labels = selector::parse(labels.map_or("", String::as_str)).ok()?;
        let mut options = Options {
            pods: true,
            imports: true,
            ..Options::default()
        };
        match kind {
            Kind::Namespace | Kind::ServiceImport => options.namespace_labels = labels,
            _ => options.labels = labels,
        }
        let objects = data::load(&self.manifests, options).ok()?;
        let objects = objects.iter().filter(|object| object.kind() == kind);
        Some((kind, objects.map(object::of_api).collect()))
    }
}

/// The objects of a kind as they are written.
fn written(manifests: &Path, kind: Kind) -> Option<Vec<Value>> {
    let text = std::fs::read(manifests.join(data::FILE)).ok()?;
    let mut list: Value = serde_json::from_slice(&text).ok()?;
    let items = list["items"].as_array_mut()?.drain(..);
    let of_kind = items.filter(|item| item["kind"] == kind.name());
    let of_kind = of_kind.map(|mut item| {
        item["metadata"]["resourceVersion"] = json!("1");
        item
    });
    Some(of_kind.collect())
}

impl Asked {
    /// The next request; nothing at the end of the connection.
    fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        // None of its requests has a body.
        while reader.read_line(&mut line)? > 2 {}
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
        Ok(Some(Self {
            path: path.to_owned(),
            parameters: parameters
                .map(|(name, value)| (name.to_owned(), unescape(value)))
                .collect(),
        }))
    }

    fn is(&self, parameter: &str) -> bool {
        self.parameters
            .get(parameter)
            .is_some_and(|value| value == "true" || value == "1")
    }
}

/// A value of a URL's query: `+` is a space, `%XX` a byte.
fn unescape(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8_lossy(&digits);
                u8::from_str_radix(&digits, 16).unwrap_or_default()
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn respond(mut stream: &TcpStream, status: &str, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all((head + &body).as_bytes())
}

/// Starts a watch. One that asks for initial events is told all objects, then that these were all,
/// unless that is what it is not to be told.
fn watch(
    mut stream: &TcpStream,
    asked: &Asked,
    kind: Kind,
    objects: &[Value],
    told: Told,
) -> std::io::Result<()> {
    let mut text = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                    Transfer-Encoding: chunked\r\n\r\n"
        .to_owned();
    let mut event = |name: &str, object: &Value| {
        let event = json!({"type": name, "object": object}).to_string() + "\n";
        text += &format!("{:x}\r\n{event}\r\n", event.len());
    };
    if asked.is("sendInitialEvents") {
        objects.iter().for_each(|object| event("ADDED", object));
        if told != Told::Unclosed {
            event("BOOKMARK", &object::end_of_initial_events(kind));
        }
    }
    stream.write_all(text.as_bytes())
}
