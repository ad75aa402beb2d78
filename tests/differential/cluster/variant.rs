//! The Corefiles under which a cluster is compared.

use super::ask::Depth;
use super::data::Data;
use super::departure::{ALIASES, LOWERED, STORED, TRANSFERRED, UNCLOSED, UNREADABLE, UNSYNCED};

/// A Corefile, and the cluster that it is run on.
pub(crate) struct Variant {
    /// What is special about it.
    pub(crate) title: String,
    /// Where the cluster's objects come from.
    pub(crate) data: Data,
    /// The zones whose names are asked for, beside the reverse ones.
    pub(crate) zones: &'static [&'static str],
    /// How much is asked.
    pub(crate) depth: Depth,
    /// How the API server tells what there is.
    pub(crate) told: Told,
    /// The departures that may be seen.
    pub(crate) departures: &'static [&'static str],
    /// The Corefile, with `@port`, `@api` and `@world` (an upstream) to be filled in.
    pub(crate) corefile: String,
}

/// How the API server tells what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// As a list: it keeps the order of its objects, which a stream of them does not.
    Listed,
    /// As a stream of events (WatchList).
    Streamed,
    /// The same, and the bookmark that closes it never comes. callsign reads its objects there, too.
    Unclosed,
    /// As a list of the objects as they are written, odd as they are. callsign reads them there, too.
    AsWritten,
    /// All but the pods, for which it answers that it cannot tell. callsign reads its objects there, too.
    InPart,
}

/// The zones of most variants.
const ZONES: &str = "cluster.local in-addr.arpa ip6.arpa";

/// The options of the random clusters, one for each.
const RANDOM_OPTIONS: &[&str] = &[
    "",
    "pods verified\n endpoint_pod_names",
    "pods insecure\n ignore empty_service\n ttl 30",
    "pods verified\n labels tier=front\n namespace_labels exposed=yes",
    "endpoint_pod_names\n namespaces a svc",
    "noendpoints",
    "zonal",
    "zonal\n endpoint_pod_names\n ttl 0\n namespace_labels exposed=yes",
    "pods verified\n noendpoints\n ttl 0\n namespaces a svc\n fallthrough svc.cluster.local",
    "pods insecure\n labels tier=front\n ignore empty_service\n endpoint_pod_names\n fallthrough",
    "zonal\n pods verified\n ignore empty_service\n labels tier notin (front)\n namespaces b pod missing",
];

/// Zones of a random cluster that lie in each other, are said twice, and are named like its parts.
const RANDOM_ZONES: &[(&str, &str)] = &[
    (
        "svc.cluster.local Cluster.LOCAL in-addr.arpa local",
        "pods verified\n endpoint_pod_names\n fallthrough Cluster.local",
    ),
    (
        "10.in-addr.arpa pod.cluster.local a.svc.cluster.local cluster.local",
        "pods insecure\n multicluster cluster.local\n ignore empty_service",
    ),
];

/// All variants; the random clusters are those of the seed.
pub(crate) fn all(seed: u64) -> Vec<Variant> {
    let mut variants = vec![
        options("defaults", "").in_full(),
        options("pods insecure", "pods insecure").in_full(),
        options("pods verified", "pods verified"),
        options("endpoint_pod_names", "endpoint_pod_names"),
        options("ttl 0", "ttl 0"),
        options("ttl 30", "ttl 30"),
        options("ttl 3600", "ttl 3600"),
        options("noendpoints", "noendpoints"),
        options("ignore empty_service", "ignore empty_service"),
        options(
            "noendpoints and ignore empty_service",
            "noendpoints\n ignore empty_service",
        ),
        options("fallthrough", "fallthrough"),
        options(
            "fallthrough of reverse names",
            "pods insecure\n fallthrough in-addr.arpa ip6.arpa\n ttl 30",
        ),
        options(
            "fallthrough of some names",
            "fallthrough odd.svc.cluster.local outside.svc.Cluster.Local 70.10.in-addr.arpa",
        ),
        options(
            "namespaces",
            "namespaces odd missing\n namespaces svc\n pods insecure",
        ),
        options("labels", "labels tier=front\n pods verified"),
        options(
            "a set of labels",
            "labels tier in (front, back),app notin (web)",
        ),
        options(
            "namespace_labels",
            "namespace_labels exposed=yes\n pods insecure",
        ),
    ];
    variants.extend(
        BLOCKS
            .iter()
            .map(|(title, zones, corefile)| block(title, zones, corefile)),
    );
    variants.extend(sources());
    variants.extend(other());
    variants.extend(outside());
    variants.extend(search_lists());
    variants.extend(of_several_clusters());
    variants.extend(transfers(seed));
    variants.extend(transfers_outside(seed));
    variants.extend(told());
    variants.extend(as_written());
    variants.extend(random_outside(seed));
    variants.extend(random_zones(seed));
    for (number, options) in RANDOM_OPTIONS.iter().enumerate() {
        let seed = seed.wrapping_add(number as u64);
        variants.push(Variant {
            title: format!("random {seed}: {}", options.replace("\n ", ", ")),
            data: Data::Random(seed),
            depth: Depth::Full,
            departures: &[],
            ..self::options("", options)
        });
    }
    variants
}

/// What the plugin serves: what is special about it, the zones whose names are asked for, the
/// Corefile.
const BLOCKS: &[(&str, &[&str], &str)] = &[
    (
        "several zones, one inside another",
        &["cluster.local", "example.com", "inner.cluster.local"],
        ".:@port {
           bind 127.0.0.1
           kubernetes cluster.local in-addr.arpa example.com inner.cluster.local {
             endpoint @api
             pods insecure
           }
         }",
    ),
    (
        "two blocks",
        &["cluster.local", "example.com"],
        "cluster.local:@port in-addr.arpa:@port ip6.arpa:@port {
           bind 127.0.0.1
           kubernetes {
             endpoint @api
             ttl 30
           }
         }
         example.com:@port 201.96.10.in-addr.arpa:@port {
           bind 127.0.0.1
           kubernetes {
             endpoint @api
             ttl 60
             namespaces odd outside
           }
         }",
    ),
    (
        "zones from keys that are networks",
        &["cluster.local"],
        "cluster.local:@port 10.96.0.0/12:@port 10.60.0.0/24:@port fd00:60::/64:@port {
           bind 127.0.0.1
           kubernetes {
             endpoint @api
           }
         }",
    ),
    (
        "zones that are networks",
        &["cluster.local"],
        ".:@port {
           bind 127.0.0.1
           kubernetes Cluster.Local 10.96.0.0/15 10.60.0.0/16 fd00:10:96::/46 {
             endpoint @api
           }
         }",
    ),
    (
        "a zone below svc",
        &[
            "cluster.local",
            "svc.cluster.local",
            "odd.svc.cluster.local",
        ],
        ".:@port {
           bind 127.0.0.1
           kubernetes odd.svc.cluster.local svc.cluster.local {
             endpoint @api
           }
         }",
    ),
    // So long that the longest targets are no names any more.
    (
        "a zone with a long name",
        &["a-cluster-of-many.in-a-region-far-away.of-a-provider.example"],
        ".:@port {
           bind 127.0.0.1
           kubernetes a-cluster-of-many.in-a-region-far-away.of-a-provider.example in-addr.arpa {
             endpoint @api
             pods insecure
           }
         }",
    ),
    (
        "all addresses",
        &["cluster.local"],
        ".:@port {
           kubernetes cluster.local in-addr.arpa ip6.arpa {
             endpoint @api
           }
         }",
    ),
    (
        "external names by way of forward",
        &["cluster.local"],
        ".:@port {
           bind 127.0.0.1
           errors
           kubernetes cluster.local in-addr.arpa ip6.arpa {
             endpoint @api
             pods insecure
             ttl 30
           }
           forward . @world
         }",
    ),
    (
        "fallthrough to another plugin",
        &["cluster.local"],
        ".:@port {
           bind 127.0.0.1
           errors
           kubernetes cluster.local in-addr.arpa ip6.arpa {
             endpoint @api
             pods insecure
             fallthrough
             ttl 30
           }
           whoami
         }",
    ),
    (
        "fallthrough to a zone's file",
        &["cluster.local"],
        ".:@port {
           bind 127.0.0.1
           errors
           file zone cluster.local
           kubernetes cluster.local in-addr.arpa ip6.arpa {
             endpoint @api
             pods insecure
             namespaces default odd
             fallthrough
           }
           forward . @world
         }",
    ),
    (
        "fallthrough of some names to a zone's file",
        &["cluster.local"],
        ".:@port {
           bind 127.0.0.1
           errors
           file zone cluster.local
           kubernetes cluster.local in-addr.arpa ip6.arpa {
             endpoint @api
             pods insecure
             namespaces default odd
             fallthrough svc.cluster.local
           }
         }",
    ),
];

/// Variants of the sample cluster: CoreDNS keeps silent to many a question of them, or answers
/// others' questions.
fn other() -> [Variant; 2] {
    [
        Variant {
            data: Data::Sample,
            ..block(
                "the root zone",
                &["cluster.local", "local", ""],
                ".:@port {
                   bind 127.0.0.1
                   kubernetes {
                     endpoint @api
                     pods insecure
                   }
                 }",
            )
        },
        Variant {
            data: Data::Sample,
            departures: &[STORED],
            ..block(
                "behind a cache",
                &["cluster.local"],
                ".:@port {
                   bind 127.0.0.1
                   cache 30
                   kubernetes cluster.local in-addr.arpa ip6.arpa {
                     endpoint @api
                     pods insecure
                   }
                 }",
            )
        },
    ]
}

/// Variants of where a cluster's state comes from.
fn sources() -> [Variant; 5] {
    let unknown = |title, fallthrough| Variant {
        data: Data::Unknown,
        departures: &[UNSYNCED],
        ..block(
            title,
            &["cluster.local"],
            &format!(
                ".:@port {{
                   bind 127.0.0.1
                   kubernetes {ZONES} {{
                     endpoint @api
                     startup_timeout 1s
                     {fallthrough}
                   }}
                   whoami
                 }}"
            ),
        )
    };
    [
        Variant {
            data: Data::Sample,
            told: Told::Streamed,
            departures: &[],
            ..options("a streamed list", "pods verified")
        },
        // After this time callsign has taken it in pages, and CoreDNS would wait for ever.
        Variant {
            data: Data::Sample,
            told: Told::Unclosed,
            departures: &[UNCLOSED],
            ..options(
                "a streamed list that is never closed",
                "pods verified\n startup_timeout 30s",
            )
        },
        Variant {
            data: Data::Own,
            departures: &[],
            ..block(
                "name servers in the cluster",
                &["cluster.local"],
                &format!(".:@port {{\n kubernetes {ZONES} {{\n endpoint @api\n }}\n }}"),
            )
        },
        unknown("before the cluster is known", ""),
        unknown(
            "before the cluster is known, with fallthrough",
            "fallthrough",
        ),
    ]
}

/// Variants with `k8s_external`. Its zone is such that names are of the same form as the cluster's.
fn outside() -> Vec<Variant> {
    let variants = [
        (
            "names outside the cluster",
            "bind 127.0.0.1",
            "",
            "endpoint_pod_names",
        ),
        (
            "names outside the cluster, headless",
            "bind 127.0.0.1",
            "headless\n ttl 60\n apex Dns\n fallthrough",
            "ttl 30\n namespaces outside odd",
        ),
        (
            "name servers outside the cluster",
            "",
            "headless\n apex names.dns",
            "noendpoints",
        ),
        (
            "name servers outside the cluster, by their addresses",
            "",
            "headless",
            "",
        ),
    ];
    let variant = |(title, bind, options, of_cluster): (&str, &str, &str, &str)| Variant {
        data: Data::Outside,
        ..block(
            title,
            &["example.org"],
            &format!(
                ".:@port {{
                   {bind}
                   k8s_external svc.example.org 198.51.100.0/24 2001:db8::/64 203.0.113.0/24 {{
                     {options}
                   }}
                   kubernetes {ZONES} {{
                     endpoint @api
                     {of_cluster}
                   }}
                   forward . @world
                 }}"
            ),
        )
    };
    variants.into_iter().map(variant).collect()
}

/// Variants with `multicluster`.
fn of_several_clusters() -> Vec<Variant> {
    let variants = [
        ("names of several clusters", ""),
        (
            "names of several clusters, by pods",
            "endpoint_pod_names\n pods verified\n ttl 30",
        ),
        (
            "names of several clusters, with options",
            "ignore empty_service\n namespace_labels exposed=yes",
        ),
        (
            "names of several clusters, in some namespaces",
            "namespaces imports-only kube-system\n fallthrough",
        ),
        ("names of several clusters, and no endpoints", "noendpoints"),
    ];
    let variant = |(title, options): (&str, &str)| Variant {
        data: Data::Imports,
        ..block(
            title,
            &["cluster.local", "clusterset.local"],
            &format!(
                ".:@port {{
                   bind 127.0.0.1
                   kubernetes cluster.local Clusterset.local in-addr.arpa ip6.arpa {{
                     endpoint @api
                     multicluster clusterset.local
                     {options}
                   }}
                   whoami
                 }}"
            ),
        )
    };
    variants.into_iter().map(variant).collect()
}

/// Variants in which each answer tells what the plugin knows of its query.
fn told() -> Vec<Variant> {
    let labels = [
        "kind",
        "namespace",
        "service",
        "endpoint",
        "protocol",
        "port-name",
        "zone",
        "cluster",
        "parse-error",
        "client-namespace",
        "client-pod-name",
        "client-label/app",
        "client-label/app.kubernetes.io/name",
        "client-label/tier",
        "client-label/none",
        "client-label/",
    ];
    let labels = labels.map(|label| format!(r#"{{{{ .Meta \"kubernetes/{label}\" }}}}"#));
    let labels = labels.join("|");
    let variants = [
        ("metadata", Data::Pods, "pods verified\n zonal"),
        ("metadata without pods", Data::Written, ""),
        (
            "metadata of several clusters",
            Data::Imports,
            "multicluster clusterset.local",
        ),
    ];
    let variant = |(title, data, options)| Variant {
        data,
        ..block(
            title,
            &["cluster.local", "clusterset.local"],
            &format!(
                ".:@port {{
                   bind 127.0.0.1
                   metadata
                   template ANY ANY {{
                     answer \"{{{{ .Name }}}} 5 IN TXT \\\"{labels}\\\"\"
                   }}
                   kubernetes {ZONES} clusterset.local {{
                     endpoint @api
                     {options}
                   }}
                 }}"
            ),
        )
    };
    variants.into_iter().map(variant).collect()
}

/// Variants of objects of odd shapes, which both servers read as they are written.
fn as_written() -> Vec<Variant> {
    let variants = [
        ("odd shapes", "endpoint_pod_names\n pods verified"),
        (
            "odd shapes, and no empty Services",
            "ignore empty_service\n namespaces raw void",
        ),
        ("odd shapes, by zones", "zonal\n ttl 30"),
    ];
    let variant = |(title, options): (&str, &str)| Variant {
        data: Data::Raw,
        told: Told::AsWritten,
        departures: &[UNREADABLE, ALIASES],
        ..block(
            title,
            &["cluster.local", "example.org"],
            &format!(
                ".:@port {{
                   bind 127.0.0.1
                   k8s_external svc.example.org 198.51.100.0/24 203.0.113.0/24 2001:db8::/64 {{
                     headless
                   }}
                   kubernetes {ZONES} {{
                     endpoint @api
                     {options}
                   }}
                   forward . @world
                 }}"
            ),
        )
    };
    variants.into_iter().map(variant).collect()
}

/// Random clusters with `k8s_external`.
fn random_outside(seed: u64) -> [Variant; 2] {
    [(seed, ""), (seed.wrapping_add(1), "headless")].map(|(seed, options)| Variant {
        data: Data::Random(seed),
        depth: Depth::Full,
        departures: &[],
        ..block(
            &format!("random {seed}, outside the cluster: {options}"),
            &["example.org"],
            &format!(
                ".:@port {{
                   bind 127.0.0.1
                   k8s_external svc.example.org 198.51.100.0/24 2001:db8::/64 {{
                     {options}
                   }}
                   kubernetes {ZONES} {{
                     endpoint @api
                   }}
                   forward . @world
                 }}"
            ),
        )
    })
}

/// Random clusters under several zones.
fn random_zones(seed: u64) -> impl Iterator<Item = Variant> {
    let variants = RANDOM_ZONES.iter().zip(seed..);
    variants.map(|((zones, options), seed)| Variant {
        data: Data::Random(seed),
        departures: &[],
        ..block(
            &format!("random {seed}, under several zones: {zones}"),
            &["cluster.local", "svc.cluster.local"],
            &format!(
                ".:@port {{
                   bind 127.0.0.1
                   kubernetes {zones} {{
                     endpoint @api
                     {options}
                   }}
                   whoami
                 }}"
            ),
        )
    })
}

/// Variants whose zones are transferred.
fn transfers(seed: u64) -> Vec<Variant> {
    let one = &["cluster.local"][..];
    let variants = [
        ("transfers", Data::Sample, one, "bind 127.0.0.1", ""),
        (
            "transfers of random names",
            Data::Random(seed),
            one,
            "bind 127.0.0.1",
            "endpoint_pod_names\n ttl 60",
        ),
        (
            "transfers of some random names",
            Data::Random(seed.wrapping_add(1)),
            one,
            "bind 127.0.0.1",
            "namespaces a svc\n ttl 3600",
        ),
        (
            "transfers without endpoints",
            Data::Random(seed),
            one,
            "bind 127.0.0.1",
            "noendpoints",
        ),
        ("transfers with name servers", Data::Own, one, "", "ttl 30"),
        (
            "transfers with all addresses as name servers",
            Data::Sample,
            one,
            "",
            "",
        ),
        (
            "transfers of names of several clusters",
            Data::Imports,
            &["cluster.local", "clusterset.local"][..],
            "bind 127.0.0.1",
            "multicluster clusterset.local",
        ),
    ];
    let variant = |(title, data, zones, bind, options)| {
        let all: &[&str] = zones;
        let all = all.join(" ");
        let corefile = format!(
            ".:@port {{
               {bind}
               transfer {{
                 to *
               }}
               kubernetes {all} in-addr.arpa ip6.arpa {{
                 endpoint @api
                 {options}
               }}
             }}"
        );
        Variant {
            data,
            depth: Depth::Transfers,
            departures: &[TRANSFERRED],
            ..block(title, zones, &corefile)
        }
    };
    let mut variants: Vec<Variant> = variants.into_iter().map(variant).collect();
    variants.push(Variant {
        told: Told::InPart,
        depth: Depth::TransfersOfPart,
        ..variant((
            "transfers before the cluster is known",
            Data::Sample,
            one,
            "bind 127.0.0.1",
            "pods verified\n startup_timeout 1s",
        ))
    });
    variants
}

/// Variants of which the zones of `k8s_external` are transferred.
fn transfers_outside(seed: u64) -> [Variant; 4] {
    let variants = [
        (
            "transfers of names outside the cluster",
            Data::Outside,
            Told::Listed,
            "bind 127.0.0.1",
            ["", "ttl 30\n namespaces outside odd"],
        ),
        (
            "transfers of names outside the cluster, headless",
            Data::Outside,
            Told::Listed,
            "",
            ["headless\n ttl 60\n apex names.dns", "endpoint_pod_names"],
        ),
        (
            "transfers of random names outside the cluster",
            Data::Random(seed),
            Told::Listed,
            "bind 127.0.0.1",
            ["headless", ""],
        ),
        (
            "transfers of odd shapes outside the cluster",
            Data::Raw,
            Told::AsWritten,
            "bind 127.0.0.1",
            ["headless", ""],
        ),
    ];
    variants.map(|(title, data, told, bind, [external, cluster])| Variant {
        data,
        told,
        depth: Depth::TransfersOutside,
        departures: &[TRANSFERRED],
        ..block(
            title,
            &[
                "svc.example.org",
                "100.51.198.in-addr.arpa",
                "113.0.203.in-addr.arpa",
                "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            ],
            &format!(
                ".:@port {{
                   {bind}
                   transfer {{
                     to *
                   }}
                   k8s_external svc.example.org 198.51.100.0/24 203.0.113.0/24 2001:db8::/64 {{
                     {external}
                   }}
                   kubernetes cluster.local {{
                     endpoint @api
                     {cluster}
                   }}
                   forward . @world
                 }}"
            ),
        )
    })
}

/// Variants with `autopath`: names are asked for as a search list makes them.
fn search_lists() -> Vec<Variant> {
    let variants = [
        ("search lists", "forward . @world"),
        ("search lists, and a zone's file", "file zone example.org"),
    ];
    let variant = |(title, plugin)| Variant {
        data: Data::Pods,
        departures: &[LOWERED],
        ..block(
            title,
            &["cluster.local", "default.svc.cluster.local"],
            &format!(
                ".:@port {{
                   bind 127.0.0.1
                   autopath @kubernetes
                   kubernetes {ZONES} {{
                     endpoint @api
                     pods verified
                   }}
                   {plugin}
                 }}"
            ),
        )
    };
    variants.into_iter().map(variant).collect()
}

/// A variant of the written cluster with these options.
fn options(title: &str, options: &str) -> Variant {
    block(
        title,
        &["cluster.local"],
        &format!(
            ".:@port {{
               bind 127.0.0.1
               kubernetes {ZONES} {{
                 endpoint @api
                 {options}
               }}
             }}"
        ),
    )
}

/// A variant of the written cluster with this Corefile.
fn block(title: &str, zones: &'static [&'static str], corefile: &str) -> Variant {
    Variant {
        title: title.to_owned(),
        data: Data::Written,
        zones,
        depth: Depth::Brief,
        told: Told::Listed,
        departures: &[UNREADABLE],
        corefile: corefile.to_owned(),
    }
}

impl Variant {
    fn in_full(self) -> Self {
        Self {
            depth: Depth::Full,
            ..self
        }
    }
}
