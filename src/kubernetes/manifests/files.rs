//! The files of a source: which there are, which have changed, and what each held when it last
//! parsed.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use super::document;
use super::manifest::Manifest;
use super::{Place, Problem, Text};

/// Larger files are refused: a whole cluster of ten thousand Services is 10 MB.
const MAX_FILE: u64 = 64 << 20;

/// A file system may stamp two writes with one time; NFS and FAT count in seconds.
const COARSEST_CLOCK: i64 = 2;

/// Files for each thread that reads and parses them.
const FILES_PER_THREAD: usize = 128;

/// What tells that a file is another one, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn new(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a later write would surely get another stamp.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        let age = now.saturating_sub(self.changed.0);
        age.abs() > COARSEST_CLOCK
    }
}

/// The files of a directory, as they are at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    root: PathBuf,
    files: BTreeMap<PathBuf, Stamp>,
    /// directories that could not be listed, and why
    unreadable: BTreeMap<PathBuf, String>,
}

impl Scan {
    /// Lists a directory and all below it. Links are followed, each directory is listed once.
    ///
    /// Hidden names are passed over: editors' temporary files, `.git`, and the `..data` through
    /// which a ConfigMap's volume is swapped (its visible links lead there).
    pub(super) fn new(root: &Path) -> Self {
        let mut scan = Self {
            root: root.to_owned(),
            ..Self::default()
        };
        let mut seen = HashSet::new();
        let mut pending = vec![root.to_owned()];
        while let Some(directory) = pending.pop() {
            if let Err(error) = scan.list(&directory, &mut seen, &mut pending) {
                scan.unreadable.insert(directory, error.to_string());
            }
        }
        scan
    }

    fn list(
        &mut self,
        directory: &Path,
        seen: &mut HashSet<(u64, u64)>,
        pending: &mut Vec<PathBuf>,
    ) -> io::Result<()> {
        let metadata = fs::metadata(directory)?;
        if !seen.insert((metadata.dev(), metadata.ino())) {
            return Ok(());
        }
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if is_hidden(&path) {
                continue;
            }
            // a link that leads nowhere, or a file that was removed meanwhile
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            if metadata.is_dir() {
                pending.push(path);
            } else if metadata.is_file() && has_manifests(&path) {
                self.files.insert(path, Stamp::new(&metadata));
            }
        }
        Ok(())
    }

    /// Whether the directory itself could not be listed.
    pub(super) fn is_unreadable(&self) -> bool {
        self.unreadable.contains_key(&self.root)
    }

    fn is_below_unreadable(&self, path: &Path) -> bool {
        self.unreadable.keys().any(|dir| path.starts_with(dir))
    }
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().map(std::ffi::OsStr::as_encoded_bytes);
    name.is_none_or(|name| name.starts_with(b"."))
}

fn has_manifests(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        ["yaml", "yml", "json"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// What was read of each file.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: BTreeMap<PathBuf, File>,
    /// of directories
    problems: Vec<Problem>,
}

/// What one file held when it last parsed, and what is wrong with it now.
#[derive(Debug, Default)]
struct File {
    stamp: Option<Stamp>,
    is_settled: bool,
    hash: Option<u64>,
    manifests: Vec<Manifest>,
    problems: Vec<Problem>,
    /// a text of it has parsed
    has_parsed: bool,
}

impl Files {
    /// Texts that are compiled in.
    pub(super) fn embedded(texts: &[(&str, &str)]) -> Self {
        let mut files = Self::default();
        for (name, text) in texts {
            let mut file = File::default();
            file.take(&Arc::from(*name), text.as_bytes());
            files.files.insert(PathBuf::from(name), file);
        }
        files
    }

    /// In the order of the files' names.
    pub(super) fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.files.values().flat_map(|file| &file.manifests)
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        let files = self.files.values().flat_map(|file| &file.problems);
        self.problems.iter().chain(files)
    }

    /// Whether a file's next change could go unseen because it was written just now.
    pub(super) fn has_unsettled(&self) -> bool {
        self.files.values().any(|file| !file.is_settled)
    }

    /// Reads what has changed since the last call. Returns whether anything is different.
    ///
    /// What cannot be read or parsed stays as it last was; what is gone is gone.
    pub(super) fn load(&mut self, scan: Scan) -> bool {
        let count = self.files.len();
        self.files
            .retain(|path, _| scan.files.contains_key(path) || scan.is_below_unreadable(path));
        let mut different = self.files.len() != count;
        let mut jobs = Vec::new();
        for (path, stamp) in scan.files {
            let file = self.files.remove(&path).unwrap_or_default();
            if file.stamp == Some(stamp) && file.is_settled {
                self.files.insert(path, file);
            } else {
                jobs.push((path, stamp, file));
            }
        }
        for (path, file, is_different) in refresh_all(jobs) {
            different |= is_different;
            self.files.insert(path, file);
        }
        let problems = self.of_directories(&scan.root, &scan.unreadable);
        different |= problems != self.problems;
        self.problems = problems;
        different
    }

    fn of_directories(&self, root: &Path, unreadable: &BTreeMap<PathBuf, String>) -> Vec<Problem> {
        let unlisted = unreadable.iter().map(|(path, error)| {
            let reason = format!("cannot list the directory: {error}");
            Problem::error(file_place(path), reason)
        });
        let mut problems: Vec<_> = unlisted.collect();
        if problems.is_empty() && self.manifests().next().is_none() {
            let reason = "no *.yaml, *.yml or *.json in it has an object to read".to_owned();
            problems.push(Problem::warning(file_place(root), reason));
        }
        problems
    }
}

/// What can be read of a directory, as it stands.
pub(super) fn texts(root: &Path) -> Vec<Text> {
    let texts = Scan::new(root)
        .files
        .into_iter()
        .filter_map(|(path, stamp)| {
            let text = String::from_utf8(read(&path, stamp.size).ok()?).ok()?;
            Some(Text {
                file: path.to_string_lossy().into(),
                text: text.into(),
            })
        });
    texts.collect()
}

type Job = (PathBuf, Stamp, File);

/// Reads files, many at a time where there are many.
fn refresh_all(mut jobs: Vec<Job>) -> Vec<(PathBuf, File, bool)> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = (jobs.len() / FILES_PER_THREAD).clamp(1, cores);
    let share = jobs.len().div_ceil(threads).max(1);
    let refresh = |(path, stamp, mut file): Job| {
        let is_different = file.refresh(&path, stamp);
        (path, file, is_different)
    };
    thread::scope(|scope| {
        let mut parts = Vec::with_capacity(threads);
        while !jobs.is_empty() {
            let part = jobs.split_off(jobs.len().saturating_sub(share));
            let read = move || part.into_iter().map(refresh).collect::<Vec<_>>();
            let thread = thread::Builder::new().stack_size(document::STACK);
            parts.push(thread.spawn_scoped(scope, read).expect("a thread starts"));
        }
        let join = |part: thread::ScopedJoinHandle<'_, _>| match part.join() {
            Ok(files) => files,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        parts.into_iter().flat_map(join).collect()
    })
}

impl File {
    /// Returns whether the file is different from what it was.
    fn refresh(&mut self, path: &Path, stamp: Stamp) -> bool {
        let bytes = read(path, stamp.size);
        self.stamp = Some(stamp);
        // what could not be read is tried again
        self.is_settled = stamp.is_settled() && bytes.is_ok();
        let name: Arc<str> = path.to_string_lossy().into();
        match bytes {
            Ok(bytes) => self.take(&name, &bytes),
            Err(error) => {
                self.hash = None;
                let reason = format!("cannot read the file: {error}");
                self.keep(Problem::error(file_place(path), reason))
            }
        }
    }

    fn take(&mut self, name: &Arc<str>, bytes: &[u8]) -> bool {
        let hash = HASHER.hash_one(bytes);
        if self.hash.replace(hash) == Some(hash) {
            return false;
        }
        let text = str::from_utf8(bytes).map_err(|error| {
            let reason = format!("the file is not UTF-8, from byte {}", error.valid_up_to());
            Problem::error(file_place(Path::new(&**name)), reason)
        });
        match text.and_then(|text| document::decode(name, text)) {
            Ok(contents) => {
                self.has_parsed = true;
                self.manifests = contents.manifests;
                self.problems = contents.warnings;
                true
            }
            Err(problem) => self.keep(problem),
        }
    }

    /// Leaves what was last read, and says why.
    fn keep(&mut self, mut problem: Problem) -> bool {
        problem.reason.push_str(if self.has_parsed {
            "; the file counts as it was when it last parsed"
        } else {
            "; nothing of the file is served"
        });
        let different = self.problems != [problem.clone()];
        self.problems = vec![problem];
        different
    }
}

const HASHER: foldhash::quality::FixedState = foldhash::quality::FixedState::with_seed(0);

fn read(path: &Path, size: u64) -> io::Result<Vec<u8>> {
    if size > MAX_FILE {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    // it may have grown since it was listed
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large());
    }
    Ok(bytes)
}

fn too_large() -> io::Error {
    io::Error::other(format!("it is larger than {} MiB", MAX_FILE >> 20))
}

fn file_place(path: &Path) -> Place {
    Place {
        file: path.to_string_lossy().into(),
        ..Place::default()
    }
}
