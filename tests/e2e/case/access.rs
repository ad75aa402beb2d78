//! The ways in which a server is told where the API server is, and who it is to it.

use std::path::PathBuf;

use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::json;
use tempfile::TempDir;

use crate::differential::cluster::ask::Depth;
use crate::proxy::{Proxy, Trouble};
use crate::server::{Server, View};
use crate::world::{World, until, wrong};

/// What the API server knows a DNS server by: deploy/rbac.yaml gives it its rights.
const USER: &str = "system:serviceaccount:kube-system:coredns";

const KUBERNETES: &str = "kubernetes.default.svc.cluster.local.";

/// Of a server that is configured as kubeadm does.
const KUBEADM: &[(&str, &str, &str)] = &[
    (KUBERNETES, "A", "10.96.0.1"),
    ("1.0.96.10.in-addr.arpa.", "PTR", KUBERNETES),
    ("10-1-2-3.default.pod.cluster.local.", "A", "10.1.2.3"),
    ("nothing.default.svc.cluster.local.", "A", "NXDOMAIN"),
    ("www.example.org.", "A", "192.0.2.80"),
];

pub(super) fn pod(world: &mut World) -> Result<(), String> {
    let upstream = Server::start_upstream("192.0.2.80 www.example.org")?;
    let upstream = upstream.address(View::Kubeadm);
    let account = world.plane.state("serviceaccount");
    for (name, namespace) in [("CoreDNS", "as-pod-1"), ("callsign", "as-pod-2")] {
        let server = Server::start_as_pod(name, &account, world.plane.api, upstream)?;
        until(|| wrong(&server, View::Kubeadm, KUBEADM))?;
        until(|| server.is_ready().err())?;
        let row = format!("{namespace}.svc.cluster.local.");
        until(|| wrong(&server, View::Kubeadm, &[(&row, "A", "NXDOMAIN")]))?;
        world.new_namespace(namespace, "no")?;
        until(|| wrong(&server, View::Kubeadm, &[(&row, "A", "NODATA")]))?;
    }
    Ok(())
}

pub(super) fn certificates(world: &mut World) -> Result<(), String> {
    let files = Files::ALL.map(|file| world.plane.state("pki").join(file));
    let [certificate, key, ca] = &files;
    let api = format!("https://{}", world.plane.api);
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        // Nobody is there.
        "current-context": "other",
        "clusters": [
            {"name": "other", "cluster": {"server": "https://127.0.0.1:1"}},
            {"name": "this", "cluster": {"server": api, "certificate-authority": ca}},
        ],
        "users": [{"name": "dns", "user": {"client-certificate": certificate, "client-key": key}}],
        "contexts": [
            {"name": "other", "context": {"cluster": "other", "user": "dns"}},
            {"name": "by-certificate", "context": {"cluster": "this", "user": "dns"}},
        ],
    });
    let contexts = world.plane.state("contexts.kubeconfig");
    std::fs::write(&contexts, kubeconfig.to_string()).map_err(|error| error.to_string())?;
    for access in [
        by_certificate(&api, &files),
        format!("kubeconfig {} by-certificate", contexts.display()),
    ] {
        world.restart_by(&access, &[])?;
        world.expect(View::Verified, &[(KUBERNETES, "A", "10.96.0.1")])?;
        world.agree(&["default"], Depth::Brief)?;
    }
    world.restart()
}

/// The options of `kubernetes` for a client's certificate, its key and the CA.
fn by_certificate(url: &str, files: &[PathBuf; 3]) -> String {
    let [certificate, key, ca] = files.each_ref().map(|file| file.display());
    format!("endpoint {url}\n tls {certificate} {key} {ca}")
}

/// Files of a client's certificate, which can be made others, and right again.
struct Files {
    folder: TempDir,
    pki: PathBuf,
}

impl Files {
    const ALL: [&'static str; 3] = ["dns.crt", "dns.key", "ca.crt"];

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Makes a file another, in one step.
    fn write(&self, file: &str, text: &str) -> Result<(), String> {
        let next = self.path("next");
        let written = std::fs::write(&next, text);
        let written = written.and_then(|()| std::fs::rename(&next, self.path(file)));
        written.map_err(|error| format!("{file}: {error}"))
    }

    /// Makes all files what they must be.
    fn right(&self) -> Result<(), String> {
        Self::ALL.iter().try_for_each(|file| {
            let text = std::fs::read_to_string(self.pki.join(file));
            self.write(file, &text.map_err(|error| format!("{file}: {error}"))?)
        })
    }
}

/// A certificate that nobody has signed but itself, and its key.
fn stranger() -> Result<[String; 2], String> {
    let make = || {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, USER);
        let key = KeyPair::generate()?;
        Ok([params.self_signed(&key)?.pem(), key.serialize_pem()])
    };
    make().map_err(|error: rcgen::Error| error.to_string())
}

pub(super) fn mismatched(world: &mut World) -> Result<(), String> {
    let proxy = Proxy::start(&world.api, world.plane.api, Trouble::default())?;
    let files = Files {
        folder: tempfile::tempdir().map_err(|error| error.to_string())?,
        pki: world.plane.state("pki"),
    };
    let url = format!("https://{}", proxy.address);
    let access = by_certificate(&url, &Files::ALL.map(|file| files.path(file)));
    files.right()?;
    files.write("dns.key", &stranger()?[1])?;
    let mut servers = Vec::new();
    for (name, said) in [
        ("CoreDNS", &["private key does not match public key"][..]),
        ("callsign", &["/dns.key", "KeyMismatch"]),
    ] {
        let server = Server::start(name, View::ONE, &access, &[])?;
        until(|| says(&server, said).err())?;
        until(|| wrong(&server, View::Verified, &[(KUBERNETES, "A", "SERVFAIL")]))?;
        servers.push(server);
    }
    files.right()?;
    servers.iter().try_for_each(|server| {
        until(|| wrong(server, View::Verified, &[(KUBERNETES, "A", "10.96.0.1")]))
    })?;
    servers
        .pop()
        .map_or(Ok(()), |callsign| run_on(world, &callsign, &proxy, &files))
}

/// That a line has all these texts.
fn says(server: &Server, texts: &[&str]) -> Result<(), String> {
    let has = |line: &String| texts.iter().all(|text| line.contains(text));
    match server.log().iter().any(has) {
        true => Ok(()),
        false => Err(format!(
            "{} does not say {texts:?}:\n{}",
            server.name,
            server.tail()
        )),
    }
}

/// A server that runs goes on, says what is wrong with which file, and comes back by itself.
fn run_on(world: &World, server: &Server, proxy: &Proxy, files: &Files) -> Result<(), String> {
    let [certificate, key] = stranger()?;
    let known = (KUBERNETES, "A", "10.96.0.1");
    let unknown = [("ca.crt", certificate.as_str())];
    let stranger = [("dns.crt", certificate.as_str()), ("dns.key", &key)];
    for (number, (bad, said)) in [
        (&unknown[..], ["/ca.crt", "UnknownIssuer"]),
        (&stranger, ["/dns.crt", "it answers 401"]),
    ]
    .into_iter()
    .enumerate()
    {
        bad.iter()
            .try_for_each(|(file, text)| files.write(file, text))?;
        proxy.cut();
        until(|| says(server, &said).err())?;
        let namespace = format!("mismatched-{number}");
        world.new_namespace(&namespace, "no")?;
        let row = format!("{namespace}.svc.cluster.local.");
        if let Some(problem) = wrong(server, View::Verified, &[known, (&row, "A", "NXDOMAIN")]) {
            return Err(format!("while {said:?}: {problem}"));
        }
        files.right()?;
        until(|| wrong(server, View::Verified, &[known, (&row, "A", "NODATA")]))?;
        // What comes next is another outage, and told as one.
        until(|| {
            let log = server.log();
            // It was before the first of them, too.
            let back = log.iter().filter(|line| line.contains("is back after"));
            (back.count() < number + 2).then(|| format!("it is not back:\n{}", server.tail()))
        })?;
    }
    Ok(())
}
