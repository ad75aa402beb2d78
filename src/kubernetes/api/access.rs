//! Where the API server is, and who we are to it.

use std::fmt;
use std::path::{Path, PathBuf};

use hyper::Uri;
use kube::Config;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};

use super::failure::{Failure, error_chain};
use super::token::Token;

/// Where a pod finds its token and the CA of the API server.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const HOST: &str = "KUBERNETES_SERVICE_HOST";
const PORT: &str = "KUBERNETES_SERVICE_PORT";

/// How to reach an API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// By what each pod is given: two variables, a token and a CA.
    InCluster,
    /// By a file for `kubectl`, and the context in it; without one its current context.
    Kubeconfig(PathBuf, Option<String>),
    /// By its URL, and with certificates where it asks for them.
    Endpoint(String, Option<Tls>),
}

/// Files of certificates. An empty path is no file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tls {
    /// the client's certificate
    pub cert: PathBuf,
    /// its key
    pub key: PathBuf,
    /// the CA that signed the server's certificate
    pub ca: PathBuf,
}

/// What a connection is made from.
pub(super) struct Loaded {
    pub(super) config: Config,
    /// where the token is in a file
    pub(super) token: Option<Token>,
    /// the server's host and port, as metrics tell them
    pub(super) host: String,
}

/// What the server and we are known to each other by, in words that name the files.
#[derive(Debug, Default)]
pub(super) struct Papers {
    /// what the server's certificate is held against
    pub(super) authority: String,
    /// what we show; nothing where that is in no file of its own
    pub(super) own: Option<String>,
}

impl Loaded {
    /// The files that it was read from.
    pub(super) fn papers(&self) -> Papers {
        let credentials = &self.config.auth_info;
        let certificate = credentials.client_certificate.as_ref().map(|certificate| {
            let key = credentials.client_key.as_ref();
            let key = key.map_or_else(String::new, |key| format!(" with the key {key}"));
            format!("the client certificate {certificate}{key}")
        });
        let token = self.token.as_ref().map(|token| token.file().display());
        let authority = self.config.root_cert_file.as_ref();
        Papers {
            authority: match authority {
                Some(file) => format!("the CA in {}", file.display()),
                None => "the CA that is trusted here".to_owned(),
            },
            own: certificate.or_else(|| Some(format!("the token in {}", token?))),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InCluster => f.write_str("in-cluster"),
            Self::Kubeconfig(file, None) => write!(f, "kubeconfig {}", file.display()),
            Self::Kubeconfig(file, Some(context)) => {
                write!(f, "kubeconfig {} {context}", file.display())
            }
            Self::Endpoint(url, _) => write!(f, "endpoint {url}"),
        }
    }
}

impl Access {
    /// Whether a kubeconfig with this text can be used, as far as the text alone tells.
    ///
    /// # Errors
    /// What is wrong with it: it does not parse, or it has no such context or no cluster for it.
    pub fn check_kubeconfig(text: &str, context: Option<&str>) -> Result<(), String> {
        let read = Kubeconfig::from_yaml(text).map_err(|error| error_chain(&error))?;
        let context = context.or(read.current_context.as_deref());
        let Some(context) = context.filter(|context| !context.is_empty()) else {
            return Err("it has no current-context, and none is given".to_owned());
        };
        let found = read.contexts.iter().find(|named| named.name == context);
        let Some(found) = found.and_then(|named| named.context.as_ref()) else {
            return Err(format!("it has no context {context:?}"));
        };
        let cluster = &found.cluster;
        match read.clusters.iter().any(|named| named.name == *cluster) {
            true => Ok(()),
            false => Err(format!(
                "it has no cluster {cluster:?}, which context {context:?} names"
            )),
        }
    }

    /// Reads files and variables; blocks on the file system.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        let mut loaded = match self {
            Self::InCluster => {
                let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
                in_cluster(variable(HOST), variable(PORT), Path::new(SERVICE_ACCOUNT))
            }
            Self::Kubeconfig(file, context) => kubeconfig(file, context.as_ref()),
            Self::Endpoint(url, tls) => endpoint(url, tls.as_ref()),
        }?;
        // Retries are the followers' own: they know what for, and how long to wait.
        loaded.config.default_retry = false;
        if is_loopback(&loaded.config.cluster_url) {
            loaded.config.proxy_url = None;
        }
        Ok(loaded)
    }
}

fn in_cluster(
    host: Option<String>,
    port: Option<String>,
    folder: &Path,
) -> Result<Loaded, Failure> {
    let (Some(host), Some(port)) = (host, port) else {
        return Err(Failure::Access(format!(
            "no API server is known: {HOST} and {PORT} are not set, as they are in each pod of a \
             cluster; outside of one give the directive 'kubeconfig FILE', or read manifests \
             instead: --manifests DIR"
        )));
    };
    let host = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let mut config = Config::new(url(&format!("https://{host}"))?);
    trust(&mut config, &folder.join("ca.crt"))?;
    let token = Token::read(folder.join("token"))?;
    Ok(Loaded {
        config,
        token: Some(token),
        host,
    })
}

fn kubeconfig(file: &Path, context: Option<&String>) -> Result<Loaded, Failure> {
    let refused = |error: &dyn fmt::Display| {
        let file = file.display();
        Failure::Access(format!(
            "the kubeconfig {file} cannot be used: {error}; see what kubectl makes of it: \
             kubectl --kubeconfig {file} config view"
        ))
    };
    let read = Kubeconfig::read_from(file).map_err(|error| refused(&error_chain(&error)))?;
    let ca = ca_file(&read, context);
    let options = KubeConfigOptions {
        context: context.cloned(),
        ..KubeConfigOptions::default()
    };
    let loading = Config::from_custom_kubeconfig(read, &options);
    // It waits for nothing: the function is async for other sources than a text that is there.
    let loading = futures_util::FutureExt::now_or_never(loading);
    let mut config = match loading {
        Some(Ok(config)) => config,
        Some(Err(error)) => return Err(refused(&error_chain(&error))),
        None => return Err(refused(&"it asks for something that is not there at once")),
    };
    if let Some(ca) = ca {
        trust(&mut config, &ca)?;
    }
    let token = config.auth_info.token_file.take().map(PathBuf::from);
    if token.is_some() {
        config.auth_info.token = None;
    }
    Ok(Loaded {
        token: token.map(Token::read).transpose()?,
        host: authority(&config.cluster_url),
        config,
    })
}

/// The file of the CA that the context's cluster names, where the CA is in no text.
fn ca_file(kubeconfig: &Kubeconfig, context: Option<&String>) -> Option<PathBuf> {
    let context = context.or(kubeconfig.current_context.as_ref())?;
    let mut contexts = kubeconfig.contexts.iter();
    let context = contexts.find(|named| named.name == *context)?;
    let name = &context.context.as_ref()?.cluster;
    let mut clusters = kubeconfig.clusters.iter();
    let cluster = clusters
        .find(|named| named.name == *name)?
        .cluster
        .as_ref()?;
    let file = cluster.certificate_authority.as_ref();
    let file = file.filter(|_| cluster.certificate_authority_data.is_none())?;
    Some(PathBuf::from(file))
}

fn endpoint(text: &str, tls: Option<&Tls>) -> Result<Loaded, Failure> {
    // As CoreDNS has it, the scheme may be left out.
    let full = match (text.contains("://"), tls) {
        (true, _) => text.to_owned(),
        (false, Some(_)) => format!("https://{text}"),
        (false, None) => format!("http://{text}"),
    };
    let mut config = Config::new(url(&full)?);
    if let Some(tls) = tls {
        let path = |path: &Path| {
            let text = path.to_string_lossy().into_owned();
            (!text.is_empty()).then_some(text)
        };
        config.auth_info = AuthInfo {
            client_certificate: path(&tls.cert),
            client_key: path(&tls.key),
            ..AuthInfo::default()
        };
        if path(&tls.ca).is_some() {
            trust(&mut config, &tls.ca)?;
        }
    }
    Ok(Loaded {
        host: authority(&config.cluster_url),
        config,
        token: None,
    })
}

/// Trusts the CAs in a file, which is read again when it changes.
fn trust(config: &mut Config, file: &Path) -> Result<(), Failure> {
    let refused = |why: &dyn fmt::Display| {
        let file = file.display();
        Failure::Access(format!("the CA file {file} cannot be used: {why}"))
    };
    let text = std::fs::read(file).map_err(|error| refused(&error))?;
    if !text.windows(BEGIN.len()).any(|part| part == BEGIN) {
        return Err(refused(&"it holds no certificate in PEM"));
    }
    config.root_cert_file = Some(file.to_owned());
    // What is in the file counts. Without this the system's own CAs would be looked for first, and
    // an image may have none.
    config.root_cert = Some(Vec::new());
    Ok(())
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

fn url(text: &str) -> Result<Uri, Failure> {
    let refused = |why: &dyn fmt::Display| {
        Failure::Access(format!(
            "the API server's URL {text:?} cannot be used: {why}"
        ))
    };
    let url: Uri = text.parse().map_err(|error| refused(&error))?;
    let is_whole = url.authority().is_some_and(|authority| {
        let after_user = authority.as_str().rsplit('@').next();
        authority.port_u16().is_some() || after_user == Some(authority.host())
    });
    match url.scheme_str() {
        Some("http" | "https") if is_whole => Ok(url),
        _ => Err(refused(
            &"it must be http://HOST[:PORT] or https://HOST[:PORT]",
        )),
    }
}

fn authority(url: &Uri) -> String {
    url.authority()
        .map_or_else(String::new, ToString::to_string)
}

fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
