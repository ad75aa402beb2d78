use super::*;

fn around() -> Surroundings {
    Surroundings {
        cluster_dns: vec!["10.96.0.10".to_owned()],
        is_cluster_dns_known: false,
        domain: "cluster.local".to_owned(),
        node: Lines::read("nameserver 192.0.2.53\nsearch corp.test.\noptions timeout:2\n"),
    }
}

fn dns(text: &str) -> PodDns {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_policy_and_the_configuration_make_the_file() {
    let cluster = "search web.svc.cluster.local svc.cluster.local cluster.local corp.test\n\
        nameserver 10.96.0.10\noptions ndots:5\n";
    let node = "search corp.test\nnameserver 192.0.2.53\noptions timeout:2\n";
    for (name, pod, text) in [
        ("nothing is ClusterFirst", "{}", cluster),
        (
            "null is nothing",
            r#"{"dnsPolicy":null,"dnsConfig":null}"#,
            cluster,
        ),
        ("ClusterFirst", r#"{"dnsPolicy":"ClusterFirst"}"#, cluster),
        (
            "the host's network makes it Default",
            r#"{"hostNetwork":true}"#,
            node,
        ),
        (
            "but for ClusterFirstWithHostNet",
            r#"{"hostNetwork":true,"dnsPolicy":"ClusterFirstWithHostNet"}"#,
            cluster,
        ),
        ("Default", r#"{"dnsPolicy":"Default"}"#, node),
        (
            "None has what the pod says",
            r#"{"dnsPolicy":"None","dnsConfig":{"nameservers":["10.0.0.1"],"searches":["a.test"],
                "options":[{"name":"ndots","value":"2"},{"name":"edns0"}]}}"#,
            "search a.test\nnameserver 10.0.0.1\noptions edns0 ndots:2\n",
        ),
        (
            "what the pod says comes after what it is given, and each thing once",
            r#"{"dnsConfig":{"nameservers":["10.96.0.10","10.0.0.1"],
                "searches":["cluster.local","a.test"],"options":[{"name":"ndots","value":"1"}]}}"#,
            "search web.svc.cluster.local svc.cluster.local cluster.local corp.test a.test\n\
             nameserver 10.96.0.10\nnameserver 10.0.0.1\noptions ndots:1\n",
        ),
    ] {
        let written = dns(pod).resolv_conf("web", &around());
        assert_eq!(written.text, text, "{name}");
    }
}

#[test]
fn what_kubelet_leaves_out_is_told() {
    let servers: Vec<String> = (1..6).map(|n| format!("\"10.0.0.{n}\"")).collect();
    let searches: Vec<String> = (0..40).map(|n| format!("\"s{n}.test\"")).collect();
    let pod = format!(
        r#"{{"dnsPolicy":"None","dnsConfig":{{"nameservers":[{}],"searches":[{}]}}}}"#,
        servers.join(","),
        searches.join(",")
    );
    let written = dns(&pod).resolv_conf("web", &around());
    assert_eq!(
        written.notes,
        [
            "kubelet leaves out 10.0.0.4 10.0.0.5: three name servers are the most",
            "kubelet leaves out s32.test s33.test s34.test s35.test s36.test s37.test s38.test \
             s39.test: 32 search domains and 2,048 characters are the most",
        ]
    );
    assert!(written.text.contains(" s31.test\n"));
}

#[test]
fn what_kubernetes_would_refuse_is_told() {
    for (pod, note) in [
        (
            r#"{"dnsPolicy":"Nonsense"}"#,
            "dnsPolicy Nonsense is none that Kubernetes knows",
        ),
        (
            r#"{"dnsPolicy":"None"}"#,
            "dnsPolicy None needs a name server in dnsConfig",
        ),
        (
            r#"{"hostNetwork":true}"#,
            "hostNetwork makes ClusterFirst into Default",
        ),
    ] {
        let notes = dns(pod).resolv_conf("web", &around()).notes;
        assert!(
            notes.iter().any(|known| known.starts_with(note)),
            "{pod}: {notes:?}"
        );
    }
}

#[test]
fn a_long_search_list_is_cut_to_its_characters() {
    let long: Vec<String> = (0..20)
        .map(|n| format!("{n:02}{}.test", "x".repeat(140)))
        .collect();
    let mut lines = Lines {
        searches: long,
        ..Lines::default()
    };
    lines.fit(&mut Vec::new());
    assert_eq!(lines.searches.len(), 13);
    assert!(lines.searches.join(" ").len() <= 2048);
}

#[test]
fn name_servers_that_are_not_the_clusters_are_told_from_it() {
    for (server, while_unknown, once_known) in [
        ("10.96.0.10", false, false),
        ("172.20.0.10", false, true),
        ("100.64.0.10", false, true),
        ("fd00::a", false, true),
        // a cache on the node
        ("169.254.20.10", false, false),
        ("127.0.0.53", false, false),
        // the node's own
        ("192.0.2.53", true, true),
        ("8.8.8.8", true, true),
        ("2001:4860:4860::8888", true, true),
    ] {
        for (is_cluster_dns_known, wanted) in [(false, while_unknown), (true, once_known)] {
            let around = Surroundings {
                is_cluster_dns_known,
                ..around()
            };
            let strangers = around.strangers(&[server.parse().unwrap()]);
            assert_eq!(
                !strangers.is_empty(),
                wanted,
                "{server} {is_cluster_dns_known}"
            );
        }
    }
}
