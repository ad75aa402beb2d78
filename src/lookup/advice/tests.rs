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
        (
            "staging",
            "members",
            service("headless", 1, 0, &["member-0"]),
        ),
    ] {
        inventory.namespaces.insert(namespace.to_owned());
        let services = inventory.services.entry(namespace.to_owned()).or_default();
        services.insert(name.to_owned(), known);
    }
    inventory
}

fn advice<'a>(inventory: &'a Inventory, search: &'a [String]) -> Advice<'a> {
    Advice {
        inventory,
        namespace: "production",
        domain: "cluster.local",
        reach: Reach {
            search,
            dots: usize::MAX,
        },
    }
}

fn searches(domains: &[&str]) -> Vec<String> {
    domains.iter().map(|domain| (*domain).to_owned()).collect()
}

fn usual() -> Vec<String> {
    searches(&[
        "production.svc.cluster.local",
        "svc.cluster.local",
        "cluster.local",
    ])
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
            "member-0.members",
            "member-0.members is in namespace staging: use member-0.members.staging",
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
        let all = advice(&inventory, &usual()).of(name);
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
        advice(&inventory, &usual()).of("nginx.ngnix"),
        [
            "nginx is in namespace nginx: use nginx.nginx",
            "there is no namespace ngnix; did you mean nginx.nginx?"
        ]
    );
}

#[test]
fn of_names_in_other_domains_nothing_is_told() {
    let inventory = inventory();
    for name in ["web.consul.local", "example.com", "www.example.com"] {
        assert!(advice(&inventory, &usual()).of(name).is_empty(), "{name}");
    }
}

#[test]
fn names_of_the_cluster_are_told_from_others() {
    let inventory = inventory();
    for (name, is_meant) in [
        ("nginx", true),
        ("postgres-7.postgres", true),
        ("member-0.members", true),
        ("a.nginx", true),
        ("a.ngnix", true),
        ("a.b.svc", true),
        ("a.b.svc.cluster.local", true),
        ("example.com", false),
        ("api.example.org", false),
    ] {
        let search = usual();
        let advice = advice(&inventory, &search);
        assert_eq!(advice.is_meant_for_the_cluster(name), is_meant, "{name}");
    }
}

#[test]
fn a_name_that_the_search_list_does_not_complete_is_told_in_full() {
    let inventory = inventory();
    let of = |name: &str, search: &[&str], dots: usize| {
        let search = searches(search);
        let mut advice = advice(&inventory, &search);
        advice.reach.dots = dots;
        advice.of(name).first().cloned()
    };
    for (name, search, dots, told) in [
        (
            "database",
            &["example.com"][..],
            usize::MAX,
            "the Service production/database exists: use database.production.svc.cluster.local",
        ),
        (
            "nginx",
            &["production.svc.cluster.local"],
            usize::MAX,
            "nginx is in namespace nginx: use nginx.nginx.svc.cluster.local",
        ),
        (
            "nginx",
            &["cluster.local"],
            usize::MAX,
            "nginx is in namespace nginx: use nginx.nginx.svc",
        ),
        (
            "nginx",
            &["svc.cluster.local"],
            1,
            "nginx is in namespace nginx: use nginx.nginx.svc.cluster.local",
        ),
    ] {
        let first = of(name, search, dots);
        assert_eq!(first.as_deref(), Some(told), "{name} {search:?} {dots}");
    }
}
