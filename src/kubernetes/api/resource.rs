//! What is asked for: the resources of the API, and their selectors.

use hyper::header::{ACCEPT, HeaderValue};
use kube::core::Request;
use kube::core::params::{ListParams, WatchParams};

use super::failure::Failure;
use crate::kubernetes::object::Kind;

/// Objects of a page.
const PAGE: u32 = 500;
/// Lists and watches of objects: what another server has added to the API is known in JSON alone.
const OBJECTS: HeaderValue =
    HeaderValue::from_static("application/vnd.kubernetes.protobuf,application/json");
/// Lists of objects without their content.
const METADATA: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");

/// One resource that is listed and watched, in all namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// what its objects are
    pub kind: Kind,
    /// a label selector; empty for all objects
    pub labels: String,
}

/// A request to the API, without a host.
pub(super) type Asked = hyper::Request<Vec<u8>>;

/// Asks for the metadata of the namespace kube-system, by a right that every configuration needs.
pub(super) fn kube_system() -> Result<Asked, Failure> {
    let parameters = ListParams {
        field_selector: Some("metadata.name=kube-system".to_owned()),
        ..ListParams::default()
    };
    let asked = Request::new("/api/v1/namespaces").list(&parameters);
    let mut asked = asked.map_err(|error| Failure::Access(error.to_string()))?;
    asked.headers_mut().insert(ACCEPT, METADATA);
    Ok(asked)
}

impl Resource {
    /// Its name in a path and in a rule.
    pub(super) fn plural(&self) -> &'static str {
        match self.kind {
            Kind::Namespace => "namespaces",
            Kind::Service => "services",
            Kind::EndpointSlice => "endpointslices",
            Kind::Pod => "pods",
            Kind::ServiceImport => "serviceimports",
        }
    }

    /// Its group in a rule; empty for the core group.
    fn group(&self) -> &'static str {
        match self.kind {
            Kind::EndpointSlice => "discovery.k8s.io",
            Kind::ServiceImport => "multicluster.x-k8s.io",
            Kind::Namespace | Kind::Service | Kind::Pod => "",
        }
    }

    fn path(&self) -> String {
        match self.group() {
            "" => format!("/api/v1/{}", self.plural()),
            group if self.kind == Kind::ServiceImport => {
                format!("/apis/{group}/v1alpha1/{}", self.plural())
            }
            group => format!("/apis/{group}/v1/{}", self.plural()),
        }
    }

    /// As CoreDNS has it: a pod that has ended has no name.
    fn fields(&self) -> Option<String> {
        let ended = "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown";
        (self.kind == Kind::Pod).then(|| ended.to_owned())
    }

    fn selector(&self) -> Option<String> {
        (!self.labels.is_empty()).then(|| self.labels.clone())
    }

    /// The rule of a ClusterRole that allows what is asked: one line of YAML.
    pub(super) fn rule(&self) -> String {
        format!(
            r#"- {{apiGroups: ["{}"], resources: ["{}"], verbs: ["list", "watch"]}}"#,
            self.group(),
            self.plural()
        )
    }

    /// A list of what there is now, in pages or in one; `after` is the mark of the page before.
    pub(super) fn list(&self, after: Option<String>, in_pages: bool) -> Result<Asked, Failure> {
        let parameters = ListParams {
            label_selector: self.selector(),
            field_selector: self.fields(),
            limit: in_pages.then_some(PAGE),
            continue_token: after,
            ..ListParams::default()
        };
        as_objects(Request::new(self.path()).list(&parameters))
    }

    /// The same of names and versions alone.
    pub(super) fn names(&self, after: Option<String>) -> Result<Asked, Failure> {
        let mut asked = self.list(after, true)?;
        asked.headers_mut().insert(ACCEPT, METADATA);
        Ok(asked)
    }

    /// What changes from `version` on, for so many seconds. `streamed`: all that there is comes
    /// first, as it was at `version` or later.
    pub(super) fn watch(
        &self,
        version: &str,
        seconds: u32,
        streamed: bool,
    ) -> Result<Asked, Failure> {
        let parameters = WatchParams {
            label_selector: self.selector(),
            field_selector: self.fields(),
            timeout: Some(seconds),
            bookmarks: true,
            send_initial_events: streamed,
        };
        as_objects(Request::new(self.path()).watch(&parameters, version))
    }
}

fn as_objects(asked: Result<Asked, kube::core::request::Error>) -> Result<Asked, Failure> {
    let mut asked = asked.map_err(|error| Failure::Access(error.to_string()))?;
    asked.headers_mut().insert(ACCEPT, OBJECTS);
    Ok(asked)
}
