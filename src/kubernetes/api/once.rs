//! A cluster's objects as one text, read once: what `kubectl get --all-namespaces` would print.
//!
//! For commands that end. A server follows the objects and never holds a list whole.

use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use tokio::time::Instant;

use super::access::Access;
use super::connection::Connection;
use super::failure::Failure;
use super::metrics::Metrics;
use super::resource::Asked;

/// How long a list may take.
const LIST: Duration = Duration::from_secs(60);
/// The most that is read of a list, in bytes.
const MOST: usize = 512 << 20;

/// What names are made of, and who asks for them; the last are left out where there is no right to
/// list them.
const LISTS: [(&str, bool); 8] = [
    ("/api/v1/namespaces", true),
    ("/api/v1/services", true),
    ("/apis/discovery.k8s.io/v1/endpointslices", true),
    ("/api/v1/pods", false),
    ("/apis/apps/v1/deployments", false),
    ("/apis/apps/v1/statefulsets", false),
    ("/apis/apps/v1/daemonsets", false),
    ("/api/v1/namespaces/kube-system/configmaps", false),
];

/// Lists the cluster's objects: each list's path and its JSON.
///
/// # Errors
/// Why the API server cannot be asked, or refuses.
pub async fn lists(access: &Access) -> Result<Vec<(&'static str, String)>, String> {
    let metrics = Metrics::new(Arc::default());
    let connection = Connection::new(access, |host| metrics.requests(host));
    let connection = connection.map_err(|failure| failure.to_string())?;
    let mut lists = Vec::new();
    for (path, is_needed) in LISTS {
        match list(&connection, path).await {
            Ok(text) => lists.push((path, text)),
            Err(failure) if !is_needed && failure.is_forbidden() => {}
            Err(failure) => return Err(format!("cannot list {path}: {failure}")),
        }
    }
    Ok(lists)
}

async fn list(connection: &Connection, path: &str) -> Result<String, Failure> {
    let asked: Result<Asked, _> = Request::get(path).body(Vec::new());
    let asked = asked.map_err(|error| Failure::Access(error.to_string()))?;
    let mut chunks = connection.open(asked).await?;
    let until = Instant::now() + LIST;
    let mut bytes = Vec::new();
    while let Some(more) = chunks.next(until).await? {
        bytes.extend_from_slice(&more);
        if bytes.len() > MOST {
            return Err(Failure::Access(format!("{path} is larger than 512 MiB")));
        }
    }
    String::from_utf8(bytes).map_err(|error| Failure::Access(error.to_string()))
}
