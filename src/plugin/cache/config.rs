//! The directive's options.

use std::time::Duration;

use crate::name::{Name, NameRef};

mod parse;

pub(in crate::plugin) use parse::OPTIONS;

/// Entries of each table unless `success` or `denial` says otherwise.
const DEFAULT_CAPACITY: usize = 10_000;
/// The highest TTL of positive answers, in seconds.
const DEFAULT_MAX_TTL: u32 = 3600;
/// The highest TTL of negative answers, in seconds.
const DEFAULT_MAX_DENIAL_TTL: u32 = 1800;
/// The lowest TTL, in seconds.
const DEFAULT_MIN_TTL: u32 = 5;
/// For how long a failure is kept.
const DEFAULT_SERVFAIL: Duration = Duration::from_secs(5);

/// `cache [TTL] [ZONES...] { ... }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    /// The names it is for, in lower case.
    pub(super) zones: Vec<Name>,
    pub(super) success: Limits,
    pub(super) denial: Limits,
    /// Zero: failures are not kept.
    pub(super) servfail: Duration,
    pub(super) prefetch: Option<Prefetch>,
    pub(super) stale: Option<Stale>,
    pub(super) keep_ttl: bool,
}

/// `success|denial CAPACITY [TTL] [MINTTL]` and `disable success|denial [ZONES...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Entries.
    pub(super) capacity: usize,
    /// Seconds.
    pub(super) max_ttl: u32,
    /// Seconds.
    pub(super) min_ttl: u32,
    /// Zones whose answers are not stored.
    pub(super) except: Vec<Name>,
}

/// `prefetch AMOUNT [DURATION] [PERCENTAGE%]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefetch {
    /// Hits that make an entry popular.
    pub(super) amount: u32,
    /// The longest time between two of them.
    pub(super) gap: Duration,
    /// Of the TTL: once so little is left, a popular entry is renewed.
    pub(super) percentage: u32,
}

/// `serve_stale [DURATION] [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL [RECHECK]]]]` and
/// `serve_stale_policy prefer_positive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stale {
    /// For how long after its end an answer may be told.
    pub(super) up_to: Duration,
    /// Whether the source is asked first, and for how long its answer is waited for; zero: for as
    /// long as it takes.
    pub(super) verify: Option<Duration>,
    /// Seconds; zero: 0, or the stored TTL with `keepttl`.
    pub(super) ttl: u32,
    /// The time between a renewal that failed and the next one.
    pub(super) recheck: Duration,
    /// Whether an old positive answer comes before a newer negative one.
    pub(super) prefer_positive: bool,
}

impl Config {
    /// What `cache` alone means in a block of these zones.
    pub(super) fn new(zones: Vec<Name>) -> Self {
        let limits = |max_ttl| Limits {
            capacity: DEFAULT_CAPACITY,
            max_ttl,
            min_ttl: DEFAULT_MIN_TTL,
            except: Vec::new(),
        };
        Self {
            zones,
            success: limits(DEFAULT_MAX_TTL),
            denial: limits(DEFAULT_MAX_DENIAL_TTL),
            servfail: DEFAULT_SERVFAIL,
            prefetch: None,
            stale: None,
            keep_ttl: false,
        }
    }

    /// Whether the cache is for this name, which is in lower case.
    pub(super) fn covers(&self, name: NameRef<'_>) -> bool {
        self.zones.iter().any(|zone| name.is_in(zone.view()))
    }

    /// The zones of which nothing is ever stored: those that both `success` and `denial` leave out. In
    /// many Corefiles that is the cluster's, whose names then cost no look-up.
    pub(super) fn unstored(&self) -> Vec<Name> {
        let pairs = self.success.except.iter().flat_map(|success| {
            let denials = self.denial.except.iter();
            denials.map(move |denial| (success, denial))
        });
        let mut zones: Vec<Name> = pairs
            .filter_map(|(success, denial)| {
                // What both leave out is the zone that is within the other.
                if success.view().is_in(denial.view()) {
                    Some(success.clone())
                } else {
                    (denial.view().is_in(success.view())).then(|| denial.clone())
                }
            })
            .collect();
        zones.sort_by(|one, other| one.view().as_bytes().cmp(other.view().as_bytes()));
        zones.dedup();
        zones
    }

    /// The TTL of failures, in whole seconds.
    pub(super) fn servfail_ttl(&self) -> u32 {
        u32::try_from(self.servfail.as_secs()).unwrap_or(u32::MAX)
    }

    /// For how long an answer may be told after its end; zero: not at all.
    pub(super) fn stale_up_to(&self) -> Duration {
        self.stale.map(|stale| stale.up_to).unwrap_or_default()
    }

    /// Whether an old positive answer comes before a newer negative one.
    pub(super) fn prefers_positive(&self) -> bool {
        self.stale.is_some_and(|stale| stale.prefer_positive)
    }

    /// The zones as metrics name them.
    pub(super) fn zones_label(&self) -> String {
        let zones: Vec<String> = self.zones.iter().map(ToString::to_string).collect();
        zones.join(",")
    }
}

impl Limits {
    /// Whether answers for this name, which is in lower case, are stored.
    pub(super) fn stores(&self, name: NameRef<'_>) -> bool {
        !self.except.iter().any(|zone| name.is_in(zone.view()))
    }
}
