//! From changes of files to events.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::timeout;

use super::super::files::{Files, Scan};
use super::super::watch::State;
use super::super::{Manifests, Source};
use super::*;
use crate::kubernetes::event::Event;

/// Longer than any change takes, shorter than patience.
const PATIENCE: Duration = Duration::from_secs(60);

fn event(event: &Event) -> String {
    match event {
        Event::Listing(kind) => format!("listing {kind:?}"),
        Event::Listed(kind) => format!("listed {kind:?}"),
        Event::Apply(object) => format!("apply {}", line(object)),
        Event::Delete(kind, key) => format!("delete {kind:?} {}/{}", key.namespace, key.name),
        other => format!("{other:?}"),
    }
}

/// A directory that is read when a test says so.
struct Directory {
    root: TempDir,
    state: State,
}

impl Directory {
    fn new(files: &[(&str, &str)]) -> Self {
        Self::with(files, Options::default())
    }

    fn with(files: &[(&str, &str)], options: Options) -> Self {
        let directory = Self {
            root: tempfile::tempdir().expect("a directory"),
            state: State::new(options, Files::default()),
        };
        files
            .iter()
            .for_each(|(name, text)| directory.write(name, text));
        directory
    }

    fn path(&self) -> &Path {
        self.root.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// The same in one step, for who reads while it is written.
    fn replace(&self, name: &str, text: &str) {
        self.write(".swp", text);
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::rename(self.path().join(".swp"), path).expect("a file");
    }

    /// The events since the last call.
    fn events(&mut self) -> Vec<String> {
        let scan = Scan::new(self.root.path());
        let events = self.state.load(scan);
        events.iter().map(event).collect()
    }

    /// Problems that were reported, without the directory's name.
    fn problems(&self) -> Vec<String> {
        let root = format!("{}/", self.path().display());
        let problems = self.state.reported.iter().map(ToString::to_string);
        problems.map(|problem| problem.replace(&root, "")).collect()
    }
}

fn service(name: &str, spec: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n")
}

fn set(replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: db}}\nspec:\n  serviceName: db\n  \
         replicas: {replicas}\n  template: {{metadata: {{labels: {{app: db}}}}}}\n"
    )
}

const HEADLESS: &str = "{clusterIP: None, selector: {app: db}}";

#[test]
fn the_first_load_is_a_list_of_each_kind() {
    let mut directory =
        Directory::new(&[("a.yaml", &service("db", HEADLESS)), ("b/c.yml", &set(1))]);
    assert_eq!(
        directory.events(),
        [
            "listing Namespace",
            "apply namespace default",
            "apply namespace kube-node-lease",
            "apply namespace kube-public",
            "apply namespace kube-system",
            "listed Namespace",
            "listing Service",
            "apply service default/db headless",
            "listed Service",
            "listing EndpointSlice",
            "apply endpoints default/db = db-0@10.244.44.165",
            "listed EndpointSlice",
        ]
    );
    assert_eq!(directory.events(), [""; 0]);
}

#[test]
fn more_replicas_change_what_they_are_in_and_nothing_else() {
    let options = Options {
        pods: true,
        ..Options::default()
    };
    let files = [
        ("db.yaml", set(1)),
        (
            "services.yaml",
            service("db", HEADLESS) + &service("x", "{}"),
        ),
    ];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let mut directory = Directory::with(&files, options);
    directory.events();
    directory.write("db.yaml", &set(2));
    assert_eq!(
        directory.events(),
        [
            "apply endpoints default/db = db-0@10.244.44.165 db-1@10.244.114.138",
            "apply pod default/db-1 10.244.114.138 fd00:10:244::728a",
        ]
    );
    directory.write("db.yaml", &set(0));
    let gone = directory.events();
    assert_eq!(gone.len(), 3, "{gone:?}");
    assert!(
        gone[0].starts_with("delete EndpointSlice default/db-"),
        "{gone:?}"
    );
    assert_eq!(
        gone[1..],
        ["delete Pod default/db-0", "delete Pod default/db-1"]
    );
}

#[test]
fn a_file_that_does_not_parse_counts_as_it_last_did() {
    let good = service("a", "{clusterIP: None}");
    let mut directory = Directory::new(&[("a.yaml", &good), ("b.yaml", "kind: [")]);
    let events = directory.events();
    assert!(
        events.contains(&"apply service default/a headless".to_owned()),
        "{events:?}"
    );
    let broken = "b.yaml:1:7: unclosed bracket '['; nothing of the file is served";
    assert_eq!(directory.problems(), [broken]);

    directory.write("a.yaml", &good.replace("{clusterIP", "\n  {clusterIP: ["));
    directory.write("c.yaml", &service("c", "{clusterIP: None}"));
    assert_eq!(directory.events(), ["apply service default/c headless"]);
    let problems = directory.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    let kept = "; the file counts as it was when it last parsed";
    assert!(
        problems[0].starts_with("a.yaml:5:") && problems[0].ends_with(kept),
        "{problems:?}"
    );

    directory.write(
        "a.yaml",
        &service("a", "{type: ExternalName, externalName: x}"),
    );
    assert_eq!(directory.events(), ["apply service default/a -> x"]);
    assert_eq!(directory.problems(), [broken]);

    fs::write(directory.path().join("a.yaml"), [0xff, 0xfe]).expect("a file");
    assert_eq!(directory.events(), [""; 0]);
    let problems = directory.problems();
    let reason = "a.yaml: the file is not UTF-8, from byte 0";
    assert_eq!(problems[0], format!("{reason}{kept}"));

    fs::remove_file(directory.path().join("a.yaml")).expect("a file");
    assert_eq!(directory.events(), ["delete Service default/a"]);
}

#[test]
fn a_change_without_a_new_size_or_time_is_seen() {
    let mut directory = Directory::new(&[("a.yaml", &service("a", "{clusterIP: None}"))]);
    directory.events();
    for name in ["b", "c", "d", "e"] {
        directory.write("a.yaml", &service(name, "{clusterIP: None}"));
        let events = directory.events();
        assert_eq!(events[0], format!("apply service default/{name} headless"));
        assert_eq!(events.len(), 2);
    }
}

#[test]
fn only_manifests_are_read_and_links_are_followed_once() {
    let mut directory = Directory::new(&[
        (
            "a.JSON",
            "{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"json\"}}",
        ),
        ("README.md", "no: ["),
        ("a.yaml~", "no: ["),
        (".#a.yaml", "no: ["),
        (".git/a.yaml", "no: ["),
        (
            "deep/er/b.yml",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: deep}\n",
        ),
    ]);
    symlink(directory.path(), directory.path().join("deep/loop")).expect("a link");
    symlink("nowhere", directory.path().join("broken.yaml")).expect("a link");
    let events = directory.events();
    let namespaces = events
        .iter()
        .filter(|event| event.starts_with("apply namespace"));
    assert_eq!(namespaces.count(), 6, "{events:?}");
    assert_eq!(directory.problems(), [""; 0]);
}

#[test]
fn a_file_that_cannot_be_read_is_tried_again() {
    let mut directory = Directory::new(&[("b.yaml", &service("b", "{clusterIP: None}"))]);
    directory.events();
    let path = directory.path().join("a.yaml");
    let file = fs::File::create(&path).expect("a file");
    file.set_len(65 << 20).expect("a large file");
    assert_eq!(directory.events(), [""; 0]);
    let problem =
        "a.yaml: cannot read the file: it is larger than 64 MiB; nothing of the file is served";
    assert_eq!(directory.problems(), [problem]);
    directory.write("a.yaml", &service("a", "{clusterIP: None}"));
    assert_eq!(directory.events(), ["apply service default/a headless"]);
    assert_eq!(directory.problems(), [""; 0]);
}

/// As kubelet writes a ConfigMap's volume: a link to a directory with a time as its name is swapped.
#[test]
fn a_swapped_config_map_is_seen() {
    let mut directory = Directory::new(&[
        ("..2026_01/a.yaml", &service("a", "{clusterIP: None}")),
        (
            "..2026_02/a.yaml",
            &service("a", "{type: ExternalName, externalName: x}"),
        ),
    ]);
    let data = directory.path().join("..data");
    symlink("..2026_01", &data).expect("a link");
    symlink("..data/a.yaml", directory.path().join("a.yaml")).expect("a link");
    assert_eq!(directory.events()[7], "apply service default/a headless");
    symlink("..2026_02", directory.path().join("..data_tmp")).expect("a link");
    fs::rename(directory.path().join("..data_tmp"), &data).expect("a link");
    assert_eq!(directory.events(), ["apply service default/a -> x"]);
}

#[test]
fn a_directory_that_is_gone_leaves_what_was_read() {
    let mut directory = Directory::new(&[("a.yaml", &service("a", "{clusterIP: None}"))]);
    directory.events();
    let away = tempfile::tempdir().expect("a directory");
    let away = away.path().join("away");
    fs::rename(directory.path(), &away).expect("a directory");
    assert_eq!(directory.events(), [""; 0]);
    let problems = directory.problems();
    assert!(
        problems[0].contains("cannot list the directory: No such file"),
        "{problems:?}"
    );
    fs::rename(&away, directory.path()).expect("a directory");
    assert_eq!(directory.events(), [""; 0]);
    assert_eq!(directory.problems(), [""; 0]);

    let mut never = State::new(Options::default(), Files::default());
    let missing = away.join("missing");
    assert_eq!(never.load(Scan::new(&missing)), []);
    assert_eq!(never.reported.len(), 1);
}

#[test]
fn a_directory_without_manifests_is_said() {
    let mut directory = Directory::new(&[("values.txt", "x")]);
    directory.events();
    let problems = directory.problems();
    assert!(
        problems[0].ends_with("no *.yaml, *.yml or *.json in it has an object to read"),
        "{problems:?}"
    );
}

async fn next(events: &mut Receiver<Event>) -> String {
    let next = timeout(PATIENCE, events.recv()).await.expect("in time");
    event(&next.expect("an event"))
}

async fn until(events: &mut Receiver<Event>, wanted: &str) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|event| event != wanted) {
        seen.push(next(events).await);
    }
    seen
}

#[tokio::test]
async fn a_running_source_yields_changes_until_nobody_listens() {
    let directory = Directory::new(&[("a.yaml", &service("a", "{clusterIP: None}"))]);
    let source = Source::Directory(directory.path().to_owned());
    let (sender, mut events) = mpsc::channel(4);
    let running = tokio::spawn(Manifests::new(source, Options::default()).run(sender));
    until(&mut events, "listed EndpointSlice").await;

    // as an editor saves: into another file, which then takes the name
    directory.replace(
        "a.yaml",
        &service("a", "{type: ExternalName, externalName: x}"),
    );
    assert_eq!(next(&mut events).await, "apply service default/a -> x");

    directory.replace("new/b.yaml", &service("b", "{clusterIP: None}"));
    assert_eq!(next(&mut events).await, "apply service default/b headless");
    fs::remove_dir_all(directory.path().join("new")).expect("a directory");
    assert_eq!(next(&mut events).await, "delete Service default/b");

    drop(events);
    timeout(PATIENCE, running)
        .await
        .expect("in time")
        .expect("no panic");
}

#[tokio::test]
async fn a_directory_that_comes_later_is_listed_then() {
    let directory = Directory::new(&[]);
    let root = directory.path().join("later");
    let (sender, mut events) = mpsc::channel(4);
    let source = Source::Directory(root);
    tokio::spawn(Manifests::new(source, Options::default()).run(sender));
    directory.write("hidden/a.yaml", &service("a", "{clusterIP: None}"));
    let hidden = directory.path().join("hidden");
    fs::rename(hidden, directory.path().join("later")).expect("a directory");
    let seen = until(&mut events, "listed EndpointSlice").await;
    assert!(
        seen.contains(&"apply service default/a headless".to_owned()),
        "{seen:?}"
    );
}

#[tokio::test]
async fn the_embedded_cluster_is_one_list() {
    let (sender, mut events) = mpsc::channel(4);
    let manifests = Manifests::new(Source::Embedded, Options::default());
    let running = tokio::spawn(manifests.run(sender));
    let seen = until(&mut events, "listed EndpointSlice").await;
    assert!(seen.len() > 40, "{seen:?}");
    drop(events);
    timeout(PATIENCE, running)
        .await
        .expect("in time")
        .expect("no panic");
}
