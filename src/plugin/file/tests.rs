use std::fs;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::chain::Chain;
use crate::corefile::Memory;
use crate::plugin::setup::Shared;
use crate::testing::{Ask, Stub, n, set_up_with, setup_error};

const ZONE: &str = "@ 60 IN SOA ns host 7 2 3 4 5\nwww 60 IN A 192.0.2.1\n*.w 60 IN A 192.0.2.2\n";

/// The plugin with these lines, in front of one that tells REFUSED.
fn chain(lines: &str) -> Arc<Chain> {
    let corefile = format!("example.org {{\n{lines}\n}}");
    let files = Memory::default().with_file("/db", ZONE);
    let set_up = set_up_with(&corefile, NAME, &files, &mut Shared::default(), setup);
    set_up.value.unwrap();
    let mut plugins = set_up.plugins;
    let refused = Stub::upstream(ResponseCode::Refused, [&[], &[], &[]]);
    plugins.push(Arc::new(refused));
    Chain::new(plugins)
}

#[test]
fn who_answers() {
    for (what, lines, question, rcode) in [
        ("the zone", "file /db", "www.example.org. A", "NOERROR"),
        (
            "a relative path",
            "file db",
            "www.example.org. A",
            "NOERROR",
        ),
        (
            "a name that is not there",
            "file /db",
            "no.example.org. A",
            "NXDOMAIN",
        ),
        (
            "one that falls through",
            "file /db {\nfallthrough\n}",
            "no.example.org. A",
            "REFUSED",
        ),
        (
            "one that does not",
            "file /db {\nfallthrough x.example.org\n}",
            "no.example.org. A",
            "NXDOMAIN",
        ),
        (
            "a type that is not there never does",
            "file /db {\nfallthrough\n}",
            "www.example.org. TXT",
            "NOERROR",
        ),
        ("another zone", "file /db", "example.com. A", "REFUSED"),
        ("a transfer", "file /db", "example.org. AXFR", "REFUSED"),
        (
            "the longest zone",
            "file /nowhere .\nfile /db example.org",
            "www.example.org. A",
            "NOERROR",
        ),
        (
            "a file that is not there",
            "file /nowhere",
            "example.org. SOA",
            "SERVFAIL",
        ),
    ] {
        let told = Ask::new(question).now(&chain(lines));
        assert_eq!(told.rcode, rcode, "{what}");
    }
}

#[test]
fn what_is_wrong_is_told() {
    for (lines, error) in [
        (
            "file",
            "Wrong argument count or unexpected line ending after 'file'",
        ),
        ("file db {\nreload\n}", "reload duration value is expected"),
        ("file db {\nreload soon\n}", "3:8"),
        ("file db {\nnope\n}", "unknown property 'nope'"),
        ("file db {\nreload 0\n}", "open /db: no such file"),
    ] {
        let told = setup_error(lines);
        assert!(told.contains(error), "{lines}\n{told}\n{error}");
    }
}

#[test]
fn a_wrong_zone_is_an_error_of_the_corefile() {
    for (text, expected) in [
        ("www 60 IN A x", "/db:1:13: \"x\" is no IPv4 address"),
        (
            "@ 60 IN SOA ns host 0 2 3 4 5",
            "/db: the serial of example.org. is 0",
        ),
    ] {
        let files = Memory::default().with_file("/db", text);
        let set_up = set_up_with(
            "example.org {\nfile /db\n}",
            NAME,
            &files,
            &mut Shared::default(),
            setup,
        );
        let error = set_up.value.unwrap_err();
        assert_eq!(error.message(), expected);
        assert_eq!(
            error.place().map(|place| (place.line(), place.column())),
            Some((2, 6))
        );
    }
}

/// A source and its file; the path is gone with the folder.
fn source(text: &str) -> (tempfile::TempDir, Arc<Source>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    fs::write(&path, text).unwrap();
    let corefile = "example.org {\nfile db\n}";
    let place = set_up_with(
        corefile,
        NAME,
        &Memory::default(),
        &mut Shared::default(),
        |setup| setup.directive.tokens()[1].place().clone(),
    );
    let source = Source::new(n("example.org."), path, place.value);
    (folder, Arc::new(source))
}

fn serial(source: &Source) -> Option<u32> {
    source.zone().as_ref().map(|zone| zone.serial())
}

/// Runs `watch` with a paused clock; `step` is told how to let an interval pass.
async fn watching(
    source: &Arc<Source>,
    by_mtime: bool,
) -> (CancellationToken, tokio::task::JoinHandle<()>) {
    let stop = CancellationToken::new();
    let reload = Reload {
        interval: DEFAULT_RELOAD,
        by_mtime,
    };
    let task = tokio::spawn(source::watch(source.clone(), reload, None, stop.clone()));
    (stop, task)
}

/// Waits until what is served has this serial.
async fn until(source: &Source, wanted: u32) {
    while serial(source) != Some(wanted) {
        tokio::time::sleep(DEFAULT_RELOAD).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_serial_is_served_and_a_wrong_file_is_not() {
    let (_folder, source) = source(ZONE);
    let (stop, task) = watching(&source, false).await;
    until(&source, 7).await;
    fs::write(
        source.path(),
        ZONE.replace("192.0.2.1", "x").replace(" 7 ", " 8 "),
    )
    .unwrap();
    for _ in 0..3 {
        tokio::time::sleep(DEFAULT_RELOAD).await;
    }
    assert_eq!(serial(&source), Some(7));
    fs::write(source.path(), ZONE.replace(" 7 ", " 5 ")).unwrap();
    until(&source, 5).await;
    stop.cancel();
    task.await.unwrap();
}

/// Gives the file another serial, and a later time of change.
fn change(source: &Source) {
    fs::write(source.path(), ZONE.replace(" 7 ", " 6 ")).unwrap();
    let later = std::time::SystemTime::now() + Duration::from_secs(60);
    let file = fs::File::options().write(true).open(source.path()).unwrap();
    file.set_modified(later).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_newer_file_is_served_whatever_its_serial() {
    let (_folder, source) = source(ZONE);
    let (stop, task) = watching(&source, true).await;
    until(&source, 7).await;
    change(&source);
    until(&source, 6).await;
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_before_it_is_watched_is_read_again() {
    let (_folder, source) = source(ZONE);
    source.load().unwrap();
    change(&source);
    let (stop, task) = watching(&source, true).await;
    until(&source, 6).await;
    stop.cancel();
    task.await.unwrap();
}
