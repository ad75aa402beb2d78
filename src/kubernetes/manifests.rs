//! Cluster state from a directory of manifests.

use std::path::PathBuf;

/// Where manifests are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A directory, with all folders in it.
    Directory(PathBuf),
    /// The sample cluster that is part of the program.
    Embedded,
}
