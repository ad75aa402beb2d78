//! `tls`: certificate and key of listeners that speak TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use super::setup::{Setup, SetupError};
use crate::corefile::{Directive, Environment, Token};

pub(super) mod client;
mod keylog;

use client::ClientAuth;
use keylog::KeyLogFile;

/// No file of certificates or keys is larger.
const LARGEST_FILE: usize = 1 << 20;

/// What the directive says.
struct Config<'d> {
    cert: &'d Token,
    key: &'d Token,
    ca: Option<&'d Token>,
    client_auth: ClientAuth<'d>,
    keylog: Option<&'d Token>,
}

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["client_auth", "keylog"];

/// Reads `tls CERT KEY [CA] { client_auth TYPE; keylog FILE }` and the files that it names; of
/// several the last counts.
///
/// # Errors
/// Files that cannot be read or do not hold what they should; options that there are not; no files,
/// by which CoreDNS means ACME.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let config = Config::parse(setup.directive)?;
    let files = Files {
        environment: setup.environment,
        root: &setup.block.root,
    };
    let settings = files.settings(&config)?;
    if let Some(file) = config.keylog {
        let path = files.path(file);
        let message = format!("Writing TLS Key Log to {path:?}");
        let warning = SetupError::warning(message).at(file.place());
        let help = "who has that file reads all of this listener's traffic";
        setup.warnings.push(warning.help(help));
    }
    setup.block.listen.tls_identity = Some(files.identity(&config)?);
    setup.block.listen.tls = Some(Arc::new(settings));
    Ok(())
}

/// The same settings for clients of this kind of listener: what they may ask for by ALPN (RFC 7858, 8.1,
/// RFC 8484, RFC 9250, and IANA's registry).
#[must_use]
pub fn for_transport(tls: &ServerConfig, transport: &str) -> Arc<ServerConfig> {
    let protocols: &[&[u8]] = match transport {
        "https" => &[b"h2", b"http/1.1"],
        "quic" => &[b"doq"],
        _ => &[b"dot"],
    };
    let mut tls = tls.clone();
    tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(tls)
}

impl<'d> Config<'d> {
    fn parse(directive: &'d Directive) -> Result<Self, SetupError> {
        let mut cursor = directive.cursor();
        let mut config = None;
        while cursor.next_token().is_some() {
            let named = cursor.remaining_args();
            let (cert, key, ca) = match named.as_slice() {
                [cert, key] => (*cert, *key, None),
                [cert, key, ca] => (*cert, *key, Some(*ca)),
                [] => {
                    let error = cursor.err("no files: callsign does not have ACME");
                    let help = "write tls CERT KEY: cert-manager keeps such files in a Secret, \
                                which a pod can mount";
                    return Err(error.help(help));
                }
                _ => return Err(cursor.arg_err()),
            };
            let (mut client_auth, mut keylog) = (ClientAuth::default(), None);
            while let Some(option) = cursor.next_block() {
                let arguments = match option.text() {
                    "client_auth" | "keylog" => cursor.remaining_args(),
                    other => {
                        let error = option.err(format!("unknown option '{other}'"));
                        return Err(error.help("the options are: client_auth, keylog"));
                    }
                };
                match (option.text(), arguments.as_slice()) {
                    ("client_auth", [kind]) => client_auth = ClientAuth::of(kind)?,
                    ("keylog", [file]) => keylog = Some(*file),
                    _ => return Err(cursor.arg_err()),
                }
            }
            config = Some(Self {
                cert,
                key,
                ca,
                client_auth,
                keylog,
            });
        }
        config.ok_or_else(|| cursor.arg_err())
    }
}

/// Where the files are read.
struct Files<'e> {
    environment: &'e dyn Environment,
    root: &'e Path,
}

impl Files<'_> {
    /// What a client sees of the settings: certificates, and what is asked of its own.
    fn identity(&self, config: &Config<'_>) -> Result<String, SetupError> {
        let mut digest = Sha256::new();
        for file in [Some(config.cert), config.ca].into_iter().flatten() {
            for certificate in self.certificates(file)? {
                digest.update((certificate.len() as u64).to_be_bytes());
                digest.update(&certificate);
            }
            digest.update([0xff]);
        }
        Ok(format!(
            "{} {:x?}",
            config.client_auth.kind(),
            digest.finalize()
        ))
    }

    fn settings(&self, config: &Config<'_>) -> Result<ServerConfig, SetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificates = self.certificates(config.cert)?;
        let key = self.key(config.key)?;
        let roots = match config.ca {
            Some(file) => Some((file, self.certificates(file)?)),
            None => None,
        };
        let verifier = config.client_auth.verifier(roots, &provider)?;
        let builder = builder(provider).map_err(|error| config.cert.err(error.to_string()))?;
        let mut settings = builder
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates, key)
            .map_err(|error| {
                let reason = match error {
                    rustls::Error::InconsistentKeys(_) => {
                        "the key does not belong to the certificate".to_owned()
                    }
                    other => other.to_string(),
                };
                config
                    .key
                    .err(format!("could not load TLS cert: {reason}"))
                    .note(config.cert.place(), "the certificate")
                    .help("the key must be the one that the first certificate was made for")
            })?;
        if let Some(file) = config.keylog {
            settings.key_log = Arc::new(KeyLogFile::new(self.path(file)));
        }
        Ok(settings)
    }

    /// The file that a word names: relative paths start at the block's root.
    fn path(&self, file: &Token) -> PathBuf {
        self.environment
            .directory()
            .join(self.root)
            .join(file.text())
    }

    fn read(&self, file: &Token) -> Result<Vec<u8>, SetupError> {
        let path = self.path(file);
        self.environment.read(&path, LARGEST_FILE).map_err(|error| {
            let path = path.display();
            file.err(format!("could not load TLS cert: open {path}: {error}"))
        })
    }

    /// At least one certificate.
    fn certificates(&self, file: &Token) -> Result<Vec<CertificateDer<'static>>, SetupError> {
        let content = self.read(file)?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
        let error = |reason: String| {
            let path = self.path(file);
            let path = path.display();
            let error = file.err(format!("could not load TLS cert: {path}: {reason}"));
            error.help("the file must hold PEM blocks of CERTIFICATE")
        };
        match found {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err(error(reason(&pem::Error::NoItemsFound))),
            Err(found) => Err(error(reason(&found))),
        }
    }

    fn key(&self, file: &Token) -> Result<PrivateKeyDer<'static>, SetupError> {
        let content = self.read(file)?;
        PrivateKeyDer::from_pem_slice(&content).map_err(|found| {
            let path = self.path(file);
            let (path, reason) = (path.display(), reason(&found));
            let error = file.err(format!("could not load TLS cert: {path}: {reason}"));
            error.help("the file must hold one PEM block of a private key, without a password")
        })
    }
}

/// What is wrong with a PEM file, in words.
fn reason(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "there is none in it".to_owned(),
        pem::Error::MissingSectionEnd { .. } => "a PEM block has no END line".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is malformed".to_owned(),
        other => other.to_string(),
    }
}

fn builder(
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>, rustls::Error> {
    ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

#[cfg(test)]
mod tests;
