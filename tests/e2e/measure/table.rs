//! The figures, as a table in Markdown.

use super::goal::Goal;

/// The figures of one size of the cluster.
pub(super) struct Table {
    size: usize,
    rows: Vec<(String, [Vec<f64>; 2])>,
}

impl Table {
    /// None yet.
    pub(super) fn new(size: usize) -> Self {
        Self {
            size,
            rows: Vec::new(),
        }
    }

    /// Prints the table's head.
    pub(super) fn head() {
        println!("| Services | what | CoreDNS | callsign | ratio | at most |");
        println!("| ---: | --- | ---: | ---: | ---: | --- |");
    }

    /// Adds a figure of a server.
    pub(super) fn add(&mut self, what: &str, server: &str, figure: f64) {
        let at = self.rows.iter().position(|(row, _)| row == what);
        let at = at.unwrap_or_else(|| {
            self.rows.push((what.to_owned(), Default::default()));
            self.rows.len() - 1
        });
        if let Some((_, [coredns, callsign])) = self.rows.get_mut(at) {
            let of = if server == "CoreDNS" {
                coredns
            } else {
                callsign
            };
            of.push(figure);
        }
    }

    /// Adds how much a row grows with each thousand Services more than `smaller` has.
    pub(super) fn add_growth(&mut self, what: &str, of: &str, smaller: &Self) {
        let thousands = (self.size - smaller.size) as f64 / 1000.0;
        let grown = [self, smaller].map(|table| table.rows.iter().find(|(row, _)| row == of));
        if let [Some((_, now)), Some((_, before))] = grown {
            let growth = |at: usize| vec![(median(&now[at]) - median(&before[at])) / thousands];
            let row = (what.to_owned(), [growth(0), growth(1)]);
            self.rows.push(row);
        }
    }

    /// Prints the medians, how many times more CoreDNS needs, and the goals.
    pub(super) fn print(&self) {
        for (what, [coredns, callsign]) in &self.rows {
            let (theirs, ours) = (median(coredns), median(callsign));
            let text = |figure: f64| match figure.is_nan() {
                true => "-".to_owned(),
                false => format!("{figure:.2}"),
            };
            let ratio = match ours > 0.0 && theirs > 0.0 {
                true => format!("{:.1}", theirs / ours),
                false => String::new(),
            };
            let goal = Goal::of(what, self.size);
            let goal = goal.map(|goal| goal.verdict(theirs, ours));
            println!(
                "| {} | {what} | {} | {} | {ratio} | {} |",
                self.size,
                text(theirs),
                text(ours),
                goal.unwrap_or_default()
            );
        }
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
