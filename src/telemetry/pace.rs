//! What happens again and again is told now and then.

use std::time::Duration;

use tokio::time::Instant;

/// From one time that it is told to the next, at least.
const REST: Duration = Duration::from_secs(10);

/// When something was told that may go on for hours, and many times a second.
#[derive(Debug, Default)]
pub struct Pace(Option<Instant>);

impl Pace {
    /// Whether to tell it now; if so, it is taken for told.
    pub fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|told| told.elapsed() >= REST);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_told_at_once_and_then_every_ten_seconds() {
        let mut pace = Pace::default();
        let mut told = Vec::new();
        for second in 0..25 {
            if pace.is_due() {
                told.push(second);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(told, [0, 10, 20]);
    }
}
