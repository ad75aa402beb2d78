//! The order in which the plugins of a server block are asked, in words.

use std::fmt;

use super::answers::{Answers, Types};
use super::usage::{Block, Usage, written};
use crate::corefile::{Corefile, Place};
use crate::name::Name;

/// A server block and its plugins, in the order in which a question meets them.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The keys, each as `[SCHEME://]ZONE:PORT`.
    pub keys: Vec<String>,
    /// Where the block's first key stands.
    pub place: Option<Place>,
    /// The plugins.
    pub steps: Vec<Step>,
}

/// One plugin of a block.
#[derive(Clone, Debug)]
pub struct Step {
    /// The plugin's name.
    pub plugin: String,
    /// Where its directive stands.
    pub place: Place,
    /// What it answers and passes on, where its words tell.
    pub answers: Option<String>,
}

/// Explains each server block of a Corefile.
#[must_use]
pub fn explain(corefile: &Corefile, dns_port: u16) -> Vec<Explanation> {
    let blocks = Block::all(corefile);
    blocks
        .iter()
        .map(|block| of_block(block, dns_port))
        .collect()
}

fn of_block(block: &Block<'_>, dns_port: u16) -> Explanation {
    let keys = block.source.zones().map(|zone| {
        let scheme = match zone.transport().scheme() {
            "dns" => String::new(),
            scheme => format!("{scheme}://"),
        };
        format!(
            "{scheme}{}:{}",
            written(zone.name),
            zone.key.port_or(dns_port)
        )
    });
    Explanation {
        keys: keys.collect(),
        place: block.source.keys().first().map(|key| key.place.clone()),
        steps: block
            .usages
            .iter()
            .map(|usage| step(usage, block))
            .collect(),
    }
}

fn step(usage: &Usage<'_>, block: &Block<'_>) -> Step {
    Step {
        plugin: usage.name.to_owned(),
        place: usage.place().clone(),
        answers: Answers::of(usage, block).map(|answers| words(usage, &answers)),
    }
}

fn words(usage: &Usage<'_>, answers: &Answers) -> String {
    let zones = list(&answers.zones);
    let passed = list(&answers.passed);
    if usage.name == "forward" {
        let upstreams: Vec<&str> = usage.args.iter().skip(1).map(|word| word.text()).collect();
        let except = match passed.as_str() {
            "" => String::new(),
            passed => format!(" but {passed}"),
        };
        return format!("sends {zones}{except} to {}", upstreams.join(", "));
    }
    let what = match answers.types {
        Types::Some => format!("answers some questions for {zones}"),
        _ => format!("answers for {zones}"),
    };
    match (passed.as_str(), answers.types) {
        ("", Types::Some) => what,
        ("", _) => format!("{what}, and passes nothing on"),
        (".", _) => format!("{what}, and passes on what it does not know"),
        (passed, _) => format!("{what}, and passes on what it does not know of {passed}"),
    }
}

fn list(zones: &[Name]) -> String {
    let texts = zones
        .iter()
        .map(|zone| written(&zone.to_string()).to_owned());
    texts.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.keys.join(" "))?;
        let width = self.steps.iter().map(|step| step.plugin.len()).max();
        let width = width.unwrap_or_default();
        for (index, step) in self.steps.iter().enumerate() {
            let Step {
                plugin,
                place,
                answers,
            } = step;
            write!(f, "{:4}. {plugin:width$}  {place}", index + 1)?;
            match answers {
                Some(answers) => writeln!(f, "  {answers}")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}
