//! A source of cluster state without a cluster: a directory of manifests, or the sample cluster
//! that is compiled in.
//!
//! It reads Namespaces, Services, EndpointSlices, ServiceImports, Pods, Deployments, StatefulSets,
//! ReplicaSets and DaemonSets, in YAML or JSON, and passes over every other kind. Then it does what a cluster's
//! controllers would do, so that plain application manifests are enough:
//!
//! ```text
//! files -> document -> given -> pods ------+-> endpoints -+-> cluster -> watch -> events
//!          (decode)    (sort)   services --+              |
//!                               (allot addresses)         namespaces, selectors
//! ```
//!
//! - ClusterIPs are as written, or allotted from 10.96.0.0/12 and fd00:10:96::/112.
//! - Pods come from replicas, with the names that Kubernetes gives them and addresses from
//!   10.244.0.0/16 and fd00:10:244::/112 (each pod has both). They run and are ready, unless a
//!   written Pod's `status` says otherwise. Pods in the host's network have the addresses of the one
//!   node, 172.18.0.2 and fc00:f853:ccd:e793::2.
//! - EndpointSlices come from selectors, with named target ports resolved. Written slices win.
//! - What the API server would refuse is left out with an error; a namespace that only other
//!   objects name is taken as existing, with a warning.
//!
//! An address depends on the object's namespace and name only. Adding, removing or changing other
//! objects moves it only where two hashes meet.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use kube::core::Selector;
use tokio::sync::mpsc;

use super::event::Event;
use super::object::Object;

mod allot;
mod cluster;
mod document;
mod embedded;
mod endpoints;
mod family;
mod files;
mod given;
mod manifest;
mod pods;
mod services;
#[cfg(test)]
mod tests;
mod watch;

/// Where manifests are read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// every `*.yaml`, `*.yml` and `*.json` of a directory and of all below it; watched
    Directory(PathBuf),
    /// the sample cluster of `config/cluster`, as it was when callsign was compiled
    Embedded,
    /// texts that were given, with their names for messages
    Texts(Arc<[Text]>),
    /// another one, as it was when it was parsed
    Parsed(Parsed),
}

/// A source that was read and parsed once, for all who ask it.
#[derive(Clone)]
pub struct Parsed(Arc<(Source, files::Files)>);

/// Compared by where it is kept, not by ten thousand objects.
impl PartialEq for Parsed {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Parsed {}

impl Hash for Parsed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl fmt::Debug for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parsed({:p})", Arc::as_ptr(&self.0))
    }
}

/// A file of manifests as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Text {
    /// the file's path, from the directory as it was given
    pub file: Arc<str>,
    /// what it holds
    pub text: Arc<str>,
}

impl Source {
    /// The texts of all files, in the order of their names. Blocks on the file system; what cannot
    /// be read is left out here, and told by [`Manifests::load`].
    #[must_use]
    pub fn texts(&self) -> Vec<Text> {
        match self {
            Self::Directory(root) => files::texts(root),
            Self::Embedded => {
                let files = embedded::FILES.iter();
                let text = |(file, text): &(&str, &str)| Text {
                    file: (*file).into(),
                    text: (*text).into(),
                };
                files.map(text).collect()
            }
            Self::Texts(texts) => texts.to_vec(),
            Self::Parsed(Parsed(parsed)) => parsed.0.texts(),
        }
    }

    /// The same source as it is now, which is not read and parsed again for each who asks it. Blocks
    /// on the file system.
    #[must_use]
    pub fn parsed(&self) -> Parsed {
        let files = match self {
            Self::Directory(root) => {
                let mut files = files::Files::default();
                files.load(files::Scan::new(root));
                files
            }
            Self::Embedded => files::Files::embedded(embedded::FILES),
            Self::Texts(texts) => files::Files::embedded(&named(texts)),
            Self::Parsed(parsed) => return parsed.clone(),
        };
        Parsed(Arc::new((self.clone(), files)))
    }
}

/// What is asked of the source, as a DNS server would ask the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// yield Pods too
    pub pods: bool,
    /// yield ServiceImports too
    pub imports: bool,
    /// Services, EndpointSlices and Pods must have these labels; a simulated slice has its Service's
    pub labels: Selector,
    /// Namespaces and ServiceImports must have these labels; each Namespace has `kubernetes.io/metadata.name`
    pub namespace_labels: Selector,
}

/// Manifests that stand in for an API server.
#[derive(Clone, Debug)]
pub struct Manifests {
    source: Source,
    options: Options,
}

/// Everything that a source holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Sorted by kind, namespace and name; each with where it stands, or what it was made from. The
    /// place of a namespace that every cluster has is empty.
    pub objects: Vec<(Object, Place)>,
    /// sorted by place
    pub problems: Vec<Problem>,
}

/// Where something stands in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// the file's path, from the directory as it was given
    pub file: Arc<str>,
    /// from 1; 0 where only the file is known
    pub line: u32,
    /// from 1, in characters; 0 where only the file is known
    pub column: u32,
}

/// Something wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Problem {
    /// where
    pub place: Place,
    /// how bad
    pub severity: Severity,
    /// what is wrong, why, and what is done about it
    pub reason: String,
}

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// something is not served as it is written
    Error,
    /// everything is served, but a cluster might see it otherwise
    Warning,
}

impl Manifests {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(source: Source, options: Options) -> Self {
        Self { source, options }
    }

    /// Reads everything once. Blocks on the file system.
    #[must_use]
    pub fn load(&self) -> Loaded {
        let Parsed(parsed) = self.source.parsed();
        let (_, files) = &*parsed;
        let cluster = cluster::simulate(files.manifests(), &self.options);
        let mut problems: Vec<_> = files.problems().cloned().chain(cluster.problems).collect();
        problems.sort();
        Loaded {
            objects: cluster.objects.into_values().collect(),
            problems,
        }
    }

    /// Yields a list of every kind, then each change within a second of it, until the receiver is
    /// dropped. Dropping the future stops it too.
    ///
    /// Problems are logged, once each. A directory that cannot be listed at the start yields
    /// nothing until it can; later, what was read of it stays.
    pub async fn run(self, events: mpsc::Sender<Event>) {
        match self.source {
            Source::Directory(root) => watch::directory(root, self.options, events).await,
            Source::Embedded => watch::embedded(embedded::FILES, self.options, events).await,
            Source::Texts(texts) => watch::embedded(&named(&texts), self.options, events).await,
            Source::Parsed(Parsed(parsed)) => watch::still(&parsed.1, &self.options, events).await,
        }
    }
}

fn named(texts: &[Text]) -> Vec<(&str, &str)> {
    let texts = texts.iter();
    texts.map(|text| (&*text.file, &*text.text)).collect()
}

impl Problem {
    fn error(place: Place, reason: String) -> Self {
        Self {
            place,
            severity: Severity::Error,
            reason,
        }
    }

    fn warning(place: Place, reason: String) -> Self {
        Self {
            place,
            severity: Severity::Warning,
            reason,
        }
    }

    /// An object that an API server would refuse.
    fn refused(place: &Place, what: &str, reason: &str) -> Self {
        let reason = format!("{what} is left out, as an API server would refuse it: {reason}");
        Self::error(place.clone(), reason)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}
