//! What files and variables make of a connection, and what is said of those that cannot be used.

use tempfile::TempDir;

use super::*;

/// A folder with these files, and a CA in `ca.crt`.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.crt"), certificate()).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn certificate() -> String {
    let made = rcgen::generate_simple_self_signed(["api".to_owned()]).unwrap();
    made.cert.pem()
}

fn error(loaded: Result<Loaded, Failure>, folder: &TempDir) -> String {
    match loaded {
        Err(error) => error
            .to_string()
            .replace(folder.path().to_str().unwrap(), "DIR"),
        Ok(loaded) => panic!("it is taken: {:?}", loaded.config),
    }
}

#[test]
fn a_pod_has_all_it_needs() {
    let folder = folder(&[("token", "secret\n")]);
    let cases = [
        ("10.96.0.1", "443", "10.96.0.1:443"),
        ("fd00::1", "6443", "[fd00::1]:6443"),
        ("api.example.com", "443", "api.example.com:443"),
    ];
    for (host, port, told) in cases {
        let (host, port) = (Some(host.to_owned()), Some(port.to_owned()));
        let loaded = in_cluster(host, port, folder.path()).unwrap();
        assert_eq!(loaded.host, told, "as CoreDNS tells it in metrics");
        assert_eq!(
            loaded.config.cluster_url.to_string(),
            format!("https://{told}/")
        );
        assert_eq!(loaded.token.unwrap().header(), "Bearer secret");
        assert_eq!(
            loaded.config.root_cert_file,
            Some(folder.path().join("ca.crt"))
        );
    }
}

#[test]
fn what_a_pod_lacks_is_told() {
    let set = || Some("10.96.0.1".to_owned());
    let folder = folder(&[]);
    assert_eq!(
        error(in_cluster(None, set(), folder.path()), &folder),
        "no API server is known: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, \
         as they are in each pod of a cluster; outside of one give the directive 'kubeconfig FILE', \
         or read manifests instead: --manifests DIR"
    );
    assert_eq!(
        error(in_cluster(set(), set(), folder.path()), &folder),
        "the API server's URL \"https://10.96.0.1:10.96.0.1\" cannot be used: it must be \
         http://HOST[:PORT] or https://HOST[:PORT]"
    );
    let port = || Some("443".to_owned());
    assert_eq!(
        error(in_cluster(set(), port(), folder.path()), &folder),
        "the token file DIR/token cannot be used: No such file or directory (os error 2)"
    );
    std::fs::write(folder.path().join("ca.crt"), "no certificate").unwrap();
    assert_eq!(
        error(in_cluster(set(), port(), folder.path()), &folder),
        "the CA file DIR/ca.crt cannot be used: it holds no certificate in PEM"
    );
}

const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: one
contexts:
- {name: one, context: {cluster: one, user: one}}
- {name: two, context: {cluster: two, user: two}}
- {name: lost, context: {cluster: nowhere, user: one}}
clusters:
- {name: one, cluster: {server: 'https://one:6443', certificate-authority: ca.crt}}
- {name: two, cluster: {server: 'http://127.0.0.1:8080'}}
users:
- {name: one, user: {tokenFile: token}}
- {name: two, user: {token: inline}}
";

#[test]
fn a_kubeconfig_tells_where_and_who() {
    let folder = folder(&[("config", KUBECONFIG), ("token", "secret")]);
    let file = folder.path().join("config");
    let loaded = kubeconfig(&file, None).unwrap();
    assert_eq!(loaded.host, "one:6443");
    assert_eq!(
        loaded.config.root_cert_file,
        Some(folder.path().join("ca.crt")),
        "read again"
    );
    assert!(loaded.token.is_some(), "read again");
    let loaded = kubeconfig(&file, Some(&"two".to_owned())).unwrap();
    assert_eq!(loaded.host, "127.0.0.1:8080");
    assert!(loaded.token.is_none() && loaded.config.auth_info.token.is_some());
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_told_with_its_file() {
    let folder = folder(&[
        ("config", KUBECONFIG),
        ("bad", "clusters: [\n"),
        ("empty", ""),
    ]);
    let try_ = |file: &str, context: Option<&str>| {
        let file = folder.path().join(file);
        let told = error(
            kubeconfig(&file, context.map(str::to_owned).as_ref()),
            &folder,
        );
        let advice = "; see what kubectl makes of it: kubectl --kubeconfig ";
        let (told, _) = told.split_once(advice).unwrap_or((&told, ""));
        told.to_owned()
    };
    let start = |file: &str| format!("the kubeconfig DIR/{file} cannot be used: ");
    assert_eq!(
        try_("none", None),
        start("none")
            + "failed to read kubeconfig from '\"DIR/none\"': No such file or directory (os error 2)"
    );
    let bad = try_("bad", None);
    assert!(
        bad.starts_with(&(start("bad") + "failed to parse kubeconfig YAML")),
        "{bad}"
    );
    let lost = try_("config", Some("lost"));
    assert!(lost.contains("nowhere"), "{lost}");
    let unknown = try_("config", Some("three"));
    assert!(unknown.contains("three"), "{unknown}");
    let empty = try_("empty", None);
    assert!(empty.starts_with(&start("empty")), "{empty}");
}

#[test]
fn an_endpoint_may_leave_out_its_scheme() {
    let folder = folder(&[]);
    let tls = Tls {
        cert: "cert.pem".into(),
        key: "key.pem".into(),
        ca: folder.path().join("ca.crt"),
    };
    let cases = [
        ("10.0.0.1:8080", None, "http://10.0.0.1:8080/"),
        ("10.0.0.1:6443", Some(&tls), "https://10.0.0.1:6443/"),
        ("https://api.example.com", None, "https://api.example.com/"),
    ];
    for (text, tls, url) in cases {
        let loaded = endpoint(text, tls).unwrap();
        assert_eq!(loaded.config.cluster_url.to_string(), url);
        let cert = loaded.config.auth_info.client_certificate;
        assert_eq!(cert.as_deref(), tls.map(|_| "cert.pem"));
    }
    for text in ["ftp://x", "http://", "https://a b"] {
        let told = error(endpoint(text, None), &folder);
        assert!(
            told.starts_with(&format!("the API server's URL {text:?} cannot be used: ")),
            "{told}"
        );
    }
}

#[test]
fn a_proxy_is_not_asked_for_this_machine() {
    for (url, is) in [
        ("https://127.0.0.1:6443", true),
        ("https://[::1]:6443", true),
        ("https://localhost", true),
        ("https://10.96.0.1", false),
    ] {
        assert_eq!(is_loopback(&url.parse().unwrap()), is, "{url}");
    }
}
