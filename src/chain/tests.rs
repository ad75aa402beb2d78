use std::sync::Mutex;

use super::*;
use crate::answer::Origin;
use crate::testing::{Ask, Stub};

/// Tells when it edits.
struct Editor(&'static str, Arc<Mutex<Vec<&'static str>>>);

impl Plugin for Editor {
    fn name(&self) -> &'static str {
        self.0
    }

    fn edits(&self) -> bool {
        true
    }

    fn edit(&self, _query: &Query<'_>, outcome: &mut Outcome) {
        self.1.lock().unwrap().push(self.0);
        if let Outcome::Answer(answer) = outcome {
            answer.rcode = ResponseCode::Refused;
        }
    }
}

#[tokio::test]
async fn plugins_that_only_edit_see_each_outcome_the_last_one_first() {
    for (question, rcode) in [
        ("now.test. A", "REFUSED"),
        ("later.test. A", "REFUSED"),
        ("failed.test. A", "SERVFAIL"),
    ] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let editor = |name| Arc::new(Editor(name, seen.clone()));
        let passing = seen.clone();
        let pass = Stub::new(move |query| {
            passing.lock().unwrap().push("below");
            let answer = Answer::new(query, "below", Origin::Local);
            match query.lower.labels().next() {
                Some(b"later") => Reply::later(async move { Outcome::Answer(answer) }),
                Some(b"now") => answer.into(),
                _ => Failure::new("below", ResponseCode::ServFail, "broke").into(),
            }
        });
        let chain = Chain::new(vec![editor("one"), editor("two"), Arc::new(pass)]);
        assert_eq!(Ask::new(question).ask(&chain).await.rcode, rcode);
        assert_eq!(*seen.lock().unwrap(), ["below", "two", "one"], "{question}");
    }
}

#[test]
fn a_chain_that_ends_without_an_answer_fails_by_the_name_of_its_last_plugin() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let chain = Chain::new(vec![
        Arc::new(Editor("one", seen.clone())),
        Arc::new(Editor("two", seen.clone())),
    ]);
    let error = Arc::new(Mutex::new(None));
    let kept = error.clone();
    let catch: Arc<dyn Plugin> = Arc::new(Catch(chain, kept));
    let told = Ask::new("a.test. A").now(&Chain::new(vec![catch]));
    assert_eq!(told.rcode, "SERVFAIL");
    let error = error.lock().unwrap().take();
    assert_eq!(error.as_deref(), Some("plugin/two: no next plugin found"));
    assert_eq!(*seen.lock().unwrap(), ["two", "one"]);
}

/// Asks another chain, and keeps its failure's cause.
struct Catch(Arc<Chain>, Arc<Mutex<Option<String>>>);

impl Plugin for Catch {
    fn name(&self) -> &'static str {
        "catch"
    }

    fn serve(&self, query: &Query<'_>, _: Next<'_>) -> Reply {
        let reply = self.0.start().serve(query);
        if let Reply::Now(Outcome::Failed(failure)) = &reply {
            self.1.lock().unwrap().clone_from(&failure.error);
        }
        reply
    }
}
