//! Names by topology zone: the option `zonal`.

use super::*;
use crate::testing::place_and_message;

const OBJECTS: &str = "
    namespace a
    service a/db None
    service a/web 10.96.0.1 http:80/TCP
    service a/ext ->www.example.org
    service a/idle None
    slice a/db-1 db db:5432/TCP | 10.1.0.1(db-0,)~Zone-A 10.1.0.2(db-1,)~zone-b 10.1.0.3~zone-b!
    slice a/db-2 db db:5432/TCP | fd00:1::1(db-0,)~zone-a 10.1.0.4~corp.example.com 10.1.0.5
    slice a/web-1 web http:80/TCP | 10.1.0.6~zone-a
    slice a/idle-1 idle http:80/TCP | 10.1.0.7~zone-a!
";

/// A cluster whose zones are kept, with these options.
fn cluster(options: &str) -> Cluster {
    let (store, zone) = crate::kubernetes::store::new(&testkit::ALL_KINDS);
    let mut store = store.with_zones(true);
    testkit::apply(&mut store, OBJECTS);
    for kind in testkit::ALL_KINDS {
        store.apply(crate::kubernetes::event::Event::Listed(kind), 0);
    }
    let state = state(&format!("{ZONES} {{\n{options}\n}}"), zone, &[]);
    let plugin = Kubernetes {
        state: state.clone(),
    };
    Cluster {
        store,
        state,
        chain: Chain::new(vec![Arc::new(plugin)]),
    }
}

#[test]
fn pin_has_the_endpoints_of_a_zone_and_prefer_all_where_there_are_none() {
    cluster("zonal").check(&[
        (
            "zone-a.pin._zone.db.a.svc.cluster.local. A",
            &["zone-a.pin._zone.db.a.svc.cluster.local. 5 IN A 10.1.0.1"],
        ),
        (
            "ZONE-A.Pin._Zone.db.a.svc.cluster.local. AAAA",
            &["ZONE-A.Pin._Zone.db.a.svc.cluster.local. 5 IN AAAA fd00:1::1"],
        ),
        (
            "zone-b.prefer._zone.db.a.svc.cluster.local. A",
            &["zone-b.prefer._zone.db.a.svc.cluster.local. 5 IN A 10.1.0.2"],
        ),
        (
            "corp.example.com.pin._zone.db.a.svc.cluster.local. A",
            &["corp.example.com.pin._zone.db.a.svc.cluster.local. 5 IN A 10.1.0.4"],
        ),
        ("zone-c.pin._zone.db.a.svc.cluster.local. A", NODATA),
        (
            "zone-c.prefer._zone.db.a.svc.cluster.local. A",
            &[
                "zone-c.prefer._zone.db.a.svc.cluster.local. 5 IN A 10.1.0.1",
                "zone-c.prefer._zone.db.a.svc.cluster.local. 5 IN A 10.1.0.2",
                "zone-c.prefer._zone.db.a.svc.cluster.local. 5 IN A 10.1.0.4",
                "zone-c.prefer._zone.db.a.svc.cluster.local. 5 IN A 10.1.0.5",
            ],
        ),
        (
            "zone-a.pin._zone.db.a.svc.cluster.local. SRV",
            &[
                "zone-a.pin._zone.db.a.svc.cluster.local. 5 IN SRV 0 50 5432 db-0.db.a.svc.cluster.local.",
                "+ db-0.db.a.svc.cluster.local. 5 IN A 10.1.0.1",
                "+ db-0.db.a.svc.cluster.local. 5 IN AAAA fd00:1::1",
            ],
        ),
    ]);
}

#[test]
fn the_name_of_a_zone_exists_for_each_headless_service_and_no_other() {
    cluster("zonal").check(&[
        ("zone-a.pin._zone.db.a.svc.cluster.local. TXT", NODATA),
        ("zone-c.pin._zone.db.a.svc.cluster.local. TXT", NODATA),
        ("zone-c.pin._zone.db.a.svc.cluster.local. SRV", NODATA),
        ("zone-a.pin._zone.db.a.svc.cluster.local. MX", NODATA),
        // The Service itself does not exist as long as no endpoint is ready.
        ("zone-a.pin._zone.idle.a.svc.cluster.local. A", NODATA),
        ("zone-a.prefer._zone.idle.a.svc.cluster.local. A", NODATA),
        ("idle.a.svc.cluster.local. A", NXDOMAIN),
        ("zone-a.pin._zone.web.a.svc.cluster.local. A", NXDOMAIN),
        ("zone-a.pin._zone.ext.a.svc.cluster.local. A", NXDOMAIN),
        ("zone-a.pin._zone.nosuch.a.svc.cluster.local. A", NXDOMAIN),
        ("zone-a.pin._zone.db.nowhere.svc.cluster.local. A", NXDOMAIN),
        ("zone-a.near._zone.db.a.svc.cluster.local. A", NXDOMAIN),
        ("zone-a.pin._zone.db.a.pod.cluster.local. A", NXDOMAIN),
    ]);
    cluster("").check(&[("zone-a.pin._zone.db.a.svc.cluster.local. A", NXDOMAIN)]);
}

#[test]
fn zones_are_of_endpoints() {
    for (options, expected) in [
        ("zonal", "ok"),
        ("zonal now", "Wrong argument count"),
        (
            "noendpoints\nzonal",
            "zonal requires the endpoint cache; remove noendpoints",
        ),
    ] {
        let corefile = format!("cluster.local {{\nkubernetes {{\n{options}\n}}\n}}");
        let set_up = set_up(&corefile, NAME, &mut Shared::default(), |setup| {
            Config::parse(setup).map(drop)
        });
        let got = match set_up.value {
            Ok(()) => "ok".to_owned(),
            Err(error) => place_and_message(&error),
        };
        assert!(got.contains(expected), "{options}\n{got}");
    }
}
