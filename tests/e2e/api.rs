//! The driver's own client of the API server: it may do everything.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::{Method, Request};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Where the API server has the objects of each kind.
const KINDS: &[(&str, &str, &str)] = &[
    ("ClusterRole", RBAC, "clusterroles"),
    ("ClusterRoleBinding", RBAC, "clusterrolebindings"),
    ("ConfigMap", "/api/v1", "configmaps"),
    (
        "CustomResourceDefinition",
        "/apis/apiextensions.k8s.io/v1",
        "customresourcedefinitions",
    ),
    ("DaemonSet", "/apis/apps/v1", "daemonsets"),
    ("Deployment", "/apis/apps/v1", "deployments"),
    ("Endpoints", "/api/v1", "endpoints"),
    (
        "EndpointSlice",
        "/apis/discovery.k8s.io/v1",
        "endpointslices",
    ),
    (
        "HorizontalPodAutoscaler",
        "/apis/autoscaling/v2",
        "horizontalpodautoscalers",
    ),
    ("Namespace", "/api/v1", "namespaces"),
    (
        "NetworkPolicy",
        "/apis/networking.k8s.io/v1",
        "networkpolicies",
    ),
    ("Node", "/api/v1", "nodes"),
    ("Pod", "/api/v1", "pods"),
    (
        "PodDisruptionBudget",
        "/apis/policy/v1",
        "poddisruptionbudgets",
    ),
    ("PrometheusRule", MONITORING, "prometheusrules"),
    ("Role", RBAC, "roles"),
    ("RoleBinding", RBAC, "rolebindings"),
    ("Service", "/api/v1", "services"),
    ("ServiceAccount", "/api/v1", "serviceaccounts"),
    (
        "ServiceImport",
        "/apis/multicluster.x-k8s.io/v1alpha1",
        "serviceimports",
    ),
    ("ServiceCIDR", "/apis/networking.k8s.io/v1", "servicecidrs"),
    ("ServiceMonitor", MONITORING, "servicemonitors"),
    ("StatefulSet", "/apis/apps/v1", "statefulsets"),
];

const MONITORING: &str = "/apis/monitoring.coreos.com/v1";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// A client, and the runtime that it works in. Its methods wait for what the API server says.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) client: Client,
}

/// The object of a kind, in a namespace (or empty), with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place<'a> {
    pub(crate) kind: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl<'a> Place<'a> {
    /// A place by its three words.
    pub(crate) const fn new(kind: &'a str, namespace: &'a str, name: &'a str) -> Self {
        Self {
            kind,
            namespace,
            name,
        }
    }

    /// Where an object says that it is.
    pub(crate) fn of(object: &'a Value) -> Self {
        let text = |pointer| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        Self {
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        }
    }

    /// The path of all objects of the kind in the namespace; of all namespaces where it is empty.
    pub(crate) fn collection(&self) -> Result<String, String> {
        let known = KINDS.iter().find(|(kind, _, _)| *kind == self.kind);
        let (_, group, plural) = known.ok_or_else(|| format!("no kind {:?}", self.kind))?;
        Ok(match self.namespace {
            "" => format!("{group}/{plural}"),
            namespace => format!("{group}/namespaces/{namespace}/{plural}"),
        })
    }

    /// The object's own path.
    pub(crate) fn path(&self) -> Result<String, String> {
        Ok(format!("{}/{}", self.collection()?, self.name))
    }
}

impl Api {
    /// A client of the API server that a kubeconfig names.
    pub(crate) fn connect(kubeconfig: &Path) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let client = runtime.block_on(client(kubeconfig))?;
        Ok(Self {
            runtime: Arc::new(runtime),
            client,
        })
    }

    /// A client of the API server that another kubeconfig names, in the same runtime.
    pub(crate) fn client_of(&self, kubeconfig: &Path) -> Result<Client, String> {
        self.runtime.block_on(client(kubeconfig))
    }

    /// Makes an object what it is in this text, and each of several (server-side apply).
    pub(crate) fn apply(&self, manifests: &str) -> Result<(), String> {
        let objects: Vec<Value> =
            serde_saphyr::from_multiple(manifests).map_err(|error| error.to_string())?;
        objects.iter().try_for_each(|object| self.apply_one(object))
    }

    /// Makes an object what it is here.
    pub(crate) fn apply_one(&self, object: &Value) -> Result<(), String> {
        let path = Place::of(object).path()? + "?fieldManager=e2e&force=true";
        self.request(Method::PATCH, &path, Some((APPLY, object)))
            .map(drop)
    }

    /// Whether the API server would make an object what it is here, and knows all its fields.
    pub(crate) fn would_apply(&self, object: &Value) -> Result<(), String> {
        let path = Place::of(object).path()?;
        let path = path + "?fieldManager=e2e&force=true&dryRun=All&fieldValidation=Strict";
        self.request(Method::PATCH, &path, Some((APPLY, object)))
            .map(drop)
    }

    /// Sends an object to a path of its own.
    pub(crate) fn post(&self, path: &str, object: &Value) -> Result<(), String> {
        self.request(Method::POST, path, Some((JSON, object)))
            .map(drop)
    }

    /// A new object.
    pub(crate) fn create(&self, object: &Value) -> Result<(), String> {
        self.post(&Place::of(object).collection()?, object)
    }

    /// Changes what the patch names (a merge patch).
    pub(crate) fn patch(&self, place: Place<'_>, patch: &Value) -> Result<(), String> {
        self.request(Method::PATCH, &place.path()?, Some((MERGE, patch)))
            .map(drop)
    }

    /// Sets the number of a controller's pods.
    pub(crate) fn scale(&self, place: Place<'_>, replicas: u32) -> Result<(), String> {
        self.patch(place, &json!({"spec": {"replicas": replicas}}))
    }

    /// Deletes an object; namespaces and controllers take what is in them along.
    pub(crate) fn delete(&self, place: Place<'_>) -> Result<(), String> {
        let path = place.path()? + "?propagationPolicy=Background";
        self.request(Method::DELETE, &path, None).map(drop)
    }

    /// An object as it is.
    pub(crate) fn get(&self, place: Place<'_>) -> Result<Value, String> {
        self.request(Method::GET, &place.path()?, None)
    }

    /// All objects of a kind in a namespace, or everywhere; each says its kind.
    pub(crate) fn list(&self, kind: &str, namespace: &str) -> Result<Vec<Value>, String> {
        let path = Place::new(kind, namespace, "").collection()?;
        let mut list = self.request(Method::GET, &path, None)?;
        let version = list["apiVersion"].take();
        let Value::Array(mut items) = list["items"].take() else {
            return Err(format!("{path} is no list"));
        };
        for item in &mut items {
            item["apiVersion"] = version.clone();
            item["kind"] = json!(kind);
        }
        Ok(items)
    }

    /// What the API server answers to a request.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Value, String> {
        self.runtime
            .block_on(exchange(&self.client, method, path, body))
    }
}

async fn client(kubeconfig: &Path) -> Result<Client, String> {
    let file = Kubeconfig::read_from(kubeconfig).map_err(|error| error.to_string())?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &options);
    let config = config.await.map_err(|error| error.to_string())?;
    Client::try_from(config).map_err(|error| error.to_string())
}

/// The content types of bodies.
pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

/// How long a request is sent again while the control plane cannot answer it: tests stop and kill it,
/// and it may be some time until all its parts have found each other again.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the API server answers to a request.
pub(crate) async fn exchange(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<(&str, &Value)>,
) -> Result<Value, String> {
    let what = format!("{method} {path}");
    let mut request = Request::builder().method(method).uri(path);
    let mut bytes = Vec::new();
    if let Some((content_type, body)) = body {
        request = request.header("content-type", content_type);
        bytes = body.to_string().into_bytes();
    }
    let request = request.body(bytes).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match client.request(request.clone()).await {
            Err(error) if is_passing(&error) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            answer => return answer.map_err(|error| format!("{what}: {error}")),
        }
    }
}

/// Whether an error is of the control plane's state, and not of what was asked.
fn is_passing(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => [429, 500, 503, 504].contains(&status.code),
        kube::Error::HyperError(_) | kube::Error::Service(_) => true,
        _ => false,
    }
}
