//! `callsign lookup` and `callsign lint`, as a person runs them.

use std::process::Output;

use crate::program::{self, Folder, Program, root};

fn callsign(arguments: &[&str]) -> Output {
    let mut command = program::callsign(arguments);
    command.current_dir(root()).output().unwrap()
}

fn lookup(arguments: &str) -> (i32, String) {
    let words = format!("lookup {arguments}");
    let output = callsign(&words.split(' ').collect::<Vec<_>>());
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    (output.status.code().unwrap_or(-1), text)
}

#[test]
fn names_of_the_sample_cluster_are_told_with_their_reasons() {
    let here = "--manifests config/cluster";
    for (arguments, code, told) in [
        (
            "database --from production/Pod/custom-dns-pod",
            0,
            &[
                "database is 10.",
                "dnsPolicy None",
                "options ndots:2 timeout:3",
                "That takes 2 queries.",
            ][..],
        ),
        (
            "nginx --namespace default",
            1,
            &["nginx is in namespace nginx: use nginx.nginx"],
        ),
        (
            "nginx.nginx --namespace default",
            0,
            &["That takes 4 queries."],
        ),
        (
            "postgres-0.postgres-headless --from production/Deployment/backend",
            0,
            &["postgres-0.postgres-headless is 10.244."],
        ),
        (
            "example.com",
            0,
            &["it would be forwarded to", "ndots:1: 2 queries"],
        ),
        (
            "external-database --namespace production",
            0,
            &["external-database is an alias of rds.us-west-2.amazonaws.com."],
        ),
        (
            "_http._tcp.idp-server.idp-system.svc.cluster.local SRV",
            0,
            &[
                "SRV 0 100 80 idp-server.idp-system.svc.cluster.local.",
                "That takes 1 query.",
            ],
        ),
        (
            "database --from production/Pod/nobody",
            2,
            &["the manifests have no production/Pod/nobody"],
        ),
        (
            "database --libc bsd",
            2,
            &["none of glibc, musl, musl-1.2.3, go"],
        ),
    ] {
        let (exit, text) = lookup(&format!("{arguments} {here}"));
        assert_eq!(exit, code, "{arguments}: {text}");
        for line in told {
            assert!(text.contains(line), "{arguments}: no '{line}' in\n{text}");
        }
    }
}

#[test]
fn json_has_all_of_it() {
    let (code, text) = lookup("nginx --namespace default --manifests config/cluster --format json");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 1);
    assert_eq!(report["resolves"], false);
    assert_eq!(report["queries"], 8);
    assert_eq!(
        report["tried"][0]["name"],
        "nginx.default.svc.cluster.local"
    );
    assert_eq!(report["tried"][0]["queries"][0]["reply"], "NXDOMAIN");
}

#[test]
fn a_running_server_tells_its_reasons_and_any_server_its_answers() {
    let socket = format!("@callsign-suite-{}", std::process::id());
    let folder = Folder::new();
    let corefile = folder.write(
        "Corefile",
        ".:0 {\nbind 127.0.0.1\nhosts {\n192.0.2.9 printer.office\nfallthrough\n}\n\
         kubernetes cluster.local\n}\n",
    );
    let manifests = root().join("config/cluster").display().to_string();
    let program = Program::start(&corefile, &["--admin", &socket, "--manifests", &manifests]);
    let (code, text) = lookup(&format!(
        "printer.office --namespace production --admin {socket}"
    ));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("printer.office is 192.0.2.9"), "{text}");
    assert!(text.contains("hosts: "), "{text}");
    let (code, text) = lookup(&format!("nginx --namespace default --admin {socket}"));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("use nginx.nginx"), "{text}");
    let server = program.address;
    let (code, text) = lookup(&format!(
        "database --namespace production --server {server}"
    ));
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("Why:"), "{text}");
}

#[test]
fn a_server_that_is_not_there_is_told_at_once() {
    let (code, text) = lookup("database --admin @callsign-nobody");
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("cannot ask the server at @callsign-nobody"),
        "{text}"
    );
    let (code, text) = lookup("database --server 127.0.0.1:1");
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("no server gave an answer"), "{text}");
}

#[test]
fn lint_tells_what_does_not_resolve_and_what_is_wasted() {
    let folder = Folder::new();
    let text = "\
kind: Deployment
apiVersion: apps/v1
metadata: {name: web, namespace: production}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        env:
        - name: DATABASE_URL
          value: postgresql://databse:5432/myapp
        - name: API
          value: http://api.production.svc.cluster.local:80
---
kind: Service
apiVersion: v1
metadata: {name: database, namespace: production}
spec: {ports: [{port: 5432}]}
---
kind: Service
apiVersion: v1
metadata: {name: api, namespace: production}
spec: {ports: [{port: 80}]}
";
    folder.write("all.yaml", text);
    let folder = folder.path().display().to_string();
    let output = callsign(&["lint", "--manifests", &folder]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    for line in [
        "all.yaml:13: error: databse does not resolve from production/Deployment/web (env DATABASE_URL)",
        "  help: namespace production has no Service databse; did you mean database?",
        "all.yaml:15: waste: api.production.svc.cluster.local takes 8 queries each time",
        "2 names looked up: 1 do not resolve, 1 take more queries than they need",
    ] {
        assert!(told.contains(line), "no '{line}' in\n{told}");
    }
    let output = callsign(&["lint", "--manifests", "config/cluster"]);
    assert_eq!(output.status.code(), Some(0));
}
