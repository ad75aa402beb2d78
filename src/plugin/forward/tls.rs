//! The TLS that upstreams are spoken to with: whom it trusts, and with what it shows itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};

use crate::corefile::Environment;

/// The longest certificate file that is read.
const LONGEST_FILE: usize = 16 << 20;

/// Files that systems keep their trusted authorities in; the first that is there counts.
const SYSTEM_FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Folders of such files, where there is none of [`SYSTEM_FILES`].
const SYSTEM_FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// TLS settings of a client, and what they were made from.
#[derive(Clone)]
pub(super) struct ClientTls {
    config: Arc<ClientConfig>,
    digest: Arc<str>,
    trusts_nobody: bool,
}

/// The files that the option `tls` names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsFiles {
    /// The certificate and key to show; none is shown without.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    /// The authorities to trust; those of the system without.
    pub(super) authority: Option<PathBuf>,
}

impl ClientTls {
    /// Reads the files. TLS 1.2 and 1.3, as CoreDNS.
    ///
    /// # Errors
    /// A file cannot be read, or holds no certificate or key that can be used.
    pub(super) fn load(files: &TlsFiles, environment: &dyn Environment) -> Result<Self, String> {
        let mut reader = Reader {
            environment,
            digest: Sha256::new(),
        };
        let roots = match &files.authority {
            Some(path) => reader.authority(path)?,
            None => reader.system(),
        };
        let trusts_nobody = roots.is_empty();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let config = match &files.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let (chain, key) = reader.identity(certificate, key)?;
                let config = builder.with_client_auth_cert(chain, key);
                config.map_err(|error| format!("could not load TLS cert: {error}"))?
            }
        };
        let digest = reader.digest.finalize();
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            config: Arc::new(config),
            digest: digest.into(),
            trusts_nobody,
        })
    }

    /// The settings.
    pub(super) fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    /// Changes when the files' content does.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether no authority was found, so that no upstream can be trusted.
    pub(super) fn trusts_nobody(&self) -> bool {
        self.trusts_nobody
    }
}

struct Reader<'e> {
    environment: &'e dyn Environment,
    digest: Sha256,
}

impl Reader<'_> {
    fn read(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        let content = self.environment.read(path, LONGEST_FILE);
        let content =
            content.map_err(|error| format!("error reading {}: {error}", path.display()))?;
        self.digest.update((content.len() as u64).to_be_bytes());
        self.digest.update(&content);
        Ok(content)
    }

    fn authority(&mut self, path: &Path) -> Result<RootCertStore, String> {
        let roots = roots(&self.read(path)?);
        match roots.is_empty() {
            true => Err(format!(
                "could not read root certs: {} holds no certificate in PEM form",
                path.display()
            )),
            false => Ok(roots),
        }
    }

    /// The system's authorities; none where there is no such file, as in an empty image.
    fn system(&mut self) -> RootCertStore {
        let variable = |name| {
            let value = self.environment.variable(name);
            value.filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        let (file, folder) = (variable("SSL_CERT_FILE"), variable("SSL_CERT_DIR"));
        let files = match file {
            Some(file) => vec![file],
            None => SYSTEM_FILES.map(PathBuf::from).to_vec(),
        };
        for file in files {
            if let Ok(content) = self.read(&file) {
                return roots(&content);
            }
        }
        let folders = match folder {
            Some(folder) => vec![folder],
            None => SYSTEM_FOLDERS.map(PathBuf::from).to_vec(),
        };
        let mut all = RootCertStore::empty();
        for folder in folders {
            let mut names = self.environment.list(&folder).unwrap_or_default();
            names.sort();
            for name in names {
                if let Ok(content) = self.read(&folder.join(name)) {
                    all.roots.extend(roots(&content).roots);
                }
            }
        }
        all
    }

    #[allow(clippy::type_complexity)] // A chain and its key, for the one line that takes them.
    fn identity(
        &mut self,
        certificate: &Path,
        key: &Path,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
        let no = |path: &Path, what: &str| {
            format!(
                "could not load TLS cert: {} holds no {what}",
                path.display()
            )
        };
        let content = self.read(certificate)?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&content)
            .collect::<Result<_, _>>()
            .map_err(|_| no(certificate, "certificate in PEM form"))?;
        if chain.is_empty() {
            return Err(no(certificate, "certificate in PEM form"));
        }
        let content = self.read(key)?;
        let key = PrivateKeyDer::from_pem_slice(&content)
            .map_err(|_| no(key, "private key in PEM form"))?;
        Ok((chain, key))
    }
}

/// The certificates of a PEM text that can be trusted; what is none is passed over.
fn roots(pem: &[u8]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    roots.add_parsable_certificates(certificates);
    roots
}
