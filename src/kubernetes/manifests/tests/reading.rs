//! Text to manifests.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::document::{Contents, STACK, decode};
use super::*;

fn read(text: &str) -> Result<Contents, Problem> {
    decode(&Arc::from("f.yaml"), text)
}

/// Each object with its line, then the warnings; or the error.
fn outline(text: &str) -> Vec<String> {
    match read(text) {
        Ok(contents) => {
            let objects = contents.manifests.iter().map(|manifest| {
                let kind = manifest.body.kind();
                format!("{}: {kind} {}", manifest.place.line, manifest.name())
            });
            let warnings = contents
                .warnings
                .iter()
                .map(|warning| format!("warning {warning}"));
            objects.chain(warnings).collect()
        }
        Err(problem) => vec![format!("error {problem}")],
    }
}

#[test]
fn files_hold_what_they_hold() {
    for (name, text, expected) in FILES {
        assert_eq!(outline(text), *expected, "{name}");
    }
}

/// What it is, the text, and its outline.
const FILES: &[(&str, &str, &[&str])] = &[
    ("nothing", "", &[]),
    (
        "comments and empty documents",
        "# a\n---\n---\n# b\n---\n~\n...\n",
        &[],
    ),
    (
        "many documents, the kind before the version or after it",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\nkind: Namespace\n\
             apiVersion: v1\nmetadata: {name: b}\n...\n",
        &["1: Service default/a", "5: Namespace /b"],
    ),
    (
        "kinds that are not read, and kinds of the same name in other groups",
        "apiVersion: v1\nkind: ConfigMap\ndata: {kind: Service}\n---\n\
             apiVersion: serving.knative.dev/v1\nkind: Service\nspec: 5\n---\n\
             apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             spec: {names: {kind: Service}, versions: [{schema: {spec: {ports: no}}}]}\n---\n\
             apiVersion: v1\nkind: Endpoints\nsubsets: 7\n",
        &[],
    ),
    (
        "a List of anything, in the order in which kubectl writes",
        "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n\
             - addressType: IPv4\n  apiVersion: discovery.k8s.io/v1\n  endpoints:\n\
             \x20 - addresses: [10.0.0.1]\n  kind: EndpointSlice\n  metadata: {name: b}\n\
             - null\n- apiVersion: v1\n  kind: ConfigMap\nkind: List\nmetadata: {}\n",
        &["3: Service default/a", "6: EndpointSlice default/b"],
    ),
    (
        "a typed list, whose items do not say what they are",
        "{\"kind\": \"DeploymentList\", \"apiVersion\": \"apps/v1\", \"items\": [\n\
             {\"metadata\": {\"name\": \"a\"}, \"spec\": {\"replicas\": 2}}]}",
        &["2: Deployment default/a"],
    ),
    (
        "lists of kinds that are not read",
        "apiVersion: v1\nkind: ConfigMapList\nitems: [{metadata: {name: a}}]\n---\n\
             apiVersion: v1\nkind: ListList\nitems: [{}]\n---\n\
             apiVersion: example.com/v1\nkind: ServiceList\nitems: [5]\n",
        &[],
    ),
    (
        "JSON with tabs and escapes",
        "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Namespace\",\n\
             \t\"metadata\": {\"name\": \"\\u0061\\ud83d\\ude00\"}\n}\n",
        &["1: Namespace /a😀"],
    ),
    (
        "a byte order mark, CRLF, a directive",
        "\u{feff}%YAML 1.1\r\n---\r\napiVersion: v1\r\nkind: Namespace\r\nmetadata:\r\n  name: x\r\n",
        &["3: Namespace /x"],
    ),
    (
        "null wherever a value may be left out",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: ~, annotations: null}\n\
             spec:\n  ports:\n  selector:\n  type:\n  clusterIP: null\nstatus: ~\n",
        &["1: Service default/a"],
    ),
    (
        "anchors and merge keys",
        "apiVersion: v1\nkind: Service\nmetadata: &m {name: a}\n\
             spec: {<<: {type: ClusterIP}, selector: *m}\n",
        &["1: Service default/a"],
    ),
    (
        "what is no object",
        "replicas: 3\nimage: x\n---\njust text\n---\n- a\n---\nkind: Service\n",
        &[
            "warning f.yaml:1:1: passed over: no Kubernetes object, it has no apiVersion and kind",
            "warning f.yaml:4:1: passed over: no Kubernetes object, it has no apiVersion and kind",
            "warning f.yaml:6:1: passed over: no Kubernetes object, it has no apiVersion and kind",
            "warning f.yaml:8:1: passed over: no Kubernetes object, it has no apiVersion and kind",
        ],
    ),
    (
        "a key that stands twice",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  name: b\n",
        &[
            "1: Service default/b",
            "warning f.yaml:5:3: the key name stands twice; the last one counts",
        ],
    ),
];

#[test]
fn errors_name_file_line_and_column() {
    for (text, error) in [
        (
            "apiVersion: v1\nkind: Service\nspec:\n  ports: 5\n",
            "f.yaml:4:10: expected sequence start",
        ),
        (
            "apiVersion: v1\nkind: Service\nspec:\n  ports:\n  - port: http\n",
            "f.yaml:5:11: invalid i64",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n name: b\n",
            "f.yaml:5:2: while parsing a block mapping, did not find expected key",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: a",
            "f.yaml:3:11: unclosed bracket '{'",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\ndata: *missing\n",
            "f.yaml:3:7: alias references unknown anchor",
        ),
        (
            "apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- spec: {replicas: many}\n",
            "f.yaml:4:3: invalid type: string \"many\", expected i64",
        ),
        (
            "{{ if .Values.x }}\napiVersion: v1\n",
            "f.yaml:1:2: expected string scalar (is it a Helm template? `helm template` makes \
             manifests of it)",
        ),
    ] {
        assert_eq!(outline(text), [format!("error {error}")]);
    }
}

#[test]
fn a_text_that_grows_when_it_is_read_is_refused() {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..9 {
        let earlier = format!("*a{},", n - 1).repeat(9);
        writeln!(text, "a{n}: &a{n} [{earlier}]").expect("a string");
    }
    assert!(read(&text).is_err());
}

#[test]
fn depth_is_bounded_before_the_stack_is() {
    let test = || {
        let nested = |depth: usize| {
            let open: String = (0..depth)
                .map(|n| format!("{}a:\n", " ".repeat(n + 1)))
                .collect();
            read(&format!("spec:\n{open}kind: x\n"))
        };
        assert!(nested(190).is_ok());
        assert!(nested(5_000).is_err());
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read(&"{a: ".repeat(100_000)).is_err());
        assert!(read(&"- ".repeat(100_000)).is_err());
        assert!(read(&"? ".repeat(100_000)).is_err());
    };
    let thread = std::thread::Builder::new().stack_size(STACK);
    thread
        .spawn(test)
        .expect("a thread")
        .join()
        .expect("no panic");
}

/// Manifests with one value put in the place of another.
fn odd_manifests() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "[ -~]{0,12}",
        Just("~".to_owned()),
        Just("-1".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just(".nan".to_owned()),
        Just("[{}, 1, [a]]".to_owned()),
        Just("{a: {b: c}}".to_owned()),
        Just("10.96.0.256".to_owned()),
        Just("fd00::1".to_owned()),
        Just("None".to_owned()),
        Just("IPv6".to_owned()),
        Just("RequireDualStack".to_owned()),
        Just("\"\\ud800\"".to_owned()),
    ];
    let line = prop_oneof![
        3 => proptest::sample::select(EVERY_FIELD.lines().map(str::to_owned).collect::<Vec<_>>()),
        1 => "[ ]{0,6}[a-zA-Z]{1,8}: [ -~]{0,8}",
    ];
    let lines = EVERY_FIELD.lines().count();
    let change = (0..lines, value, line, 0..3_u8);
    proptest::collection::vec(change, 0..4).prop_map(|changes| {
        let mut lines: Vec<String> = EVERY_FIELD.lines().map(str::to_owned).collect();
        for (at, value, line, how) in changes {
            let old = &mut lines[at];
            match (how, old.split_once(": ")) {
                (0, _) => *old = line,
                (1, Some((key, _))) => *old = format!("{key}: {value}"),
                _ => old.clear(),
            }
        }
        lines.join("\n")
    })
}

const EVERY_FIELD: &str = r#"apiVersion: v1
kind: Service
metadata: {name: a, namespace: ns, labels: {a: b}}
spec:
  type: ClusterIP
  clusterIP: 10.96.0.7
  clusterIPs: [10.96.0.7, "fd00::7"]
  ipFamilies: [IPv4, IPv6]
  ipFamilyPolicy: PreferDualStack
  externalName: example.com
  externalIPs: [192.0.2.1]
  selector: {app: x}
  publishNotReadyAddresses: true
  ports:
  - name: http
    protocol: TCP
    port: 80
    targetPort: http
status: {loadBalancer: {ingress: [{ip: 192.0.2.1}, {hostname: lb.example.com}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s, labels: {kubernetes.io/service-name: b}}
endpoints:
- addresses: [10.0.0.1]
  conditions: {ready: false}
  hostname: h
  targetRef: {kind: Pod, name: p}
  nodeName: n
  zone: z
ports:
- name: http
  port: 8080
  protocol: UDP
---
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: x}, deletionTimestamp: "2026-01-01T00:00:00Z"}
spec:
  hostname: h
  subdomain: a
  hostNetwork: true
  containers: [{ports: [{name: http, containerPort: 80}]}]
status: {phase: Running, podIP: 10.244.0.9, podIPs: [{ip: 10.244.0.9}], conditions: [{type: Ready, status: "True"}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: set, ownerReferences: [{kind: Deployment, name: d}]}
spec:
  replicas: 3
  serviceName: a
  ordinals: {start: 5}
  template:
    metadata: {labels: {app: x}}
    spec: {hostname: h}
"#;

proptest! {
    #[test]
    fn any_text_is_manifests_or_an_error(text in "\\PC{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn odd_manifests_never_panic_and_give_the_same_twice(text in odd_manifests()) {
        if let Ok(contents) = read(&text) {
            let options = Options { pods: true, ..Options::default() };
            let first = cluster::simulate(&contents.manifests, &options);
            let second = cluster::simulate(contents.manifests.iter().rev(), &options);
            prop_assert_eq!(first.objects, second.objects);
        }
    }
}
