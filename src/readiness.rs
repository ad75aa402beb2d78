//! Who is ready to serve: what `/ready` waits for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The flags of one configuration.
#[derive(Default)]
pub struct Readiness {
    flags: Mutex<Vec<ReadyFlag>>,
    draining: AtomicBool,
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
    reason: Mutex<String>,
}

impl Readiness {
    /// A new flag for this plugin.
    pub fn register(&self, plugin: &'static str) -> ReadyFlag {
        let flag = ReadyFlag {
            plugin,
            state: Arc::default(),
        };
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

    /// The plugins that are not ready, each once, in alphabetical order, with the reason where one
    /// is known.
    #[must_use]
    pub fn pending(&self) -> Vec<(&'static str, String)> {
        let flags = self.flags.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pending: Vec<_> = flags
            .iter()
            .filter(|flag| !flag.state.ready.load(Ordering::Relaxed))
            .map(|flag| {
                let reason = flag
                    .state
                    .reason
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                (flag.plugin, reason.clone())
            })
            .collect();
        pending.sort();
        pending.dedup_by_key(|(plugin, _)| *plugin);
        pending
    }
}

impl ReadyFlag {
    /// Tells whether the plugin can serve.
    pub fn set(&self, ready: bool) {
        self.state.ready.store(ready, Ordering::Relaxed);
    }

    /// Tells a person what is waited for.
    pub fn because(&self, reason: impl Into<String>) {
        *self
            .state
            .reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = reason.into();
    }
}
