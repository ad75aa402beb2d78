//! An API server of just enough: it lists and watches the cluster of [`super::names`], and when told
//! to, changes endpoints of it at a steady rate.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::names;

/// Events are sent in groups, so many a second.
const GROUPS: u32 = 100;

const JSON: &str = "application/json";

/// A running API server; it ends with the process.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    rate: Arc<AtomicU32>,
}

impl Api {
    /// Serves a cluster of so many Services.
    pub(crate) fn start(services: u32) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let rate = Arc::new(AtomicU32::new(0));
        let shared = rate.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let rate = shared.clone();
                // A client that goes away ends its connection, and nothing else.
                std::thread::spawn(move || _ = connection(&stream, services, &rate));
            }
        });
        Ok(Self { address, rate })
    }

    /// Changes so many EndpointSlices a second from now on.
    pub(crate) fn churn(&self, events_a_second: u32) {
        self.rate.store(events_a_second, Relaxed);
    }
}

/// A kind: its path, version, name and objects.
struct Kind {
    version: &'static str,
    name: &'static str,
    objects: Box<dyn Iterator<Item = Value>>,
}

fn kind(path: &str, services: u32) -> Option<Kind> {
    let (version, name, objects): (_, _, Box<dyn Iterator<Item = Value>>) = match path {
        "/api/v1/namespaces" => {
            let all = names::namespaces(services).map(|name| names::namespace(&name));
            ("v1", "Namespace", Box::new(all))
        }
        "/api/v1/services" => {
            let all = names::services(services).map(|service| service.object());
            ("v1", "Service", Box::new(all))
        }
        "/apis/discovery.k8s.io/v1/endpointslices" => {
            let all = names::services(services).map(|service| service.slice(0));
            ("discovery.k8s.io/v1", "EndpointSlice", Box::new(all))
        }
        "/api/v1/pods" => ("v1", "Pod", Box::new(std::iter::empty())),
        _ => return None,
    };
    Some(Kind {
        version,
        name,
        objects,
    })
}

fn connection(stream: &TcpStream, services: u32, rate: &AtomicU32) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(target) = next_target(&mut reader)? {
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let has = |parameter: &str| {
            query.split('&').any(|pair| {
                [format!("{parameter}=true"), format!("{parameter}=1")].contains(&pair.to_owned())
            })
        };
        let Some(kind) = kind(path, services) else {
            respond(stream, "404 Not Found", JSON, b"{}")?;
            continue;
        };
        if has("watch") {
            return watch(stream, kind, has("sendInitialEvents"), services, rate);
        }
        let items: Vec<Value> = kind.objects.collect();
        let list = json!({
            "apiVersion": kind.version,
            "kind": format!("{}List", kind.name),
            "metadata": {"resourceVersion": "1"},
            "items": items,
        });
        respond(stream, "200 OK", JSON, list.to_string().as_bytes())?;
    }
    Ok(())
}

/// The target of the next request, which has no body; nothing where the connection has ended.
pub(crate) fn next_target(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    while reader.read_line(&mut line)? > 2 {}
    Ok(Some(target))
}

/// Answers with a whole body.
pub(crate) fn respond(
    mut stream: &TcpStream,
    status: &str,
    content_type: &str,
    body: &[u8],
) -> io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    )?;
    stream.write_all(body)
}

/// Tells all objects where that is wished, then what changes, for ever.
fn watch(
    mut stream: &TcpStream,
    kind: Kind,
    initial: bool,
    services: u32,
    rate: &AtomicU32,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    let mut event = |name: &str, object: Value| {
        let event = json!({"type": name, "object": object}).to_string() + "\n";
        write!(stream, "{:x}\r\n{event}\r\n", event.len())
    };
    if initial {
        kind.objects
            .into_iter()
            .try_for_each(|object| event("ADDED", object))?;
        let end = json!({
            "apiVersion": kind.version,
            "kind": kind.name,
            "metadata": {
                "resourceVersion": "1",
                "annotations": {"k8s.io/initial-events-end": "true"},
            },
        });
        event("BOOKMARK", end)?;
    }
    let is_slices = kind.name == "EndpointSlice" && services > 0;
    let mut changing = names::services(services).cycle();
    let (mut version, mut due) = (2_u32, Instant::now());
    loop {
        due += Duration::from_secs(1) / GROUPS;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let count = rate.load(Relaxed).div_ceil(GROUPS);
        for service in changing
            .by_ref()
            .take(if is_slices { count as usize } else { 0 })
        {
            let mut slice = service.slice(version / services.max(1) + 1);
            slice["metadata"]["resourceVersion"] = json!(version.to_string());
            version += 1;
            event("MODIFIED", slice)?;
        }
    }
}
