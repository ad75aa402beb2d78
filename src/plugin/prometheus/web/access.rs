//! Who may read the page, and how often.

use data_encoding::BASE64;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::{Duration, Instant};

use crate::corefile::parse_duration;

/// `rate_limit`: so many requests at once, and one more after each interval.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RateLimit {
    burst: i64,
    interval: Interval,
}

/// A duration as Go writes it, or nanoseconds.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Interval {
    Nanoseconds(i64),
    Text(String),
}

impl Default for Interval {
    fn default() -> Self {
        Self::Nanoseconds(0)
    }
}

/// Requests that may come, filled up as time passes.
#[derive(Debug)]
pub(super) struct Bucket {
    interval: Duration,
    burst: f64,
    left: f64,
    /// When `left` was right.
    at: Option<Instant>,
}

impl Bucket {
    /// None where there is no limit.
    pub(super) fn new(limit: &RateLimit) -> Result<Option<Self>, String> {
        let nanoseconds = match &limit.interval {
            Interval::Nanoseconds(number) => *number,
            Interval::Text(text) => parse_duration(text)
                .map_err(|error| format!("rate_limit: interval {text:?}: {error}"))?,
        };
        let Some(nanoseconds) = u64::try_from(nanoseconds).ok().filter(|some| *some > 0) else {
            return Ok(None);
        };
        let burst = limit.burst.max(0) as f64;
        Ok(Some(Self {
            interval: Duration::from_nanos(nanoseconds),
            burst,
            left: burst,
            at: None,
        }))
    }

    /// Takes one request, if there is one left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed = self.at.map_or(Duration::ZERO, |at| now.duration_since(at));
        let more = passed.as_secs_f64() / self.interval.as_secs_f64();
        self.left = (self.left + more).min(self.burst);
        self.at = Some(now);
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

/// Name and password of an `Authorization` header (RFC 7617).
pub(super) fn login(header: &str) -> Option<(String, String)> {
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64.decode(credentials.as_bytes()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// One number for several texts.
pub(super) fn digest(texts: &[&str]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest.finalize().into()
}
