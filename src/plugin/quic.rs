//! `quic`: limits of listeners for DNS over QUIC.
#![doc = include_str!("../../docs/plugins/quic.md")]

use super::https::{Caps, numbers};
use super::setup::{Setup, SetupError};

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["max_streams", "max_connections", "worker_pool_size"];

/// Reads `quic { max_streams N; max_connections N; worker_pool_size N }`; of several the first
/// counts.
///
/// # Errors
/// Arguments, options that there are not or that are there twice, numbers that are none.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let options = [
        ("max_streams", 1, u64::MAX),
        ("max_connections", 0, u64::MAX),
        ("worker_pool_size", 1, u64::MAX),
    ];
    let [streams, connections, workers] = numbers(&mut setup.directive.cursor(), &options)?;
    setup.block.listen.quic = Caps {
        connections,
        streams,
        workers,
    };
    Ok(())
}
