//! The scenes that every guide to names in a cluster teaches, as `callsign lookup` foretells them.
//! `tests/resolvers/run` plays the same ones with the real libraries.

use std::path::Path;

use crate::program;
use scenes::{Expected, Scene};

// The other programs of tests use the rest of it.
#[allow(dead_code)]
#[path = "../resolvers/guide.rs"]
mod scenes;

/// One test for each scene, and one that there are no others.
macro_rules! scenes {
    ($($test:ident: $title:literal,)*) => {
        $(#[test]
        fn $test() {
            play($title);
        })*

        #[test]
        fn every_scene_is_a_test() {
            let titles: Vec<_> = scenes::all().unwrap().into_iter().map(|scene| scene.title).collect();
            assert_eq!(titles, [$($title),*]);
        }
    };
}

scenes! {
    short_name_in_the_same_namespace: "A short name in the same namespace",
    short_name_of_another_application:
        "A short name in the same namespace, of another application",
    service_and_namespace: "service.namespace",
    fully_qualified_name: "A fully qualified name",
    fully_qualified_name_with_its_dot: "A fully qualified name, with the dot at its end",
    nginx_from_another_namespace:
        "nginx from another namespace fails while nginx.nginx works",
    nginx_from_another_namespace_with_go:
        "nginx from another namespace fails while nginx.nginx works, with Go",
    nginx_from_another_namespace_with_musl:
        "nginx from another namespace fails while nginx.nginx works, with musl",
    nginx_from_another_namespace_with_old_musl:
        "nginx from another namespace fails while nginx.nginx works, with musl up to 1.2.3",
    nginx_from_its_own_namespace: "nginx from its own namespace",
    pods_of_a_stateful_set: "Pods of a StatefulSet",
    pods_of_a_stateful_set_from_another_namespace:
        "Pods of a StatefulSet, from another namespace",
    ndots_5: "dnsPolicy None with searches and ndots 5",
    ndots_2: "dnsPolicy None with searches and ndots 2",
    ndots_1: "dnsPolicy None with searches and ndots 1",
    ndots_1_and_a_dot:
        "dnsPolicy None with ndots 1: a name with a dot is tried as it is, and then with the searches",
    ndots_1_and_a_dot_in_musl:
        "dnsPolicy None with ndots 1: musl tries a name with a dot as it is only",
    name_outside_of_the_cluster: "A name outside of the cluster",
    alias_of_a_name_outside: "An alias of a name outside of the cluster",
    one_attempt_of_one_second: "One attempt of one second",
    two_attempts_of_two_seconds: "Two attempts of two seconds",
    one_replica: "One replica",
    from_one_replica_to_five: "From one replica to five",
}

fn play(title: &str) {
    let mut all = scenes::all().unwrap().into_iter();
    let scene = all.find(|scene| scene.title == title).unwrap();
    let folder = tempfile::tempdir().unwrap();
    scenes::write_cluster(folder.path(), scene.replicas.unwrap_or(3)).unwrap();
    let libcs = ["glibc", "musl", "musl-1.2.3", "go"];
    let libc = libcs.into_iter().find(|libc| scene.is_for(libc)).unwrap();
    let told = scene
        .names
        .iter()
        .map(|expected| foretell(&scene, expected, libc, folder.path()));
    let wanted = scene.names.iter().map(|expected| {
        let Expected {
            name,
            queries,
            outcome,
        } = expected;
        format!("{name} {queries} {outcome}")
    });
    assert_eq!(told.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
}

fn foretell(scene: &Scene, expected: &Expected, libc: &str, manifests: &Path) -> String {
    let name = &expected.name;
    let mut command = program::callsign(&["lookup", name, "--from", &scene.from, "--libc", libc]);
    command
        .args(["--format", "json", "--manifests"])
        .arg(manifests);
    let output = command
        .arg("-conf")
        .arg(scenes::file("Corefile"))
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        output.status.code(),
        Some(i32::from(report["resolves"] != true))
    );
    format!("{name} {} {}", report["queries"], scenes::outcome(&report))
}
