//! What there is, and what there was.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::asked::Resource;

/// A resource, a namespace and a name: the order of lists.
pub(super) type Key = (Resource, String, String);

/// The objects as they are, and how they came to be so.
#[derive(Default)]
pub(super) struct Objects {
    now: BTreeMap<Key, Value>,
    changes: Vec<Change>,
    version: u64,
    /// The version before the oldest change that is remembered.
    forgotten: u64,
    made: u64,
}

/// A change of one object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: Key,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

impl Objects {
    /// The version of the last change.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Whether all changes after this version are remembered.
    pub(super) fn remembers(&self, version: u64) -> bool {
        version >= self.forgotten
    }

    pub(super) fn compact(&mut self) {
        // A version that no change has, so that nothing from before is of use.
        self.version += 1;
        self.forgotten = self.version;
        self.changes.clear();
    }

    pub(super) fn put(&mut self, mut object: Value) {
        let key = key_of(&object);
        self.version += 1;
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = json!(self.version.to_string());
        let before = self.now.get(&key).cloned();
        match &before {
            // An object that is replaced stays the same one.
            Some(before) => metadata["uid"] = before["metadata"]["uid"].clone(),
            None if metadata["uid"].is_null() => {
                self.made += 1;
                metadata["uid"] = json!(format!("00000000-0000-4000-8000-{:012}", self.made));
            }
            None => {}
        }
        self.now.insert(key.clone(), object.clone());
        self.changed(key, before, Some(object));
    }

    pub(super) fn delete(&mut self, resource: Resource, name: &str) {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let key = (resource, namespace.to_owned(), name.to_owned());
        if let Some(before) = self.now.remove(&key) {
            self.version += 1;
            self.changed(key, Some(before), None);
        }
    }

    fn changed(&mut self, key: Key, before: Option<Value>, after: Option<Value>) {
        self.changes.push(Change {
            version: self.version,
            key,
            before,
            after,
        });
    }

    /// The changes after a version, oldest first.
    pub(super) fn since(&self, version: u64) -> &[Change] {
        let start = self.changes.partition_point(|one| one.version <= version);
        self.changes.get(start..).unwrap_or_default()
    }

    /// The objects of a resource as they were at a version, in the order of their keys.
    pub(super) fn at(&self, resource: Resource, version: u64) -> BTreeMap<Key, Value> {
        let of_resource = self.now.iter().filter(|(key, _)| key.0 == resource);
        let mut then: BTreeMap<_, _> = of_resource
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        for change in self.since(version).iter().rev() {
            match &change.before {
                _ if change.key.0 != resource => {}
                Some(before) => _ = then.insert(change.key.clone(), before.clone()),
                None => _ = then.remove(&change.key),
            }
        }
        then
    }
}

fn key_of(object: &Value) -> Key {
    let kind = object["kind"].as_str().unwrap_or_default();
    let resource = Resource::ALL.into_iter().find(|one| one.kind() == kind);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    (
        resource.unwrap_or_else(|| panic!("of no known kind: {object}")),
        text(&metadata["namespace"]),
        text(&metadata["name"]),
    )
}
