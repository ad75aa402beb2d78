//! What this program is, for `-version` and the metrics of the build.

/// The version of CoreDNS that answers, flags, metrics and Corefile follow.
pub const COREDNS: &str = "1.15.0";
/// callsign's own version.
pub const CALLSIGN: &str = env!("CARGO_PKG_VERSION");
/// The compiler: `rustc 1.95.0`.
pub const RUSTC: &str = env!("CALLSIGN_RUSTC");
/// The commit that was built, where the build was told (`CALLSIGN_COMMIT`); else empty.
pub const REVISION: &str = match option_env!("CALLSIGN_COMMIT") {
    Some(commit) => commit,
    None => "",
};
