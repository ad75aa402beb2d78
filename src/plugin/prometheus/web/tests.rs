use rcgen::{CertificateParams, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::time::Duration;

use super::*;
use crate::corefile::Memory;

/// The hash of `open sesame`, at the lowest cost.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy";

struct Pair {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

fn pair(names: Vec<SanType>) -> Pair {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    parameters.subject_alt_names = names;
    let certificate = parameters.self_signed(&key).unwrap();
    Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        der: certificate.der().clone(),
    }
}

fn read(text: &str) -> Result<Web, String> {
    let pair = pair(Vec::new());
    let files = Memory::default()
        .with_file("/etc/web.yml", text)
        .with_file("/etc/tls/cert.pem", pair.certificate)
        .with_file("/etc/tls/key.pem", pair.key);
    Web::read("/etc/web.yml".into(), &files)
}

/// A file with certificate and key, and these lines of TLS.
fn with_tls(lines: &str) -> String {
    let start = "tls_server_config:\n  cert_file: tls/cert.pem\n  key_file: tls/key.pem\n";
    lines
        .lines()
        .fold(start.to_owned(), |text, line| format!("{text}  {line}\n"))
}

#[test]
fn what_can_be_used_is_read() {
    for (text, is_tls, http2) in [
        ("", false, true),
        ("# nothing\n", false, true),
        ("http_server_config:\n  http2: false\n", false, false),
        (&with_tls(""), true, true),
        (
            &with_tls("min_version: TLS10\nmax_version: TLS13\nprefer_server_cipher_suites: true"),
            true,
            true,
        ),
        (
            &with_tls("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]"),
            true,
            true,
        ),
        (
            &with_tls("curve_preferences: [CurveP521, X25519]"),
            true,
            true,
        ),
        (
            &with_tls("client_auth_type: RequireAnyClientCert\nclient_allowed_sans: [a]"),
            true,
            true,
        ),
        (
            &with_tls("client_auth_type: RequireAndVerifyClientCert\nclient_ca_file: tls/cert.pem"),
            true,
            true,
        ),
        (&format!("basic_auth_users:\n  ali: {HASH}\n"), false, true),
        ("rate_limit:\n  burst: 2\n  interval: 1s\n", false, true),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-XSS-Protection: any\n",
            false,
            true,
        ),
    ] {
        let web = read(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
        assert_eq!((web.is_tls, web.http2), (is_tls, http2), "{text}");
    }
}

#[test]
fn what_cannot_be_used_is_told() {
    for (text, error) in [
        ("nonsense", "web.yml"),
        ("tls_config:\n  a: b\n", "tls_config"),
        (
            "tls_server_config:\n  key_file: tls/key.pem\n",
            "missing one of cert or cert_file",
        ),
        (
            "tls_server_config:\n  cert_file: tls/cert.pem\n  key_file: \"\"\n",
            "missing one of key or key_file",
        ),
        (
            "tls_server_config:\n  cert_file: x\n  key_file: tls/key.pem\n",
            "/etc/x: entity not found",
        ),
        (
            "tls_server_config:\n  cert: x\n  key_file: tls/key.pem\n",
            "certificate and key",
        ),
        (
            &with_tls("client_auth_type: Maybe"),
            "invalid ClientAuth: Maybe",
        ),
        (
            &with_tls("client_ca_file: tls/cert.pem"),
            "without a Client Auth Policy",
        ),
        (
            &with_tls("min_version: TLS09"),
            "unknown TLS version: TLS09",
        ),
        (&with_tls("max_version: TLS11"), "is left to speak"),
        (
            &with_tls("curve_preferences: [CurveP521]"),
            "is left to speak",
        ),
        (
            "tls_server_config:\n  cipher_suites: [RC4]\n",
            "unknown cipher: RC4",
        ),
        (
            "tls_server_config:\n  curve_preferences: [P256]\n",
            "unknown curve: P256",
        ),
        (
            "basic_auth_users:\n  ali: secret\n",
            "the password of \"ali\"",
        ),
        (
            "http_server_config:\n  headers:\n    Server: x\n",
            "\"Server\" can not be configured",
        ),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: allow\n",
            "deny or sameorigin",
        ),
        ("rate_limit:\n  interval: soon\n", "interval \"soon\""),
    ] {
        let told = read(text).map(|_| ()).unwrap_err();
        assert!(told.contains(error), "{text}\n{told}");
    }
}

#[test]
fn names_of_certificates_are_compared_to_the_letter() {
    let ip = SanType::IpAddress([192, 0, 2, 1].into());
    let dns = SanType::DnsName("client.test".try_into().unwrap());
    let uri = SanType::URI("spiffe://a/b".try_into().unwrap());
    let certificate = pair(vec![ip, dns, uri]).der;
    for (allowed, fits) in [
        ("192.0.2.1", true),
        ("client.test", true),
        ("spiffe://a/b", true),
        ("Client.test", false),
        ("test", false),
    ] {
        let text = with_tls(&format!(
            "client_auth_type: RequireAnyClientCert\nclient_allowed_sans: [\"{allowed}\"]"
        ));
        let config: WebConfig = serde_saphyr::from_str(&text).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = config.tls_server_config.verifier(None, &provider).unwrap();
        let verified = verifier.verify_client_cert(&certificate, &[], UnixTime::now());
        assert_eq!(verified.is_ok(), fits, "{allowed}");
    }
}

fn admitted(web: &Web, authorization: Option<&str>, now: Instant) -> u16 {
    let admission = web.admit(authorization, now);
    admission.refused.map_or(200, |refused| refused.status)
}

#[test]
fn users_are_asked_for_their_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yml");
    let text = format!(
        "basic_auth_users:\n  ali: {HASH}\nhttp_server_config:\n  headers:\n    X-Frame-Options: deny\n"
    );
    std::fs::write(&path, text).unwrap();
    let web = Web::read(path.clone(), &System).unwrap();
    let now = Instant::now();
    let basic = |login: &str| format!("Basic {}", data_encoding::BASE64.encode(login.as_bytes()));
    for (authorization, status) in [
        (None, 401),
        (Some(basic("ali:open sesame")), 200),
        (
            Some(basic("ali:open sesame").replace("Basic", "basic")),
            200,
        ),
        (Some(basic("ali:close")), 401),
        (Some(basic("baba:open sesame")), 401),
        (Some(basic("ali")), 401),
        (Some("Bearer x".to_owned()), 401),
        (Some("Basic %".to_owned()), 401),
    ] {
        // Twice: what is remembered is right, too.
        for _ in 0..2 {
            let told = admitted(&web, authorization.as_deref(), now);
            assert_eq!(told, status, "{authorization:?}");
        }
    }
    let refused = web.admit(None, now);
    for header in [("WWW-Authenticate", "Basic"), ("X-Frame-Options", "deny")] {
        let header = (header.0.to_owned(), header.1.to_owned());
        assert!(refused.headers.contains(&header), "{refused:?}");
    }
    // Without a reload: a file that says nothing of users, and one that is wrong.
    std::fs::write(&path, "").unwrap();
    assert_eq!(admitted(&web, None, now), 200);
    std::fs::write(&path, "x: y").unwrap();
    assert_eq!(admitted(&web, None, now), 500);
}

#[test]
fn requests_may_be_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yml");
    std::fs::write(&path, "rate_limit:\n  burst: 2\n  interval: 10s\n").unwrap();
    let web = Web::read(path, &System).unwrap();
    let start = Instant::now();
    for (after, status) in [
        (0, 200),
        (0, 200),
        (0, 429),
        (9, 429),
        (11, 200),
        (12, 429),
        (40, 200),
        (40, 200),
        (40, 429),
    ] {
        let now = start + Duration::from_secs(after);
        assert_eq!(admitted(&web, None, now), status, "after {after} s");
    }
}
