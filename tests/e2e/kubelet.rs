//! Plays the kubelet's part for pods of the node `node1`: gives them addresses, says that they
//! run, and ends those that are deleted.
//!
//! A pod's annotations say what else is to become of it: `ip` its addresses (apart by a comma),
//! `ready: "false"` that it is not ready, `phase` another phase than Running, `hold` that it goes
//! on terminating when deleted.

use std::collections::HashMap;

use futures_util::StreamExt;
use hyper::{Method, Request};
use kube::Client;
use kube::core::WatchEvent;
use serde_json::{Value, json};

use crate::api::{Api, MERGE, Place, exchange};

const PODS: &str = "/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dnode1";

/// Starts it; it works for as long as the runtime does.
pub(crate) fn start(api: &Api) -> Result<(), String> {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1", "labels": {"kubernetes.io/os": "linux"}}});
    api.apply_one(&node)?;
    let client = api.client.clone();
    api.runtime.spawn(async move {
        let mut kubelet = Kubelet {
            client,
            given: HashMap::new(),
        };
        loop {
            // The API server is stopped and killed by tests; what it said before is said again.
            _ = kubelet.watch().await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    Ok(())
}

struct Kubelet {
    client: Client,
    /// The number of a pod, by UID, from which its addresses follow.
    given: HashMap<String, usize>,
}

impl Kubelet {
    /// Takes care of all pods that there are, and of all changes, until the watch ends.
    async fn watch(&mut self) -> Result<(), String> {
        let request = Request::get(PODS).body(Vec::new());
        let request = request.map_err(|error| error.to_string())?;
        let events = self.client.request_events::<Value>(request).await;
        let events = events.map_err(|error| error.to_string())?;
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event.map_err(|error| error.to_string())? {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => self.see(&pod).await,
                WatchEvent::Error(status) => return Err(format!("{status:?}")),
                WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
            }
        }
        Ok(())
    }

    /// Does what a pod needs. An error is of a pod that has changed again, and is seen again.
    async fn see(&mut self, pod: &Value) {
        let mut place = Place::of(pod);
        place.kind = "Pod";
        let Ok(path) = place.path() else { return };
        let annotation = |name: &str| pod["metadata"]["annotations"][name].as_str();
        if pod["metadata"]["deletionTimestamp"].is_string() && annotation("hold").is_none() {
            let path = path + "?gracePeriodSeconds=0";
            _ = exchange(&self.client, Method::DELETE, &path, None).await;
            return;
        }
        let ips: Vec<String> = match annotation("ip") {
            Some(ips) => ips.split(',').map(str::to_owned).collect(),
            None => self.addresses(pod["metadata"]["uid"].as_str().unwrap_or_default()),
        };
        let ready = if annotation("ready") == Some("false") {
            "False"
        } else {
            "True"
        };
        let phase = annotation("phase").unwrap_or("Running");
        let is = &pod["status"];
        let is_ready = is["conditions"].as_array().is_some_and(|all| {
            all.iter()
                .any(|one| one["type"] == "Ready" && one["status"] == ready)
        });
        if is_ready
            && is["phase"] == phase
            && is["podIP"].as_str() == ips.first().map(String::as_str)
        {
            return;
        }
        let status = json!({"status": {
            "phase": phase,
            "hostIP": "192.0.2.2",
            "podIP": ips.first(),
            "podIPs": ips.iter().map(|ip| json!({"ip": ip})).collect::<Vec<_>>(),
            "conditions": [
                {"type": "Ready", "status": ready},
                {"type": "ContainersReady", "status": ready},
                {"type": "PodScheduled", "status": "True"},
            ],
        }});
        let path = path + "/status";
        _ = exchange(&self.client, Method::PATCH, &path, Some((MERGE, &status))).await;
    }

    /// Addresses that no other pod has.
    fn addresses(&mut self, uid: &str) -> Vec<String> {
        let next = self.given.len() + 1;
        let number = *self.given.entry(uid.to_owned()).or_insert(next);
        let (high, low) = (number / 250, number % 250 + 1);
        vec![
            format!("10.245.{high}.{low}"),
            format!("fd00:10:245::{number:x}"),
        ]
    }
}
