//! The states that the cluster was in: what was right when.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use crate::kubernetes::event::Event;
use crate::kubernetes::object::{Kind, Object};
use crate::kubernetes::store::tests::oracle::Oracle;
use crate::kubernetes::testkit::object;

/// States that are remembered. An answer can be as old as the time that it took to come.
const REMEMBERED: usize = 8192;

/// Fewer changes, or answers to one of those who ask, prove nothing.
const LEAST: u64 = 500;
/// Fewer pairs prove nothing, nor fewer of which the answer over UDP was cut: one in some hundred is.
const PAIRS: u64 = 100;
const CUT: u64 = 6;

/// Shared by the writer and by those who ask.
pub(super) struct History {
    /// The change that has begun, and the one that has ended.
    begun: AtomicU64,
    ended: AtomicU64,
    /// Of each of the two who ask over sockets.
    answers: [AtomicU64; 2],
    /// Of both, those over UDP and TCP that were held against each other; those of which the one over
    /// UDP was cut.
    pairs: AtomicU64,
    cut: AtomicU64,
    /// Of who asks by calls: how often he has asked all that he asks.
    rounds: AtomicU64,
    is_over: AtomicBool,
    /// Each with the number of the change that led to it, the newest last.
    states: Mutex<VecDeque<(u64, Arc<Oracle>)>>,
}

impl History {
    /// A cluster of these objects.
    pub(super) fn new(objects: &str) -> Self {
        let mut oracle = Oracle::default();
        let lines = objects.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty()) {
            oracle.apply(&Event::Apply(object(line)));
        }
        Self {
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            answers: Default::default(),
            pairs: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            rounds: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            states: Mutex::new([(0, Arc::new(oracle))].into()),
        }
    }

    fn states(&self) -> std::sync::MutexGuard<'_, VecDeque<(u64, Arc<Oracle>)>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn newest(&self) -> Arc<Oracle> {
        self.states().back().unwrap().1.clone()
    }

    /// A change is about to be made: from now on its answers are right too. Its number.
    pub(super) fn begin(&self, event: &Event) -> u64 {
        let mut oracle = (*self.newest()).clone();
        oracle.apply(event);
        let version = self.begun.load(SeqCst) + 1;
        let mut states = self.states();
        states.push_back((version, Arc::new(oracle)));
        if states.len() > REMEMBERED {
            states.pop_front();
        }
        drop(states);
        self.begun.store(version, SeqCst);
        version
    }

    /// The change was made: from now on the answers before it are wrong.
    pub(super) fn finish(&self, version: u64) {
        self.ended.store(version, SeqCst);
    }

    /// The oldest state that a question asked from now on may be answered from.
    pub(super) fn oldest(&self) -> u64 {
        self.ended.load(SeqCst)
    }

    /// The states that an answer may be from that came now, to a question asked at `oldest`.
    pub(super) fn since(&self, oldest: u64) -> Vec<Arc<Oracle>> {
        let newest = self.begun.load(SeqCst);
        let states = self.states();
        let first = states.front().map_or(0, |(version, _)| *version);
        assert!(
            first <= oldest,
            "an answer took more than {REMEMBERED} changes"
        );
        let within = states
            .iter()
            .filter(|(version, _)| (oldest..=newest).contains(version));
        within.map(|(_, oracle)| oracle.clone()).collect()
    }

    /// Whether nothing has changed since this was the oldest state, nor is about to.
    pub(super) fn is_quiet_since(&self, oldest: u64) -> bool {
        self.version() == oldest
    }

    /// This one of those who ask has got an answer.
    pub(super) fn answered(&self, who: usize) {
        self.answers[who].fetch_add(1, SeqCst);
    }

    /// Two answers were held against each other.
    pub(super) fn compared(&self, is_cut: bool) {
        self.pairs.fetch_add(1, SeqCst);
        self.cut.fetch_add(u64::from(is_cut), SeqCst);
    }

    /// Whether so much has been changed and asked that it proves something.
    pub(super) fn is_enough(&self) -> bool {
        let answers = self.answers.iter().map(|count| count.load(SeqCst));
        let least = answers.fold(self.version(), u64::min);
        least >= LEAST && self.pairs.load(SeqCst) >= PAIRS && self.cut.load(SeqCst) >= CUT
    }

    pub(super) fn progress(&self) -> String {
        let (changes, answers) = (self.version(), &self.answers);
        let (pairs, cut) = (&self.pairs, &self.cut);
        format!("{changes} changes, answers: {answers:?}, pairs: {pairs:?}, cut: {cut:?}")
    }

    fn all_answers(&self) -> u64 {
        self.answers.iter().map(|count| count.load(SeqCst)).sum()
    }

    /// Waits until so many more answers have come.
    pub(super) fn wait_for_answers(&self, count: u64) {
        let until = self.all_answers() + count;
        while self.all_answers() < until && !self.is_over() {
            std::thread::yield_now();
        }
    }

    /// All questions by calls were asked once more.
    pub(super) fn went_round(&self) {
        self.rounds.fetch_add(1, SeqCst);
    }

    /// Waits until all questions by calls have been asked since now: of a round that has begun some
    /// were asked before.
    pub(super) fn wait_for_a_round(&self) {
        let until = self.rounds.load(SeqCst) + 2;
        while self.rounds.load(SeqCst) < until && !self.is_over() {
            std::thread::yield_now();
        }
    }

    pub(super) fn end(&self) {
        self.is_over.store(true, SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(SeqCst)
    }

    /// The number of changes that have begun.
    pub(super) fn version(&self) -> u64 {
        self.begun.load(SeqCst)
    }

    /// The objects of a kind as they are now.
    pub(super) fn objects(&self, kind: Kind) -> Vec<Object> {
        self.newest().objects(kind)
    }

    /// Whether this is a slice that was another Service's.
    pub(super) fn is_of_another_service(&self, object: &Object) -> bool {
        let Object::EndpointSlice(slice) = object else {
            return false;
        };
        let same = self.objects(Kind::EndpointSlice);
        same.iter().any(|other| match other {
            Object::EndpointSlice(other) => {
                other.key == slice.key && other.service != slice.service
            }
            _ => false,
        })
    }
}
