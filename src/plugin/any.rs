//! `any`: answers questions for all types with a record that says that it does not (RFC 8482).
#![doc = include_str!("../../docs/plugins/any.md")]

use std::sync::Arc;

use hickory_proto::rr::RecordType;

use super::setup::{Setup, SetupError};
use crate::answer::{Answer, Data, NameSpec, Origin, RecordSet, Section};
use crate::chain::{Next, Plugin, Reply};
use crate::query::Query;

/// Processor and system of the HINFO record.
const RDATA: &[u8] = b"\x0dANY obsoleted\x0cSee RFC 8482";
/// Seconds.
const TTL: u32 = 8482;

/// Reads `any`.
///
/// # Errors
/// There are arguments or options.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    cursor.next_token();
    if cursor.next_arg().is_some() {
        return Err(cursor.arg_err());
    }
    if cursor.next_block().is_some() {
        return Err(cursor.unknown_property(&[]));
    }
    setup.push(Any {
        rdata: RDATA.into(),
    });
    Ok(())
}

/// See the module.
struct Any {
    rdata: Arc<[u8]>,
}

impl Plugin for Any {
    fn name(&self) -> &'static str {
        "any"
    }

    #[inline]
    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        if query.qtype != RecordType::ANY {
            return next.serve(query);
        }
        let mut answer = Answer::new(query, "any", Origin::Local);
        let set = RecordSet {
            section: Section::Answer,
            owner: NameSpec::QNAME,
            ttl: TTL,
            data: Data::Other(RecordType::HINFO, self.rdata.clone()),
        };
        answer.push(query, set);
        answer.into()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::setup_error;

    #[test]
    fn there_are_no_arguments() {
        for (words, place, message) in [
            (
                "all",
                "2:5",
                "Wrong argument count or unexpected line ending after 'all'",
            ),
            (
                "{\nttl 1\n}",
                "2:5",
                "Unexpected token '{', expecting argument",
            ),
        ] {
            let error = setup_error(&format!("any {words}"));
            assert_eq!(
                error,
                format!("Corefile:{place}: error: plugin/any: {message}")
            );
        }
    }
}
