//! Session secrets in a file, for who debugs with a packet sniffer (the format of NSS).

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use rustls::KeyLog;

/// Appends to a file, which is opened when the first session needs it.
pub(super) struct KeyLogFile {
    path: PathBuf,
    file: OnceLock<Option<Mutex<File>>>,
}

impl KeyLogFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: OnceLock::new(),
        }
    }

    fn open(&self) -> Option<Mutex<File>> {
        // Secrets are for the owner's eyes alone.
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path);
        file.map(Mutex::new)
            .inspect_err(|error| {
                let path = self.path.display();
                tracing::error!(target: "plugin/tls", "unable to write TLS Key Log to {path}: {error}");
            })
            .ok()
    }
}

impl fmt::Debug for KeyLogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyLogFile({})", self.path.display())
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let Some(file) = self.file.get_or_init(|| self.open()) else {
            return;
        };
        let mut line = label.to_owned();
        for bytes in [client_random, secret] {
            line.push(' ');
            for byte in bytes {
                // Writing to a String cannot fail.
                let _ = write!(line, "{byte:02x}");
            }
        }
        line.push('\n');
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk costs the debugger lines, and the client nothing.
        let _ = file.write_all(line.as_bytes());
    }
}
