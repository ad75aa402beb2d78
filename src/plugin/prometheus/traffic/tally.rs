//! What the requests of a batch count, added up where they count alike.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

use super::{Kind, Traffic};
use crate::metrics::{Batch, SIZE_PLACES, size_place};

thread_local! {
    /// This thread's batch. What a batch does not add to is taken out at its end.
    static TALLIES: RefCell<Vec<Tally>> = const { RefCell::new(Vec::new()) };
}

/// Requests that count alike.
struct Tally {
    traffic: Traffic,
    kind: Kind,
    sum: Sum,
}

/// So many requests and their responses.
#[derive(Default)]
pub(super) struct Sum {
    pub(super) times: u64,
    pub(super) requests: Sizes,
    pub(super) responses: Sizes,
}

/// The lengths of so many messages.
#[derive(Default)]
pub(super) struct Sizes {
    /// Their number by the histogram's places.
    pub(super) places: [u32; SIZE_PLACES],
    pub(super) bytes: u64,
}

impl Sizes {
    #[inline]
    fn add(&mut self, bytes: usize) {
        if let Some(place) = self.places.get_mut(size_place(bytes)) {
            *place += 1;
        }
        self.bytes += bytes as u64;
    }
}

impl Sum {
    #[inline]
    fn add(&mut self, [request, response]: [usize; 2]) {
        self.times += 1;
        self.requests.add(request);
        self.responses.add(response);
    }
}

/// Counts a request and its response of these lengths: with those of its batch, or at once where it
/// is of none.
#[inline]
pub(super) fn add(traffic: &Traffic, kind: Kind, since: Instant, sizes: [usize; 2]) {
    let in_batch = Batch::will_settle(since, settle)
        && TALLIES
            .try_with(|tallies| add_to(&mut tallies.borrow_mut(), traffic, kind, sizes))
            .is_ok();
    if !in_batch {
        let mut sum = Sum::default();
        sum.add(sizes);
        traffic.tell(kind, &sum, since.elapsed());
    }
}

#[inline]
fn add_to(tallies: &mut Vec<Tally>, traffic: &Traffic, kind: Kind, sizes: [usize; 2]) {
    for tally in &mut *tallies {
        if tally.kind.is(kind) && tally.traffic.is(traffic) {
            return tally.sum.add(sizes);
        }
    }
    let mut sum = Sum::default();
    sum.add(sizes);
    tallies.push(Tally {
        traffic: traffic.clone(),
        kind,
        sum,
    });
}

fn settle(time: Duration) {
    let _ = TALLIES.try_with(|tallies| {
        tallies.borrow_mut().retain_mut(|tally| {
            let sum = std::mem::take(&mut tally.sum);
            if sum.times > 0 {
                tally.traffic.tell(tally.kind, &sum, time);
            }
            sum.times > 0
        });
    });
}
