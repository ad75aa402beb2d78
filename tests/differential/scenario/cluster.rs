//! The steps of a cluster: an API server whose objects come, change and go while both servers watch.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::{PAUSE, World};
use crate::api_server::{Api, Resource};
use crate::case::repeated;

/// How long a serial is waited for that is not of the second that it is.
const TICK: Duration = Duration::from_secs(5);

impl World<'_> {
    /// Starts an API server without objects, whose address is `@api`.
    pub(super) fn create_cluster(&mut self) {
        if self.api.is_none() {
            let api = Api::listen();
            // In JSON an object is told as it is written here, whatever it holds.
            api.fault(|faults| faults.no_protobuf = true);
            self.placeholders.set("api", api.url());
            self.api = Some(api);
        }
    }

    /// Each line is an object that comes or is changed, `KIND [NAMESPACE/]NAME [JSON]`, or after `- `
    /// one that goes.
    pub(super) fn change_cluster(&mut self, content: &[String]) -> Result<(), String> {
        for line in content.iter().flat_map(|line| repeated(line)) {
            let line = self.placeholders.expand(&line)?;
            let api = self.api.as_ref().ok_or("no cluster")?;
            match line.strip_prefix("- ") {
                Some(gone) => {
                    let (kind, name) = gone.split_once(' ').ok_or("expected KIND NAME")?;
                    api.delete(resource(kind)?, name);
                }
                None => api.put(object(&line)?),
            }
        }
        Ok(())
    }

    /// Whether a zone's serial is another one than at the last such step. The step ends in a later
    /// second than that of the serial, so that the next change moves it.
    pub(super) fn serial(&mut self, zone: &str) -> Result<Vec<String>, String> {
        let request = self.request("query", &format!("{zone} SOA"))?;
        let mut pending = request.send()?;
        let lines = pending.receive(request.patience(&[])).lines(&request);
        let soa = lines.iter().find_map(|line| line.split_once(" SOA "));
        let serial = soa.and_then(|(_, soa)| soa.split(' ').nth(2)?.parse().ok());
        let serial: u32 = serial.ok_or_else(|| format!("no serial: {lines:?}"))?;
        let started = SystemTime::now();
        while since_epoch() <= u64::from(serial) && started.elapsed().is_ok_and(|it| it < TICK) {
            std::thread::sleep(PAUSE);
        }
        let before = self.serials.insert(zone.to_owned(), serial);
        let what = match before {
            None => "known",
            Some(before) if before == serial => "as it was",
            Some(_) => "moved",
        };
        Ok(vec![what.to_owned()])
    }
}

fn since_epoch() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

fn resource(kind: &str) -> Result<Resource, String> {
    let mut all = Resource::ALL.into_iter();
    all.find(|resource| resource.kind() == kind)
        .ok_or_else(|| format!("`{kind}` is no kind of object"))
}

/// The object of a line: what its JSON says, with its kind and its name.
fn object(line: &str) -> Result<Value, String> {
    let mut words = line.splitn(3, ' ');
    let (kind, name) = (words.next().unwrap_or_default(), words.next());
    let name = name.ok_or_else(|| format!("`{line}`: expected KIND NAME"))?;
    let mut object = match words.next() {
        Some(text) => serde_json::from_str(text).map_err(|error| format!("`{text}`: {error}"))?,
        None => Value::Object(Map::new()),
    };
    object["apiVersion"] = json!(resource(kind)?.api_version());
    object["kind"] = json!(kind);
    match name.split_once('/') {
        Some((namespace, name)) => {
            object["metadata"]["namespace"] = json!(namespace);
            object["metadata"]["name"] = json!(name);
        }
        None => object["metadata"]["name"] = json!(name),
    }
    Ok(object)
}
