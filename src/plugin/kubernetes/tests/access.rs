//! Where a directive takes its cluster from.

use crate::corefile::Memory;
use crate::plugin::setup::{SetupError, Shared};
use crate::testing::{planned, set_up_with};

use super::NAME;

const KUBECONFIG: &str = "
current-context: one
contexts: [{name: one, context: {cluster: c}}, {name: lost, context: {cluster: nowhere}}]
clusters: [{name: c, cluster: {server: 'https://c'}}]
";

fn files() -> Memory {
    Memory::default()
        .with_file("/config", KUBECONFIG)
        .with_file("/broken", "contexts: [")
        .with_file("/bare", "contexts: []")
}

#[test]
fn a_kubeconfig_that_is_here_is_looked_at() {
    let cases = [
        ("/config", "ok"),
        ("config one", "ok"),
        ("/elsewhere", "ok"),
        ("/config two", "it has no context \"two\""),
        (
            "/config lost",
            "it has no cluster \"nowhere\", which context \"lost\" names",
        ),
        (
            "/bare",
            "it has no current-context, and none is given; see what kubectl makes of it: kubectl \
             --kubeconfig /bare config view",
        ),
        ("/broken", "failed to parse kubeconfig YAML"),
    ];
    for (arguments, expected) in cases {
        let corefile = format!("cluster.local {{\nkubernetes {{\nkubeconfig {arguments}\n}}\n}}");
        let set_up = set_up_with(&corefile, NAME, &files(), &mut Shared::default(), |setup| {
            super::Config::parse(setup).map(drop)
        });
        let got = match set_up.value {
            Ok(()) => "ok".to_owned(),
            Err(error) => crate::testing::place_and_message(&error),
        };
        let file = arguments.split(' ').next().unwrap_or_default();
        let told = format!("3:12: the kubeconfig {file} cannot be used: {expected}");
        assert!(got == expected || got.starts_with(&told), "{got}\n{told}");
    }
}

#[test]
fn directives_that_say_the_same_share_one_source() {
    let sources = |blocks: &[&str]| {
        let block = |(at, lines): (usize, &&str)| {
            format!("zone{at}.local {{\nkubernetes {{\n{lines}\n}}\n}}\n")
        };
        let text: String = blocks.iter().enumerate().map(block).collect();
        let plan = planned(&text, &files()).unwrap();
        plan.shared.kept.len()
    };
    let same = ["", "ttl 30\nfallthrough", "pods insecure", "namespaces a"];
    assert_eq!(sources(&same), 1);
    let others = [
        "",
        "pods verified",
        "noendpoints",
        "labels a=b",
        "namespace_labels a=b",
        "kubeconfig /config",
        "kubeconfig /config one",
        "endpoint http://a",
        "endpoint https://a\ntls cert key ca",
    ];
    assert_eq!(sources(&others), others.len());
}

#[test]
fn only_the_first_of_several_endpoints_counts() {
    let text = "cluster.local {\nkubernetes {\nendpoint http://a http://b\n}\n}";
    let plan = planned(text, &files()).unwrap();
    let warnings: Vec<_> = plan.warnings.iter().map(SetupError::headline).collect();
    assert_eq!(
        warnings,
        [
            "Corefile:3:19: warning: plugin/kubernetes: multiple endpoints have been deprecated, only \
             the first specified endpoint 'http://a' is used"
        ]
    );
}
