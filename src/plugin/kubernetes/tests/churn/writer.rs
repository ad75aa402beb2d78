//! Who changes the cluster.

use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::history::History;
use crate::kubernetes::event::Event;
use crate::kubernetes::object::Object;
use crate::kubernetes::store::Store;
use crate::kubernetes::store::tests::random::any_object;
use crate::kubernetes::testkit::{ALL_KINDS, object};

/// What a store could do wrong: the test must find each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Now and then a change is not made.
    Skips,
    /// What is deleted stays.
    ForgetsRemovals,
    /// Objects that a list no longer names stay.
    ForgetsRelists,
    /// The endpoints of a slice come one half after the other.
    InTwoSteps,
    /// A change is told to be made before it is.
    IsLate,
}

/// Changes the cluster until it is told to end, one event for each few answers.
pub(super) struct Writer {
    store: Store,
    history: Arc<History>,
    runner: TestRunner,
    fault: Option<Fault>,
}

impl Writer {
    pub(super) fn new(
        store: Store,
        history: Arc<History>,
        seed: u64,
        fault: Option<Fault>,
    ) -> Self {
        let bytes: Vec<u8> = seed.to_le_bytes().into_iter().cycle().take(32).collect();
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self {
            store,
            history,
            runner: TestRunner::new_with_rng(Config::default(), random),
            fault,
        }
    }

    /// An object comes, changes or goes; now and then all of a kind are listed, but for one.
    pub(super) fn step(&mut self) {
        match self.number(20) {
            0 => {
                let kind = ALL_KINDS[self.number(ALL_KINDS.len())];
                let mut objects = self.history.objects(kind);
                let left_out = self.number(objects.len() + 1);
                if left_out < objects.len() {
                    objects.remove(left_out);
                }
                self.apply(Event::Listing(kind));
                for object in objects {
                    self.apply(Event::Apply(object));
                }
                self.apply(Event::Listed(kind));
            }
            1..5 => {
                let object = self.object();
                self.apply(Event::Delete(object.kind(), object.key()));
            }
            _ => {
                let object = self.object();
                // A slice never changes its Service: there it would go from two names, in two steps.
                if !self.history.is_of_another_service(&object) {
                    self.apply(Event::Apply(object));
                }
            }
        }
    }

    fn object(&mut self) -> Object {
        if self.number(8) == 0 {
            return self.large_slice();
        }
        let tree = any_object().new_tree(&mut self.runner);
        tree.unwrap().current()
    }

    /// Of so many endpoints that not all answers fit over UDP.
    fn large_slice(&mut self) -> Object {
        let first = self.number(100);
        let addresses = (first..first + 1 + self.number(40)).map(|last| format!(" 10.1.0.{last}"));
        let name = ["a/s1", "a/s2", "bb/s1"][self.number(3)];
        let service = ["x", "yy"][self.number(2)];
        let endpoints: String = addresses.collect();
        object(&format!("slice {name} {service} http:80/TCP |{endpoints}"))
    }

    fn number(&mut self, below: usize) -> usize {
        (0..below).new_tree(&mut self.runner).unwrap().current()
    }

    fn apply(&mut self, event: Event) {
        let version = self.history.begin(&event);
        let now = u32::try_from(version).unwrap();
        if self.fault == Some(Fault::IsLate) {
            self.history.finish(version);
            self.history.wait_for_a_round();
        }
        for (number, event) in self.steps(event).into_iter().enumerate() {
            if number > 0 {
                // A scheduler may take the processor from the writer just here.
                self.history.wait_for_a_round();
            }
            self.store.apply(event, now);
        }
        self.history.finish(version);
        let answers = self.number(6) as u64;
        self.history.wait_for_answers(answers);
    }

    /// What is done for an event: just that, by a store that has no fault.
    fn steps(&mut self, event: Event) -> Vec<Event> {
        match (self.fault, &event) {
            (Some(Fault::Skips), Event::Apply(_)) if self.number(32) == 0 => Vec::new(),
            (Some(Fault::ForgetsRemovals), Event::Delete(..))
            | (Some(Fault::ForgetsRelists), Event::Listing(_) | Event::Listed(_)) => Vec::new(),
            (Some(Fault::InTwoSteps), Event::Apply(Object::EndpointSlice(slice))) => {
                let mut half = slice.clone();
                let count = half.endpoints.len() / 2;
                half.endpoints = half.endpoints.iter().take(count).cloned().collect();
                vec![Event::Apply(Object::EndpointSlice(half)), event]
            }
            _ => vec![event],
        }
    }
}
