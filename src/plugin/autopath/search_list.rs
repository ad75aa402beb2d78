//! The search list of a file like `/etc/resolv.conf` (resolv.conf(5)).

use std::path::Path;

use crate::corefile::{Diagnostic, Environment, Token};
use crate::name::Name;

/// The longest file that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// The domains that the file appends to names, in lower case, and last the root, which stands for
/// the name as it is. Nothing where the file names none.
///
/// # Errors
/// The file cannot be read.
pub(super) fn of_file(
    environment: &dyn Environment,
    file: &Token,
) -> Result<Vec<Name>, Diagnostic> {
    let path = file.text();
    let content = environment
        .read(&environment.directory().join(path), LONGEST)
        .map_err(|error| {
            let message = format!("failed to parse {path:?}: open {path}: {error}");
            let help = "name a file like /etc/resolv.conf, or @kubernetes";
            file.err(message).help(help)
        })?;
    let mut search = parse(&String::from_utf8_lossy(&content));
    search.extend((!search.is_empty()).then(Name::root));
    Ok(search)
}

/// The domains of this machine's own `/etc/resolv.conf`; none where it cannot be read.
pub(in crate::plugin) fn of_machine(environment: &dyn Environment) -> Vec<Name> {
    let content = environment.read(Path::new("/etc/resolv.conf"), LONGEST);
    let content = content.unwrap_or_default();
    parse(&String::from_utf8_lossy(&content))
}

/// The last `search` or `domain` line counts.
fn parse(text: &str) -> Vec<Name> {
    let mut search = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let domains: Vec<&str> = match words.next() {
            Some("search") => words.collect(),
            Some("domain") => match words.next() {
                Some(domain) => vec![domain],
                None => Vec::new(),
            },
            _ => continue,
        };
        let names = domains.into_iter();
        let names = names.filter_map(|domain| Name::from_text(&domain.to_ascii_lowercase()).ok());
        search = names.collect();
    }
    search
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts() {
        for (text, expected) in [
            ("", &[][..]),
            ("nameserver 10.0.0.1\n", &[]),
            (
                "search A.example b.example.\n",
                &["a.example.", "b.example."],
            ),
            ("search a b\nsearch c\n", &["c."]),
            ("search a b\ndomain d e\n", &["d."]),
            ("# search a\n;search b\nsearch\n", &[]),
            ("search a\nsearch\n", &[]),
            ("  search\ta\r\n", &["a."]),
            ("search a..b c\n", &["c."]),
            ("search a\ndomain\n", &[]),
        ] {
            let found: Vec<String> = parse(text).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
