//! Tells the program which compiler built it, for `-version` and the metric of the build.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    // `rustc 1.95.0 (hash date)`: the first two words say enough.
    let version = output
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map(|text| {
            text.split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .unwrap_or_else(|| "rustc".to_owned());
    println!("cargo:rustc-env=CALLSIGN_RUSTC={version}");
}
