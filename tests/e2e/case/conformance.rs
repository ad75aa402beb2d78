//! What Kubernetes' own conformance tests ask of DNS: `conformance.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::api::Place;
use crate::differential::cluster::ask::Depth;
use crate::server::{Server, View};
use crate::world::{Row, World, ask, until};

const TESTS: &str = include_str!("../conformance.yaml");

/// A test, in a namespace of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    test: String,
    namespace: String,
    steps: Vec<Step>,
}

/// What is done, and then answered, by name and type: `NAME TYPE`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Step {
    apply: Vec<Value>,
    /// `KIND NAME`
    delete: Vec<String>,
    expect: BTreeMap<String, String>,
    resolve: BTreeMap<String, String>,
}

pub(super) fn tests(world: &mut World) -> Result<(), String> {
    let tests: Vec<Test> = serde_saphyr::from_str(TESTS).map_err(|error| error.to_string())?;
    for test in &tests {
        run(world, test).map_err(|problem| format!("{}: {problem}", test.test))?;
    }
    let namespaces: Vec<&str> = tests.iter().map(|test| test.namespace.as_str()).collect();
    world.agree(&namespaces, Depth::Full)
}

fn run(world: &World, test: &Test) -> Result<(), String> {
    world.new_namespace(&test.namespace, "no")?;
    for step in &test.steps {
        for object in &step.apply {
            world.api.apply_one(object)?;
        }
        for words in &step.delete {
            let (kind, name) = words.split_once(' ').ok_or("KIND NAME")?;
            world.api.delete(Place::new(kind, &test.namespace, name))?;
        }
        world.expect(View::Verified, &rows(&step.expect)?)?;
        for row in rows(&step.resolve)? {
            let servers = world.servers();
            let problem = || {
                let mut problems = servers.iter();
                problems.find_map(|server| unresolved(server, &test.namespace, row))
            };
            until(problem)?;
        }
    }
    Ok(())
}

fn rows(answers: &BTreeMap<String, String>) -> Result<Vec<Row<'_>>, String> {
    answers
        .iter()
        .map(|(question, answer)| {
            let (name, rtype) = question
                .split_once(' ')
                .ok_or_else(|| format!("{question:?} is no NAME TYPE"))?;
            Ok((name, rtype, answer.as_str()))
        })
        .collect()
}

/// What is wrong with what a pod of the namespace gets for a name, with the search list and the
/// `ndots:5` that kubelet gives it: the first name of the list that exists.
fn unresolved(
    server: &Server,
    namespace: &str,
    (name, rtype, expected): Row<'_>,
) -> Option<String> {
    let suffixes = [
        format!("{namespace}.svc.cluster.local."),
        "svc.cluster.local.".to_owned(),
        "cluster.local.".to_owned(),
        String::new(),
    ];
    let mut told = String::new();
    for suffix in suffixes {
        let full = format!("{name}.{suffix}");
        let answer = ask(server.address(View::Verified), &full, rtype);
        let answer = answer.unwrap_or_else(|problem| problem);
        if answer == expected {
            return None;
        }
        told += &format!("  {full} {rtype}: {answer}\n");
        if answer != "NXDOMAIN" {
            break;
        }
    }
    let server = server.name;
    Some(format!("{server}: {name} {rtype}\n  - {expected}\n{told}"))
}
