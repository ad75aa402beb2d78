//! The file: lines of JSON.
//!
//! ```text
//! {"snapshot":1}
//! {"source":"in-cluster","cluster":"9c3e…","taken":1764444000}
//! {"Namespace":{"name":"default"}}
//! {"Service":{"key":{"namespace":"default","name":"web"},"kind":{"ClusterIp":["10.96.0.1"]},…}}
//! {"sha256":"…"}
//! ```
//!
//! A part starts with its source and goes on to the next one's; the hash is that of all lines
//! before it. Nothing of a file is used whose hash is not right.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::kubernetes::object::Object;

/// The version of the format, which changes with what an older callsign would read in another way.
const VERSION: u32 = 1;
/// The longest line: more than any object of the API server makes.
const MOST_OF_LINE: u64 = 8 << 20;

/// One source's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// what it was taken of
    pub(super) source: String,
    /// the UID of the namespace kube-system
    pub(super) cluster: String,
    /// Unix time in seconds
    pub(super) taken: u32,
}

/// Why a file is passed over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// the system does not give it
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// something else has this name
    #[error("it is no snapshot of callsign")]
    Foreign,
    /// another callsign wrote it
    #[error(
        "it has version {0} of the format, and this callsign reads version {VERSION}; it is written \
         anew once the API server answers"
    )]
    Version(u32),
    /// it has no last line
    #[error("it ends before its end: whoever wrote it was stopped, or the disk was full")]
    Truncated,
    /// it is not what was written
    #[error("its checksum is wrong: it was changed or damaged after it was written")]
    Checksum,
    /// the hash is right and a line is not
    #[error("line {0} is none of a snapshot: {1}")]
    Line(usize, serde_json::Error),
}

#[derive(Serialize, Deserialize)]
struct Head {
    snapshot: u32,
}

#[derive(Serialize, Deserialize)]
struct Tail {
    sha256: String,
}

/// What a reader is told, in the order of the file.
pub(super) enum Told {
    Part(Part),
    Object(Object),
}

/// Hashes what passes.
struct Hashing<W> {
    to: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A file that is being written.
pub(super) struct Writer {
    out: Hashing<BufWriter<NamedTempFile>>,
}

impl Writer {
    /// Starts beside the file that it is to become.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or_else(|| Path::new(".")))?;
        let mut writer = Self {
            out: Hashing {
                to: BufWriter::new(file),
                hash: Sha256::new(),
            },
        };
        writer.line(&Head { snapshot: VERSION })?;
        Ok(writer)
    }

    pub(super) fn part(&mut self, part: &Part) -> io::Result<()> {
        self.line(part)
    }

    pub(super) fn object(&mut self, object: &Object) -> io::Result<()> {
        self.line(object)
    }

    /// Puts it in the place of the file in one step, when all of it is on the disk.
    pub(super) fn finish(mut self, path: &Path) -> io::Result<()> {
        let sha256 = hex(&self.out.hash.clone().finalize());
        self.line(&Tail { sha256 })?;
        let file = self
            .out
            .to
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        // The name too. A file system that cannot do it has written the file all the same.
        if let Some(folder) = path.parent()
            && let Ok(folder) = File::open(folder)
        {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }
}

/// Reads the part of a source, if the whole file is as it was written; `None` where it has no such
/// part. Whoever is told may have enough.
pub(super) fn read(
    path: &Path,
    source: &str,
    mut tell: impl FnMut(Told) -> ControlFlow<()>,
) -> Result<Option<Part>, Unusable> {
    let mut lines = Lines {
        file: BufReader::new(File::open(path)?),
        line: Vec::new(),
        number: 0,
    };
    lines.check()?;
    lines.rewind()?;
    let (mut found, mut is_wanted) = (None, false);
    lines.next()?;
    while lines.next()? && !lines.is_tail() {
        if lines.line.starts_with(PART) {
            let part: Part = lines.parse()?;
            is_wanted = part.source == source;
            if is_wanted {
                found = Some(part.clone());
                if tell(Told::Part(part)).is_break() {
                    break;
                }
            }
        } else if is_wanted && tell(Told::Object(lines.parse()?)).is_break() {
            break;
        }
    }
    Ok(found)
}

/// How the first line of a part starts.
const PART: &[u8] = b"{\"source\":";
/// How the last line of a file starts.
const TAIL: &[u8] = b"{\"sha256\":";

/// A file, line by line: it is never in memory whole.
struct Lines {
    file: BufReader<File>,
    line: Vec<u8>,
    number: usize,
}

impl Lines {
    /// Whether there was one more line.
    fn next(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.number += 1;
        let mut limited = (&mut self.file).take(MOST_OF_LINE);
        Ok(limited.read_until(b'\n', &mut self.line)? > 0)
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.number = 0;
        self.file.seek(SeekFrom::Start(0)).map(drop)
    }

    fn is_tail(&self) -> bool {
        self.line.starts_with(TAIL)
    }

    fn parse<'l, T: Deserialize<'l>>(&'l self) -> Result<T, Unusable> {
        serde_json::from_slice(&self.line).map_err(|error| Unusable::Line(self.number, error))
    }

    /// Whether this callsign can read the file, and the file is whole.
    fn check(&mut self) -> Result<(), Unusable> {
        if !self.next()? {
            return Err(Unusable::Truncated);
        }
        let head: Head = self.parse().map_err(|_| Unusable::Foreign)?;
        if head.snapshot != VERSION {
            return Err(Unusable::Version(head.snapshot));
        }
        let mut hash = Sha256::new();
        hash.update(&self.line);
        while self.next()? {
            if self.is_tail() {
                let tail: Tail = self.parse().map_err(|_| Unusable::Truncated)?;
                let is_right = tail.sha256 == hex(&hash.finalize()) && !self.next()?;
                return is_right.then_some(()).ok_or(Unusable::Checksum);
            }
            hash.update(&self.line);
        }
        Err(Unusable::Truncated)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
