//! `cancel`: no query waits longer than this.
#![doc = include_str!("../../docs/plugins/cancel.md")]

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::setup::{Setup, SetupError};
use crate::answer::ExtendedError;
use crate::chain::{Failure, Next, Plugin, Reply};
use crate::duration::GoDuration;
use crate::query::Query;

/// The time unless the directive says otherwise: just longer than resolvers wait.
const TIMEOUT: Duration = Duration::from_millis(5001);

/// Reads `cancel [TIMEOUT]`; of several the last counts.
///
/// # Errors
/// The time is none, or not above zero.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    let mut timeout = TIMEOUT;
    while cursor.next_token().is_some() {
        timeout = match cursor.remaining_args().as_slice() {
            [] => TIMEOUT,
            [time] => {
                let text = time.text();
                let nanos = time.signed_nanoseconds();
                let nanos = nanos.map_err(|_| {
                    let error = time.err(format!("invalid duration: {text:?}"));
                    error.help("write a number and a unit: 500ms, 5s")
                })?;
                match u64::try_from(nanos) {
                    Ok(nanos) if nanos > 0 => Duration::from_nanos(nanos),
                    _ => {
                        let error = time.err(format!("invalid negative duration: {text:?}"));
                        return Err(error.help("write a time above zero"));
                    }
                }
            }
            _ => return Err(cursor.arg_err()),
        };
    }
    setup.push(Cancel {
        timeout: Arc::new(timeout),
    });
    Ok(())
}

/// See the module.
struct Cancel {
    timeout: Arc<Duration>,
}

impl Plugin for Cancel {
    fn name(&self) -> &'static str {
        "cancel"
    }

    #[inline]
    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        match next.serve(query) {
            Reply::Now(outcome) => Reply::Now(outcome),
            Reply::Later(waiting) => {
                let end = query.request.now + *self.timeout;
                let timeout = self.timeout.clone();
                Reply::later(async move {
                    let ended = tokio::time::timeout_at(end, waiting).await;
                    ended.unwrap_or_else(|_| {
                        let text = format!("no answer within {}", GoDuration(*timeout));
                        let failure = Failure::new("cancel", ResponseCode::ServFail, text.clone());
                        failure.with_extended(ExtendedError::OTHER, text).into()
                    })
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Cancel;
    use crate::answer::{Answer, Origin};
    use crate::chain::{Chain, Outcome, Reply};
    use crate::testing::{Ask, Stub, server, setup_error};

    #[test]
    fn a_time_that_is_none_is_refused() {
        for (lines, error) in [
            ("cancel 5", "2:8: invalid duration: \"5\""),
            ("cancel -1s", "2:8: invalid negative duration: \"-1s\""),
            ("cancel 0", "2:8: invalid negative duration: \"0\""),
            (
                "cancel 1s 2s",
                "2:11: Wrong argument count or unexpected line ending after '2s'",
            ),
        ] {
            let (place, message) = error.split_once(": ").unwrap();
            let expected = format!("Corefile:{place}: error: plugin/cancel: {message}");
            assert_eq!(setup_error(lines), expected, "{lines}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_so() {
        for (takes, rcode) in [(99, 0u8), (101, 2)] {
            let slow = Stub::new(move |query| {
                let answer = Answer::new(query, "slow", Origin::Upstream);
                Reply::later(async move {
                    tokio::time::sleep(Duration::from_millis(takes)).await;
                    Outcome::Answer(answer)
                })
            });
            let cancel = Cancel {
                timeout: Arc::new(Duration::from_millis(100)),
            };
            let chain = Chain::new(vec![Arc::new(cancel), Arc::new(slow)]);
            let ask = Ask::new("a.test. A").at(Instant::now());
            let arrival = crate::server::Arrival {
                client: ask.client,
                local: ask.client,
                transport: ask.transport,
                now: ask.now,
            };
            let handled = server(&chain).handle(&ask.packet(), arrival, &mut Vec::new());
            let crate::server::Handled::Later(reply) = handled else {
                panic!("it must wait");
            };
            assert_eq!(reply.await.unwrap()[3] & 0xf, rcode, "{takes} ms");
        }
    }
}
