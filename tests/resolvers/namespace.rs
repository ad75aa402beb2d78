//! A network and a mount namespace: a loopback interface with addresses of its own, and files of
//! `/etc` that only the programs in it read.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

/// The namespace that this process is in.
pub(crate) struct Namespace {
    resolv_conf: PathBuf,
    _folder: tempfile::TempDir,
}

impl Namespace {
    /// Sets it up, with these addresses beside 127.0.0.1.
    pub(crate) fn new(addresses: impl IntoIterator<Item = Ipv4Addr>) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        run("ip", &["link", "set", "lo", "up"])?;
        run("mount", &["--make-rprivate", "/"])?;
        for (name, text) in [
            ("resolv.conf", ""),
            ("nsswitch.conf", "hosts: dns\n"),
            ("hosts", ""),
        ] {
            let file = folder.path().join(name);
            fs::write(&file, text).map_err(|error| error.to_string())?;
            let target = format!("/etc/{name}");
            run("mount", &["--bind", &file.display().to_string(), &target])?;
        }
        for address in addresses {
            let address = format!("{address}/32");
            run("ip", &["address", "add", &address, "dev", "lo"])?;
        }
        Ok(Self {
            resolv_conf: folder.path().join("resolv.conf"),
            _folder: folder,
        })
    }

    /// What programs find in `/etc/resolv.conf` from now on.
    pub(crate) fn set_resolv_conf(&self, text: &str) -> Result<(), String> {
        fs::write(&self.resolv_conf, text).map_err(|error| error.to_string())
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let status = Command::new(program).args(arguments).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program} {arguments:?}: {status}")),
        Err(error) => Err(format!("{program}: {error}")),
    }
}
