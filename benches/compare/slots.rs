//! What was asked and is not answered yet, and what came of what was.

use std::time::{Duration, Instant};

use super::question::Question;

/// Without an answer for so long, a question is lost.
const LOST: Duration = Duration::from_secs(1);

/// What a load did.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Right answers.
    pub(crate) answered: u64,
    /// Answers that were not right.
    pub(crate) wrong: u64,
    /// Questions without an answer.
    pub(crate) lost: u64,
    /// One of the wrong ones.
    pub(crate) example: Option<String>,
    /// For how long questions were asked.
    pub(crate) elapsed: Duration,
    /// The time to each answer, in nanoseconds.
    pub(crate) latencies: Vec<u32>,
}

impl Tally {
    /// Adds what another part of the same load did.
    pub(crate) fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.wrong += other.wrong;
        self.lost += other.lost;
        self.example = self.example.take().or(other.example);
        self.latencies.extend(other.latencies);
    }

    /// A quantile of the time to an answer, in microseconds.
    pub(crate) fn quantile(&mut self, part: f64) -> f64 {
        self.latencies.sort_unstable();
        let at = (self.latencies.len() as f64 * part) as usize;
        let latency = self
            .latencies
            .get(at.min(self.latencies.len().saturating_sub(1)));
        latency.map_or(f64::NAN, |nanoseconds| f64::from(*nanoseconds) / 1000.0)
    }
}

/// The places of one socket or connection. A place's number is the lower part of an id.
pub(crate) struct Slots<'q> {
    questions: &'q [Question],
    echo: bool,
    next: usize,
    slots: Vec<Slot>,
    free: Vec<usize>,
    pub(crate) tally: Tally,
}

#[derive(Clone, Copy)]
struct Slot {
    id: u16,
    question: usize,
    since: Option<Instant>,
}

impl<'q> Slots<'q> {
    /// `window` places, a power of two; the first question is the one of number `first`.
    pub(crate) fn new(questions: &'q [Question], window: u16, first: usize, echo: bool) -> Self {
        let slot = |id| Slot {
            id,
            question: 0,
            since: None,
        };
        Self {
            questions,
            echo,
            next: first,
            slots: (0..window).map(slot).collect(),
            free: (0..usize::from(window)).collect(),
            tally: Tally::default(),
        }
    }

    /// Writes the next question to the end of `out`; false where all places are taken.
    pub(crate) fn ask(&mut self, since: Instant, out: &mut Vec<u8>) -> bool {
        let Some(place) = self.free.pop() else {
            return false;
        };
        let step = self.slots.len() as u16;
        let slot = &mut self.slots[place];
        slot.id = slot.id.wrapping_add(step);
        slot.question = self.next % self.questions.len();
        slot.since = Some(since);
        self.next += 1;
        let packet = &self.questions[slot.question].packet;
        out.extend_from_slice(&slot.id.to_be_bytes());
        out.extend_from_slice(&packet[2..]);
        true
    }

    /// Takes a reply. One that is late or that nobody asked for is passed over.
    pub(crate) fn take(&mut self, reply: &[u8], now: Instant) {
        let Some(id) = reply
            .get(..2)
            .and_then(|id| id.try_into().ok())
            .map(u16::from_be_bytes)
        else {
            return;
        };
        let place = usize::from(id) % self.slots.len();
        let slot = &mut self.slots[place];
        if slot.id != id {
            return;
        }
        let Some(since) = slot.since.take() else {
            return;
        };
        self.free.push(place);
        let question = &self.questions[slot.question];
        match question.check(reply, self.echo) {
            Ok(()) => self.tally.answered += 1,
            Err(what) => {
                self.tally.wrong += 1;
                let example = || format!("{}: {what}", question.name());
                self.tally.example.get_or_insert_with(example);
            }
        }
        let latency = now.saturating_duration_since(since).as_nanos();
        self.tally
            .latencies
            .push(u32::try_from(latency).unwrap_or(u32::MAX));
    }

    /// Gives up what waits for too long.
    pub(crate) fn expire(&mut self, now: Instant) {
        for (place, slot) in self.slots.iter_mut().enumerate() {
            if slot
                .since
                .is_some_and(|since| now.saturating_duration_since(since) > LOST)
            {
                slot.since = None;
                self.free.push(place);
                self.tally.lost += 1;
            }
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}
