//! `chaos`: tells who answers, in the class of the same name (RFC 4892).
#![doc = include_str!("../../docs/plugins/chaos.md")]

use std::collections::BTreeSet;
use std::sync::Arc;

use hickory_proto::rr::{DNSClass, RecordType};
use rand::seq::SliceRandom;

use super::setup::{Setup, SetupError, hostname};
use crate::answer::{Answer, Body, Origin, RdataRef, RecordRef, RecordsBuilder, Section};
use crate::chain::{Next, Plugin, Reply};
use crate::query::Query;
use crate::version;

/// The longest text of a TXT record, in bytes (RFC 1035, 3.3.14).
const LONGEST: usize = 255;
/// Who made this, unless the directive says otherwise.
const AUTHORS: &str = "the callsign authors";

/// Reads `chaos [VERSION] [AUTHORS...]`.
///
/// # Errors
/// There is a block.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    cursor.next_token();
    let arguments = cursor.remaining_args();
    if cursor.next_block().is_some() {
        return Err(cursor.unknown_property(&[]));
    }
    let version = match arguments.first() {
        Some(version) => text(version.text()),
        None => text(&format!("CoreDNS-{}", version::COREDNS)),
    };
    let named: BTreeSet<_> = arguments.iter().skip(1).map(|word| word.text()).collect();
    let authors = match named.is_empty() {
        true => vec![text(AUTHORS)],
        false => named.into_iter().map(text).collect(),
    };
    setup.block.listen.any_class = true;
    setup.push(Chaos {
        version,
        authors,
        hostname: text(&hostname()),
    });
    Ok(())
}

/// A TXT record's rdata: one text with its length, cut where it is too long.
fn text(text: &str) -> Box<[u8]> {
    let bytes: Vec<u8> = text.bytes().take(LONGEST).collect();
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    [&[length][..], &bytes].concat().into()
}

/// See the module. All are rdata of TXT records.
struct Chaos {
    version: Box<[u8]>,
    authors: Vec<Box<[u8]>>,
    hostname: Box<[u8]>,
}

impl Plugin for Chaos {
    fn name(&self) -> &'static str {
        "chaos"
    }

    #[inline]
    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        if query.qclass != DNSClass::CH || query.qtype != RecordType::TXT {
            return next.serve(query);
        }
        match query.lower.as_bytes() {
            b"\x07authors\x04bind\0" => {
                let mut authors: Vec<&[u8]> = self.authors.iter().map(AsRef::as_ref).collect();
                authors.shuffle(&mut rand::rng());
                tell(query, &authors)
            }
            b"\x07version\x04bind\0" | b"\x07version\x06server\0" => tell(query, &[&self.version]),
            b"\x08hostname\x04bind\0" | b"\x02id\x06server\0" => tell(query, &[&self.hostname]),
            _ => next.serve(query),
        }
    }
}

/// An answer of a TXT record for each text.
fn tell(query: &Query<'_>, texts: &[&[u8]]) -> Reply {
    let mut builder = RecordsBuilder::default();
    for rdata in texts {
        builder.push(&RecordRef {
            section: Section::Answer,
            owner: query.name.into(),
            rtype: RecordType::TXT,
            class: DNSClass::CH,
            ttl: 0,
            rdata: RdataRef::Other(rdata),
        });
    }
    let mut answer = Answer::new(query, "chaos", Origin::Local);
    answer.body = Body::Records(Arc::new(builder.finish()));
    answer.into()
}

#[cfg(test)]
mod tests {
    use crate::chain::Chain;
    use crate::corefile::Memory;
    use crate::plugin::setup::Shared;
    use crate::testing::{Ask, planned, set_up, setup_error};

    #[test]
    fn texts_are_cut_and_authors_told_once() {
        let long = "v".repeat(300);
        let corefile = format!(". {{\n chaos {long} b a b\n}}");
        let done = set_up(&corefile, "chaos", &mut Shared::default(), |setup| {
            super::setup(setup)
        });
        done.value.unwrap();
        let chain = Chain::new(done.plugins);
        let ask = |name: &str| {
            let mut ask = Ask::new(&format!("{name} TXT"));
            ask.class = 3;
            ask.now(&chain)
        };
        let version = format!("version.bind. 0 CH TXT \"{}\"", &long[..255]);
        assert_eq!(ask("version.bind.").answer, [version.replace('"', "")]);
        let mut authors = ask("Authors.bind.").answer;
        authors.sort();
        assert_eq!(
            authors,
            ["Authors.bind. 0 CH TXT a", "Authors.bind. 0 CH TXT b"]
        );
    }

    #[test]
    fn the_listener_takes_every_class() {
        let plan = planned(". {\n chaos\n}", &Memory::default()).unwrap();
        assert!(plan.sites.iter().all(|site| site.listen.any_class));
    }

    #[test]
    fn there_are_no_options() {
        let error = "Corefile:3:1: error: plugin/chaos: unknown property 'version'";
        assert_eq!(setup_error("chaos {\nversion\n}"), error);
    }
}
