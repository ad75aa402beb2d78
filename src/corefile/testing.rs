//! Corefiles for tests: of plugins' setup functions too.

use super::{Corefile, Errors, Input, Memory, ServerBlock};

/// The directives of CoreDNS 1.15.0, in the order of its chain.
pub(crate) const DIRECTIVES: &[&str] = &[
    "root",
    "metadata",
    "geoip",
    "cancel",
    "proxyproto",
    "quic",
    "grpc_server",
    "https",
    "https3",
    "timeouts",
    "multisocket",
    "reload",
    "nsid",
    "bufsize",
    "bind",
    "debug",
    "trace",
    "ready",
    "health",
    "pprof",
    "shed",
    "prometheus",
    "errors",
    "log",
    "dnstap",
    "local",
    "dns64",
    "siit",
    "any",
    "chaos",
    "loadbalance",
    "tsig",
    "rewrite",
    "autopath",
    "acl",
    "cache",
    "header",
    "dnssec",
    "tls",
    "minimal",
    "template",
    "transfer",
    "dynupdate",
    "hosts",
    "route53",
    "azure",
    "clouddns",
    "k8s_external",
    "kubernetes",
    "file",
    "auto",
    "secondary",
    "etcd",
    "loop",
    "forward",
    "grpc",
    "erratic",
    "whoami",
    "on",
    "sign",
    "view",
    "nomad",
];

/// The Corefile `text`, with no files and variables around it.
pub(crate) fn load(text: &str) -> Result<Corefile, Errors> {
    Corefile::load(
        Input::text("Corefile", text),
        &Memory::default(),
        DIRECTIVES,
    )
}

/// A server block with the key `.` and the lines of `body`, of which the first is line 1.
///
/// # Panics
/// The language of the lines is wrong.
pub(crate) fn block(body: &str) -> ServerBlock {
    let corefile = load(&format!(". {{ {body}\n}}")).unwrap();
    corefile.blocks()[0].clone()
}
