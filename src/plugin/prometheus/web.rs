//! `tls FILE`: how the page is served, in the words of Prometheus's exporters: over TLS, to users
//! with passwords, with headers, and not too often.
//!
//! As there, the file and those that it names are read again for each connection, and for each
//! request as far as it is about users and headers: certificates are renewed without a reload.
//! Whether there is TLS, HTTP/2 and a limit is settled when the Corefile is read.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use serde::Deserialize;
use tokio::time::Instant;

use crate::corefile::{Environment, System};
use crate::http::{Admission, Guard};

mod access;
mod tls;

use access::{Bucket, RateLimit};
use tls::TlsConfig;

/// No file of this kind is larger, in bytes.
const LARGEST_FILE: usize = 1 << 20;
/// So many logins are remembered: to check a password costs a tenth of a second of a processor.
const LOGINS: usize = 100;
/// The headers that the file may set, each with the values that it may have; none: any.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// The page's guard.
#[derive(Debug)]
pub(super) struct Web {
    path: PathBuf,
    is_tls: bool,
    http2: bool,
    limit: Option<Mutex<Bucket>>,
    /// By a hash of name, password and what it is checked by: whether it is right.
    logins: Mutex<HashMap<[u8; 32], bool>>,
}

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WebConfig {
    tls_server_config: TlsConfig,
    http_server_config: HttpConfig,
    rate_limit: RateLimit,
    /// Names, and the bcrypt hashes of their passwords.
    basic_auth_users: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HttpConfig {
    http2: bool,
    headers: BTreeMap<String, String>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            http2: true,
            headers: BTreeMap::new(),
        }
    }
}

impl WebConfig {
    fn read(path: &Path, environment: &dyn Environment) -> Result<Self, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let content = environment.read(path, LARGEST_FILE);
        let content = content.map_err(|error| wrong(&error))?;
        let text = std::str::from_utf8(&content).map_err(|error| wrong(&error))?;
        let config: Self = match text.trim().is_empty() {
            true => Self::default(),
            false => {
                serde_saphyr::from_str(text).map_err(|error| wrong(&error.without_snippet()))?
            }
        };
        config
            .tls_server_config
            .check()
            .map_err(|error| wrong(&error))?;
        for (name, value) in &config.http_server_config.headers {
            let known = HEADERS.iter().find(|(known, _)| known == name);
            let Some((_, values)) = known else {
                return Err(wrong(&format!(
                    "HTTP header {name:?} can not be configured"
                )));
            };
            if !values.is_empty() && !values.contains(&value.as_str()) {
                let values = values.join(" or ");
                let message = format!("{name} may be {values}, and is {value:?}");
                return Err(wrong(&message));
            }
        }
        Ok(config)
    }
}

impl Web {
    /// Reads the file, and those that it names.
    ///
    /// # Errors
    /// What is wrong, with the file.
    pub(super) fn read(path: PathBuf, environment: &dyn Environment) -> Result<Self, String> {
        let config = WebConfig::read(&path, environment)?;
        for (user, hash) in &config.basic_auth_users {
            if let Err(error) = hash.parse::<bcrypt::HashParts>() {
                let path = path.display();
                return Err(format!("{path}: the password of {user:?}: {error}"));
            }
        }
        let tls = config.tls_server_config.settings(&path, environment)?;
        let limit = Bucket::new(&config.rate_limit)?;
        Ok(Self {
            is_tls: tls.is_some(),
            http2: config.http_server_config.http2,
            limit: limit.map(Mutex::new),
            logins: Mutex::default(),
            path,
        })
    }

    /// Whether the password is the user's.
    fn knows(&self, config: &WebConfig, (user, password): (&str, &str)) -> bool {
        let hash = config.basic_auth_users.get(user);
        // A name that there is not takes as long as one that there is.
        let Some(checked) = hash.or_else(|| config.basic_auth_users.values().next()) else {
            return false;
        };
        let key = access::digest(&[user, checked, password]);
        // One password at a time: to check it is work on purpose.
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = logins.get(&key) {
            return *known;
        }
        let fits = bcrypt::verify(password, checked).unwrap_or(false);
        if logins.len() >= LOGINS {
            logins.clear();
        }
        let known = fits && hash.is_some();
        logins.insert(key, known);
        known
    }
}

impl Guard for Web {
    fn tls(&self) -> Result<Option<Arc<ServerConfig>>, String> {
        if !self.is_tls {
            return Ok(None);
        }
        let config = WebConfig::read(&self.path, &System)?;
        let settings = config.tls_server_config.settings(&self.path, &System)?;
        let mut settings = settings.ok_or("the file no longer says how to speak TLS")?;
        settings.alpn_protocols = match self.http2 {
            true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            false => vec![b"http/1.1".to_vec()],
        };
        Ok(Some(Arc::new(settings)))
    }

    fn admit(&self, authorization: Option<&str>, now: Instant) -> Admission {
        let config = match WebConfig::read(&self.path, &System) {
            Ok(config) => config,
            Err(error) => {
                tracing::error!(target: "plugin/prometheus", "the page of metrics is not served: {error}");
                return Admission::refuse(500, "Internal Server Error");
            }
        };
        if let Some(limit) = &self.limit {
            let mut limit = limit.lock().unwrap_or_else(PoisonError::into_inner);
            if !limit.take(now) {
                return Admission::refuse(429, "Too Many Requests");
            }
        }
        let login = authorization.and_then(access::login);
        let login = login
            .as_ref()
            .map(|(user, password)| (user.as_str(), password.as_str()));
        let is_known = config.basic_auth_users.is_empty()
            || login.is_some_and(|login| self.knows(&config, login));
        let mut admission = match is_known {
            true => Admission::default(),
            false => {
                let mut refused = Admission::refuse(401, "Unauthorized");
                let challenge = ("WWW-Authenticate".to_owned(), "Basic".to_owned());
                refused.headers.push(challenge);
                refused
            }
        };
        admission.headers.extend(config.http_server_config.headers);
        admission
    }
}

#[cfg(test)]
mod tests;
