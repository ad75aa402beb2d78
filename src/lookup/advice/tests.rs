use super::*;

fn inventory() -> Inventory {
    let service = |kind: &str, ready, not_ready, hosts: &[&str]| Service {
        kind: kind.to_owned(),
        ports: vec![("http".to_owned(), "tcp".to_owned(), 80)],
        ready,
        not_ready,
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        place: None,
    };
    let mut inventory = Inventory::default();
    for (namespace, name, known) in [
        ("production", "database", service("ClusterIP", 1, 0, &[])),
        (
            "production",
            "postgres",
            service("headless", 2, 0, &["postgres-0", "postgres-1"]),
        ),
        ("production", "waiting", service("headless", 0, 2, &[])),
        ("production", "idle", service("headless", 0, 0, &[])),
        ("nginx", "nginx", service("ClusterIP", 1, 0, &[])),
        ("development", "cache", service("ClusterIP", 1, 0, &[])),
        ("staging", "cache", service("ClusterIP", 1, 0, &[])),
    ] {
        inventory.namespaces.insert(namespace.to_owned());
        let services = inventory.services.entry(namespace.to_owned()).or_default();
        services.insert(name.to_owned(), known);
    }
    inventory
}

fn advice(inventory: &Inventory) -> Advice<'_> {
    Advice {
        inventory,
        namespace: "production",
        domain: "cluster.local",
    }
}

#[test]
fn what_is_near_is_told() {
    let inventory = inventory();
    for (name, told) in [
        ("nginx", "nginx is in namespace nginx: use nginx.nginx"),
        (
            "cache",
            "cache is in other namespaces: use one of cache.development, cache.staging",
        ),
        (
            "databse",
            "namespace production has no Service databse; did you mean database?",
        ),
        (
            "databse.production",
            "namespace production has no Service databse; did you mean database?",
        ),
        (
            "ngnix",
            "no namespace has a Service ngnix; did you mean nginx.nginx?",
        ),
        (
            "nginx.production",
            "nginx is in namespace nginx: use nginx.nginx",
        ),
        (
            "database.nginx",
            "database is in this namespace, production: use database",
        ),
        (
            "waiting",
            "the Service production/waiting exists and has no ready endpoint: 2 pods not ready",
        ),
        (
            "idle",
            "the Service production/idle exists and has no endpoint: no pod has the labels of its selector",
        ),
        (
            "postgres-7.postgres",
            "headless Service production/postgres has no such pod name postgres-7: it has postgres-0, postgres-1",
        ),
        ("web-0.database", "there is no namespace database"),
        (
            "web-0.database.production",
            "the Service production/database is not headless: only database is a name, and its pods have none",
        ),
        (
            "database.svc.cluster.local",
            "a namespace stands between 'database' and 'svc': database.production.svc.cluster.local",
        ),
        ("_web._tcp.database", "the port is called http, not web"),
        ("_http._udp.database", "the port http is tcp, not udp"),
        (
            "nginx.nginx.svc.cluster.local.",
            "the Service nginx/nginx exists: use nginx.nginx",
        ),
    ] {
        let all = advice(&inventory).of(name);
        assert_eq!(
            all.first().map(String::as_str),
            Some(told),
            "{name}: {all:?}"
        );
    }
}

#[test]
fn a_namespace_that_is_nearly_right_is_told() {
    let inventory = inventory();
    assert_eq!(
        advice(&inventory).of("nginx.ngnix"),
        [
            "nginx is in namespace nginx: use nginx.nginx",
            "there is no namespace ngnix; did you mean nginx.nginx?"
        ]
    );
}

#[test]
fn names_of_the_cluster_are_told_from_others() {
    let inventory = inventory();
    for (name, is_meant) in [
        ("nginx", true),
        ("postgres-7.postgres", true),
        ("a.nginx", true),
        ("a.ngnix", true),
        ("a.b.svc", true),
        ("a.b.svc.cluster.local", true),
        ("example.com", false),
        ("api.example.org", false),
    ] {
        let advice = advice(&inventory);
        assert_eq!(advice.is_meant_for_the_cluster(name), is_meant, "{name}");
    }
}
