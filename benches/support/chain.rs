//! A chain of three plugins and one of ten, each behind a listener without a socket.

use std::sync::Arc;

use callsign::app::plan::{Inputs, plan};
use callsign::corefile::{Corefile, Input, Memory};
use callsign::plugin::names;
use callsign::query::Query;
use callsign::server::{Observer, Server};
use hickory_proto::op::ResponseCode;

/// The name that both know.
pub(crate) const NAME: &str = "redis.production.svc.cluster.local";

/// The shortest useful server block.
pub(crate) const THREE: &str = ".:53 {
    prometheus :9153
    errors
    hosts {
        192.0.2.1 redis.production.svc.cluster.local
    }
}
";

/// The same with seven more plugins that a query passes.
pub(crate) const TEN: &str = ".:53 {
    bufsize 1232
    prometheus :9153
    errors
    local
    any
    loadbalance
    rewrite name example.net example.org
    acl {
        block net 198.51.100.0/24
    }
    header {
        response set ra
    }
    hosts {
        192.0.2.1 redis.production.svc.cluster.local
    }
}
";

struct Blind;

impl Observer for Blind {
    fn dropped(&self, _: &Query<'_>, _: ResponseCode) {}
    fn panicked(&self, what: &str) {
        panic!("{what}");
    }
}

/// A listener of this Corefile.
pub(crate) fn server(corefile: &str) -> Arc<Server> {
    let files = Memory::default();
    let input = Input::text("Corefile", corefile);
    let corefile = Corefile::load(input, &files, &names()).expect("a Corefile");
    let inputs = Inputs {
        dns_port: 53,
        metrics: Arc::default(),
        settings: Arc::default(),
        previous: std::collections::HashMap::new(),
        environment: &files,
    };
    let plan = plan(&corefile, inputs).expect("a plan");
    let blocks = plan.sites.iter().map(|site| site.block.clone());
    Server::new("dns://:53", (0, 1), blocks, false, Arc::new(Blind))
}
