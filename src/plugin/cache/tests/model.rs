//! The cache against a plain map, with any sequence of questions, waits and changes upstream.

use std::collections::HashMap;

use hickory_proto::rr::DNSClass;
use proptest::prelude::*;

use super::*;
use crate::answer::{Message, RdataRef, RecordRef, RecordsBuilder};

/// All that tells two questions apart; the case of the name does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Asked {
    name: u8,
    qtype: u16,
    class: u16,
    dnssec: bool,
    checking_disabled: bool,
}

/// What the upstream says about every name.
#[derive(Clone, Copy, Debug)]
struct State {
    kind: Kind,
    ttl: u32,
    version: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Positive,
    NoData,
    NameError,
    ServFail,
    Refused,
}

#[derive(Clone, Debug)]
enum Step {
    Ask(Asked, bool),
    Wait(u64),
    Change(Kind, u32),
}

/// The bounds of the directive.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    success: (u32, u32),
    denial: (u32, u32),
    servfail: u32,
}

/// An entry of the model.
struct Entry {
    state: State,
    ttl: u32,
    since: u64,
    /// The last TTL that was told, and when.
    told: u32,
}

fn asked() -> impl Strategy<Value = Asked> {
    let types = prop::sample::select(vec![65280_u16, 65281]);
    let classes = prop::sample::select(vec![1_u16, 3]);
    (0..3_u8, types, classes, any::<bool>(), any::<bool>()).prop_map(
        |(name, qtype, class, dnssec, checking_disabled)| Asked {
            name,
            qtype,
            class,
            dnssec,
            checking_disabled,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = vec![
        Kind::Positive,
        Kind::NoData,
        Kind::NameError,
        Kind::ServFail,
        Kind::Refused,
    ];
    prop_oneof![
        6 => (asked(), any::<bool>()).prop_map(|(asked, upper)| Step::Ask(asked, upper)),
        2 => (0..40_u64).prop_map(Step::Wait),
        1 => (prop::sample::select(kinds), 0..100_u32).prop_map(|(kind, ttl)| Step::Change(kind, ttl)),
    ]
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let pair = || (1..60_u32, 0..20_u32);
    (pair(), pair(), 0..20_u32).prop_map(|(success, denial, servfail)| Bounds {
        success,
        denial,
        servfail,
    })
}

impl Asked {
    fn of(query: &Query<'_>) -> Self {
        Self {
            // `n0.` to `n2.`: the digit is the third byte.
            name: query.lower.as_bytes()[2] - b'0',
            qtype: query.qtype.into(),
            class: query.qclass.into(),
            dnssec: query.dnssec_ok(),
            checking_disabled: query.request.flags.has(Flags::CD),
        }
    }

    fn ask(self, upper: bool, now: Instant) -> Ask {
        let letter = if upper { 'N' } else { 'n' };
        let mut ask = Ask::new(&format!(
            "{letter}{}.example.org. TYPE{}",
            self.name, self.qtype
        ));
        ask.class = self.class;
        if self.checking_disabled {
            ask = ask.flags(Flags::RD.with(Flags::CD));
        }
        if self.dnssec {
            ask = ask.dnssec();
        }
        ask.at(now)
    }

    /// Rdata that no other question's answer has; what it is also passes for an SOA.
    fn mark(self, version: u32) -> Vec<u8> {
        let mut mark = vec![0; 11];
        mark.extend(version.to_be_bytes());
        mark.extend([
            self.name,
            u8::from(self.dnssec),
            u8::from(self.checking_disabled),
        ]);
        mark.extend(self.qtype.to_be_bytes());
        mark.extend(self.class.to_be_bytes());
        mark
    }
}

impl State {
    fn answer(self, query: &Query<'_>) -> Answer {
        let mark = Asked::of(query).mark(self.version);
        let zone = n("example.org");
        let record = |section, owner, rtype: RecordType| RecordRef {
            section,
            owner,
            rtype,
            class: query.qclass,
            ttl: self.ttl,
            rdata: RdataRef::Other(&mark),
        };
        let mut builder = RecordsBuilder::default();
        let soa = record(Section::Authority, zone.view().into(), RecordType::SOA);
        let (rcode, record) = match self.kind {
            Kind::Positive => (
                ResponseCode::NoError,
                Some(record(Section::Answer, query.name.into(), query.qtype)),
            ),
            Kind::NoData => (ResponseCode::NoError, Some(soa)),
            Kind::NameError => (ResponseCode::NXDomain, Some(soa)),
            Kind::ServFail => (ResponseCode::ServFail, Some(soa)),
            Kind::Refused => (ResponseCode::Refused, Some(soa)),
        };
        if let Some(record) = record {
            builder.push(&record);
        }
        let mut answer = Answer::new(query, "forward", Origin::Upstream).with_rcode(rcode);
        answer.body = Body::Records(Arc::new(builder.finish()));
        answer
    }

    fn told_ttl(self, bounds: Bounds) -> u32 {
        let within = |ttl: u32, (max, min): (u32, u32)| ttl.max(min).min(max);
        match self.kind {
            Kind::Positive => within(self.ttl, bounds.success),
            Kind::NoData | Kind::NameError => within(self.ttl, bounds.denial),
            Kind::ServFail => bounds.servfail,
            Kind::Refused => within(5, bounds.success),
        }
    }
}

fn run(bounds: Bounds, steps: &[Step]) -> Result<(), TestCaseError> {
    let state = State {
        kind: Kind::Positive,
        ttl: 30,
        version: 0,
    };
    let current = Arc::new(Mutex::new(state));
    let upstream = current.clone();
    let stub = Stub::new(move |query| upstream.lock().unwrap().answer(query).into());
    let ((max, min), (denied_max, denied_min)) = (bounds.success, bounds.denial);
    let directive = format!(
        "cache {{\nsuccess 9984 {max} {min}\ndenial 9984 {denied_max} {denied_min}\nservfail {}s\n}}",
        bounds.servfail
    );
    let kit = Kit::new(&directive, stub);
    let (start, mut now) = (Instant::now(), 0);
    let mut entries: HashMap<Asked, Entry> = HashMap::new();
    for step in steps {
        match step {
            Step::Wait(seconds) => now += seconds,
            Step::Change(kind, ttl) => {
                let mut state = current.lock().unwrap();
                *state = State {
                    kind: *kind,
                    ttl: *ttl,
                    version: state.version + 1,
                };
            }
            Step::Ask(asked, upper) => {
                let fresh = entries
                    .get_mut(asked)
                    .filter(|entry| now - entry.since < u64::from(entry.ttl));
                let state = *current.lock().unwrap();
                let (expected, ttl) = match fresh {
                    Some(entry) => {
                        let left = entry.ttl - (now - entry.since) as u32;
                        // The property itself, said apart from how the model counts.
                        prop_assert!(left <= entry.told, "a TTL never grows");
                        entry.told = left;
                        (entry.state, left)
                    }
                    None => {
                        let ttl = state.told_ttl(bounds);
                        if ttl > 0 && state.kind != Kind::Refused {
                            entries.insert(
                                *asked,
                                Entry {
                                    state,
                                    ttl,
                                    since: now,
                                    told: ttl,
                                },
                            );
                        }
                        (state, ttl)
                    }
                };
                let told = asked
                    .ask(*upper, start + Duration::from_secs(now))
                    .now(&kit.chain);
                let message = Message::parse(&told.bytes).unwrap();
                let mut seen = Vec::new();
                message.records.each(&mut |record| {
                    if let RdataRef::Other(rdata) = record.rdata {
                        seen.push((record.ttl, rdata.to_vec()));
                    }
                });
                prop_assert_eq!(seen, [(ttl, asked.mark(expected.version))]);
                let code = match expected.kind {
                    Kind::Positive | Kind::NoData => ResponseCode::NoError,
                    Kind::NameError => ResponseCode::NXDomain,
                    Kind::ServFail => ResponseCode::ServFail,
                    Kind::Refused => ResponseCode::Refused,
                };
                prop_assert_eq!(message.rcode, code);
                prop_assert_eq!(message.question.unwrap().2, DNSClass::from(asked.class));
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_sequence_is_answered_as_a_plain_map_would(
        bounds in bounds(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run(bounds, &steps)?;
    }
}
