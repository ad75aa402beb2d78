//! `bind`: the addresses that a server block is served on.

use std::net::IpAddr;

use super::setup::{Setup, SetupError};

/// Reads the directive.
///
/// # Errors
/// To come with the plugin.
pub fn setup(_: &mut Setup<'_>) -> Result<(), SetupError> {
    Ok(())
}

/// The addresses behind addresses and interface names.
///
/// # Errors
/// Names what is neither.
pub fn resolve(hosts: &[String], _except: &[String]) -> Result<Vec<IpAddr>, String> {
    hosts
        .iter()
        .map(|host| host.parse().map_err(|_| host.clone()))
        .collect()
}
