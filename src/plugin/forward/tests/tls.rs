//! Upstreams over TLS (RFC 7858): whom they must prove to be.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;

use super::bed::Bed;
use super::fake::{Act, Fake};
use crate::testing::Ask;

/// An authority, and what it has signed.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let name = rand::random::<u64>().to_string();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// A certificate for these names, and its key.
    fn sign(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    /// Settings of a server with such a certificate, that wants one of its clients too if told.
    pub(super) fn server(&self, names: &[&str], wants_client: bool) -> rustls::ServerConfig {
        let (certificate, key) = self.sign(names);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if wants_client {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(self.0.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }

    pub(super) fn write(&self, folder: &Path) -> String {
        let path = folder.join("ca.pem");
        std::fs::write(&path, self.0.pem()).unwrap();
        path.display().to_string()
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_must_prove_its_name_or_address() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let ca = authority.write(folder.path());
    let script = |seen: &super::fake::Seen| vec![Act::Send(seen.address("192.0.2.1"))];
    let by_both = Fake::tls(authority.server(&["127.0.0.1", "dns.test"], false), script).await;
    let by_name = Fake::tls(authority.server(&["dns.test"], false), script).await;
    let by_other = Fake::tls(Authority::new().server(&["127.0.0.1"], false), script).await;
    let port = |fake: &Fake| fake.address.port();
    for (what, to, option, expected) in [
        (
            "by address",
            format!("tls://127.0.0.1:{}", port(&by_both)),
            "",
            Ok(()),
        ),
        (
            "by a name of its own",
            format!("tls://127.0.0.1%dns.test:{}", port(&by_name)),
            "",
            Ok(()),
        ),
        (
            "by a name for all",
            format!("tls://127.0.0.1:{}", port(&by_name)),
            "tls_servername dns.test",
            Ok(()),
        ),
        (
            "another name",
            format!("tls://127.0.0.1%dns.example:{}", port(&by_both)),
            "",
            Err("certificate not valid for name"),
        ),
        (
            "no such address",
            format!("tls://127.0.0.1:{}", port(&by_name)),
            "",
            Err("certificate not valid for name"),
        ),
        (
            "another authority",
            format!("tls://127.0.0.1:{}", port(&by_other)),
            "",
            Err("UnknownIssuer"),
        ),
    ] {
        let text = format!(".:53 {{\nforward . {to} {{\ntls {ca}\n{option}\nmax_fails 0\n}}\n}}");
        let bed = Bed::new(&text).await;
        match expected {
            Ok(()) => assert_eq!(bed.ask("a.example A").await.rcode, "NOERROR", "{what}"),
            Err(expected) => {
                let error = bed.fail("a.example A").await.error.unwrap();
                assert!(
                    error.starts_with("dial tcp-tls 127.0.0.1:"),
                    "{what}: {error}"
                );
                assert!(error.contains(expected), "{what}: {error}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tls_connection_is_used_again_whatever_the_client_came_over() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let ca = authority.write(folder.path());
    let script = |seen: &super::fake::Seen| vec![Act::Send(seen.address("192.0.2.1"))];
    let fake = Fake::tls(authority.server(&["127.0.0.1"], false), script).await;
    let text = format!(
        ".:53 {{\nforward . tls://{} {{\ntls {ca}\n}}\n}}",
        fake.address
    );
    let bed = Bed::new(&text).await;
    bed.ask("a.example A").await;
    Ask::new("b.example A").tcp().ask(&bed.chain).await;
    bed.ask("c.example A").await;
    assert_eq!((fake.count(), fake.open().most), (3, 1));
    let to = fake.address;
    let hits = format!(
        "coredns_proxy_conn_cache_hits_total{{proto=\"tcp-tls\",proxy_name=\"forward\",to=\"{to}\"}}"
    );
    assert_eq!(bed.metric(&hits).as_deref(), Some("2"));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_may_want_a_certificate_of_ours() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    authority.write(folder.path());
    let (certificate, key) = authority.sign(&["client.test"]);
    std::fs::write(folder.path().join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    let script = |seen: &super::fake::Seen| vec![Act::Send(seen.address("192.0.2.1"))];
    let fake = Fake::tls(authority.server(&["127.0.0.1"], true), script).await;
    let at = folder.path().display();
    for (files, rcode) in [
        (format!("{at}/ca.pem"), "SERVFAIL"),
        (format!("{at}/cert.pem {at}/key.pem {at}/ca.pem"), "NOERROR"),
    ] {
        let text = format!(
            ".:53 {{\nforward . tls://{} {{\ntls {files}\nmax_fails 0\n}}\n}}",
            fake.address
        );
        let bed = Bed::new(&text).await;
        assert_eq!(bed.ask("a.example A").await.rcode, rcode, "{files}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_speaks_no_tls_is_a_failure_in_time() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let ca = authority.write(folder.path());
    // Plain DNS over TCP at the other end: it waits for more of what it takes for a message.
    let fake = Fake::good().await;
    let text = format!(
        ".:53 {{\nforward . tls://{} {{\ntls {ca}\n}}\n}}",
        fake.address
    );
    let bed = Bed::new(&text).await;
    let began = tokio::time::Instant::now();
    let failure = bed.fail("a.example A").await;
    let took = began.elapsed().as_secs_f64();
    assert!((4.4..4.6).contains(&took), "{took}");
    assert!(failure.error.unwrap().ends_with(": i/o timeout"));
}
