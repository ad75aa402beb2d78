//! `cancel`: an end to queries that wait.
#![doc = include_str!("../../docs/plugins/cancel.md")]

use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::setup::{Setup, SetupError};
use crate::chain::{Failure, Next, Plugin, Reply};
use crate::query::Query;

/// The directive's name.
const NAME: &str = "cancel";
/// The time that a query has unless told.
const DEFAULT: Duration = Duration::from_millis(5001);

struct Cancel(Duration);

/// Reads `cancel [DURATION]` and adds the plugin to the block's chain.
///
/// # Errors
/// More than one word, or one that is no duration above zero.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut duration = DEFAULT;
    let mut cursor = setup.directive.cursor();
    while cursor.next_token().is_some() {
        duration = match cursor.remaining_args().as_slice() {
            [] => DEFAULT,
            [word] => {
                let parsed = word.duration().ok().filter(|duration| !duration.is_zero());
                parsed.ok_or_else(|| {
                    let error = word.err(format!("invalid duration: {:?}", word.text()));
                    error.help("write a time above zero: cancel 3s")
                })?
            }
            _ => return Err(cursor.arg_err()),
        };
    }
    setup.push(Cancel(duration));
    Ok(())
}

impl Plugin for Cancel {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let future = match next.serve(query) {
            Reply::Later(future) => future,
            now => return now,
        };
        let deadline = query.request.now + self.0;
        Reply::later(async move {
            let outcome = tokio::time::timeout_at(deadline, future).await;
            outcome.unwrap_or_else(|_| {
                Failure::new(NAME, ResponseCode::ServFail, "context deadline exceeded").into()
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::answer::{Answer, Origin};
    use crate::chain::{Chain, Outcome};
    use crate::plugin::setup::Shared;
    use crate::testing::{Ask, Stub, set_up, setup_error};

    #[tokio::test(start_paused = true)]
    async fn a_query_that_waits_too_long_fails() {
        for (line, seconds, rcode) in [
            ("cancel", 4, "NOERROR"),
            ("cancel", 6, "SERVFAIL"),
            ("cancel 1s", 2, "SERVFAIL"),
            ("cancel 1m", 59, "NOERROR"),
        ] {
            let corefile = format!(". {{\n{line}\n}}");
            let mut plugins = set_up(&corefile, NAME, &mut Shared::default(), setup).plugins;
            plugins.push(Arc::new(Stub::new(move |query| {
                let answer = Answer::new(query, "stub", Origin::Upstream);
                Reply::later(async move {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    Outcome::Answer(answer)
                })
            })));
            let told = Ask::new("a.test. A").ask(&Chain::new(plugins)).await;
            assert_eq!(told.rcode, rcode, "{line} {seconds}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (line, error) in [
            ("cancel 1s 2s", "Wrong argument count"),
            ("cancel soon", "invalid duration: \"soon\""),
            ("cancel 0s", "invalid duration: \"0s\""),
            ("cancel -1s", "invalid duration: \"-1s\""),
        ] {
            let told = setup_error(line);
            assert!(told.contains(error), "{line}\n{told}");
        }
    }
}
