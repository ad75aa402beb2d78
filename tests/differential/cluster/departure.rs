//! The differences on purpose: docs/departures.md describes each under its name.

/// Answers that a cache would have kept.
pub(crate) const STORED: &str = "cluster-never-stored";

/// Records that no message can hold.
pub(crate) const UNREADABLE: &str = "unreadable-records";

/// What is said of names before the cluster is known.
pub(crate) const UNSYNCED: &str = "name-errors-before-sync";

/// A cluster that is told as a stream without an end.
pub(crate) const UNCLOSED: &str = "list-never-closed";

/// The case of a question where no name of a search list is found.
pub(crate) const LOWERED: &str = "search-domain-as-asked";

/// CNAMEs beside other records of one name.
pub(crate) const ALIASES: &str = "one-alias-of-a-name";

/// What a transfer holds; `transfer.rs` tells it from a difference.
pub(crate) const TRANSFERRED: &str = "transferred-as-answered";

/// A difference on purpose: its heading in docs/departures.md, and whether two replies show it.
/// Only variants that name it may.
pub(crate) struct Departure {
    /// The heading.
    pub(crate) name: &'static str,
    /// Given the lines of both replies.
    pub(crate) is_shown: fn(theirs: &[String], ours: &[String]) -> bool,
}

/// The departures of this part of the suite.
pub(crate) const DEPARTURES: &[Departure] = &[
    Departure {
        name: UNREADABLE,
        is_shown: |theirs, ours| {
            let is_silent = theirs == ["no reply"];
            let starts = |start| ours.iter().any(|line| line.starts_with(start));
            let leads_nowhere =
                starts("NXDOMAIN") && ours.iter().any(|line| line.ends_with(" PTR"));
            (is_silent || theirs.iter().any(|line| holds_no_name(line)))
                && (starts("NOERROR") || is_silent && leads_nowhere)
                && !ours.iter().any(|line| holds_no_name(line))
        },
    },
    Departure {
        name: STORED,
        is_shown: is_stored,
    },
    Departure {
        name: LOWERED,
        is_shown: |theirs, ours| {
            let is_question = |line: &&String| line.starts_with("question ");
            let rest = |lines: &[String]| -> Vec<String> {
                lines
                    .iter()
                    .filter(|line| !is_question(line))
                    .cloned()
                    .collect()
            };
            let question = |lines: &[String]| lines.iter().find(is_question).cloned();
            let (asked, told) = (question(ours), question(theirs));
            asked.is_some_and(|asked| told.is_some_and(|told| asked.eq_ignore_ascii_case(&told)))
                && rest(theirs) == rest(ours)
        },
    },
    Departure {
        name: ALIASES,
        is_shown: has_too_many_aliases,
    },
    Departure {
        name: TRANSFERRED,
        is_shown: |_, _| false,
    },
    Departure {
        name: UNSYNCED,
        is_shown: |_, ours| {
            let starts = |start| move |line: &String| line.starts_with(start);
            ours.iter().any(starts("SERVFAIL qr aa")) && ours.iter().any(starts("authority "))
        },
    },
    Departure {
        name: UNCLOSED,
        is_shown: |theirs, ours| {
            let fails = |lines: &[String]| lines.iter().any(|line| line.starts_with("SERVFAIL"));
            fails(theirs) && !fails(ours)
        },
    },
];

/// Whether CoreDNS tells CNAMEs of a name that has other records too, of which callsign tells those that
/// can be: either one CNAME, or the others, or nothing where the others are of another type.
fn has_too_many_aliases(theirs: &[String], ours: &[String]) -> bool {
    let (theirs, ours_answers) = (answers(theirs), answers(ours));
    let is_sound = |answers: &[(String, bool)]| {
        let mut aliases = answers.iter().filter(|(_, is_alias)| *is_alias);
        aliases.all(|(owner, _)| answers.iter().filter(|(other, _)| other == owner).count() == 1)
    };
    // Asked for CNAMEs alone, CoreDNS tells one of them.
    let is_one_alias = |answers: &[(String, bool)]| matches!(answers, [(_, true)]);
    let is_nothing = ours_answers.is_empty() && theirs.iter().any(|(_, is_alias)| *is_alias);
    let is_another = is_one_alias(&theirs) && is_one_alias(&ours_answers);
    (!is_sound(&theirs) || is_nothing || is_another)
        && is_sound(&ours_answers)
        && ours.iter().any(|line| line.starts_with("NOERROR"))
}

/// The owner of each record of the answer section, and whether it is a CNAME.
fn answers(lines: &[String]) -> Vec<(String, bool)> {
    let answers = lines.iter().filter_map(|line| line.strip_prefix("answer "));
    let answers = answers.map(|record| {
        let owner = record.split(' ').next().unwrap_or_default();
        (owner.to_lowercase(), record.contains(" IN CNAME "))
    });
    answers.collect()
}

/// Whether CoreDNS tells the same records as it told them to another: with the case of another
/// question, so with other sizes once names are compressed, and with a TTL that has counted down.
fn is_stored(theirs: &[String], ours: &[String]) -> bool {
    let told = |lines: &[String]| {
        let mut told: Vec<_> = lines.iter().map(|line| without_ttl(line)).collect();
        told.sort();
        told
    };
    let (theirs, ours) = (told(theirs), told(ours));
    let mut pairs = theirs.iter().zip(&ours);
    theirs.len() == ours.len() && pairs.all(|(one, other)| one.0 == other.0 && one.1 <= other.1)
}

/// A record's line in lower case without its TTL, and that. Of the first line, what does not
/// follow from the case: no size, and no code, as `ns.dns` is a name in one case of its zone and
/// not in the other.
fn without_ttl(line: &str) -> (String, u32) {
    let line = line.to_lowercase();
    let mut words: Vec<&str> = line.split(' ').collect();
    match words.get(2).and_then(|word| word.parse().ok()) {
        Some(ttl) => {
            words.remove(2);
            (words.join(" "), ttl)
        }
        None => {
            let head = line.split(", ").next().unwrap_or_default();
            (head.replace("nxdomain", "noerror"), 0)
        }
    }
}

/// Whether a line has a name of more than 255 bytes: as text it is one shorter than on the wire.
fn holds_no_name(line: &str) -> bool {
    line.split(' ').any(|word| word.len() > 254)
}
