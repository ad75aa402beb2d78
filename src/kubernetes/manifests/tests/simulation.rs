//! What the controllers would make of manifests.

use std::collections::HashSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::super::Place;
use super::*;
use crate::kubernetes::object::Kind;
use crate::kubernetes::selector;

#[test]
fn services_have_the_addresses_that_the_api_server_would_give() {
    check_all(SERVICES);
}

const SERVICES: &[Case] = &[
        Case {
            name: "a written address stays, whatever its range; the protocol is TCP by default",
            manifests: "
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {clusterIP: 172.20.0.9, ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}",
            objects: &["service default/a 172.20.0.9 http:80/Tcp dns:53/Udp"],
            problems: &[],
        },
        Case {
            name: "an empty or missing address is allotted",
            manifests: "
apiVersion: v1
kind: Service
metadata: {name: a, namespace: production}
spec: {clusterIP: '', ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: b, namespace: production}
spec: {type: NodePort, ports: [{port: 443, protocol: SCTP}]}",
            objects: &[
                "service production/a 10.102.45.223 :80/Tcp",
                "service production/b 10.98.220.154 :443/Sctp",
            ],
            problems: &[],
        },
        Case {
            name: "headless, as either field writes it",
            manifests: "
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {clusterIP: None}
---
apiVersion: v1
kind: Service
metadata: {name: b}
spec: {clusterIPs: [None], ipFamilyPolicy: RequireDualStack}",
            objects: &["service default/a headless", "service default/b headless"],
            problems: &[],
        },
        Case {
            name: "two families: in the order asked for, and what is not written is allotted",
            manifests: "
apiVersion: v1
kind: Service
metadata: {name: policy}
spec: {ipFamilyPolicy: PreferDualStack, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: six}
spec: {ipFamilies: [IPv6], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: six-first}
spec: {ipFamilies: [IPv6, IPv4], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: written}
spec: {clusterIPs: [10.96.0.5, 'fd00:10:96::5'], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: written-six}
spec: {clusterIP: 'fd00:10:96::6', ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]}",
            objects: &[
                "service default/policy 10.107.75.195 fd00:10:96::4bc3 :80/Tcp",
                "service default/six fd00:10:96::e159 :80/Tcp",
                "service default/six-first fd00:10:96::f7b6 10.99.247.182 :80/Tcp",
                "service default/written 10.96.0.5 fd00:10:96::5 :80/Tcp",
                "service default/written-six fd00:10:96::6 10.108.53.161 :80/Tcp",
            ],
            problems: &[],
        },
        Case {
            name: "ExternalName, whatever else is written",
            manifests: "
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {type: ExternalName, externalName: db.example.com, clusterIP: 10.96.0.3, selector: {a: b}}",
            objects: &["service default/a -> db.example.com"],
            problems: &[],
        },
];

/// Why the one object of a manifest is left out.
fn refused(manifest: &str) -> String {
    let cluster = cluster(manifest);
    assert_eq!(lines(&cluster), [""; 0], "{manifest}");
    let [problem] = cluster.problems.as_slice() else {
        panic!("{manifest}: {:?}", cluster.problems);
    };
    let problem = problem.to_string();
    let (place, reason) = problem.split_once(": ").expect("a place");
    assert_eq!(place, "test.yaml:1:1");
    let (_, reason) = reason
        .split_once(" is left out, as an API server would refuse it: ")
        .expect("what is done about it");
    reason.to_owned()
}

#[test]
fn services_that_an_api_server_would_refuse_are_left_out_and_said() {
    for (spec, reason) in [
        (
            "clusterIP: 10.96.0.300",
            "the clusterIP \"10.96.0.300\" is neither an IP address nor None",
        ),
        ("type: Router", "spec.type \"Router\" is not known"),
        (
            "type: ExternalName",
            "spec.externalName is missing, and its type is ExternalName",
        ),
        ("ports: [{port: 0}]", "the port 0 is not one of 1 to 65535"),
        (
            "ports: [{port: 80, targetPort: 70000}]",
            "the port 70000 is not one of 1 to 65535",
        ),
        (
            "ports: [{port: 80, protocol: tcp}]",
            "the protocol \"tcp\" is not TCP, UDP or SCTP",
        ),
        (
            "ipFamilies: [v4]",
            "spec.ipFamilies has \"v4\", not IPv4 or IPv6",
        ),
        (
            "ipFamilyPolicy: Both",
            "spec.ipFamilyPolicy \"Both\" is not known",
        ),
        (
            "clusterIPs: [10.96.0.1, 10.96.0.2]",
            "it has two addresses of one family, or two families that are one",
        ),
        (
            "{clusterIP: 10.96.0.1, ipFamilies: [IPv6]}",
            "the clusterIP 10.96.0.1 is not of the family that spec.ipFamilies has",
        ),
        (
            "externalIPs: [here]",
            "spec.externalIPs has \"here\", which is no IP address",
        ),
    ] {
        let spec = spec.trim_matches(['{', '}']);
        let manifest =
            format!("{{apiVersion: v1, kind: Service, metadata: {{name: a}}, spec: {{{spec}}}}}");
        assert_eq!(refused(&manifest), reason);
    }
}

#[test]
fn what_an_api_server_would_refuse_is_left_out_and_said() {
    for (manifest, reason) in [
        ("{apiVersion: v1, kind: Service}", "it has no metadata.name"),
        (
            "{apiVersion: v1, kind: Service, metadata: {name: a.b}}",
            "metadata.name \"a.b\" is no valid name: lower case letters, digits and '-'",
        ),
        (
            "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: B}}",
            "metadata.namespace \"B\" is no valid name: lower case letters, digits and '-'",
        ),
        (
            "{apiVersion: v1, kind: Pod, metadata: {name: a}, status: {podIP: x}}",
            "status.podIP \"x\" is no IP address",
        ),
        (
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: -1}}",
            "spec.replicas -1 is below 0",
        ),
        (
            "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {ordinals: {start: -1}}}",
            "spec.ordinals.start -1 is no ordinal",
        ),
    ] {
        assert_eq!(refused(manifest), reason);
    }
}

#[test]
fn workloads_have_the_pods_that_their_controllers_would_make() {
    check_all(WORKLOADS);
}

const WORKLOADS: &[Case] = &[
    Case {
        name: "a StatefulSet counts from its first ordinal",
        manifests: "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec: {replicas: 2}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: later}
spec: {replicas: 2, ordinals: {start: 5}}",
        objects: &[
            "pod default/db-0 10.244.44.165 fd00:10:244::2ca5",
            "pod default/db-1 10.244.114.138 fd00:10:244::728a",
            "pod default/later-5 10.244.232.254 fd00:10:244::e8fe",
            "pod default/later-6 10.244.141.132 fd00:10:244::8d84",
        ],
        problems: &[],
    },
    Case {
        name: "generated names: through a ReplicaSet for a Deployment, cut where the API server cuts",
        manifests: "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: set}
spec: {replicas: 2}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: a-name-that-is-as-long-as-a-name-may-be-when-it-is-one-label}
spec: {replicas: 7}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: none}
spec: {replicas: 0}",
        objects: &[
            "pod default/a-name-that-is-as-long-as-a-name-may-be-when-it-is-one-labhhh75 \
                 10.244.236.164 fd00:10:244::eca4",
            "pod default/set-bvnql 10.244.118.100 fd00:10:244::7664",
            "pod default/set-wm6gs 10.244.139.213 fd00:10:244::8bd5",
            "pod default/web-ckrpnj4z2w-52rwj 10.244.130.216 fd00:10:244::82d8",
        ],
        problems: &[],
    },
    Case {
        name: "pods in the host's network have the node's addresses",
        manifests: "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: a}
spec: {template: {spec: {hostNetwork: true}}}
---
apiVersion: v1
kind: Pod
metadata: {name: b}
spec: {hostNetwork: true}",
        objects: &[
            "pod default/a-0 172.18.0.2 fc00:f853:ccd:e793::2",
            "pod default/b 172.18.0.2 fc00:f853:ccd:e793::2",
        ],
        problems: &[],
    },
    Case {
        name: "a written pod: what its status leaves out is as in a running pod",
        manifests: "
apiVersion: v1
kind: Pod
metadata: {name: bare}
status: {}
---
apiVersion: v1
kind: Pod
metadata: {name: both}
status: {podIP: 10.1.0.1, podIPs: [{ip: 10.1.0.1}, {ip: 'fd00::1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: ended}
status: {phase: Succeeded, podIP: 10.1.0.2}
---
apiVersion: v1
kind: Pod
metadata: {name: failed}
status: {phase: Failed}
---
apiVersion: v1
kind: Pod
metadata: {name: going, deletionTimestamp: '2026-01-01T00:00:00Z'}
status: {podIP: 10.1.0.3}
---
apiVersion: v1
kind: Pod
metadata: {name: lost}
status: {phase: Unknown, podIP: 10.1.0.4}
---
apiVersion: v1
kind: Pod
metadata: {name: waiting}
status: {phase: Pending}",
        objects: &[
            "pod default/bare 10.244.16.73 fd00:10:244::1049",
            "pod default/both 10.1.0.1 fd00::1",
            "pod default/waiting",
        ],
        problems: &[],
    },
    Case {
        name: "as kubectl dumps it: pods, their ReplicaSet and its Deployment are the same pods",
        manifests: "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 2}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web-6d4f, ownerReferences: [{kind: Deployment, name: web}]}
spec: {replicas: 2}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: old-5b8c, ownerReferences: [{kind: Deployment, name: old}]}
spec: {replicas: 0}
---
apiVersion: v1
kind: Pod
metadata: {name: web-6d4f-x2xb2, ownerReferences: [{kind: ReplicaSet, name: web-6d4f}]}
status: {phase: Running, podIP: 10.1.0.1}",
        objects: &["pod default/web-6d4f-x2xb2 10.1.0.1"],
        problems: &[],
    },
    Case {
        name: "a written pod takes the place of the one of its name",
        manifests: "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec: {replicas: 2}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0}
status: {podIP: 10.1.0.1}",
        objects: &[
            "pod default/db-0 10.1.0.1",
            "pod default/db-1 10.244.114.138 fd00:10:244::728a",
        ],
        problems: &[],
    },
];

/// Two pods with ports of the same name, one of them not ready, one of another application.
const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: web, tier: front}}
spec: {hostname: first, subdomain: web, containers: [{ports: [{name: http, containerPort: 8080}]}]}
status: {podIPs: [{ip: 10.1.0.1}, {ip: 'fd00::1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: web}}
spec:
  hostname: second
  subdomain: elsewhere
  containers: [{}, {ports: [{name: http, containerPort: 8080}, {name: dns, protocol: UDP, containerPort: 53}]}]
status: {podIP: 10.1.0.2, conditions: [{type: Ready, status: 'False'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: three, labels: {app: other}}
status: {podIP: 10.1.0.3}
---
apiVersion: v1
kind: Pod
metadata: {name: ended, labels: {app: web}}
status: {phase: Succeeded, podIP: 10.1.0.4}
---
apiVersion: v1
kind: Pod
metadata: {name: elsewhere, namespace: other, labels: {app: web}}
status: {podIP: 10.1.0.5}
---
";

#[test]
fn slices_have_what_the_selector_asks_for() {
    for (name, spec, expected) in [
        (
            "ready or not, ended ones not; the hostname only where the subdomain is the Service",
            "{selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}",
            &["endpoints default/web http:8080/Tcp = first@10.1.0.1 (10.1.0.2)"][..],
        ),
        (
            "every label of the selector",
            "{selector: {app: web, tier: front}, ports: [{port: 80}]}",
            &["endpoints default/web :80/Tcp = first@10.1.0.1"],
        ),
        (
            "a label that none has",
            "{selector: {app: web, tier: back}, ports: [{port: 80}]}",
            &[],
        ),
        ("no selector, no slices", "{ports: [{port: 80}]}", &[]),
        (
            "ready or not, all are published",
            "{selector: {app: web}, publishNotReadyAddresses: true, ports: [{port: 80}]}",
            &["endpoints default/web :80/Tcp = first@10.1.0.1 10.1.0.2"],
        ),
        (
            "headless, without ports",
            "{selector: {app: web}, clusterIP: None}",
            &["endpoints default/web = first@10.1.0.1 (10.1.0.2)"],
        ),
        (
            "a slice for each family, with those that have an address of it",
            "{selector: {app: web}, ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]}",
            &[
                "endpoints default/web :80/Tcp = first@10.1.0.1 (10.1.0.2)",
                "endpoints default/web :80/Tcp = first@fd00::1",
            ],
        ),
        (
            "named targets, by protocol: a slice for each set of ports",
            "{selector: {app: web}, ports: [{name: web, port: 80, targetPort: http}, \
             {name: names, port: 53, protocol: UDP, targetPort: dns}, \
             {name: tcp, port: 53, targetPort: dns}, {name: zero, port: 99, targetPort: 0}]}",
            &[
                "endpoints default/web web:8080/Tcp names:53/Udp zero:99/Tcp = (10.1.0.2)",
                "endpoints default/web web:8080/Tcp zero:99/Tcp = first@10.1.0.1",
            ],
        ),
        (
            "an ExternalName",
            "{selector: {app: web}, type: ExternalName, externalName: x}",
            &[],
        ),
    ] {
        let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: ";
        let cluster = cluster(&format!("{PODS}{service}{spec}"));
        let mut found = lines(&cluster);
        found.retain(|line| line.starts_with("endpoints"));
        found.sort();
        assert_eq!(found, expected, "{name}");
        assert_eq!(cluster.problems, [], "{name}");
    }
}

#[test]
fn sidecars_have_ports_and_init_containers_have_none() {
    let pod = |restart: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, labels: {{app: web}}}}\n\
             spec: {{initContainers: [{{{restart}ports: [{{name: http, containerPort: 15001}}]}}]}}\n\
             status: {{podIP: 10.1.0.1}}\n---\napiVersion: v1\nkind: Service\n\
             metadata: {{name: web}}\nspec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: http}}]}}\n"
        )
    };
    let slice = |restart| lines(&cluster(&pod(restart))).pop();
    let with_port = "endpoints default/web :15001/Tcp = 10.1.0.1".to_owned();
    assert_eq!(slice("restartPolicy: Always, "), Some(with_port));
    assert_eq!(
        slice(""),
        Some("endpoints default/web = 10.1.0.1".to_owned())
    );
}

#[test]
fn written_slices_are_taken_as_they_are_and_win() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n\
                   spec: {clusterIP: None, selector: {app: web}}\n---\n";
    let slices = "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints:
- {addresses: [192.0.2.1], hostname: a, conditions: {}}
- {addresses: [192.0.2.2, nonsense], conditions: {ready: false}, targetRef: {kind: Pod, name: p}, nodeName: n, zone: z}
- {addresses: [192.0.2.3], conditions: {ready: null, serving: true}, targetRef: {kind: Node, name: n}}
ports: [{name: http, port: 8080}, {name: all}, {port: 53, protocol: UDP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: of-nobody}
endpoints: null
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: wrong}
ports: [{port: 65536}]
";
    let cluster = cluster(&format!("{PODS}{service}{slices}"));
    assert_eq!(
        lines(&cluster),
        [
            "service default/web headless",
            "endpoints default/ =",
            "endpoints default/web http:8080/Tcp all:0/Tcp :53/Udp = a@192.0.2.1 (192.0.2.2) 192.0.2.3",
        ]
    );
    let problems: Vec<_> = cluster.problems.iter().map(ToString::to_string).collect();
    let refused = "the EndpointSlice default/wrong is left out, as an API server would refuse it: \
                   the port 65536 is not one of 1 to 65535";
    assert!(problems[0].ends_with(refused), "{problems:?}");
    let Some(Object::EndpointSlice(slice)) = cluster.objects.values().map(|(o, _)| o).next_back()
    else {
        panic!("a slice");
    };
    let [first, second, third] = &*slice.endpoints else {
        panic!("three endpoints");
    };
    assert_eq!((first.pod.as_deref(), first.zone.as_deref()), (None, None));
    assert_eq!(
        (second.pod.as_deref(), second.zone.as_deref()),
        (Some("p"), Some("z"))
    );
    assert_eq!(third.pod.as_deref(), Some("n"), "of whatever kind");
}

#[test]
fn a_load_balancers_addresses_are_those_of_its_status() {
    let cluster = cluster(
        "apiVersion: v1\nkind: Service\nmetadata: {name: lb}\n\
         spec: {type: LoadBalancer, externalIPs: [192.0.2.1], ports: [{port: 80}]}\n\
         status: {loadBalancer: {ingress: [{ip: 192.0.2.2}, {hostname: lb.example.com}, \
         {ip: 192.0.2.3, hostname: of-an-address.example.com}]}}\n",
    );
    let Some((Object::Service(service), _)) = cluster.objects.values().last() else {
        panic!("a Service");
    };
    let external = service.external.as_deref().expect("addresses");
    assert_eq!(list(&external.ips), " 192.0.2.1");
    assert_eq!(list(&external.ingress_ips), " 192.0.2.2 192.0.2.3");
    assert_eq!(list(&external.ingress_hostnames), " lb.example.com");
}

#[test]
fn of_two_manifests_of_one_object_the_later_counts() {
    let namespace = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: None}\n---\n\
                     apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: default}\n\
                     spec: {type: ExternalName, externalName: x}\n";
    let cluster = cluster(namespace);
    assert_eq!(lines(&cluster), ["service default/a -> x"]);
    assert_eq!(
        cluster.problems[0].to_string(),
        "test.yaml:6:1: the Service default/a stands at test.yaml:1:1 too; this one counts"
    );
}

#[test]
fn an_address_that_two_services_have_is_said() {
    let service = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
             spec: {{clusterIP: 10.96.0.10, ports: [{{port: 80}}]}}\n---\n"
        )
    };
    let cluster = cluster(&(service("b") + &service("a")));
    assert_eq!(lines(&cluster).len(), 2);
    assert_eq!(
        cluster.problems[0].reason,
        "the Service default/b has the clusterIP 10.96.0.10, as default/a has: an API server would \
         refuse it"
    );
}

#[test]
fn what_is_made_for_a_helm_hook_only_is_not_there() {
    let object = |kind: &str, hook: &str| {
        format!(
            "apiVersion: v1\nkind: {kind}\nmetadata: {{name: a, annotations: {{helm.sh/hook: '{hook}'}}}}\n\
             spec: {{clusterIP: None}}\n"
        )
    };
    for (kind, hook, is_there) in [
        ("Service", "test", false),
        ("Service", "pre-delete,post-delete", false),
        ("Service", "pre-install,pre-upgrade", true),
        ("Service", "", true),
        ("Pod", "post-install", false),
        ("Pod", "test-success", false),
    ] {
        let options = Options {
            pods: true,
            ..Options::default()
        };
        let found = lines(&cluster_with(&object(kind, hook), &options));
        assert_eq!(found.len(), usize::from(is_there), "{kind} {hook}");
    }
}

#[test]
fn a_namespace_that_only_others_name_exists_and_is_said_once() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: written}\n---\n\
                apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: written}\n---\n\
                apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: named}\n---\n\
                apiVersion: v1\nkind: Service\nmetadata: {name: b, namespace: named}\n---\n\
                apiVersion: v1\nkind: Service\nmetadata: {name: b, namespace: kube-system}\n";
    let contents = document::decode(&Arc::from("test.yaml"), text).expect("manifests");
    let cluster = cluster::simulate(&contents.manifests, &Options::default());
    let always = ["default", "kube-node-lease", "kube-public", "kube-system"];
    assert_eq!(
        namespaces(&cluster),
        [&always[..], &["named", "written"]].concat()
    );
    let said: Vec<_> = cluster
        .problems
        .iter()
        .filter(|p| p.reason.contains("Namespace"))
        .collect();
    assert_eq!(said.len(), 1);
    assert_eq!(
        said[0].to_string(),
        "test.yaml:9:1: no manifest has the Namespace named, which a is in: taken as existing, but \
         `kubectl apply` would refuse it"
    );
}

#[test]
fn selectors_filter_as_the_api_server_does() {
    let text = format!(
        "{PODS}
apiVersion: v1
kind: Namespace
metadata: {{name: labelled, labels: {{env: dev}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: chosen, labels: {{dns: 'yes'}}}}
spec: {{selector: {{app: web}}, clusterIP: None}}
---
apiVersion: v1
kind: Service
metadata: {{name: other}}
spec: {{selector: {{app: web}}, clusterIP: None}}
"
    );
    let filtered = |labels: &str, namespace_labels: &str| {
        let options = Options {
            pods: true,
            imports: true,
            labels: selector::parse(labels).expect("a selector"),
            namespace_labels: selector::parse(namespace_labels).expect("a selector"),
        };
        let cluster = cluster_with(&text, &options);
        (lines(&cluster), namespaces(&cluster))
    };
    // a slice has the labels of its Service, not those of its pods
    let (objects, _) = filtered("dns=yes", "");
    assert_eq!(
        objects,
        [
            "service default/chosen headless",
            "endpoints default/chosen = 10.1.0.1 (10.1.0.2)",
        ]
    );
    let (objects, _) = filtered("app in (web),tier", "");
    assert_eq!(objects, ["pod default/one 10.1.0.1 fd00::1"]);
    let (objects, _) = filtered("service.kubernetes.io/headless", "");
    assert_eq!(objects.len(), 2, "{objects:?}");
    let (_, namespaces) = filtered("", "env=dev");
    assert_eq!(namespaces, ["labelled"]);
    let (_, namespaces) = filtered("", "kubernetes.io/metadata.name in (other,default)");
    assert_eq!(namespaces, ["default", "other"]);
}

#[test]
fn more_replicas_than_addresses_are_an_error_that_names_the_range() {
    let set = |name: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: {name}}}\n\
             spec: {{replicas: 9223372036854775807}}\n---\n"
        )
    };
    let options = Options {
        pods: true,
        ..Options::default()
    };
    let cluster = cluster_with(&(set("a") + &set("b")), &options);
    let pods = cluster
        .objects
        .keys()
        .filter(|(kind, _)| *kind == Kind::Pod);
    assert_eq!(pods.count(), 256 * 254);
    let problems: Vec<_> = cluster.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "test.yaml:1:1: the range 10.244.0.0/16 of pods is exhausted: the StatefulSet default/a \
             has 9223372036854775807 replicas, and 65024 addresses are left",
            "test.yaml:6:1: the range 10.244.0.0/16 of pods is exhausted: the StatefulSet default/b \
             has 9223372036854775807 replicas, and 0 addresses are left",
        ]
    );
}

/// A Service, its StatefulSet and its Deployment, for each name.
fn applications(names: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        write!(
            text,
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
             spec: {{selector: {{app: {name}}}, ports: [{{port: 80}}]}}\n---\n\
             apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: {name}}}\n\
             spec: {{replicas: 2, template: {{metadata: {{labels: {{app: {name}}}}}}}}}\n---\n\
             apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\n\
             spec: {{replicas: 2, template: {{metadata: {{labels: {{app: {name}}}}}}}}}\n---\n"
        )
        .expect("a string");
    }
    text
}

fn addresses(cluster: &Cluster) -> HashSet<IpAddr> {
    let addresses = |(object, _): &(Object, Place)| match object {
        Object::Service(service) => match &service.kind {
            ServiceKind::ClusterIp(ips) => ips.to_vec(),
            _ => Vec::new(),
        },
        Object::Pod(pod) => pod.ips.to_vec(),
        _ => Vec::new(),
    };
    cluster.objects.values().flat_map(addresses).collect()
}

proptest! {
    #![proptest_config(crate::testing::cases(32))]

    #[test]
    fn unrelated_manifests_change_nothing_of_the_others(
        names in proptest::collection::btree_set("[a-m]{2,4}", 0..12),
        other in "[n-z]{2,4}",
    ) {
        let options = Options { pods: true, ..Options::default() };
        let mut names: Vec<_> = names.into_iter().collect();
        let before = cluster_with(&applications(&names), &options);
        let alone = cluster_with(&applications(std::slice::from_ref(&other)), &options);
        prop_assume!(addresses(&before).is_disjoint(&addresses(&alone)));
        names.insert(0, other);
        let after = cluster_with(&applications(&names), &options);
        for (key, (object, _)) in &before.objects {
            prop_assert_eq!(Some(object), after.objects.get(key).map(|(object, _)| object));
        }
    }
}
