//! Corefiles in ConfigMaps, as `kubectl get configmap -o yaml` prints them: laid out as the volumes
//! of a pod would be, with no cluster and no disk.
//!
//! The ConfigMap with the key `Corefile` is at `/etc/coredns`. Those without one are laid beside
//! it, in each folder that the Corefile imports from: AKS, k3s and others mount `coredns-custom`
//! at `/etc/coredns/custom`. Messages name the line of the YAML, where a key's value stands there
//! as a block (`key: |`).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::corefile::{Diagnostic, Environment, Memory, Origin};

/// Where the ConfigMap of the Corefile is mounted.
const MOUNT: &str = "/etc/coredns";
/// The key of the Corefile.
const COREFILE: &str = "Corefile";
/// Where the others are mounted, by what distributions do.
const CUSTOM: &[&str] = &["/etc/coredns/custom", "/custom"];

/// A ConfigMap, with where each of its values stands.
#[derive(Clone, Debug)]
pub struct ConfigMap {
    name: String,
    namespace: String,
    data: BTreeMap<String, (String, Origin)>,
}

/// What of a Kubernetes object is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    kind: Option<String>,
    metadata: Metadata,
    data: Value,
    items: Vec<Self>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
}

/// Whether a text is a Kubernetes object rather than a Corefile. No Corefile can have such a line:
/// a key that ends in a colon is an error.
#[must_use]
pub fn is_manifest(text: &str) -> bool {
    let mut lines = text
        .lines()
        .map(|line| line.trim_start_matches(['-', '{', ' ']));
    lines.any(|line| line.starts_with("apiVersion:") || line.starts_with("\"apiVersion\":"))
}

/// The ConfigMaps of a file: of all its documents, and of Lists. Other objects are passed over.
///
/// # Errors
/// The text is no YAML or JSON.
pub fn read(file: &str, text: &str) -> Result<Vec<ConfigMap>, Diagnostic> {
    let documents: Vec<Option<Object>> = serde_saphyr::from_multiple(text)
        .map_err(|error| Diagnostic::error(format!("{file}: no Kubernetes manifest: {error}")))?;
    let mut maps = Vec::new();
    let mut objects: Vec<Object> = documents.into_iter().flatten().rev().collect();
    while let Some(object) = objects.pop() {
        objects.extend(object.items.into_iter().rev());
        if object.kind.as_deref() != Some("ConfigMap") {
            continue;
        }
        let Value::Object(data) = object.data else {
            continue;
        };
        let values = data.into_iter().filter_map(|(key, value)| match value {
            Value::String(value) => {
                let origin = origin(file, text, &key, &value);
                Some((key, (value, origin)))
            }
            _ => None,
        });
        maps.push(ConfigMap {
            data: values.collect(),
            name: object.metadata.name.unwrap_or_default(),
            namespace: object.metadata.namespace.unwrap_or_default(),
        });
    }
    Ok(maps)
}

/// Where the value of a key stands: below its line, if it is written as a block.
fn origin(file: &str, text: &str, key: &str, value: &str) -> Origin {
    let lines: Vec<&str> = text.lines().collect();
    let is_key = |line: &&str| {
        let line = line.trim_start_matches(['-', ' ']);
        let rest = line.strip_prefix(key);
        let rest = rest.or_else(|| line.strip_prefix('"')?.strip_prefix(key)?.strip_prefix('"'));
        rest.is_some_and(|rest| rest.trim_start().starts_with(':') && rest.contains('|'))
    };
    let keys = lines.iter().enumerate().filter(|(_, line)| is_key(line));
    let found = keys.map(|(index, _)| index + 1).find_map(|below| {
        let first = value.lines().position(|line| !line.trim().is_empty())?;
        let (written, read) = (lines.get(below + first)?, value.lines().nth(first)?);
        let columns = written.strip_suffix(read)?.len();
        let same = value.lines().enumerate().all(|(index, read)| {
            let written = lines.get(below + index).copied().unwrap_or_default();
            written.get(columns..).unwrap_or_default() == read
        });
        same.then_some((below, columns))
    });
    match found {
        Some((lines, columns)) => Origin {
            name: file.to_owned(),
            lines: u32::try_from(lines).unwrap_or(u32::MAX),
            columns,
        },
        None => Origin {
            name: format!("{file}[{key}]"),
            lines: 0,
            columns: 0,
        },
    }
}

/// A Corefile from a ConfigMap, with its files around it.
#[derive(Clone, Debug)]
pub struct Mounted {
    name: String,
    files: Memory,
    origins: BTreeMap<PathBuf, Origin>,
    folders: BTreeSet<PathBuf>,
}

impl Mounted {
    /// Each ConfigMap with a Corefile, with all those that have none laid beside it, but for those
    /// of other namespaces.
    #[must_use]
    pub fn all(maps: &[ConfigMap]) -> Vec<Self> {
        let has_corefile = |map: &&ConfigMap| map.data.contains_key(COREFILE);
        let (main, custom): (Vec<_>, Vec<_>) = maps.iter().partition(has_corefile);
        let mounted = main.into_iter().map(|map| {
            let mut mounted = Self::of(map);
            let folders = mounted.imported_folders();
            for beside in custom.iter().filter(|beside| beside.is_beside(map)) {
                let laid = folders
                    .iter()
                    .map(PathBuf::as_path)
                    .chain(CUSTOM.iter().map(Path::new));
                laid.for_each(|folder| mounted.lay(folder, beside));
            }
            mounted
        });
        mounted.collect()
    }

    fn of(map: &ConfigMap) -> Self {
        let mut mounted = Self {
            name: map
                .data
                .get(COREFILE)
                .map_or_else(|| map.name.clone(), |(_, origin)| origin.name.clone()),
            files: Memory::default(),
            origins: BTreeMap::new(),
            folders: BTreeSet::new(),
        };
        mounted.lay(Path::new(MOUNT), map);
        mounted
    }

    /// What messages call the file that the Corefile is in.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Corefile's path in its [`Environment`].
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(MOUNT).join(COREFILE)
    }

    /// The same files, with all that is outside of their folders as it is on this machine.
    #[must_use]
    pub fn over<'m>(&'m self, machine: &'m dyn Environment) -> impl Environment + 'm {
        Overlay {
            mounted: self,
            machine,
        }
    }

    fn lay(&mut self, folder: &Path, map: &ConfigMap) {
        self.folders.insert(folder.to_owned());
        for (key, (value, origin)) in &map.data {
            let path = folder.join(key);
            self.files
                .files
                .insert(path.clone(), value.clone().into_bytes());
            self.origins.insert(path, origin.clone());
        }
    }

    /// The folders beside the Corefile's own that its lines import from.
    fn imported_folders(&self) -> Vec<PathBuf> {
        let corefile = self.files.files.get(&self.path());
        let corefile = String::from_utf8_lossy(corefile.map_or(&[], Vec::as_slice));
        let patterns = corefile.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("import")).then(|| words.next())?
        });
        let paths = patterns.map(|pattern| Path::new(MOUNT).join(pattern.trim_start_matches("./")));
        let folders = paths.filter_map(|path| path.parent().map(Path::to_owned));
        folders
            .filter(|folder| folder != Path::new(MOUNT))
            .collect()
    }
}

impl ConfigMap {
    fn is_beside(&self, main: &Self) -> bool {
        let namespaces = [&self.namespace, &main.namespace];
        self.namespace == main.namespace || namespaces.iter().any(|name| name.is_empty())
    }
}

/// Mounted files over a machine's: what is mounted hides what the machine has there.
struct Overlay<'m> {
    mounted: &'m Mounted,
    machine: &'m dyn Environment,
}

impl<'m> Overlay<'m> {
    /// Who has the path.
    fn owner(&self, path: &Path) -> &'m dyn Environment {
        let mut folders = self.mounted.folders.iter();
        match folders.any(|folder| path.starts_with(folder)) {
            true => &self.mounted.files,
            false => self.machine,
        }
    }
}

impl Environment for Overlay<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.machine.variable(name)
    }

    /// That of a pod, whose image names none.
    fn directory(&self) -> PathBuf {
        PathBuf::from("/")
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        self.owner(path).read(path, limit)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.owner(directory).list(directory)
    }

    fn exists(&self, path: &Path) -> bool {
        self.owner(path).exists(path)
    }

    fn origin(&self, path: &Path) -> Option<Origin> {
        self.mounted.origins.get(path).cloned()
    }
}

#[cfg(test)]
mod tests;
