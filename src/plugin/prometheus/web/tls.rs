//! `tls_server_config`: certificate, versions, and what is asked of clients.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, NamedGroup, RootCertStore,
    ServerConfig, SignatureScheme, SupportedProtocolVersion,
};
use serde::Deserialize;
use x509_parser::extensions::GeneralName;

use super::LARGEST_FILE;
use crate::corefile::Environment;
use crate::plugin::tls::client::{Kind, verifier};

/// Go's cipher suites. Those with CBC are known by name and not spoken.
const SUITES: [&str; 13] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
];
/// Curves by Go's names; the last one is known by name and not spoken.
const CURVES: [(&str, Option<NamedGroup>); 4] = [
    ("CurveP256", Some(NamedGroup::secp256r1)),
    ("CurveP384", Some(NamedGroup::secp384r1)),
    ("X25519", Some(NamedGroup::X25519)),
    ("CurveP521", None),
];
const VERSIONS: [&str; 4] = ["TLS10", "TLS11", "TLS12", "TLS13"];

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TlsConfig {
    cert: Option<String>,
    key: Option<String>,
    client_ca: Option<String>,
    cert_file: Option<String>,
    key_file: Option<String>,
    client_auth_type: Option<String>,
    client_ca_file: Option<String>,
    cipher_suites: Vec<String>,
    curve_preferences: Vec<String>,
    min_version: Option<String>,
    max_version: Option<String>,
    /// Read and without effect, in Go too.
    #[serde(rename = "prefer_server_cipher_suites")]
    _prefer_server_cipher_suites: Option<bool>,
    client_allowed_sans: Option<Vec<String>>,
}

impl TlsConfig {
    /// Whether all words are known.
    pub(super) fn check(&self) -> Result<(), String> {
        let unknown = |what: &str, word: &str, known: &[&str]| {
            let known = known.join(", ");
            Err(format!("unknown {what}: {word}; there are: {known}"))
        };
        for suite in &self.cipher_suites {
            if !SUITES.contains(&suite.as_str()) {
                return unknown("cipher", suite, &SUITES);
            }
        }
        let curves = CURVES.map(|(name, _)| name);
        for curve in &self.curve_preferences {
            if !curves.contains(&curve.as_str()) {
                return unknown("curve", curve, &curves);
            }
        }
        for version in [&self.min_version, &self.max_version].into_iter().flatten() {
            if !VERSIONS.contains(&version.as_str()) {
                return unknown("TLS version", version, &VERSIONS);
            }
        }
        Ok(())
    }

    /// The settings; none where the file says nothing of TLS. `path` is the file that this stands in:
    /// others are looked for beside it.
    pub(super) fn settings(
        &self,
        path: &Path,
        environment: &dyn Environment,
    ) -> Result<Option<ServerConfig>, String> {
        let all = [
            &self.cert,
            &self.cert_file,
            &self.key,
            &self.key_file,
            &self.client_ca,
            &self.client_ca_file,
            &self.client_auth_type,
        ];
        if all.into_iter().all(|word| given(word).is_none()) {
            return Ok(None);
        }
        let pem = |file: &Option<String>, text: &Option<String>| match (given(file), given(text)) {
            (Some(file), _) => {
                let file = path.with_file_name(file);
                let content = environment.read(&file, LARGEST_FILE);
                let content = content.map_err(|error| format!("{}: {error}", file.display()));
                content.map(Some)
            }
            (None, text) => Ok(text.map(|text| text.as_bytes().to_vec())),
        };
        let certificate = pem(&self.cert_file, &self.cert)?;
        let certificate = certificate.ok_or("missing one of cert or cert_file")?;
        let key = pem(&self.key_file, &self.key)?;
        let key = key.ok_or("missing one of key or key_file")?;
        let authority = pem(&self.client_ca_file, &self.client_ca)?;
        self.build(&certificate, &key, authority.as_deref())
            .map(Some)
    }

    fn build(
        &self,
        certificate: &[u8],
        key: &[u8],
        authority: Option<&[u8]>,
    ) -> Result<ServerConfig, String> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.map_err(|error| format!("the certificate: {error}"))?;
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("the key: {error}"))?;
        let provider = Arc::new(self.provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&self.versions())
            .map_err(|error| format!("no version, cipher or curve is left to speak: {error}"))?;
        let builder = builder.with_client_cert_verifier(self.verifier(authority, &provider)?);
        builder
            .with_single_cert(chain, key)
            .map_err(|error| format!("certificate and key: {error}"))
    }

    /// The suites and curves that the file leaves. As in Go, it has no say in those of TLS 1.3.
    fn provider(&self) -> CryptoProvider {
        let mut provider = rustls::crypto::ring::default_provider();
        if !self.cipher_suites.is_empty() {
            provider.cipher_suites.retain(|suite| {
                let name = suite.suite().as_str().unwrap_or_default();
                suite.tls13().is_some() || self.cipher_suites.iter().any(|known| known == name)
            });
        }
        if !self.curve_preferences.is_empty() {
            let named = |group: NamedGroup| {
                let mut curves = CURVES.iter().filter(|(_, known)| *known == Some(group));
                curves.any(|(name, _)| self.curve_preferences.iter().any(|curve| curve == name))
            };
            provider.kx_groups.retain(|group| named(group.name()));
        }
        provider
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let number = |word: &Option<String>, default: usize| {
            let word = word.as_deref();
            let known = word.and_then(|word| VERSIONS.iter().position(|known| *known == word));
            known.unwrap_or(default)
        };
        let range = number(&self.min_version, 2)..=number(&self.max_version, 3);
        let spoken = [(2, &rustls::version::TLS12), (3, &rustls::version::TLS13)];
        let spoken = spoken.into_iter().filter(|(at, _)| range.contains(at));
        spoken.map(|(_, version)| version).collect()
    }

    pub(super) fn verifier(
        &self,
        authority: Option<&[u8]>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, String> {
        let kind = match given(&self.client_auth_type).unwrap_or("NoClientCert") {
            "NoClientCert" => Kind::None,
            "RequestClientCert" => Kind::Request,
            "RequireAnyClientCert" | "RequireClientCert" => Kind::Require,
            "VerifyClientCertIfGiven" => Kind::VerifyIfGiven,
            "RequireAndVerifyClientCert" => Kind::RequireAndVerify,
            other => return Err(format!("invalid ClientAuth: {other}")),
        };
        if kind == Kind::None && authority.is_some() {
            let message = "client CA's have been configured without a Client Auth Policy";
            return Err(message.to_owned());
        }
        let mut roots = RootCertStore::empty();
        if let Some(authority) = authority {
            let certificates = CertificateDer::pem_slice_iter(authority).filter_map(Result::ok);
            roots.add_parsable_certificates(certificates);
        }
        let verifier = verifier(kind, roots, provider)?;
        Ok(match &self.client_allowed_sans {
            Some(allowed) if kind != Kind::None => Arc::new(AllowedNames {
                verifier,
                allowed: allowed.clone(),
            }),
            _ => verifier,
        })
    }
}

/// A word that is there and not empty.
fn given(word: &Option<String>) -> Option<&str> {
    word.as_deref().filter(|word| !word.is_empty())
}

/// Takes certificates that name one of these as their subject's alternative name.
#[derive(Debug)]
struct AllowedNames {
    verifier: Arc<dyn ClientCertVerifier>,
    allowed: Vec<String>,
}

impl AllowedNames {
    fn allows(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else {
            return false;
        };
        let Ok(Some(names)) = certificate.subject_alternative_name() else {
            return false;
        };
        names.value.general_names.iter().any(|name| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
                self.allowed.iter().any(|allowed| allowed == name)
            }
            GeneralName::IPAddress(bytes) => {
                let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
                let address = v4.or(v6).map(|address| address.to_canonical().to_string());
                address.is_ok_and(|address| self.allowed.contains(&address))
            }
            _ => false,
        })
    }
}

impl ClientCertVerifier for AllowedNames {
    fn offer_client_auth(&self) -> bool {
        self.verifier.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.verifier.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.verifier.verify_client_cert(certificate, chain, now)?;
        match self.allows(certificate) {
            true => Ok(verified),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verifier = &self.verifier;
        verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verifier = &self.verifier;
        verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
