//! The scenes: a `resolv.conf`, what the name servers know, and the names that are looked up.
//!
//! `data/*.scenes` holds them:
//!
//! ```text
//! == TITLE
//! libc glibc go          (only these; all without the line)
//! conf
//!   nameserver 10.96.0.10
//! world                  (NAME SERVER TYPE WHAT..., see world.rs)
//!   database.svc.cluster.local * * 10.0.0.1
//! names
//!   database
//! ```
//!
//! Name servers listen on 10.96.0.10 to 10.96.0.13; their numbers in rules are 0 to 3. On 10.96.0.14
//! nothing listens.

use std::fs;
use std::path::Path;
use std::time::Duration;

use callsign::resolver::{Ask, Libc, Outcome as Predicted, Reply, Walk};

use crate::observe::{Query, Seen, number};
use crate::program::{Outcome, Program};
use crate::world::World;

pub(crate) struct Scene {
    pub(crate) title: String,
    pub(crate) libcs: Vec<Libc>,
    pub(crate) resolv_conf: String,
    pub(crate) world: World,
    pub(crate) names: Vec<String>,
}

/// Every scene of every file.
pub(crate) fn all() -> Result<Vec<Scene>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/resolvers/data");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{folder:?}: {error}"))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut scenes = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| format!("{file:?}: {error}"))?;
        parse(&text, &mut scenes).map_err(|error| format!("{file:?}: {error}"))?;
    }
    Ok(scenes)
}

fn parse(text: &str, scenes: &mut Vec<Scene>) -> Result<(), String> {
    let mut part = "";
    for (number, line) in text.lines().enumerate() {
        if let Some(title) = line.strip_prefix("== ") {
            scenes.push(Scene {
                title: title.to_owned(),
                libcs: Vec::new(),
                resolv_conf: String::new(),
                world: World::default(),
                names: Vec::new(),
            });
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |error: String| format!("line {}: {error}", number + 1);
        let scene = scenes.last_mut().ok_or_else(|| at("no title yet".into()))?;
        match (line.strip_prefix("  "), part) {
            (Some(line), "conf") => {
                scene.resolv_conf.push_str(line);
                scene.resolv_conf.push('\n');
            }
            (Some(line), "world") => scene.world.add(line).map_err(at)?,
            (Some(line), "names") => scene.names.push(line.to_owned()),
            (None, _) => match line.split_once(' ') {
                Some(("libc", names)) => {
                    for name in names.split(' ') {
                        let libc = Libc::ALL.into_iter().find(|libc| libc.name() == name);
                        scene
                            .libcs
                            .push(libc.ok_or_else(|| at(format!("no libc: {name}")))?);
                    }
                }
                _ => part = line,
            },
            _ => return Err(at("outside of a part".into())),
        }
    }
    Ok(())
}

impl Scene {
    /// What callsign says that the library does.
    pub(crate) fn predict(&self, program: &Program, name: &str) -> Told {
        let libc = program.libc;
        let conf = libc.read(&self.resolv_conf);
        let servers: Vec<_> = conf.servers.iter().map(|known| number(*known)).collect();
        let mut ask = |ask: Ask<'_>| match servers[ask.server] {
            Some(server) => self.world.answer(Ask { server, ..ask }),
            None => Reply::Unreachable,
        };
        let walk = libc.walk(&conf, name, &mut ask);
        Told {
            libc,
            outcome: outcome(program, &walk.outcome),
            walk,
            servers: servers.clone(),
        }
    }
}

/// A prediction.
pub(crate) struct Told {
    libc: Libc,
    walk: Walk,
    outcome: Outcome,
    servers: Vec<Option<usize>>,
}

impl Told {
    /// How long the library waits for replies that do not come.
    pub(crate) fn waited(&self) -> Duration {
        self.walk.waited()
    }

    /// Whether it is what was seen; the error shows both.
    pub(crate) fn compare(&self, seen: &Seen) -> Result<(), String> {
        let groups = self.groups();
        let is_same = match self.libc {
            // It asks all servers at once, and goes on with the first reply: among the servers
            // there is no order.
            Libc::Musl | Libc::MuslBefore124 => (0..self.servers.len()).all(|server| {
                let of_server = |query: &&Query| query.server == server;
                let groups = groups
                    .iter()
                    .map(|group| group.iter().filter(of_server).cloned().collect());
                let seen: Vec<_> = seen.queries.iter().filter(of_server).cloned().collect();
                is_in_order(&groups.collect::<Vec<_>>(), &seen)
            }),
            _ => is_in_order(&groups, &seen.queries),
        };
        if is_same && self.outcome == seen.outcome {
            return Ok(());
        }
        let told: Vec<_> = groups.iter().flatten().map(Query::to_string).collect();
        let came: Vec<_> = seen.queries.iter().map(Query::to_string).collect();
        Err(format!(
            "  told {}\n    {}\n  seen {}\n    {}",
            self.outcome,
            told.join("\n    "),
            seen.outcome,
            came.join("\n    ")
        ))
    }

    /// Queries that may come in any order among each other. Go's two families do not wait for each
    /// other as long as a name is tried.
    fn groups(&self) -> Vec<Vec<Query>> {
        let mut groups = Vec::new();
        for candidate in &self.walk.candidates {
            let batches = candidate.batches.iter().map(|batch| {
                let queries = batch.iter().filter_map(|sent| {
                    Some(Query {
                        server: self.servers[sent.server]?,
                        name: candidate.name.to_ascii_lowercase(),
                        family: format!("{:?}", sent.family).to_uppercase(),
                        tcp: sent.tcp,
                    })
                });
                queries.collect::<Vec<_>>()
            });
            if self.libc == Libc::Go {
                groups.push(batches.flatten().collect());
            } else {
                groups.extend(batches);
            }
        }
        groups
    }
}

/// Whether the queries are those of the groups, one group after the other.
pub(crate) fn is_in_order(groups: &[Vec<Query>], mut queries: &[Query]) -> bool {
    for group in groups {
        let Some((head, rest)) = queries.split_at_checked(group.len()) else {
            return false;
        };
        let (mut head, mut group) = (head.to_vec(), group.clone());
        head.sort();
        group.sort();
        if head != group {
            return false;
        }
        queries = rest;
    }
    queries.is_empty()
}

fn outcome(program: &Program, predicted: &Predicted) -> Outcome {
    match predicted {
        Predicted::Addresses(addresses) => {
            Outcome::found(addresses.iter().map(ToString::to_string).collect())
        }
        Predicted::Crash => Outcome::Crash,
        error => program.tells(&format!("{error:?}")),
    }
}
