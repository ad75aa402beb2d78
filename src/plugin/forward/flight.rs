//! Identical queries in flight share one exchange, so that a crowd asking the same costs an
//! upstream one packet, and a forger gets one id to guess and not many (CVE-2023-30464).
//!
//! It also keeps a forwarding loop from spinning: a query that comes back to us finds itself in
//! flight, and waits for its own end.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{Shared, WeakShared};

use crate::chain::BoxFuture;

/// What an exchange ends in; all who wait get the same.
pub(super) type Flight<T> = Shared<BoxFuture<Arc<T>>>;

/// The exchanges in flight.
pub(super) struct Flights<K, T>(Arc<Mutex<Table<K, T>>>);

struct Table<K, T> {
    flights: HashMap<K, Listed<T>>,
    next: u64,
}

struct Listed<T> {
    number: u64,
    flight: WeakShared<BoxFuture<Arc<T>>>,
}

/// Takes a flight out of the table when it lands, or when nobody waits for it any more.
struct Landing<K: Hash + Eq, T> {
    table: Arc<Mutex<Table<K, T>>>,
    key: K,
    number: u64,
}

fn lock<K, T>(table: &Mutex<Table<K, T>>) -> MutexGuard<'_, Table<K, T>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Table {
            flights: HashMap::new(),
            next: 0,
        })))
    }
}

impl<K, T> Flights<K, T>
where
    K: Hash + Eq + Clone + Send + 'static,
    T: Send + Sync + 'static,
{
    /// The flight with this key, and whether it was there already; `start` makes a new one.
    ///
    /// It makes way for as long as anybody who holds it polls it, and ends early when nobody does.
    pub(super) fn join<F>(&self, key: K, start: impl FnOnce() -> F) -> (Flight<T>, bool)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut table = lock(&self.0);
        let Table { flights, next } = &mut *table;
        let place = flights.entry(key);
        if let Entry::Occupied(there) = &place
            && let Some(flight) = there.get().flight.upgrade()
        {
            return (flight, true);
        }
        *next += 1;
        let number = *next;
        let landing = Landing {
            table: self.0.clone(),
            key: place.key().clone(),
            number,
        };
        let exchange = start();
        let flight: BoxFuture<Arc<T>> = Box::pin(async move {
            let landed = exchange.await;
            drop(landing);
            Arc::new(landed)
        });
        let flight = flight.shared();
        // It was never polled, so it has not ended and there is something to point at.
        if let Some(weak) = flight.downgrade() {
            place.insert_entry(Listed {
                number,
                flight: weak,
            });
        }
        (flight, false)
    }

    /// A flight that nobody joins.
    pub(super) fn alone<F>(exchange: F) -> Flight<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let flight: BoxFuture<Arc<T>> = Box::pin(exchange.map(Arc::new));
        flight.shared()
    }

    /// How many are in flight.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        lock(&self.0).flights.len()
    }
}

impl<K: Hash + Eq, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        let there = table.flights.get(&self.key);
        // Another may have taken the place while the last who waited for this one went away.
        if there.is_some_and(|entry| entry.number == self.number) {
            table.flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn those_who_join_get_what_the_first_one_gets() {
        let flights = Flights::<Vec<u8>, u32>::default();
        let started = AtomicUsize::new(0);
        let (land, landed) = oneshot::channel();
        let mut landed = Some(landed);
        let mut join = |key: &[u8]| {
            flights.join(key.to_vec(), || {
                started.fetch_add(1, Ordering::Relaxed);
                let landed = landed.take();
                async move { landed.unwrap().await.unwrap() }
            })
        };
        let (first, joined) = join(b"a");
        assert!(!joined);
        let (second, joined) = join(b"a");
        assert!(joined);
        land.send(7).unwrap();
        assert_eq!((*first.await, *second.await), (7, 7));
        assert_eq!(started.load(Ordering::Relaxed), 1);
        assert_eq!(flights.count(), 0, "it is forgotten when it lands");
    }

    #[tokio::test]
    async fn the_others_go_on_when_the_first_one_leaves() {
        let flights = Flights::<Vec<u8>, u32>::default();
        let (land, landed) = oneshot::channel();
        let (first, _) = flights.join(b"a".to_vec(), || async move { landed.await.unwrap() });
        let (second, joined) = flights.join(b"a".to_vec(), || async { 0 });
        assert!(joined);
        let mut first = Box::pin(first);
        assert!(futures_util::poll!(&mut first).is_pending());
        drop(first);
        land.send(7).unwrap();
        assert_eq!(*second.await, 7);
    }

    #[tokio::test]
    async fn a_flight_that_nobody_waits_for_is_forgotten() {
        let flights = Flights::<Vec<u8>, u32>::default();
        let (flight, _) = flights.join(b"a".to_vec(), std::future::pending);
        let mut flight = Box::pin(flight);
        assert!(futures_util::poll!(&mut flight).is_pending());
        assert_eq!(flights.count(), 1);
        drop(flight);
        assert_eq!(flights.count(), 0);
    }
}
