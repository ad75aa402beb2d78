//! The sample cluster, compiled in.

macro_rules! files {
    ($($name:literal)*) => {
        &[$((concat!("config/cluster/", $name), include_str!(concat!("../../../config/cluster/", $name)))),*]
    };
}

/// Name and text of each file of `config/cluster`.
pub(super) const FILES: &[(&str, &str)] = files![
    "00-namespaces.yaml"
    "default.yaml"
    "development.yaml"
    "idp-system.yaml"
    "kube-system.yaml"
    "microservices.yaml"
    "monitoring.yaml"
    "nginx.yaml"
    "production-postgres.yaml"
    "production.yaml"
];
