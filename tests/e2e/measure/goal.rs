//! What the figures are to be.

/// The size of a cluster from which memory counts: a smaller one costs little with either server.
const LARGE: usize = 10_000;

/// What a figure of callsign's is to be at most.
#[derive(Clone, Copy)]
pub(super) enum Goal {
    /// this many times CoreDNS's
    Times(f64),
    /// this much more than CoreDNS's
    More(f64),
    /// this, whatever CoreDNS's is
    Itself(f64),
}

impl Goal {
    /// The goal of a row of the table.
    pub(super) fn of(what: &str, size: usize) -> Option<Self> {
        let goals = [
            ("start to first right answer", 0, Self::Times(0.5)),
            ("start from a snapshot", 0, Self::Itself(500.0)),
            ("memory for each 1,000", 0, Self::Times(0.1)),
            ("memory", LARGE, Self::Times(1.0 / 6.0)),
            ("peak of", 0, Self::Itself(1.5)),
            ("event to answer, p50", 0, Self::More(0.1)),
            ("event to answer, p99", 0, Self::Times(0.5)),
        ];
        let mut goals = goals.into_iter();
        let found = goals.find(|(row, least, _)| what.starts_with(row) && size >= *least);
        found.map(|(.., goal)| goal)
    }

    /// The goal, and whether it is met.
    pub(super) fn verdict(self, theirs: f64, ours: f64) -> String {
        let (most, said) = match self {
            Self::Times(times) => (theirs * times, format!("{times:.2} of CoreDNS's")),
            Self::More(more) => (theirs + more, format!("{more} ms more")),
            Self::Itself(most) => (most, most.to_string()),
        };
        let met = if ours <= most { "met" } else { "**missed**" };
        format!("{said}: {met}")
    }
}
