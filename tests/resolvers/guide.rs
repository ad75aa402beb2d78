//! The scenes that every guide to names in a cluster teaches.
//!
//! `guide/guide.scenes` holds them, with a sentence as name; the cluster is `config/cluster` and
//! `guide/pods.yaml`, behind the Corefile beside them:
//!
//! ```text
//! == TITLE
//! from NAMESPACE/KIND/NAME      (who asks)
//! libc musl musl-1.2.3          (only these; all without the line)
//! replicas N                    (of production/StatefulSet/postgres, from here on)
//! names
//!   NAME QUERIES OUTCOME        (found N, forwarded, or the error's name)
//! ```

use std::path::{Path, PathBuf};

pub(crate) struct Scene {
    pub(crate) title: String,
    pub(crate) from: String,
    libcs: Vec<String>,
    pub(crate) replicas: Option<usize>,
    pub(crate) names: Vec<Expected>,
}

/// What comes of a name.
pub(crate) struct Expected {
    pub(crate) name: String,
    pub(crate) queries: usize,
    pub(crate) outcome: String,
}

/// A file beside the scenes.
pub(crate) fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/resolvers/guide");
    folder.join(name)
}

/// Every scene, in order.
pub(crate) fn all() -> Result<Vec<Scene>, String> {
    let path = file("guide.scenes");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path:?}: {error}"))?;
    let mut scenes: Vec<Scene> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix("== ") {
            scenes.push(Scene {
                title: title.to_owned(),
                from: String::new(),
                libcs: Vec::new(),
                replicas: None,
                names: Vec::new(),
            });
            continue;
        }
        let scene = scenes.last_mut();
        scene
            .and_then(|scene| scene.read(line))
            .ok_or_else(|| format!("{path:?}: line {}: no part of a scene: {line}", number + 1))?;
    }
    Ok(scenes)
}

/// The cluster's manifests in a folder, with this many members of its StatefulSet.
pub(crate) fn write_cluster(folder: &Path, replicas: usize) -> Result<(), String> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/cluster");
    let files = std::fs::read_dir(&sample).map_err(|error| format!("{sample:?}: {error}"))?;
    let files = files.flatten().map(|file| file.path());
    for path in files.chain([file("pods.yaml")]) {
        let name = path.file_name().unwrap_or_default();
        write(&path, &folder.join(name), replicas)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// In one step for who watches it, and not at all where it holds that already.
fn write(from: &Path, to: &Path, replicas: usize) -> Result<(), std::io::Error> {
    let mut text = std::fs::read_to_string(from)?;
    if from.ends_with("production-postgres.yaml") {
        text = text.replace("replicas: 3", &format!("replicas: {replicas}"));
    }
    if std::fs::read_to_string(to).is_ok_and(|known| known == text) {
        return Ok(());
    }
    let next = to.with_extension("next");
    std::fs::write(&next, text)?;
    std::fs::rename(&next, to)
}

impl Scene {
    fn read(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (line.starts_with(' '), words.as_slice()) {
            (true, [name, queries, outcome @ ..]) => self.names.push(Expected {
                name: (*name).to_owned(),
                queries: queries.parse().ok()?,
                outcome: outcome.join(" "),
            }),
            (false, ["from", from]) => self.from = (*from).to_owned(),
            (false, ["libc", libcs @ ..]) => {
                self.libcs = libcs.iter().map(|libc| (*libc).to_owned()).collect();
            }
            (false, ["replicas", count]) => self.replicas = Some(count.parse().ok()?),
            (false, ["names"]) => {}
            _ => return None,
        }
        Some(())
    }

    /// Whether it is about this library.
    pub(crate) fn is_for(&self, libc: &str) -> bool {
        self.libcs.is_empty() || self.libcs.iter().any(|known| known == libc)
    }
}

/// What `lookup --format json` told, in the scenes' words.
pub(crate) fn outcome(report: &serde_json::Value) -> String {
    let found = report["answer"].as_array().map_or(0, Vec::len);
    let error = report["error"].as_str().unwrap_or_default();
    let known = [
        ("EAI_NONAME", "NoName"),
        ("EAI_NODATA", "NoData"),
        ("EAI_AGAIN", "TryAgain"),
        ("EAI_FAIL", "Failed"),
    ];
    let error = known.iter().find(|(code, _)| error.contains(code));
    match (&report["resolves"], error) {
        (serde_json::Value::Bool(true), _) if !report["forwarded_to"].is_null() => {
            "forwarded".to_owned()
        }
        (serde_json::Value::Bool(true), _) => format!("found {found}"),
        (_, Some((_, name))) => (*name).to_owned(),
        (_, None) => format!("{}", report["error"]),
    }
}
