use std::fs;

use hickory_proto::op::ResponseCode;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::chain::Chain;
use crate::plugin::setup::Shared;
use crate::testing::{Ask, Stub, n, set_up, setup_error};

const ZONE: &str = "@ 60 IN SOA ns host 7 2 3 4 5\nwww 60 IN A 192.0.2.1\n*.w 60 IN A 192.0.2.2\n";

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn plugin(directory: &std::path::Path, naming: &str) -> (Arc<Folder>, Arc<Chain>) {
    let corefile = format!(
        "example.org example.net {{\nauto {{\ndirectory {} {naming}\n}}\n}}",
        directory.display()
    );
    let set_up = set_up(&corefile, NAME, &mut Shared::default(), |setup| {
        let config = Config::parse(setup).unwrap();
        let folder = Folder::new(config.directory, config.naming, config.place.unwrap());
        let folder = Arc::new(folder);
        setup.push(Auto {
            origins: config.origins,
            folder: folder.clone(),
        });
        folder
    });
    let mut plugins = set_up.plugins;
    let refused = Stub::upstream(ResponseCode::Refused, [&[], &[], &[]]);
    plugins.push(Arc::new(refused));
    (set_up.value, Chain::new(plugins))
}

#[tokio::test]
async fn files_are_named_after_their_zones() {
    let files = [
        ("db.example.org", ZONE),
        ("deep/er/db.Example.NET", ZONE),
        ("zz/db.example.org", "not looked at"),
        ("db.example.com", ZONE),
        ("db.wrong.example.org", "@ 60 IN A x"),
        ("db.bad..name", ZONE),
        ("README", "nothing"),
    ];
    let directory = folder(&files);
    let (watched, chain) = plugin(directory.path(), "");
    folder::walk(watched).await;
    for (question, rcode) in [
        ("www.example.org. A", "NOERROR"),
        ("www.example.net. A", "NOERROR"),
        ("no.example.net. A", "NXDOMAIN"),
        ("www.wrong.example.org. A", "NXDOMAIN"),
        ("www.example.com. A", "REFUSED"),
        ("example.org. AXFR", "REFUSED"),
    ] {
        assert_eq!(Ask::new(question).now(&chain).rcode, rcode, "{question}");
    }
}

#[tokio::test]
async fn a_pattern_and_a_template_name_zones() {
    let directory = folder(&[("example-zone", ZONE)]);
    let (watched, chain) = plugin(directory.path(), "(.*)-zone {1}.org");
    folder::walk(watched).await;
    assert_eq!(Ask::new("www.example.org. A").now(&chain).rcode, "NOERROR");
}

#[tokio::test]
async fn zones_come_change_and_go_with_their_files() {
    let directory = folder(&[("db.example.org", ZONE)]);
    let (watched, chain) = plugin(directory.path(), "");
    let org = || Ask::new("www.example.org. A").now(&chain);
    let net = || Ask::new("www.example.net. A").now(&chain).rcode;
    assert_eq!(folder::walk(watched.clone()).await, [n("example.org.")]);
    assert!(folder::walk(watched.clone()).await.is_empty());
    assert_eq!(net(), "REFUSED");

    let path = |name: &str| directory.path().join(name);
    fs::write(path("db.example.net"), ZONE).unwrap();
    fs::write(
        path("db.example.org"),
        ZONE.replace(" 7 ", " 8 ").replace("2.1", "2.9"),
    )
    .unwrap();
    assert_eq!(folder::walk(watched.clone()).await.len(), 2);
    assert_eq!(net(), "NOERROR");
    assert_eq!(org().answer, ["www.example.org. 60 IN A 192.0.2.9"]);

    fs::remove_file(path("db.example.net")).unwrap();
    fs::write(path("db.example.org"), "what is wrong changes nothing").unwrap();
    assert!(folder::walk(watched.clone()).await.is_empty());
    assert_eq!((net(), org().rcode), ("REFUSED".into(), "NOERROR".into()));

    // As kubelet does: the file is the same, its path is another.
    fs::create_dir(path("a")).unwrap();
    fs::rename(path("db.example.org"), path("a/db.example.org")).unwrap();
    fs::write(path("a/db.example.org"), ZONE.replace(" 7 ", " 9 ")).unwrap();
    assert_eq!(folder::walk(watched.clone()).await, [n("example.org.")]);
}

#[tokio::test(start_paused = true)]
async fn the_folder_is_looked_at_each_interval() {
    let directory = folder(&[]);
    let (watched, chain) = plugin(directory.path(), "");
    let stop = CancellationToken::new();
    let task = folder::watch(watched, DEFAULT_RELOAD, None, stop.clone());
    let task = tokio::spawn(task);
    fs::write(directory.path().join("db.example.org"), ZONE).unwrap();
    while Ask::new("www.example.org. A").now(&chain).rcode != "NOERROR" {
        tokio::time::sleep(DEFAULT_RELOAD).await;
    }
    stop.cancel();
    task.await.unwrap();
}

#[test]
fn what_is_wrong_is_told() {
    for (lines, error) in [
        ("auto {\ndirectory\n}", "Wrong argument count"),
        ("auto {\ndirectory / (.*)\n}", "Wrong argument count"),
        (
            "auto {\ndirectory / db {1}\n}",
            "Need at least one sub expression",
        ),
        (
            "auto {\ndirectory / ( {1}\n}",
            "invalid regex matching pattern",
        ),
        ("auto {\nreload\n}", "reload duration value is expected"),
        ("auto {\nnope\n}", "unknown property 'nope'"),
    ] {
        let told = setup_error(lines);
        assert!(told.contains(error), "{lines}\n{told}");
    }
}
