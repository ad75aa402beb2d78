use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};
use proptest::prelude::*;

use super::super::item::Content;
use super::*;
use crate::answer::{RdataRef, RecordRef, RecordsBuilder, Section};
use crate::name::NameRef;
use crate::testing::n;
use crate::wire::Flags;

fn question(name: &[u8]) -> Question<'_> {
    Question {
        name,
        qtype: RecordType::A,
        qclass: DNSClass::IN,
        dnssec_ok: false,
        checking_disabled: false,
    }
}

fn content(rdata: usize) -> Content {
    let mut builder = RecordsBuilder::default();
    builder.push(&RecordRef {
        section: Section::Answer,
        owner: NameRef::ROOT.into(),
        rtype: RecordType::TXT,
        class: DNSClass::IN,
        ttl: 1,
        rdata: RdataRef::Other(&vec![0; rdata]),
    });
    Content {
        rcode: ResponseCode::NoError,
        flags: Flags::NONE,
        records: Arc::new(builder.finish()),
        answering: true,
        error: None,
    }
}

fn put(store: &Store, name: &[u8], rdata: usize, ttl: u32, now: Instant) -> Evicted {
    let question = question(name);
    let item = Arc::new(Item::new(question, content(rdata), ttl, now));
    store.put(Kind::Success, store.key(question), item, now)
}

fn get(store: &Store, name: &[u8]) -> Option<Arc<Item>> {
    let question = question(name);
    store.get(Kind::Success, store.key(question), question)
}

fn roomy(capacity: usize) -> Arc<Store> {
    Store::new(capacity, capacity, Arc::new(Budget::new(usize::MAX)))
}

#[test]
fn a_capacity_is_rounded_as_in_coredns() {
    for (capacity, entries) in [
        (0, 1024),
        (255, 1024),
        (1025, 1024),
        (5000, 4864),
        (10_000, 9984),
    ] {
        assert_eq!(of_shard(capacity) * SHARDS, entries, "{capacity}");
    }
}

#[test]
fn a_full_table_stays_full_and_tells_what_went() {
    let (store, now) = (roomy(0), Instant::now());
    let mut evicted = 0;
    for number in 0..5000_u32 {
        evicted += put(&store, &number.to_be_bytes(), 1, 60, now).success;
    }
    assert_eq!(store.len(Kind::Success) as u64 + evicted, 5000);
    assert!((1000..=1024).contains(&store.len(Kind::Success)));
    assert_eq!(store.len(Kind::Denial), 0);
}

#[test]
fn an_entry_that_is_asked_for_outlives_a_flood_of_names_that_are_not() {
    let (store, now) = (roomy(0), Instant::now());
    let popular: Vec<[u8; 4]> = (0..100_u32)
        .map(|number| (1 << 31 | number).to_be_bytes())
        .collect();
    for name in &popular {
        put(&store, name, 1, 60, now);
        get(&store, name).unwrap().mark_used();
    }
    for number in 0..20_000_u32 {
        put(&store, &number.to_be_bytes(), 1, 3600, now);
    }
    let left = popular
        .iter()
        .filter(|name| get(&store, *name).is_some())
        .count();
    assert!(left >= 95, "{left} of 100 are left");
}

#[test]
fn an_expired_entry_goes_before_a_fresh_one() {
    let (store, then) = (roomy(0), Instant::now());
    let now = then + Duration::from_secs(100);
    let names = |from: u32, count: u32| (from..from + count).map(u32::to_be_bytes);
    for name in names(0, 800) {
        put(&store, &name, 1, 10, then);
    }
    for name in names(1000, 100) {
        put(&store, &name, 1, 3600, then);
    }
    for name in names(2000, 300) {
        put(&store, &name, 1, 3600, now);
    }
    let fresh = names(1000, 100)
        .filter(|name| get(&store, name).is_some())
        .count();
    assert!(fresh >= 92, "{fresh} of 100 are left");
}

#[test]
fn equal_hashes_of_two_questions_are_told_apart() {
    let (store, now) = (roomy(0), Instant::now());
    let key = Key(7);
    let item = Arc::new(Item::new(question(b"\x01a\0"), content(1), 60, now));
    store.put(Kind::Success, key, item, now);
    assert!(
        store
            .get(Kind::Success, key, question(b"\x01a\0"))
            .is_some()
    );
    assert!(
        store
            .get(Kind::Success, key, question(b"\x01b\0"))
            .is_none()
    );
    for other in [
        Question {
            dnssec_ok: true,
            ..question(b"\x01a\0")
        },
        Question {
            checking_disabled: true,
            ..question(b"\x01a\0")
        },
        Question {
            qtype: RecordType::AAAA,
            ..question(b"\x01a\0")
        },
        Question {
            qclass: DNSClass::CH,
            ..question(b"\x01a\0")
        },
    ] {
        assert!(store.get(Kind::Success, key, other).is_none(), "{other:?}");
        assert_ne!(
            store.key(other),
            store.key(question(b"\x01a\0")),
            "{other:?}"
        );
    }
}

#[test]
fn an_answer_that_is_too_large_is_not_kept_and_its_elder_goes() {
    let (store, now) = (roomy(0), Instant::now());
    put(&store, b"\0", 10, 60, now);
    assert!(get(&store, b"\0").is_some());
    let question = question(b"\0");
    let mut big = content(60_000);
    let records: Vec<_> = (0..3).map(|_| big.records.clone()).collect();
    let mut builder = RecordsBuilder::default();
    for records in &records {
        records.each(&mut |record| builder.push(&record));
    }
    big.records = Arc::new(builder.finish());
    let item = Arc::new(Item::new(question, big, 60, now));
    store.put(Kind::Success, store.key(question), item, now);
    assert!(get(&store, b"\0").is_none());
    assert_eq!(store.budget.used.load(Ordering::Relaxed), 0);
}

#[test]
fn a_store_that_takes_most_makes_room_for_the_others() {
    let now = Instant::now();
    let budget = Arc::new(Budget::new(1 << 20));
    let (hog, small) = (
        Store::new(10_000, 10_000, budget.clone()),
        Store::new(10_000, 10_000, budget.clone()),
    );
    for number in 0..5000_u32 {
        put(&hog, &number.to_be_bytes(), 1000, 60, now);
    }
    assert!(budget.used.load(Ordering::Relaxed) <= 1 << 20);
    for number in 0..100_u32 {
        put(&small, &number.to_be_bytes(), 1000, 60, now);
    }
    assert_eq!(small.len(Kind::Success), 100);
    let left = hog.bytes.load(Ordering::Relaxed) + small.bytes.load(Ordering::Relaxed);
    assert_eq!(left, budget.used.load(Ordering::Relaxed));
    drop(hog);
    assert_eq!(
        small.bytes.load(Ordering::Relaxed),
        budget.used.load(Ordering::Relaxed)
    );
    drop(small);
    assert_eq!(budget.used.load(Ordering::Relaxed), 0);
}

#[test]
fn many_threads_never_pass_the_bound() {
    const LIMIT: usize = 1 << 18;
    let budget = Arc::new(Budget::new(LIMIT));
    let stores: Vec<_> = (0..3).map(|_| Store::new(0, 0, budget.clone())).collect();
    std::thread::scope(|scope| {
        for thread in 0..6_u32 {
            let stores = &stores;
            scope.spawn(move || {
                let now = Instant::now();
                for number in 0..3000_u32 {
                    let store = &stores[(number % 3) as usize];
                    let name = (number * 7 + thread).to_be_bytes();
                    put(store, &name, (number % 900) as usize, 60, now);
                }
            });
        }
    });
    let stored: usize = stores
        .iter()
        .map(|store| store.bytes.load(Ordering::Relaxed))
        .sum();
    assert!(stored <= LIMIT, "{stored}");
    assert_eq!(stored, budget.used.load(Ordering::Relaxed));
    let weights: usize = stores.iter().map(|store| weigh(store)).sum();
    assert_eq!(stored, weights);
}

/// The bytes of all entries, counted one by one.
fn weigh(store: &Store) -> usize {
    let of_table = |table: &Table| -> usize {
        let items = table.slots.iter().map(|(_, item)| item);
        items.map(|item| item.weight()).sum()
    };
    let shards = store.shards.iter().map(lock);
    shards
        .map(|shard| of_table(&shard.success) + of_table(&shard.denial))
        .sum()
}

#[derive(Clone, Debug)]
enum Step {
    Put {
        store: usize,
        denial: bool,
        name: u8,
        rdata: usize,
    },
    Remove {
        store: usize,
        denial: bool,
        name: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let put = (0..2_usize, any::<bool>(), any::<u8>(), 0..3000_usize);
    let remove = (0..2_usize, any::<bool>(), any::<u8>());
    prop_oneof![
        4 => put.prop_map(|(store, denial, name, rdata)| Step::Put { store, denial, name, rdata }),
        1 => remove.prop_map(|(store, denial, name)| Step::Remove { store, denial, name }),
    ]
}

proptest! {
    #[test]
    fn bytes_are_bounded_and_counted_whatever_happens(
        steps in proptest::collection::vec(step(), 1..300),
        limit in 0..200_000_usize,
    ) {
        let now = Instant::now();
        let budget = Arc::new(Budget::new(limit));
        let stores = [Store::new(0, 0, budget.clone()), Store::new(0, 0, budget.clone())];
        let kind = |denial| if denial { Kind::Denial } else { Kind::Success };
        for step in steps {
            match step {
                Step::Put { store, denial, name, rdata } => {
                    let (store, name) = (&stores[store], [1, name, 0]);
                    let question = question(&name);
                    let item = Arc::new(Item::new(question, content(rdata), 60, now));
                    let fits = item.weight() <= limit;
                    let key = store.key(question);
                    store.put(kind(denial), key, item.clone(), now);
                    let have = store.get(kind(denial), key, question);
                    // What fits at all is kept, and what does not leaves nothing older behind.
                    prop_assert_eq!(have.is_some(), fits);
                    prop_assert!(have.is_none_or(|have| Arc::ptr_eq(&have, &item)));
                }
                Step::Remove { store, denial, name } => {
                    let (store, name) = (&stores[store], [1, name, 0]);
                    let key = store.key(question(&name));
                    store.remove(kind(denial), key);
                    prop_assert!(store.get(kind(denial), key, question(&name)).is_none());
                }
            }
            let used = budget.used.load(Ordering::Relaxed);
            prop_assert!(used <= limit);
            prop_assert_eq!(used, stores.iter().map(|store| weigh(store)).sum::<usize>());
        }
    }
}

#[test]
fn the_weight_of_an_entry_counts_all_that_hangs_on_it() {
    let now = Instant::now();
    let question = question(b"\x01a\0");
    let plain = Item::new(question, content(100), 60, now);
    let mut error = content(100);
    error.error = Some(crate::answer::ExtendedError {
        code: 0,
        text: "why".repeat(10),
    });
    let error = Item::new(question, error, 60, now);
    assert_eq!(error.weight() - plain.weight(), 30);
    let mut behind = Item::new(question, content(100), 60, now);
    behind.last_good = Some(Arc::new(Item::new(question, content(200), 60, now)));
    assert!(behind.weight() > 2 * plain.weight());
    assert_eq!(n("a").view().as_bytes(), question.name);
}
