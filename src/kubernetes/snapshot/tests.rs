use super::*;
use crate::kubernetes::object::Kind;
use crate::kubernetes::store::{self, Store};
use crate::kubernetes::testkit::{ALL_KINDS, apply, ask, cluster, object};
use crate::kubernetes::zone::View;
use std::path::Path;

const OBJECTS: &str = "
    namespace a
    service a/web 10.96.0.1,fd00::1 http:80/TCP :53/UDP
    slice   a/web-1 web http:8080/TCP | 10.0.0.1(,web-x) 10.0.0.2!
    service a/db None
    slice   a/db-1 db pg:5432/TCP | 10.0.1.1(db-0,db-0) 10.0.1.2(db-1,db-1)
    service a/ext ->example.com
    service a/alias None
    slice   a/alias-1 alias http:80/TCP | www.example.org(host,)
    pod     a/web-x 10.0.0.1
";

/// A zone that knows its cluster and all of it, its store, and a file that is to have its state.
fn known(path: &Path, objects: &str) -> (Store, Arc<Zone>, Arc<Snapshot>) {
    let (mut store, zone) = cluster(objects);
    store.apply(Event::Cluster("uid-1".into()), 0);
    let snapshot = Arc::new(Snapshot::new(path.to_owned(), &Registry::default()));
    snapshot.add("in-cluster", &zone);
    (store, zone, snapshot)
}

/// What a start reads of a file, and what it logs.
async fn restored(path: &Path, source: &str) -> (Store, Arc<Zone>, usize) {
    let (mut store, zone) = store::new(&ALL_KINDS);
    let snapshot = Snapshot::new(path.to_owned(), &Registry::default());
    let (sender, mut events) = mpsc::channel(1024);
    snapshot.restore(source, sender).await;
    let mut count = 0;
    while let Some(event) = events.recv().await {
        store.apply(event, 7);
        count += 1;
    }
    (store, zone, count)
}

fn asked(zone: &Zone, question: &str) -> String {
    ask(zone, &View::default(), question).join(" ")
}

#[tokio::test]
async fn what_was_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (_store, known, snapshot) = known(&path, OBJECTS);
    snapshot.write().unwrap();
    let (_store, zone, count) = restored(&path, "in-cluster").await;
    assert_eq!(count, 1 + OBJECTS.trim().lines().count());
    for question in [
        "web.a.svc A",
        "web.a.svc AAAA",
        "_http._tcp.web.a.svc SRV",
        "db.a.svc SRV",
        "db-1.db.a.svc A",
        "ext.a.svc A",
        "alias.a.svc A",
        "host.alias.a.svc A",
        "nosuch.a.svc A",
        "10.0.1.1 PTR",
    ] {
        assert_eq!(
            asked(&zone, question),
            asked(&known, question),
            "{question}"
        );
    }
    assert!(zone.snapshot().is_some() && !zone.has_synced());
    assert_eq!(zone.cluster().as_deref(), Some("uid-1"));
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn the_format_of_version_1_is_read_for_ever() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/snapshot/version-1");
    let (_store, zone, count) = restored(&path, "in-cluster").await;
    assert_eq!(
        count, 8,
        "a change of the objects is a change of the format: give it version 2"
    );
    assert_eq!(zone.snapshot(), Some(1_764_444_000));
    assert_eq!(asked(&zone, "web.a.svc A"), "A 10.96.0.1");
    assert_eq!(asked(&zone, "web.a.svc AAAA"), "AAAA fd00::1");
    assert_eq!(asked(&zone, "db-1.db.a.svc A"), "A 10.0.1.2");
    assert_eq!(asked(&zone, "ext.a.svc A"), "CNAME example.com");
    assert_eq!(asked(&zone, "10.0.0.1 PTR"), "PTR 10-0-0-1.web.a.svc");
    assert_eq!(zone.totals().not_ready, 1);
    assert_eq!(zone.totals().pods, 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_passed_over_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (_store, _zone, snapshot) = known(&path, OBJECTS);
    snapshot.write().unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    let lines = whole.lines().count();
    let without_last = || {
        let lines = whole.lines().take(lines - 1);
        lines.map(|line| line.to_owned() + "\n").collect()
    };
    let table: [(&str, String, &str); 9] = [
        ("nothing in it", String::new(), "it ends before its end"),
        (
            "something else",
            "# a Corefile\n".into(),
            "it is no snapshot of callsign",
        ),
        (
            "other JSON",
            "{\"a\":1}\n".into(),
            "it is no snapshot of callsign",
        ),
        (
            "a later version",
            whole.replace("{\"snapshot\":1}", "{\"snapshot\":2}"),
            "it has version 2 of the format, and this callsign reads version 1",
        ),
        ("no last line", without_last(), "it ends before its end"),
        (
            "half of a line",
            whole[..whole.len() / 2].into(),
            "it ends before its end",
        ),
        (
            "another address",
            whole.replace("10.96.0.1", "10.96.0.2"),
            "its checksum is wrong",
        ),
        (
            "more after the end",
            whole.clone() + "\n",
            "its checksum is wrong",
        ),
        (
            "no checksum in the last line",
            without_last() + "{\"sha256\":\n",
            "it ends before its end",
        ),
    ];
    for (what, text, expected) in table {
        std::fs::write(&path, text).unwrap();
        let error = format::read(&path, "in-cluster", |_| panic!("{what}: it was used"));
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{what}: {error}");
        let (_store, zone, count) = restored(&path, "in-cluster").await;
        assert_eq!((zone.snapshot(), count), (None, 0), "{what}");
    }
    // No file at all, one of another source, and a folder in its place.
    std::fs::remove_file(&path).unwrap();
    assert_eq!(restored(&path, "in-cluster").await.2, 0);
    snapshot.write().unwrap();
    assert_eq!(restored(&path, "endpoint http://10.0.0.1").await.2, 0);
    assert_eq!(restored(folder.path(), "in-cluster").await.2, 0);
}

#[tokio::test]
async fn the_first_list_is_a_diff_over_the_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    known(&path, OBJECTS).2.write().unwrap();
    let (mut store, zone, _) = restored(&path, "in-cluster").await;
    store.apply(Event::Cluster("uid-1".into()), 8);
    assert_eq!(asked(&zone, "web.a.svc A"), "A 10.96.0.1");
    for kind in ALL_KINDS {
        store.apply(Event::Listing(kind), 8);
    }
    apply(
        &mut store,
        "namespace a\nservice a/web 10.96.0.9\npod a/web-x 10.0.0.1",
    );
    assert_eq!(asked(&zone, "web.a.svc A"), "A 10.96.0.9");
    assert_eq!(asked(&zone, "db-0.db.a.svc A"), "A 10.0.1.1");
    assert!(zone.snapshot().is_some());
    for kind in ALL_KINDS {
        store.apply(Event::Listed(kind), 9);
    }
    assert_eq!(asked(&zone, "db-0.db.a.svc A"), "NXDOMAIN");
    assert_eq!(zone.snapshot(), None);
    assert!(zone.has_synced());
}

#[tokio::test]
async fn what_a_snapshot_of_another_cluster_gave_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    known(&path, OBJECTS).2.write().unwrap();
    let (mut store, zone, _) = restored(&path, "in-cluster").await;
    // One list is under way, and one is complete.
    store.apply(Event::Listing(Kind::Namespace), 8);
    store.apply(Event::Apply(object("namespace a")), 8);
    store.apply(Event::Listed(Kind::Namespace), 8);
    store.apply(Event::Listing(Kind::Service), 8);
    store.apply(Event::Apply(object("service a/new 10.96.0.7")), 8);
    store.apply(Event::Cluster("uid-2".into()), 8);
    assert_eq!(asked(&zone, "web.a.svc A"), "NXDOMAIN");
    assert_eq!(asked(&zone, "10.0.0.1 PTR"), "NXDOMAIN");
    assert_eq!(asked(&zone, "new.a.svc A"), "A 10.96.0.7");
    assert_eq!(zone.snapshot(), None);
    assert!(!zone.has_synced());
    store.apply(Event::Listed(Kind::Service), 8);
    assert_eq!(asked(&zone, "new.a.svc A"), "A 10.96.0.7");
    assert_eq!(zone.totals().services, 1);
}

#[tokio::test(start_paused = true)]
async fn it_is_written_when_something_changed_and_once_a_minute_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (mut store, zone) = store::new(&ALL_KINDS);
    let metrics = Registry::default();
    let snapshot = Arc::new(Snapshot::new(path.clone(), &metrics));
    snapshot.add("in-cluster", &zone);
    let stop = CancellationToken::new();
    let keeping = tokio::spawn(snapshot.clone().keep(stop.clone()));
    let pass = async |seconds| sleep(Duration::from_secs(seconds)).await;
    let is_written = || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(&path);
        text.contains("10.96.0.1")
    };
    apply(&mut store, OBJECTS);
    store.apply(Event::Cluster("uid-1".into()), 0);
    pass(600).await;
    assert!(!is_written(), "before all of the cluster was seen");
    for kind in ALL_KINDS {
        store.apply(Event::Listed(kind), 0);
    }
    pass(2).await;
    assert!(is_written(), "once it was");
    pass(600).await;
    assert!(!is_written(), "though nothing has changed");
    store.apply(Event::Apply(object("service a/one 10.96.0.5")), 0);
    pass(2).await;
    assert!(is_written(), "after a change");
    store.apply(Event::Apply(object("service a/two 10.96.0.6")), 0);
    pass(50).await;
    assert!(!is_written(), "within the same minute");
    pass(12).await;
    assert!(is_written(), "in the next minute");
    assert!(
        !metrics
            .text()
            .contains("callsign_kubernetes_snapshot_write_failures_total 1")
    );
    // A folder that is not there is told and tried again.
    std::fs::remove_dir_all(folder.path()).unwrap();
    store.apply(Event::Apply(object("service a/three 10.96.0.7")), 0);
    pass(200).await;
    let text = metrics.text();
    assert!(
        text.contains("callsign_kubernetes_snapshot_write_failures_total 3"),
        "{text}"
    );
    std::fs::create_dir(folder.path()).unwrap();
    pass(61).await;
    assert!(is_written(), "once it can be");
    stop.cancel();
    keeping.await.unwrap();
}

#[test]
fn the_same_failure_is_told_once_whatever_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, _zone, snapshot) = known(&folder.path().join("none/state"), OBJECTS);
    let failed = || snapshot.write().unwrap_err();
    let (one, other, mut told) = (failed(), failed(), None);
    assert_ne!(one.to_string(), other.to_string(), "each names its file");
    assert!(is_news(&one, &mut told));
    assert!(!is_news(&other, &mut told));
    let full = io::Error::from(io::ErrorKind::StorageFull);
    assert!(is_news(&full, &mut told));
    assert!(is_news(&one, &mut told), "it is so again");
}

#[tokio::test]
async fn a_source_that_is_not_known_yet_keeps_what_the_file_had_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (_store, zone, snapshot) = known(&path, OBJECTS);
    snapshot.add("endpoint http://10.0.0.1", &zone);
    snapshot.write().unwrap();
    let taken = std::fs::read_to_string(&path).unwrap();
    // The next process: one source has answered, the other is served from the file.
    let (_store, other, _) = restored(&path, "endpoint http://10.0.0.1").await;
    let (_known_store, _known, snapshot) = known_again(&path, &other);
    snapshot.write().unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    let parts = |text: &str| {
        text.lines()
            .filter(|line| line.contains("\"source\""))
            .count()
    };
    assert_eq!((parts(&taken), parts(&written)), (2, 2), "{written}");
    let (_store, zone, _) = restored(&path, "endpoint http://10.0.0.1").await;
    assert_eq!(asked(&zone, "web.a.svc A"), "A 10.96.0.1");
}

fn known_again(path: &Path, other: &Arc<Zone>) -> (Store, Arc<Zone>, Arc<Snapshot>) {
    let (store, zone, snapshot) = known(path, "namespace b");
    snapshot.add("endpoint http://10.0.0.1", other);
    (store, zone, snapshot)
}
