//! The one place that knows how an [`Answer`]'s records are told: their order, TTLs and names.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::{DNSClass, RecordType};
use smallvec::SmallVec;

use super::{Answer, Body, CLASS, Data, NameSpec, Order, RecordSet, Section, SoaShape};
use crate::name::NameParts;
use crate::query::Query;

/// One record as it is told to the client.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// Where it stands.
    pub section: Section,
    /// Whose it is.
    pub owner: NameParts<'a>,
    /// Its type.
    pub rtype: RecordType,
    /// Its class.
    pub class: DNSClass,
    /// Seconds.
    pub ttl: u32,
    /// What it holds.
    pub rdata: RdataRef<'a>,
}

/// What a record holds.
#[derive(Clone, Copy, Debug)]
pub enum RdataRef<'a> {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// One name.
    Name(NameParts<'a>),
    /// An SRV record: priority, weight, port, target.
    Srv(u16, u16, u16, NameParts<'a>),
    /// An SOA whose apex is given: shape, serial, minimum.
    Soa(&'static SoaShape, NameParts<'a>, u32, u32),
    /// Uncompressed rdata of any type.
    Other(&'a [u8]),
}

/// Type, class, TTL and the rdata's length.
const FIXED_LEN: usize = 10;
/// Records up to this number are put in order without allocating, where they are of one set.
const INLINE_ORDER: usize = 64;

/// See [`Answer::each`].
///
/// What nearly all answers are, a set or two in their own order, is told without a call for each
/// record.
#[inline]
pub(super) fn each<'a>(
    answer: &'a Answer,
    query: &Query<'a>,
    mut visit: impl FnMut(RecordRef<'a>),
) {
    let ttl = answer.ttl;
    let mut visit = |mut record: RecordRef<'a>| {
        record.ttl = ttl.unwrap_or(record.ttl);
        visit(record);
    };
    match (&answer.body, answer.order) {
        (Body::Sets(sets), Order::AsIs) => {
            for set in sets {
                each_of_set(set, query, &mut visit);
            }
        }
        (Body::Records(records), Order::AsIs) => records.each(&mut visit),
        (body, Order::Shuffled(seed)) => each_shuffled(body, query, seed, &mut visit),
    }
}

fn each_shuffled<'a>(
    body: &'a Body,
    query: &Query<'a>,
    seed: u64,
    visit: &mut dyn FnMut(RecordRef<'a>),
) {
    match body {
        Body::Sets(sets) => match sets.as_slice() {
            [] => {}
            // Each record is alike.
            [set] => each_of_set_shuffled(set, query, seed, visit),
            sets => {
                let mut all: SmallVec<[RecordRef<'a>; 8]> = SmallVec::new();
                for set in sets {
                    each_of_set(set, query, &mut |record| all.push(record));
                }
                let places = all.iter().map(|record| place(record.section, record.rtype));
                for at in ordered(places.collect(), seed) {
                    all.get(at as usize)
                        .copied()
                        .into_iter()
                        .for_each(&mut *visit);
                }
            }
        },
        Body::Records(records) => {
            let known = |at| Some(place(records.section_at(at)?, records.type_at(at)?));
            let places = (0..records.len()).filter_map(known);
            for at in ordered(places.collect(), seed) {
                records.get(at as usize).into_iter().for_each(&mut *visit);
            }
        }
    }
}

/// The length of a set on the wire: its records are all alike in it.
#[inline]
pub(super) fn set_len(set: &RecordSet, query: &Query<'_>) -> usize {
    let addresses = match &set.data {
        Data::A(_) => 4,
        Data::Aaaa(_) => 16,
        Data::ManyA(addresses) => 4 * addresses.len(),
        Data::ManyAaaa(addresses) => 16 * addresses.len(),
        _ => {
            let record = record_of_set(set, 0, query);
            return record.map_or(0, |record| record.wire_len() * set.data.len());
        }
    };
    addresses + set.data.len() * (set.owner.parts(query).wire_len() + FIXED_LEN)
}

/// The records of one set, as they stand.
#[inline]
pub(super) fn each_of_set<'a>(
    set: &'a RecordSet,
    query: &Query<'a>,
    visit: &mut (impl FnMut(RecordRef<'a>) + ?Sized),
) {
    for at in 0..set.data.len() {
        if let Some(record) = record_of_set(set, at, query) {
            visit(record);
        }
    }
}

fn each_of_set_shuffled<'a>(
    set: &'a RecordSet,
    query: &Query<'a>,
    seed: u64,
    visit: &mut dyn FnMut(RecordRef<'a>),
) {
    let count = set.data.len();
    if count < 2 {
        return each_of_set(set, query, visit);
    }
    let mut order: SmallVec<[u32; INLINE_ORDER]> = (0..u32::try_from(count).unwrap_or(0)).collect();
    shuffle(&mut order, seed);
    for at in order {
        if let Some(record) = record_of_set(set, at as usize, query) {
            visit(record);
        }
    }
}

/// The ranks of a section's records.
const RANKS: u8 = 4;

/// Where records of a section and type stand: CNAMEs, others, addresses, MX, section by section.
fn place(section: Section, rtype: RecordType) -> u8 {
    let rank = match rtype {
        RecordType::CNAME => 0,
        RecordType::A | RecordType::AAAA => 2,
        RecordType::MX => 3,
        _ => 1,
    };
    let section = match section {
        Section::Answer => 0,
        Section::Authority => 1,
        Section::Additional => 2,
    };
    section * RANKS + rank
}

/// The numbers of records in the order of their places, addresses and MX shuffled.
fn ordered(places: SmallVec<[u8; INLINE_ORDER]>, seed: u64) -> SmallVec<[u32; INLINE_ORDER]> {
    let mut order: SmallVec<[u32; INLINE_ORDER]> = SmallVec::new();
    for wanted in 0..3 * RANKS {
        let start = order.len();
        let members = (0_u32..)
            .zip(&places)
            .filter(|(_, place)| **place == wanted);
        order.extend(members.map(|(at, _)| at));
        if wanted % RANKS >= 2 {
            shuffle(order.get_mut(start..).unwrap_or_default(), seed);
        }
    }
    order
}

/// Fisher-Yates: every order is as likely as any other.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for at in (1..items.len()).rev() {
        // splitmix64: the order of addresses is no secret, it only has to be even.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let pick = ((u128::from(mixed) * (at as u128 + 1)) >> 64) as usize;
        items.swap(at, pick);
    }
}

#[inline]
fn record_of_set<'a>(set: &'a RecordSet, at: usize, query: &Query<'a>) -> Option<RecordRef<'a>> {
    let owner = set.owner.parts(query);
    let name = |spec: &'a NameSpec| spec.parts(query);
    let rdata = match &set.data {
        Data::A(address) => RdataRef::A(*address),
        Data::Aaaa(address) => RdataRef::Aaaa(*address),
        Data::ManyA(addresses) => RdataRef::A(*addresses.get(at)?),
        Data::ManyAaaa(addresses) => RdataRef::Aaaa(*addresses.get(at)?),
        Data::Name(_, target) => RdataRef::Name(name(target)),
        Data::Srv {
            priority,
            weight,
            port,
            target,
        } => RdataRef::Srv(*priority, *weight, *port, name(target)),
        Data::Soa(shape, serial, minimum) => RdataRef::Soa(shape, owner, *serial, *minimum),
        Data::Other(_, rdata) => RdataRef::Other(rdata),
        Data::Held(records, from, _) => {
            let record = records.get(*from as usize + at)?;
            return Some(RecordRef {
                section: set.section,
                ..record
            });
        }
    };
    Some(RecordRef {
        section: set.section,
        owner,
        rtype: set.data.rtype(),
        class: CLASS,
        ttl: set.ttl,
        rdata,
    })
}

impl RecordRef<'_> {
    /// The length on the wire, names whole.
    #[inline]
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.owner.wire_len() + FIXED_LEN + self.rdata.wire_len()
    }
}

impl RdataRef<'_> {
    /// The length on the wire, names whole.
    #[inline]
    #[must_use]
    pub fn wire_len(&self) -> usize {
        match self {
            Self::A(_) => 4,
            Self::Aaaa(_) => 16,
            Self::Name(name) => name.wire_len(),
            Self::Srv(_, _, _, target) => 6 + target.wire_len(),
            Self::Soa(shape, apex, _, _) => {
                shape.mname.len() + shape.rname.len() + 2 * apex.wire_len() + 20
            }
            Self::Other(rdata) => rdata.len(),
        }
    }
}
