//! Data files: text to scenarios, steps and expectations. README.md describes the format.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// A data file.
pub(crate) struct File {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its lines, as recorded expectations are put back into them.
    pub(crate) lines: Vec<String>,
    /// What it holds, in order.
    pub(crate) scenarios: Vec<Scenario>,
}

/// One run of the server: its files, its upstreams, what is asked of it.
pub(crate) struct Scenario {
    /// The sentence after `==`.
    pub(crate) title: String,
    /// Its steps, in order.
    pub(crate) steps: Vec<Step>,
}

impl Scenario {
    /// Whether it listens on `::1`, or asks there.
    pub(crate) fn needs_ipv6(&self) -> bool {
        self.steps.iter().any(|step| {
            let binds = |line: &String| {
                let mut words = line.split_whitespace();
                words.next() == Some("bind") && words.any(|word| word == "::1")
            };
            step.heading.contains("+to=[::1]") || step.content.iter().any(binds)
        })
    }
}

/// One thing that is done, and what must come of it.
pub(crate) struct Step {
    /// The line of the heading, from 1.
    pub(crate) line: usize,
    /// The heading, whose first word is the step's kind.
    pub(crate) heading: String,
    /// The indented lines that are not the expectation.
    pub(crate) content: Vec<String>,
    /// What CoreDNS answers; only of the kinds that expect something.
    pub(crate) expectation: Option<Expectation>,
    /// What callsign answers where it departs on purpose.
    pub(crate) departure: Option<Departure>,
}

/// The lines that a step must bring forth.
pub(crate) struct Expectation {
    /// The lines, without their indentation.
    pub(crate) lines: Vec<String>,
    /// Where they stand, as indexes of the file's lines.
    pub(crate) range: Range<usize>,
}

/// callsign's own expectation of a step.
pub(crate) struct Departure {
    /// Its name, a heading of docs/departures.md.
    pub(crate) name: String,
    /// The lines of the expectation.
    pub(crate) lines: Vec<String>,
}

/// What the indented lines under a heading are.
enum Block {
    /// Input of the step.
    Content,
    /// What must come of it.
    Expectation,
    /// Lines that begin with `>` are input, the others what must come of it.
    Both,
}

fn block_of(kind: &str) -> Option<Block> {
    Some(match kind {
        "corefile" | "write" | "upstream" | "arguments" | "environment" | "remove" | "probe"
        | "send" | "elapse" | "signal" | "certificate" | "cluster" => Block::Content,
        "start" | "query" | "packet" | "receive" | "spread" | "http" | "metrics" | "log"
        | "saw" | "exits" | "https" | "quic" | "serial" => Block::Expectation,
        "stream" => Block::Both,
        _ => return None,
    })
}

impl Step {
    /// The first word of the heading.
    pub(crate) fn kind(&self) -> &str {
        self.heading.split(' ').next().unwrap_or_default()
    }

    /// The heading after its first word, without the words that begin with `~`.
    pub(crate) fn rest(&self) -> String {
        let words = self.heading.split(' ').skip(1);
        let words: Vec<&str> = words.filter(|word| !word.starts_with('~')).collect();
        words.join(" ")
    }
}

impl File {
    /// Reads a data file; an error names its line.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let scenarios = Parser {
            lines: &lines,
            at: 0,
        }
        .scenarios()
        .map_err(|(line, problem)| format!("{}:{line}: {problem}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            lines,
            scenarios,
        })
    }

    /// The file's name without folder and extension.
    pub(crate) fn name(&self) -> String {
        self.path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }
}

/// `TEXT` as it is, or `N* TEXT` as N lines in which `#` is 1, 2, ... N.
pub(crate) fn repeated(text: &str) -> Vec<String> {
    let counted = text
        .split_once("* ")
        .and_then(|(count, line)| Some((count.parse::<usize>().ok()?, line)));
    match counted {
        Some((count, line)) => (1..=count)
            .map(|number| line.replace('#', &number.to_string()))
            .collect(),
        None => vec![text.to_owned()],
    }
}

type Problem = (usize, String);

struct Parser<'a> {
    lines: &'a [String],
    at: usize,
}

impl Parser<'_> {
    fn scenarios(mut self) -> Result<Vec<Scenario>, Problem> {
        let mut scenarios: Vec<Scenario> = Vec::new();
        while let Some(line) = self.lines.get(self.at) {
            let number = self.at + 1;
            self.at += 1;
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(title) = line.strip_prefix("== ") {
                scenarios.push(Scenario {
                    title: title.to_owned(),
                    steps: Vec::new(),
                });
                continue;
            }
            let scenario = scenarios
                .last_mut()
                .ok_or_else(|| (number, "expected `== TITLE` first".to_owned()))?;
            match line.strip_prefix("departure ") {
                Some(name) => self.departure(number, name, scenario)?,
                None => scenario.steps.push(self.step(number, line)?),
            }
        }
        Ok(scenarios)
    }

    fn step(&mut self, number: usize, line: &str) -> Result<Step, Problem> {
        if line.starts_with(char::is_whitespace) {
            return Err((
                number,
                "an indented line belongs under a heading".to_owned(),
            ));
        }
        let mut step = Step {
            line: number,
            heading: line.trim_end().to_owned(),
            content: Vec::new(),
            expectation: None,
            departure: None,
        };
        let block = block_of(step.kind())
            .ok_or_else(|| (number, format!("unknown kind of step `{}`", step.kind())))?;
        let start = self.at;
        let mut lines = self.block();
        step.expectation = match block {
            Block::Content => None,
            Block::Expectation => Some(Expectation {
                lines: std::mem::take(&mut lines),
                range: start..self.at,
            }),
            Block::Both => {
                let script = lines
                    .iter()
                    .take_while(|line| line.starts_with('>'))
                    .count();
                let expected = lines.split_off(script);
                Some(Expectation {
                    lines: expected,
                    range: start + script..self.at,
                })
            }
        };
        step.content = lines;
        Ok(step)
    }

    fn departure(
        &mut self,
        number: usize,
        name: &str,
        scenario: &mut Scenario,
    ) -> Result<(), Problem> {
        let lines = self.block();
        let step = scenario
            .steps
            .last_mut()
            .filter(|step| step.expectation.is_some() && step.departure.is_none());
        let step = step.ok_or_else(|| {
            (
                number,
                "a departure follows the expectation that it replaces".to_owned(),
            )
        })?;
        step.departure = Some(Departure {
            name: name.trim().to_owned(),
            lines,
        });
        Ok(())
    }

    /// The indented lines from here on; an empty line is one of them if an indented one follows.
    fn block(&mut self) -> Vec<String> {
        let mut block = Vec::new();
        let mut here = self.at;
        let mut empty = 0;
        while let Some(line) = self.lines.get(here) {
            here += 1;
            if line.trim().is_empty() {
                empty += 1;
            } else if let Some(line) = line.strip_prefix("  ") {
                block.extend(std::iter::repeat_n(
                    String::new(),
                    std::mem::take(&mut empty),
                ));
                block.push(line.trim_end().to_owned());
                self.at = here;
            } else {
                break;
            }
        }
        block
    }
}
