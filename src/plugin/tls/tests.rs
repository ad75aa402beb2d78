use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::corefile::Memory;
use crate::testing::planned;

/// A CA, and what it signed.
struct Pki {
    ca: String,
    cert: String,
    key: String,
    /// A certificate that another CA signed.
    stranger: (String, String),
}

fn pki() -> Pki {
    let issuer = || {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let signed = |issuer: &CertifiedIssuer<'_, KeyPair>| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["dns.test".to_owned()]).unwrap();
        let cert = params.signed_by(&key, issuer).unwrap();
        (cert.pem(), key.serialize_pem())
    };
    let (ca, other) = (issuer(), issuer());
    let (cert, key) = signed(&ca);
    Pki {
        ca: ca.pem(),
        cert,
        key,
        stranger: signed(&other),
    }
}

fn files(pki: &Pki) -> Memory {
    Memory::default()
        .with_file("/cert.pem", pki.cert.as_str())
        .with_file("/key.pem", pki.key.as_str())
        .with_file("/ca.pem", pki.ca.as_str())
        .with_file("/other.pem", pki.stranger.1.as_str())
        .with_file("/empty.pem", "")
        .with_file("/bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n")
}

fn settings(lines: &str, files: &Memory) -> Result<Arc<ServerConfig>, String> {
    let text = format!("tls://. {{\n{lines}\n}}");
    let plan = planned(&text, files).map_err(|errors| errors.join("\n"))?;
    let settings = plan.sites[0].listen.tls.clone().unwrap();
    Ok(for_transport(&settings, "tls"))
}

#[test]
fn what_cannot_be_used_is_told_with_file_and_reason() {
    let files = files(&pki());
    for (lines, error) in [
        (
            "tls cert.pem",
            "2:5: error: plugin/tls: Wrong argument count or unexpected line ending after 'cert.pem'",
        ),
        (
            "tls {\nacme example.org\n}",
            "2:1: error: plugin/tls: no files: callsign does not have ACME",
        ),
        (
            "tls a b c d",
            "2:11: error: plugin/tls: Wrong argument count or unexpected line ending after 'd'",
        ),
        (
            "tls nope.pem key.pem",
            "2:5: error: plugin/tls: could not load TLS cert: open /nope.pem: entity not found",
        ),
        (
            "tls cert.pem nope.pem",
            "2:14: error: plugin/tls: could not load TLS cert: open /nope.pem: entity not found",
        ),
        (
            "tls cert.pem key.pem nope.pem",
            "2:22: error: plugin/tls: could not load TLS cert: open /nope.pem: entity not found",
        ),
        (
            "tls empty.pem key.pem",
            "2:5: error: plugin/tls: could not load TLS cert: /empty.pem: there is none in it",
        ),
        (
            "tls bad.pem key.pem",
            "2:5: error: plugin/tls: could not load TLS cert: /bad.pem: a PEM block has no END line",
        ),
        (
            "tls cert.pem cert.pem",
            "2:14: error: plugin/tls: could not load TLS cert: /cert.pem: there is none in it",
        ),
        (
            "tls cert.pem other.pem",
            "2:14: error: plugin/tls: could not load TLS cert: the key does not belong to the certificate",
        ),
        (
            "tls cert.pem key.pem {\nclient_auth\n}",
            "3:1: error: plugin/tls: Wrong argument count or unexpected line ending after 'client_auth'",
        ),
        (
            "tls cert.pem key.pem {\nclient_auth all\n}",
            "3:13: error: plugin/tls: unknown authentication type 'all'",
        ),
        (
            "tls cert.pem key.pem {\nclient_auth require_and_verify\n}",
            "3:13: error: plugin/tls: client_auth require_and_verify has no CA to verify by",
        ),
        (
            "tls cert.pem key.pem {\nkeylogs x\n}",
            "3:1: error: plugin/tls: unknown option 'keylogs'",
        ),
    ] {
        let told = settings(lines, &files).err().unwrap_or_default();
        assert_eq!(told, format!("Corefile:{error}"), "{lines}");
    }
}

/// A client that trusts the CA, and shows this certificate if any.
fn client(pki: &Pki, shows: Option<(&str, &str)>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(pki.ca.as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shows {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"dot".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// Whether a byte goes there and back, and the protocol that was agreed on.
async fn exchange(settings: Arc<ServerConfig>, client: TlsConnector) -> std::io::Result<Vec<u8>> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let serve = async {
        let mut stream = TlsAcceptor::from(settings).accept(far).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.shutdown().await
    };
    let ask = async {
        let name = ServerName::try_from("dns.test").unwrap();
        let mut stream = client.connect(name, near).await?;
        stream.write_u8(7).await?;
        stream.read_u8().await?;
        let agreed = stream.get_ref().1.alpn_protocol();
        Ok(agreed.unwrap_or_default().to_vec())
    };
    let (_, asked) = tokio::join!(serve, ask);
    asked
}

#[tokio::test]
async fn clients_are_let_in_as_client_auth_says() {
    let pki = pki();
    let files = files(&pki);
    for (kind, nothing, known, stranger) in [
        ("", true, true, true),
        ("nocert", true, true, true),
        ("request", true, true, true),
        ("require", false, true, true),
        ("verify_if_given", true, true, false),
        ("require_and_verify", false, true, false),
    ] {
        let option = match kind {
            "" => String::new(),
            kind => format!(" {{\nclient_auth {kind}\n}}"),
        };
        let settings = settings(&format!("tls cert.pem key.pem ca.pem{option}"), &files).unwrap();
        for (shows, let_in) in [
            (None, nothing),
            (Some((pki.cert.as_str(), pki.key.as_str())), known),
            (
                Some((pki.stranger.0.as_str(), pki.stranger.1.as_str())),
                stranger,
            ),
        ] {
            let agreed = exchange(settings.clone(), client(&pki, shows)).await;
            assert_eq!(
                agreed.is_ok(),
                let_in,
                "{kind} {} {agreed:?}",
                shows.is_some()
            );
            assert!(agreed.is_err() || agreed.unwrap() == b"dot");
        }
    }
}

#[tokio::test]
async fn session_secrets_are_written_where_asked() {
    let pki = pki();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let lines = format!("tls cert.pem key.pem {{\nkeylog {}\n}}", path.display());
    let settings = settings(&lines, &files(&pki)).unwrap();
    assert!(!path.exists(), "a check writes nothing");
    exchange(settings, client(&pki, None)).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("SERVER_TRAFFIC_SECRET_0 "));
    assert_eq!(line.unwrap().split(' ').nth(1).unwrap().len(), 64, "{text}");
}

#[test]
fn a_key_log_is_warned_of() {
    let text = "tls://. {\ntls cert.pem key.pem {\nkeylog keys\n}\n}";
    let plan = planned(text, &files(&pki())).unwrap();
    let warnings: Vec<_> = plan.warnings.iter().map(SetupError::headline).collect();
    assert_eq!(
        warnings,
        ["Corefile:3:8: warning: plugin/tls: Writing TLS Key Log to \"/keys\""]
    );
}

#[test]
fn blocks_of_one_listener_have_the_same_settings() {
    let pki = pki();
    let files = Memory::default()
        .with_file("/cert.pem", pki.cert.as_str())
        .with_file("/key.pem", pki.key.as_str())
        .with_file("/ca.pem", pki.ca.as_str())
        .with_file("/cert2.pem", pki.stranger.0.as_str())
        .with_file("/key2.pem", pki.stranger.1.as_str());
    let one = "tls /cert.pem /key.pem";
    for (what, first, second, ports, is_error) in [
        ("the same twice", one, one, [853, 853], false),
        ("one without", one, "", [853, 853], true),
        (
            "another certificate",
            one,
            "tls /cert2.pem /key2.pem",
            [853, 853],
            true,
        ),
        (
            "other clients",
            one,
            "tls /cert.pem /key.pem {\nclient_auth require\n}",
            [853, 853],
            true,
        ),
        ("two ports", one, "", [853, 8853], false),
        ("neither", "", "", [853, 853], false),
    ] {
        let [a, b] = ports;
        let text = format!(
            "tls://a.test:{a} {{\n{first}\nwhoami\n}}\ntls://b.test:{b} {{\n{second}\nwhoami\n}}"
        );
        let planned = planned(&text, &files);
        let errors = planned.err().unwrap_or_default().join("\n");
        let is_told = errors.contains("conflicting TLS configuration");
        assert_eq!(is_told, is_error, "{what}: {errors}");
        assert_eq!(errors.is_empty(), !is_error, "{what}: {errors}");
    }
}
