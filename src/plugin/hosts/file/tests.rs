use std::path::Path;

use super::*;
use crate::name::Name;
use crate::testing::n;

fn rules() -> Rules {
    Rules {
        zones: vec![Name::root()],
        reverse: true,
    }
}

fn hosts(path: &Path, inline: &str) -> HostsFile {
    let at = Location {
        path: path.to_owned(),
        label: "the.hosts".to_owned(),
    };
    HostsFile::new(at, rules(), inline, Arc::default())
}

fn knows(hosts: &HostsFile, name: &str) -> bool {
    hosts.table().host(n(name).view()).is_some()
}

fn metric(hosts: &HostsFile, line: &str) -> Option<f64> {
    let page = hosts.metrics.text();
    let value = page.lines().find_map(|have| have.strip_prefix(line))?;
    value.trim().parse().ok()
}

#[test]
fn a_file_is_read_again_when_its_time_or_size_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let write = |text: &str, seconds| {
        std::fs::write(&path, text).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(at(seconds))
            .unwrap();
    };
    let hosts = hosts(&path, "10.0.0.9 inline");
    assert!(knows(&hosts, "inline") && !knows(&hosts, "one"));
    write("10.0.0.1 one", 1000);
    hosts.refresh();
    assert!(knows(&hosts, "inline") && knows(&hosts, "one"));
    let entries = "coredns_hosts_entries{hostsfile=\"the.hosts\"}";
    assert_eq!(metric(&hosts, entries), Some(4.0));
    assert_eq!(
        metric(&hosts, "coredns_hosts_reload_timestamp_seconds"),
        Some(1000.0)
    );
    write("10.0.0.1 two", 1000);
    hosts.refresh();
    assert!(knows(&hosts, "one"), "the same time and size: not read");
    write("10.0.0.1 two", 1001);
    hosts.refresh();
    assert!(
        knows(&hosts, "two") && !knows(&hosts, "one"),
        "another time"
    );
    write("10.0.0.1 three", 1001);
    hosts.refresh();
    assert!(knows(&hosts, "three"), "another size");
    std::fs::remove_file(&path).unwrap();
    hosts.refresh();
    assert!(
        knows(&hosts, "three") && knows(&hosts, "inline"),
        "gone: the last content is served"
    );
    write("", 1002);
    hosts.refresh();
    assert!(
        knows(&hosts, "inline") && !knows(&hosts, "three"),
        "empty: nothing is served"
    );
    assert_eq!(metric(&hosts, entries), Some(2.0));
}

#[test]
fn what_cannot_be_read_leaves_the_corefiles_lines() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("absent"), folder.path().to_owned()] {
        let hosts = hosts(&path, "10.0.0.9 inline");
        hosts.refresh();
        assert!(knows(&hosts, "inline"), "{}", path.display());
        assert_eq!(metric(&hosts, "coredns_hosts_entries"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn the_file_is_watched_until_the_task_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    let hosts = Arc::new(hosts(&path, ""));
    let stop = CancellationToken::new();
    let task = tokio::spawn(watch(hosts.clone(), Duration::from_secs(5), stop.clone()));
    std::fs::write(&path, "10.0.0.1 one").unwrap();
    // Time is paused: it passes only as the task waits for it.
    let began = tokio::time::Instant::now();
    while !knows(&hosts, "one") {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the file was not read"
        );
    }
    stop.cancel();
    task.await.unwrap();
}
