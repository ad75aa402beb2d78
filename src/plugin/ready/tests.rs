use super::*;
use crate::corefile::Memory;
use crate::http::Service;
use crate::telemetry::Captured;
use crate::testing::{planned, setup_error};

#[test]
fn what_cannot_be_used_is_told_with_its_place() {
    for (lines, error) in [
        (
            "ready\nready",
            "Corefile:3:1: error: plugin/ready: this plugin can only be used once per Server Block",
        ),
        (
            "ready localhost",
            "Corefile:2:7: error: plugin/ready: address localhost: missing port in address",
        ),
        (
            "ready :1 :2",
            "Corefile:2:10: error: plugin/ready: Wrong argument count or unexpected line ending after ':2'",
        ),
        (
            "ready {\nmonitor\n}",
            "Corefile:3:1: error: plugin/ready: Wrong argument count or unexpected line ending after 'monitor'",
        ),
        (
            "ready {\nmonitor always\n}",
            "Corefile:3:9: error: plugin/ready: monitor type 'always' not supported",
        ),
        (
            "ready {\nmonitors until-ready\n}",
            "Corefile:3:1: error: plugin/ready: unknown property 'monitors'",
        ),
    ] {
        assert_eq!(setup_error(lines), error, "{lines}");
    }
}

#[test]
fn the_endpoint_is_where_it_is_asked_for() {
    for (lines, address) in [
        ("ready", ":8181"),
        ("ready 127.0.0.1:1", "127.0.0.1:1"),
        ("ready [::1]:1 {\nmonitor until-ready\n}", "[::1]:1"),
        ("ready {\nmonitor continuously\n}", ":8181"),
    ] {
        let plan = planned(&format!(". {{\n{lines}\n}}"), &Memory::default()).unwrap();
        let endpoint = &plan.shared.http[0];
        assert_eq!(
            (endpoint.address.as_str(), endpoint.plugin),
            (address, "ready")
        );
        assert!(
            plan.sites[0].block.chain.is_empty(),
            "ready is no link of the chain"
        );
    }
}

/// Asks the endpoint, which must be ready to answer at once.
fn get(readiness: &Arc<Readiness>) -> (u16, String) {
    let page = Page {
        readiness: readiness.clone(),
    };
    assert!(page.get("/").is_none());
    let response = page.get("/ready").unwrap();
    let body = String::from_utf8(response.body).unwrap();
    (response.status, body)
}

#[test]
fn the_plugins_that_are_not_ready_are_told_with_their_reasons() {
    let captured = Captured::default();
    let (output, guard) = captured.events();
    let readiness = Arc::<Readiness>::default();
    assert_eq!(get(&readiness), (200, "OK".into()));
    let kubernetes = readiness.register("kubernetes");
    let erratic = readiness.register("erratic");
    assert_eq!(get(&readiness), (503, "erratic,kubernetes".into()));
    kubernetes.because("Services are not listed yet");
    erratic.set(true);
    let body = "kubernetes\nkubernetes: Services are not listed yet";
    assert_eq!(get(&readiness), (503, body.into()));
    kubernetes.set(true);
    assert_eq!(get(&readiness), (200, "OK".into()));
    drop(guard);
    assert_eq!(
        captured.lines(&output),
        [
            "[INFO] plugin/ready: Plugins not ready: \"erratic,kubernetes\"",
            "[INFO] plugin/ready: Plugins not ready: \"kubernetes\"",
        ]
    );
}

#[test]
fn a_plugin_that_was_ready_is_asked_again_only_if_watched() {
    for (lines, status) in [
        ("ready", 200),
        ("ready {\nmonitor until-ready\n}", 200),
        ("ready {\nmonitor continuously\n}", 503),
    ] {
        let plan = planned(&format!(". {{\n{lines}\n}}"), &Memory::default()).unwrap();
        let flag = plan.shared.readiness.register("kubernetes");
        let service = &plan.shared.http[0].service;
        flag.set(true);
        assert_eq!(service.get("/ready").unwrap().status, 200);
        flag.set(false);
        assert_eq!(service.get("/ready").unwrap().status, status, "{lines}");
    }
}

#[test]
fn a_process_that_drains_is_not_ready() {
    let readiness = Arc::<Readiness>::default();
    readiness.drain();
    assert_eq!(get(&readiness), (503, "Shutting down".into()));
}

#[test]
fn a_corefile_that_is_not_used_is_told_though_all_is_ready() {
    let readiness = Arc::<Readiness>::default();
    readiness.warn("Corefile:3:1: error: x");
    assert_eq!(
        get(&readiness),
        (200, "OK\nCorefile:3:1: error: x\n".into())
    );
}
