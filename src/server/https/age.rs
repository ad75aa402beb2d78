//! How long a response may be kept by caches between client and server (RFC 8484, 5.1).

use hickory_proto::rr::RecordType;

use crate::wire::{self, HEADER_LEN, Opcode};

/// Seconds for what has no lifetime of its own: errors, referrals, replies without records.
const SHORT: u32 = 5;
/// Seconds, at most.
const LONG: u32 = 3600;

/// Seconds that a reply may be kept: the lowest TTL of its records.
pub(super) fn of(reply: &[u8]) -> u32 {
    lowest(reply).unwrap_or(SHORT)
}

fn lowest(reply: &[u8]) -> Option<u32> {
    let bits = wire::u16_at(reply, 2)?;
    let count = |at| wire::u16_at(reply, at).map(usize::from);
    let [questions, answers, authorities, additionals] =
        [count(4)?, count(6)?, count(8)?, count(10)?];
    let mut at = HEADER_LEN;
    for _ in 0..questions {
        at = wire::name_end(reply, at)? + 4;
        let qtype = RecordType::from(wire::u16_at(reply, at - 4)?);
        if matches!(qtype, RecordType::AXFR | RecordType::IXFR) {
            return None;
        }
    }
    let (mut lowest, mut has_soa, mut has_ns, mut others) = (LONG, false, false, 0);
    for number in 0..answers + authorities + additionals {
        at = wire::name_end(reply, at)?;
        let rtype = RecordType::from(wire::u16_at(reply, at)?);
        if (answers..answers + authorities).contains(&number) {
            has_soa |= rtype == RecordType::SOA;
            has_ns |= rtype == RecordType::NS;
        }
        if rtype != RecordType::OPT {
            lowest = lowest.min(wire::u32_at(reply, at + 4)?);
            others += 1;
        }
        at += 10 + usize::from(wire::u16_at(reply, at + 8)?);
    }
    let is_kept = match (bits & 0xf, answers) {
        (0, 1..) => true,
        (0, 0) => has_soa || !has_ns,
        (3, 0) => true,
        _ => false,
    };
    let is_query = Opcode::from_bits(bits) == Opcode::QUERY;
    (is_query && is_kept && others > 0).then_some(lowest)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::of;
    use crate::chain::Chain;
    use crate::query::Transport;
    use crate::server::Handled;
    use crate::testing::{Ask, Stub, server};
    use hickory_proto::op::ResponseCode;

    fn age(rcode: ResponseCode, sections: [&[&str]; 3]) -> u32 {
        let chain = Chain::new(vec![Arc::new(Stub::upstream(rcode, sections))]);
        let mut reply = Vec::new();
        let ask = Ask::new("a.test. A").edns(1232);
        let arrival = crate::server::Arrival {
            client: ask.client,
            local: ask.client,
            transport: Transport::Https,
            now: ask.now,
        };
        let handled = server(&chain).handle(&ask.packet(), arrival, &mut reply);
        assert!(matches!(handled, Handled::Replied));
        of(&reply)
    }

    #[test]
    fn a_reply_is_kept_as_long_as_its_shortest_record() {
        use ResponseCode::{NXDomain, NoError, ServFail};
        let (a, short) = ("a.test. 300 IN A 192.0.2.1", "b.test. 7 IN A 192.0.2.1");
        let soa = "test. 60 IN SOA a.test. b.test. 1 2 3 4 30";
        let ns = "test. 60 IN NS a.test.";
        for (what, rcode, sections, expected) in [
            ("an answer", NoError, [&[a][..], &[], &[]], 300),
            ("a shorter glue", NoError, [&[a], &[ns], &[short]], 7),
            (
                "a very long one",
                NoError,
                [&["a.test. 86400 IN A 192.0.2.1"], &[], &[]],
                3600,
            ),
            ("a name error", NXDomain, [&[], &[soa], &[]], 60),
            ("no data", NoError, [&[], &[soa], &[]], 60),
            ("a referral", NoError, [&[], &[ns], &[]], 5),
            ("nothing at all", NoError, [&[], &[], &[]], 5),
            ("a failure", ServFail, [&[], &[soa], &[]], 5),
        ] {
            assert_eq!(age(rcode, sections), expected, "{what}");
        }
    }
}
