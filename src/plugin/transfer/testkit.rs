//! Transfers as text, for the tests of plugins that have zones.

use std::sync::Arc;

use super::{Export, Exported};
use crate::answer::{Answer, Body, Origin, RecordsBuilder};
use crate::chain::Chain;
use crate::testing::{Ask, Stub, n};

/// All records of a zone; nothing where the plugin does not have it.
pub(in crate::plugin) fn told(zones: &dyn Export, zone: &str) -> Option<Vec<String>> {
    let Exported::Zone(snapshot) = zones.export(n(zone).view())? else {
        panic!("{zone} is not known yet");
    };
    let mut builder = RecordsBuilder::default();
    for portion in snapshot.records {
        portion.each(&mut |record| builder.push(&record));
    }
    let records = Arc::new(builder.finish());
    let stub = Stub::new(move |query| {
        let mut answer = Answer::new(query, "stub", Origin::Local);
        answer.body = Body::Records(records.clone());
        answer.into()
    });
    let chain = Chain::new(vec![Arc::new(stub)]);
    Some(Ask::new("all. AXFR").tcp().now(&chain).answer)
}
