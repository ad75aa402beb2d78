//! Who is ready to serve: what `/ready` waits for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The flags of one configuration.
#[derive(Default)]
pub struct Readiness {
    flags: Mutex<Vec<ReadyFlag>>,
    draining: AtomicBool,
    continuously: AtomicBool,
    warning: Mutex<String>,
}

/// A plugin's own flag: not ready until it is set.
#[derive(Clone)]
pub struct ReadyFlag {
    plugin: &'static str,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    ready: AtomicBool,
    /// It was ready at some time.
    was_ready: AtomicBool,
    reason: Mutex<String>,
}

/// A plugin that is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its name.
    pub plugin: &'static str,
    /// What it waits for, where that is known; several server blocks may have the plugin.
    pub reasons: Vec<String>,
}

impl Readiness {
    /// A new flag for this plugin.
    pub fn register(&self, plugin: &'static str) -> ReadyFlag {
        let flag = ReadyFlag::new(plugin);
        self.flags
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(flag.clone());
        flag
    }

    /// From here on nothing is ready: the process is about to stop.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether a plugin that was ready once counts as not ready when it says so later. Unless set,
    /// it does not: a hiccup of the API server must not take every server out of service at once.
    pub fn watch_continuously(&self, continuously: bool) {
        self.continuously.store(continuously, Ordering::Relaxed);
    }

    /// Tells a person what is wrong though all serve: a Corefile that cannot be used.
    pub fn warn(&self, warning: &str) {
        *self.warning.lock().unwrap_or_else(PoisonError::into_inner) = warning.to_owned();
    }

    /// The last warning; empty where there is none.
    #[must_use]
    pub fn warning(&self) -> String {
        self.warning
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the process is about to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The plugins that are not ready, each once, in alphabetical order.
    #[must_use]
    pub fn pending(&self) -> Vec<Pending> {
        let continuously = self.continuously.load(Ordering::Relaxed);
        let flags = self.flags.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pending: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for flag in flags.iter().filter(|flag| !flag.is_ready(continuously)) {
            let reasons = pending.entry(flag.plugin).or_default();
            let reason = flag.reason();
            if !reason.is_empty() && !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        let pending = pending.into_iter();
        pending
            .map(|(plugin, reasons)| Pending { plugin, reasons })
            .collect()
    }
}

impl ReadyFlag {
    /// A flag that nobody waits for.
    #[must_use]
    pub fn new(plugin: &'static str) -> Self {
        Self {
            plugin,
            state: Arc::default(),
        }
    }

    /// Tells whether the plugin can serve.
    pub fn set(&self, ready: bool) {
        self.state.ready.store(ready, Ordering::Relaxed);
        if ready {
            self.state.was_ready.store(true, Ordering::Relaxed);
        }
    }

    /// Tells a person what is waited for.
    pub fn because(&self, reason: impl Into<String>) {
        *self
            .state
            .reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = reason.into();
    }

    fn is_ready(&self, continuously: bool) -> bool {
        let state = &self.state;
        let asked = if continuously {
            &state.ready
        } else {
            &state.was_ready
        };
        asked.load(Ordering::Relaxed)
    }

    fn reason(&self) -> String {
        let reason = self.state.reason.lock();
        reason.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(readiness: &Readiness) -> Vec<&'static str> {
        let pending = readiness.pending();
        pending.iter().map(|pending| pending.plugin).collect()
    }

    #[test]
    fn all_flags_of_a_plugin_must_be_set() {
        let readiness = Readiness::default();
        let (one, other) = (
            readiness.register("kubernetes"),
            readiness.register("kubernetes"),
        );
        let nomad = readiness.register("erratic");
        assert_eq!(names(&readiness), ["erratic", "kubernetes"]);
        one.because("Services");
        other.because("Services");
        let reasons = readiness.pending().pop().unwrap().reasons;
        assert_eq!(reasons, ["Services"]);
        nomad.set(true);
        one.set(true);
        assert_eq!(names(&readiness), ["kubernetes"]);
        other.set(true);
        assert!(names(&readiness).is_empty());
    }

    #[test]
    fn what_was_ready_once_stays_so_unless_watched() {
        let readiness = Readiness::default();
        let flag = readiness.register("kubernetes");
        flag.set(true);
        flag.set(false);
        assert!(names(&readiness).is_empty());
        readiness.watch_continuously(true);
        assert_eq!(names(&readiness), ["kubernetes"]);
    }
}
