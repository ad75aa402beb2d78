//! `reload`: the Corefile is read again now and then, and served where it changed.
//!
//! The plugin only says how often; [`crate::app`] looks and reloads.

use std::time::Duration;

use super::setup::{Setup, SetupError};

/// How often the Corefile is looked at.
const INTERVAL: Duration = Duration::from_secs(30);
/// Looking more often than this is refused.
const MIN_INTERVAL: Duration = Duration::from_secs(2);
/// By how much two servers with the same Corefile may look apart from each other.
const JITTER: Duration = Duration::from_secs(15);
/// A jitter below this spreads nothing.
const MIN_JITTER: Duration = Duration::from_secs(1);

/// Reads `reload [INTERVAL] [JITTER]`.
///
/// # Errors
/// More than two arguments, or durations that are none or too short.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    cursor.next_token();
    let arguments = cursor.remaining_args();
    if arguments.len() > 2 {
        return Err(cursor.arg_err());
    }
    let interval = arguments.first().map_or(Ok(INTERVAL), |token| {
        let interval = token.duration()?;
        if interval < MIN_INTERVAL {
            let error = SetupError::error("interval value must be greater or equal to 2s");
            return Err(error
                .at(token.place())
                .help("write 2s or more; 30s is the default"));
        }
        Ok(interval)
    })?;
    let jitter = arguments.get(1).map_or(Ok(JITTER), |token| {
        let jitter = token.duration()?;
        if jitter < MIN_JITTER && !jitter.is_zero() {
            let error = SetupError::error("jitter value must be 0 or greater or equal to 1s");
            return Err(error
                .at(token.place())
                .help("write 0s for none; 15s is the default"));
        }
        Ok(jitter)
    })?;
    setup.shared.reload = Some((interval, jitter.min(interval / 2)));
    Ok(())
}
