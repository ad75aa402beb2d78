use super::*;
use crate::corefile::Corefile;
use crate::corefile::Input;

/// What `kubectl get configmap coredns coredns-custom -o yaml` prints.
const LIST: &str = r#"apiVersion: v1
items:
- apiVersion: v1
  data:
    Corefile: |
      . {
          import custom/*.override
          forwrd . 192.0.2.1
      }
      import ./conf.d/more
      import custom/*.server
    NodeHosts: |
      192.0.2.1 node
  kind: ConfigMap
  metadata:
    name: coredns
    namespace: kube-system
- apiVersion: v1
  data:
    a.override: |

      log
    b.server: "b.org {\n    bogus\n}\n"
    more: |-
      c.org {
        errors
      }
  kind: ConfigMap
  metadata:
    name: coredns-custom
    namespace: kube-system
- apiVersion: v1
  data:
    other.override: |
      broken {
  kind: ConfigMap
  metadata:
    name: elsewhere
    namespace: default
- apiVersion: v1
  kind: Service
  metadata:
    name: kube-dns
kind: List
"#;

#[test]
fn a_manifest_is_told_from_a_corefile() {
    for (text, expected) in [
        (LIST, true),
        ("---\napiVersion: v1\n", true),
        ("{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\"}", true),
        ("{\n    \"apiVersion\": \"v1\"\n}", true),
        (". {\n    errors\n}\n", false),
        ("", false),
    ] {
        assert_eq!(is_manifest(text), expected, "{text}");
    }
}

#[test]
fn maps_are_laid_as_a_pods_volumes_and_messages_name_lines_of_the_yaml() {
    let mounted = Mounted::all(&read("coredns.yaml", LIST).unwrap());
    let [mounted] = mounted.as_slice() else {
        panic!("{mounted:?}");
    };
    assert_eq!(mounted.name(), "coredns.yaml");
    let machine = Memory::default()
        .with_file("/etc/coredns/custom/x.override", "not seen")
        .with_file("/etc/resolv.conf", "nameserver 192.0.2.1");
    let environment = mounted.over(&machine);
    assert!(environment.exists(Path::new("/etc/resolv.conf")));
    assert!(environment.exists(Path::new("/etc/coredns/NodeHosts")));
    assert!(!environment.exists(Path::new("/etc/coredns/custom/other.override")));
    let input = Input::file(mounted.path());
    let errors = Corefile::load(input, &environment, &["log", "errors", "forward"]).unwrap_err();
    let headlines: Vec<String> = errors.errors().iter().map(Diagnostic::headline).collect();
    assert_eq!(
        headlines,
        [
            "coredns.yaml:8:11: error: Unknown directive 'forwrd'",
            // A value that stands on one line has lines of its own.
            "coredns.yaml[b.server]:2:5: error: Unknown directive 'bogus'",
        ]
    );
    let files: Vec<&str> = errors
        .readable()
        .unwrap()
        .files()
        .iter()
        .filter_map(|p| p.to_str())
        .collect();
    assert_eq!(
        files,
        [
            "/etc/coredns/Corefile",
            "/etc/coredns/custom/a.override",
            "/etc/coredns/conf.d/more",
            "/etc/coredns/custom/b.server",
        ]
    );
}

#[test]
fn lines_are_those_of_the_right_key() {
    // The same words stand above, in an annotation and in another key.
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  annotations:\n    Corefile: |\n      old\ndata:\n  x: |\n    Corefile: |\n      . {\n  \"Corefile\": |2\n      . {\n        bogus\n      }\n";
    let mounted = Mounted::all(&read("x.yaml", text).unwrap());
    let machine = Memory::default();
    let input = Input::file(mounted[0].path());
    let errors = Corefile::load(input, &mounted[0].over(&machine), &["log"]).unwrap_err();
    assert_eq!(
        errors.errors()[0].headline(),
        "x.yaml:13:9: error: Unknown directive 'bogus'"
    );
}

#[test]
fn documents_files_and_json_are_read_alike() {
    let main = "apiVersion: v1\nkind: ConfigMap\ndata: {Corefile: \". {}\"}\n";
    let custom =
        "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"data\": {\"x.server\": \"\"}}";
    let odd = "apiVersion: v1\nkind: ConfigMap\n---\n---\napiVersion: v1\nkind: ConfigMap\ndata:\n  n: 1\n";
    let secret = "apiVersion: v1\nkind: Secret\ndata: {Corefile: eA==}\n";
    let documents = [main, custom, odd, secret].join("\n---\n");
    let in_one = Mounted::all(&read("all", &documents).unwrap());
    let files = [main, custom, odd, secret].map(|text| read("all", text).unwrap());
    let in_many = Mounted::all(&files.concat());
    for mounted in [in_one, in_many] {
        assert_eq!(mounted.len(), 1);
        assert!(
            mounted[0]
                .files
                .exists(Path::new("/etc/coredns/custom/x.server"))
        );
    }
}

#[test]
fn what_is_no_yaml_is_refused() {
    let error = read("x.yaml", "apiVersion: v1\nkind: [").unwrap_err();
    assert!(
        error
            .message()
            .starts_with("x.yaml: no Kubernetes manifest: "),
        "{error}"
    );
    for text in [
        "apiVersion: v1",
        "apiVersion: v1\nkind: List\nitems: []",
        "",
    ] {
        assert!(read("x", text).unwrap().is_empty(), "{text}");
    }
}
