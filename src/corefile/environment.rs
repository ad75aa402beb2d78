//! What reading a Corefile asks of the world outside: variables, files, directories.
//!
//! [`System`] is the process's own; [`Memory`] holds all of it in maps, for tests and for checking
//! a ConfigMap that is on no disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use super::place::Origin;

/// The world outside a Corefile. All paths that come in are absolute.
pub trait Environment {
    /// The value of an environment variable; `None` where it is not set.
    fn variable(&self, name: &str) -> Option<String>;

    /// Where relative paths start.
    fn directory(&self) -> PathBuf;

    /// The content of a file.
    ///
    /// # Errors
    /// The file cannot be read, is a directory, or has more than `limit` bytes.
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;

    /// The names in a directory, in any order, those that start with a dot too. Names that are
    /// not UTF-8 are left out: no pattern could be written for them.
    ///
    /// # Errors
    /// There is no such directory, or it cannot be read.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;

    /// Whether something has this path, be it a link to nothing.
    fn exists(&self, path: &Path) -> bool;

    /// Whether a file that is not here may be there where the Corefile is to be served: then it is
    /// no error to import it into a file of `folder`. Never, unless the Corefile is only checked.
    fn is_elsewhere(&self, _path: &Path, _folder: &Path) -> bool {
        false
    }

    /// Where the content of a file stands, if it is no file of its own but a part of one.
    fn origin(&self, _path: &Path) -> Option<Origin> {
        None
    }
}

/// The process's variables and the file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Environment for System {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn directory(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "is a directory",
            ));
        }
        // A device or a pipe does not tell its size: the limit is on what is read.
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let mut content = Vec::new();
        file.take(most).read_to_end(&mut content)?;
        within(limit, content)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(directory)?;
        Ok(entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect())
    }

    fn exists(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }
}

/// Variables and files in maps. Directories are there by the files in them.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The environment variables.
    pub variables: BTreeMap<String, String>,
    /// The files by their absolute path.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Memory {
    /// The same with a file more; `path` is absolute.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }

    /// The same with a variable more.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// What is left of each file's path below `directory`.
    fn below(&self, directory: &Path) -> impl Iterator<Item = &Path> {
        let directory = absolute(Path::new("/"), directory);
        self.files
            .keys()
            .filter_map(move |path| path.strip_prefix(&directory).ok())
            .filter(|rest| !rest.as_os_str().is_empty())
    }
}

impl Environment for Memory {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn directory(&self) -> PathBuf {
        PathBuf::from("/")
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        match self.files.get(&absolute(Path::new("/"), path)) {
            Some(content) => within(limit, content.clone()),
            None if self.below(path).next().is_some() => Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "is a directory",
            )),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = self
            .below(directory)
            .filter_map(|rest| rest.components().next())
            .map(|name| name.as_os_str().to_string_lossy().into_owned())
            .collect();
        names.dedup();
        if names.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(names)
    }

    fn exists(&self, path: &Path) -> bool {
        let clean = absolute(Path::new("/"), path);
        self.files.contains_key(&clean) || self.below(path).next().is_some()
    }
}

/// The content, unless there is more of it than `limit`.
fn within(limit: usize, content: Vec<u8>) -> io::Result<Vec<u8>> {
    if content.len() > limit {
        let message = format!("is larger than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(content)
}

/// `path` from `directory` on where it is relative, without `.`, `..` and doubled separators.
///
/// As Go's `filepath.Join` and `Abs`, by the text alone: a link before `..` is not followed.
pub(super) fn absolute(directory: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in directory.join(path).components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_by_their_text() {
        for (directory, path, clean) in [
            (
                "/etc/coredns",
                "custom/*.server",
                "/etc/coredns/custom/*.server",
            ),
            ("/etc/coredns", "../x", "/etc/x"),
            ("/etc/coredns", "/a//b/./c/", "/a/b/c"),
            ("/", "../..", "/"),
        ] {
            let found = absolute(Path::new(directory), Path::new(path));
            assert_eq!(found, Path::new(clean), "{directory} {path}");
        }
    }

    #[test]
    fn memory_has_the_directories_of_its_files() {
        let memory = Memory::default()
            .with_file("/a/b/one", "1")
            .with_file("/a/b/two", "2")
            .with_file("/a/.dot", "3");
        assert_eq!(memory.list(Path::new("/a")).unwrap(), [".dot", "b"]);
        assert_eq!(memory.list(Path::new("/a/b")).unwrap(), ["one", "two"]);
        assert!(memory.list(Path::new("/a/b/one")).is_err());
        assert!(memory.exists(Path::new("/a/b")) && !memory.exists(Path::new("/b")));
        let kind = |path| memory.read(Path::new(path), 9).unwrap_err().kind();
        assert_eq!(kind("/a/b"), io::ErrorKind::IsADirectory);
        assert_eq!(kind("/a/c"), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_system_reads_no_more_than_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("Corefile");
        std::fs::write(&path, "0123456789").unwrap();
        assert_eq!(System.read(&path, 10).unwrap(), b"0123456789");
        let error = System.read(&path, 9).unwrap_err();
        assert_eq!(error.to_string(), "is larger than 9 bytes");
        let error = System.read(Path::new("/dev/zero"), 9).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let error = System.read(directory.path(), 9).unwrap_err();
        assert_eq!(error.to_string(), "is a directory");
        assert_eq!(System.list(directory.path()).unwrap(), ["Corefile"]);
        assert!(System.list(&path).is_err());
    }

    #[test]
    fn a_name_that_no_variable_can_have_is_not_set() {
        for name in ["", "A=B", "A\0", "CALLSIGN_SURELY_UNSET"] {
            assert_eq!(System.variable(name), None, "{name:?}");
        }
    }
}
