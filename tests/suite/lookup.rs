//! `callsign lookup` and `callsign lint`, as a person runs them.

use std::process::Output;

use hickory_proto::op::Message;

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
            "10.96.0.10",
            0,
            &[
                "10.0.96.10.in-addr.arpa. has ",
                " IN PTR kube-dns.kube-system.svc.cluster.local.",
                "a program that is given an address asks nothing",
                "That takes 1 query.",
            ],
        ),
        (
            "database --from production/Pod/nobody",
            2,
            &["there is no production/Pod/nobody"],
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
    let hosts = folder.write("hosts", "# Ours\n192.0.2.8 scanner.office\n");
    let hosts = hosts.display();
    let corefile = folder.write(
        "Corefile",
        &format!(
            ".:0 {{\nbind 127.0.0.1\nhosts {hosts} {{\n192.0.2.9 printer.office\nfallthrough\n}}\n\
             kubernetes cluster.local {{\nstartup_timeout 60s\n}}\n}}\n"
        ),
    );
    let manifests = root().join("config/cluster").display().to_string();
    let program = Program::start(&corefile, &["--admin", &socket, "--manifests", &manifests]);
    let (code, text) = lookup(&format!(
        "printer.office --namespace production --admin {socket}"
    ));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("printer.office is 192.0.2.9"), "{text}");
    let place = format!(
        "hosts: an entry of the Corefile ({}:4:1)",
        corefile.display()
    );
    assert!(text.contains(&place), "{text}");
    for name in ["scanner.office", "192.0.2.8"] {
        let (code, text) = lookup(&format!("{name} --namespace production --admin {socket}"));
        assert_eq!(code, 0, "{text}");
        let place = format!("hosts: an entry of {hosts} ({hosts}:2)");
        assert!(text.contains(&place), "{text}");
    }
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
        "names looked up: 2; unresolved: 1; with more queries than they need: 1",
    ] {
        assert!(told.contains(line), "no '{line}' in\n{told}");
    }
    let output = callsign(&["lint", "--manifests", "config/cluster"]);
    assert_eq!(output.status.code(), Some(0));
}

/// Services whose endpoints are ready in part, not at all, and not there.
const SHOP: &str = "\
kind: Service
apiVersion: v1
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
kind: Pod
apiVersion: v1
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web}]}
status: {podIP: 10.244.9.1, phase: Running, conditions: [{type: Ready, status: 'True'}]}
---
kind: Pod
apiVersion: v1
metadata: {name: web-2, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web}]}
status: {podIP: 10.244.9.2, phase: Running, conditions: [{type: Ready, status: 'False'}]}
---
kind: Service
apiVersion: v1
metadata: {name: asleep, namespace: shop}
spec: {selector: {app: asleep}, ports: [{port: 80}]}
---
kind: Service
apiVersion: v1
metadata: {name: parts, namespace: shop}
spec: {clusterIP: None, selector: {app: parts}, ports: [{port: 80}]}
---
kind: Pod
apiVersion: v1
metadata: {name: part-1, namespace: shop, labels: {app: parts}}
spec: {containers: [{name: web}]}
status: {podIP: 10.244.9.3, phase: Running, conditions: [{type: Ready, status: 'False'}]}
";

#[test]
fn what_stands_behind_a_service_is_told_by_name() {
    let folder = Folder::new();
    folder.write("all.yaml", SHOP);
    let manifests = folder.path().display().to_string();
    let by_manifests = format!("--manifests {manifests}");
    let socket = format!("@callsign-behind-{}", std::process::id());
    let corefile = Folder::new();
    let corefile = corefile.write(
        "Corefile",
        ".:0 {\nbind 127.0.0.1\nkubernetes cluster.local {\nstartup_timeout 60s\n}\n}\n",
    );
    let _program = Program::start(&corefile, &["--admin", &socket, "--manifests", &manifests]);
    let by_server = format!("--admin {socket}");
    for (arguments, code, told) in [
        (
            format!("web --namespace shop {by_manifests}"),
            0,
            &[
                "Service shop/web, ClusterIP, port http 80/tcp (",
                "  1 ready: web-1 10.244.9.1\n",
                "  1 not ready: web-2 10.244.9.2\n",
                "kubernetes: Service shop/web with 1 endpoint ready and 1 not",
            ][..],
        ),
        (
            format!("web --namespace shop {by_server}"),
            0,
            &[
                "Service shop/web, ClusterIP, port http 80/tcp:\n",
                "  1 ready: web-1 10.244.9.1\n",
                "  1 not ready\n",
            ],
        ),
        (
            format!("asleep --namespace shop {by_server}"),
            0,
            &["  the Service shop/asleep exists and has no endpoint: no pod has the labels"],
        ),
        (
            format!("parts --namespace shop {by_manifests}"),
            1,
            &[
                "the Service shop/parts exists and has no ready endpoint: 1 pod not ready",
                "  1 not ready: part-1 10.244.9.3\n",
            ],
        ),
        (
            format!("_web._tcp.web.shop.svc.cluster.local SRV {by_server}"),
            1,
            &["  the port is called http, not web\n"],
        ),
        (
            format!("web --namespace shpo {by_server}"),
            1,
            &[
                "  ! there is no namespace shpo; did you mean shop?",
                "web is in namespace shop: use web.shop",
            ],
        ),
    ] {
        let (exit, text) = lookup(&arguments);
        assert_eq!(exit, code, "{arguments}: {text}");
        for line in told {
            assert!(text.contains(line), "{arguments}: no '{line}' in\n{text}");
        }
    }
}

#[test]
fn pods_that_ask_other_name_servers_find_no_name_of_the_cluster() {
    let folder = Folder::new();
    let text = "\
kind: Service
apiVersion: v1
metadata: {name: database, namespace: shop}
spec: {ports: [{port: 5432}]}
---
kind: Pod
apiVersion: v1
metadata: {name: public, namespace: shop}
spec:
  dnsPolicy: None
  dnsConfig: {nameservers: [8.8.8.8], searches: [shop.svc.cluster.local]}
  containers: [{name: web}]
---
kind: Pod
apiVersion: v1
metadata: {name: bare, namespace: shop}
spec:
  dnsPolicy: None
  dnsConfig: {nameservers: [10.96.0.10]}
  containers: [{name: web}]
";
    folder.write("all.yaml", text);
    let here = format!("--manifests {}", folder.path().display());
    for (arguments, code, told) in [
        (
            "database --from shop/Pod/public",
            1,
            "names of the cluster are not found from here: 8.8.8.8 is not the cluster's name server",
        ),
        (
            "example.com --from shop/Pod/public",
            0,
            "it would be forwarded to 8.8.8.8, the pod's own name server",
        ),
        (
            "database --from shop/Pod/bare",
            1,
            "the Service shop/database exists: use database.shop.svc.cluster.local",
        ),
    ] {
        let (exit, text) = lookup(&format!("{arguments} {here}"));
        assert_eq!(exit, code, "{arguments}: {text}");
        assert!(text.contains(told), "{arguments}: no '{told}' in\n{text}");
    }
}

#[test]
fn nonsense_in_a_resolv_conf_is_told_by_its_line() {
    let folder = Folder::new();
    let file = folder.write(
        "resolv.conf",
        "nameserver nowhere\nnameserver 10.96.0.10\nhello world\nsearch production.svc.cluster.local\n",
    );
    let (code, text) = lookup(&format!(
        "database --resolv-conf {} --manifests config/cluster",
        file.display()
    ));
    assert_eq!(code, 0, "{text}");
    for line in [
        "! line 1: 'nowhere' is no address: the line is passed over",
        "! line 3: 'hello' is no keyword: the line is passed over",
        "That takes 2 queries.",
    ] {
        assert!(text.contains(line), "no '{line}' in\n{text}");
    }
}

#[test]
fn manifests_that_do_not_parse_are_told_by_file_and_line() {
    let folder = Folder::new();
    folder.write("bad.yaml", "kind: Service\nmetadata: {name: [}\n");
    let text =
        "kind: Service\napiVersion: v1\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n";
    folder.write("good.yaml", text);
    let manifests = folder.path().display().to_string();
    let (code, text) = lookup(&format!("web --manifests {manifests}"));
    assert_eq!(code, 0, "{text}");
    let place = format!("{manifests}/bad.yaml:2:");
    assert!(text.contains(&place), "no '{place}' in\n{text}");
    // What is not read is not known to resolve.
    let output = callsign(&["lint", "--manifests", &manifests]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.ends_with("; manifests that are wrong: 1\n"), "{told}");
    let output = callsign(&["lint", "--manifests", &manifests, "--format", "json"]);
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let unread = findings["unread"][0].as_str().unwrap();
    assert!(unread.starts_with(&place), "{unread}");
}

#[test]
fn a_server_that_keeps_silent_is_waited_for_once() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap();
    let folder = Folder::new();
    let file = folder.write(
        "resolv.conf",
        "nameserver 10.96.0.10\nsearch a.test b.test c.test d.test e.test f.test\noptions ndots:5 timeout:1 attempts:2\n",
    );
    let start = std::time::Instant::now();
    let (code, text) = lookup(&format!(
        "database --resolv-conf {} --server {server}",
        file.display()
    ));
    let took = start.elapsed();
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("no server gave an answer"), "{text}");
    assert!(text.contains("no reply"), "{text}");
    assert!(took >= std::time::Duration::from_secs(1), "{took:?}");
    // All that was sent is there: for one of its seven names.
    silent.set_nonblocking(true).unwrap();
    let mut asked = std::collections::BTreeSet::new();
    let mut query = [0; 512];
    while let Ok(length) = silent.recv(&mut query) {
        let query = Message::from_vec(&query[..length]).unwrap();
        asked.insert(query.queries[0].name().to_string());
    }
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), ["database.a.test."]);
}
