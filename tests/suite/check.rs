//! `callsign check` and `callsign fmt`: verdicts as CoreDNS's, and what is said to people.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use callsign::app::examine::{Examined, examine};
use callsign::check::CHAIN;
use callsign::corefile::{Corefile, Input, Memory, Severity};
use callsign::kubernetes::manifests::Source;
use callsign::plugin::REGISTRY;
use callsign::plugin::setup::Settings;
use serde_json::Value;

use crate::program::{Folder, callsign, root};

/// Not compared: CoreDNS refused these only for want of a network.
const WANT_OF_NETWORK: &[&str] = &["custom-23", "e31-forward-host", "e50b-hash-quirk2"];

/// Not compared: its key asks for gRPC, which is not spoken.
const GRPC_KEY: &str = "custom-37";

/// Directives of images other than CoreDNS's, and of its past.
const FOREIGN: &[&str] = &[
    "ocp_dnsnameresolver",
    "kubeapi",
    "k8s_event",
    "mdns",
    "vcluster",
    "proxy",
    "federation",
];

/// Files that no distribution installs: customisations, what is outdated, and renderings of a
/// template with all its options.
const NO_DEFAULTS: &[&str] = &["custom-", "legacy-", "-full", "more-"];

/// Where the samples were served: a pod with these variables and files.
fn pod(corefile: Vec<u8>, authority: &str) -> Memory {
    Memory::default()
        .with_variable("POD_IP", "192.0.2.10")
        .with_variable("MY_HOST_IP", "192.0.2.11")
        .with_file("/etc/resolv.conf", "nameserver 192.0.2.53\n")
        .with_file("/etc/ssl/certs/ca-certificates.crt", authority)
        // Of the ConfigMaps of k3s and kubespray.
        .with_file("/etc/coredns/NodeHosts", "192.0.2.1 node-1\n")
        .with_file("/etc/coredns/hosts", "192.0.2.1 node-1\n")
        .with_file(
            "/etc/coredns/generated-config/custom-server-block.server",
            "",
        )
        .with_file("/etc/coredns/Corefile", corefile)
}

fn settings() -> Arc<Settings> {
    Arc::new(Settings {
        manifests: Some(Source::Embedded),
        ..Settings::default()
    })
}

/// A sample Corefile with CoreDNS's verdict.
struct Sample {
    name: String,
    is_ok: bool,
    pod: Memory,
}

impl Sample {
    /// All that can be compared.
    fn all() -> Vec<Self> {
        let samples = root().join("tests/data/corefiles");
        let authority = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
        let authority = authority.cert.pem();
        let mut all = Vec::new();
        for directory in ["", "edge", "more"].map(|folder| samples.join(folder)) {
            let table = std::fs::read_to_string(directory.join("EXPECTED.tsv")).unwrap();
            for line in table.lines() {
                let mut fields = line.split('\t');
                let verdict = fields.next().unwrap();
                let name = fields.next().unwrap();
                assert!(["OK", "FAIL"].contains(&verdict), "{line}");
                if WANT_OF_NETWORK.contains(&name) || name == GRPC_KEY {
                    continue;
                }
                let corefile = std::fs::read(directory.join(format!("{name}.Corefile"))).unwrap();
                let is_more = directory.ends_with("more");
                all.push(Self {
                    name: format!("{}{name}", if is_more { "more-" } else { "" }),
                    is_ok: verdict == "OK",
                    pod: pod(corefile, &authority),
                });
            }
        }
        assert!(all.len() > 210, "{}", all.len());
        all
    }

    fn examined(&self) -> Examined {
        examine(
            Input::file("/etc/coredns/Corefile"),
            &self.pod,
            53,
            &settings(),
        )
    }

    /// The plugins that the file asks for and callsign does not have.
    fn missing(&self) -> BTreeSet<String> {
        let known: Vec<&str> = CHAIN.iter().chain(FOREIGN).copied().collect();
        let input = Input::file("/etc/coredns/Corefile");
        let Ok(corefile) = Corefile::load(input, &self.pod, &known) else {
            return BTreeSet::new();
        };
        let directives = corefile
            .blocks()
            .iter()
            .flat_map(|block| block.directives());
        let names = directives.map(|directive| directive.name());
        let is_missing = |name: &&str| !REGISTRY.iter().any(|entry| entry.name == *name);
        names.filter(is_missing).map(str::to_owned).collect()
    }
}

/// The diagnostics of one severity.
fn told(examined: &Examined, severity: Severity) -> Vec<String> {
    let found = examined.diagnostics.iter();
    let found = found.filter(|found| found.severity() == severity);
    found.map(ToString::to_string).collect()
}

#[test]
fn verdicts_are_those_of_coredns() {
    let mut wrong = Vec::new();
    for sample in Sample::all() {
        let name = &sample.name;
        let errors = told(&sample.examined(), Severity::Error);
        let missing = sample.missing();
        let is_as_expected = match (sample.is_ok, missing.is_empty()) {
            (true, true) => errors.is_empty(),
            (false, _) => !errors.is_empty(),
            // As long as a plugin is missing, that is all that is wrong, and each is named.
            (true, false) => {
                let names = missing.iter().map(|missing| format!("'{missing}'"));
                let names: Vec<String> = names.collect();
                let is_named = |name: &String| errors.iter().any(|error| error.contains(name));
                let is_one = |error: &String| names.iter().any(|name| error.contains(name));
                names.iter().all(is_named) && errors.iter().all(is_one)
            }
        };
        if !is_as_expected {
            let expected = if sample.is_ok { "OK" } else { "FAIL" };
            wrong.push(format!(
                "{name}: {expected} expected, {missing:?}\n{}",
                errors.join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Plugins that the list below may have or not.
const UNLISTED: &[&str] = &[
    "auto",
    "autopath",
    "file",
    "k8s_external",
    "secondary",
    "transfer",
];

#[test]
fn the_list_of_plugins_that_are_not_there_is_true() {
    let page = std::fs::read_to_string(root().join("docs/departures.md")).unwrap();
    let (_, list) = page.split_once("## Plugins that are not there").unwrap();
    let mut wrong = Vec::new();
    let mut listed = BTreeSet::new();
    for row in list.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (name, rest) = row.split_once("` |").unwrap();
        let files = rest.split('|').nth(1).unwrap().trim();
        let found = users(name).join(", ");
        if files != found {
            wrong.push(format!("{name}: '{files}' is listed, '{found}' have it"));
        }
        if REGISTRY.iter().any(|entry| entry.name == name) {
            wrong.push(format!("{name} is there: take it off the list"));
        }
        listed.insert(name);
    }
    for name in callsign::plugin::names() {
        let is_there = REGISTRY.iter().any(|entry| entry.name == name);
        if !is_there && !listed.contains(name) && !UNLISTED.contains(&name) {
            wrong.push(format!("{name} is not there, and not listed"));
        }
    }
    assert!(
        wrong.is_empty(),
        "docs/departures.md:\n{}",
        wrong.join("\n")
    );
}

/// The Corefiles of the field that have a line which starts with this word.
fn users(plugin: &str) -> Vec<String> {
    let samples = root().join("tests/data/corefiles");
    let mut users = Vec::new();
    for directory in [samples.clone(), samples.join("edge")] {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "Corefile") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let mut words = text
                .lines()
                .filter_map(|line| line.split_whitespace().next());
            if words.any(|word| word == plugin) {
                users.push(path.file_stem().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    users.sort();
    users
}

#[test]
fn no_default_of_a_distribution_gives_a_warning() {
    let mut count = 0;
    for sample in Sample::all() {
        let is_edge = sample.name.starts_with('e')
            && sample
                .name
                .trim_start_matches('e')
                .starts_with(|c: char| c.is_ascii_digit());
        let is_default = !NO_DEFAULTS.iter().any(|part| sample.name.contains(part));
        if is_edge || !is_default || !sample.is_ok {
            continue;
        }
        let warnings = told(&sample.examined(), Severity::Warning);
        assert!(
            warnings.is_empty(),
            "{}: {}",
            sample.name,
            warnings.join("\n")
        );
        count += 1;
    }
    assert!(count > 60, "{count}");
}

/// Runs the program where the golden files are.
fn run_in(folder: &Path, arguments: &[&str], stdin: &str) -> (i32, String, String) {
    use std::io::Write as _;
    let mut child = callsign(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn golden() -> PathBuf {
    root().join("tests/data/check")
}

#[test]
fn what_is_said_is_as_in_the_golden_files() {
    let mut names: Vec<String> = std::fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".Corefile") || name.ends_with(".yaml"))
        .collect();
    names.sort();
    assert!(names.len() > 10);
    let is_update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(golden().join(&name)).unwrap();
        // A file may ask for other options in its first line.
        let options = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# callsign check "));
        let mut arguments = vec!["check"];
        arguments.extend(options.unwrap_or("--hints").split(' '));
        arguments.push(&name);
        let (_, out, error) = run_in(&golden(), &arguments, "");
        assert_eq!(error, "", "{name}");
        // A full path is shown where a file was imported.
        let out = out.replace(&golden().display().to_string(), "FOLDER");
        let path = golden().join(&name).with_extension("txt");
        if is_update {
            std::fs::write(&path, &out).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if out != expected {
            wrong.push(format!(
                "== {name}, expected:\n{expected}\n== found:\n{out}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nUPDATE_GOLDEN=1 writes what is found now",
        wrong.join("\n")
    );
}

/// Arguments, standard input, the exit code, and what is told.
type Run = (
    &'static str,
    &'static [&'static str],
    &'static str,
    i32,
    &'static str,
);

const FINE: &str = ". {\n    whoami\n}\n";
const ODD: &str = ". {\n    whoami\n    forward . 192.0.2.1\n}\n";
const HINTED: &str = ". {\n    kubernetes cluster.local\n}\n";
const NO_COREFILE: &str = "apiVersion: v1\nkind: ConfigMap\n";
const NO_YAML: &str = "apiVersion: v1\nkind: [\n";

#[rustfmt::skip] // A table: a line for each run.
const RUNS: &[Run] = &[
    ("all is well", &["check", "-"], FINE, 0, "stdin: OK\n"),
    ("an error", &["check", "-"], ". {\n    bogus\n}\n", 1, "stdin: FAIL, 1 error\n"),
    ("a warning", &["check", "-"], ODD, 0, "stdin: OK, 1 warning\n"),
    ("a warning denied", &["check", "--deny", "warnings", "-"], ODD, 1, "stdin: FAIL, 1 warning\n"),
    ("a hint", &["check", "--deny", "warnings", "-"], HINTED, 0, "stdin: OK\n"),
    ("a hint denied", &["check", "-deny", "hints", "-"], HINTED, 1, "stdin: FAIL\n"),
    ("the default port", &["check", "-dns.port", "1053", "--explain", "-"], FINE, 0, ".:1053\n"),
    ("no such file", &["check", "/no/such/file"], "", 1, "open /no/such/file: no such file"),
    ("a map without a Corefile", &["check", "-"], NO_COREFILE, 1, "no ConfigMap here has a key 'Corefile'"),
    ("no YAML", &["check", "-"], NO_YAML, 1, "stdin: no Kubernetes manifest"),
    ("an option that there is not", &["check", "--bogus"], "", 2, "--bogus"),
    ("standard input twice", &["check", "-", "-"], "", 2, "'-' stands for standard input"),
    ("fmt of nothing", &["fmt"], "", 1, "open Corefile: no such file"),
    ("fmt to check and to write", &["fmt", "--check", "-w", "-"], "", 2, "cannot be used with"),
];

#[test]
fn the_exit_code_tells_the_verdict() {
    for (what, arguments, stdin, code, told) in RUNS {
        let folder = Folder::new();
        let (found, out, error) = run_in(folder.path(), arguments, stdin);
        assert_eq!(found, *code, "{what}: {out}{error}");
        assert!(
            (out.clone() + &error).contains(told),
            "{what}: {out}{error}"
        );
    }
}

#[test]
fn the_corefile_of_the_folder_is_checked_where_none_is_named() {
    let folder = Folder::new();
    folder.write("Corefile", ". {\n whoami\n}\n");
    let (code, out, _) = run_in(folder.path(), &["check"], "");
    assert_eq!((code, out.as_str()), (0, "Corefile: OK\n"));
    let (code, out, _) = run_in(folder.path(), &["fmt", "--check"], "");
    assert_eq!((code, out.as_str()), (1, "Corefile\n"));
}

#[test]
fn several_files_have_a_verdict_each() {
    let folder = Folder::new();
    folder.write("a", ". {\n whoami\n}\n");
    folder.write("b", ". {\n bogus\n}\n");
    folder.write(
        "main.yaml",
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  Corefile: |\n    import custom/*.server\n",
    );
    folder.write(
        "custom.yaml",
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  x.server: |\n    . {\n        bogus\n    }\n",
    );
    let arguments = ["check", "main.yaml", "a", "b", "custom.yaml"];
    let (code, out, _) = run_in(folder.path(), &arguments, "");
    assert_eq!(code, 1);
    let verdicts: Vec<&str> = out
        .lines()
        .filter(|line| line.contains(": OK") || line.contains(": FAIL"))
        .collect();
    assert_eq!(
        verdicts,
        ["a: OK", "b: FAIL, 1 error", "main.yaml: FAIL, 1 error"]
    );
    assert!(
        out.contains("custom.yaml:6:9: error: Unknown directive 'bogus'"),
        "{out}"
    );
}

#[test]
fn json_tells_the_same_to_programs() {
    let (code, out, _) = run_in(
        &golden(),
        &[
            "check",
            "--format",
            "json",
            "--explain",
            "imports.Corefile",
            "explained.Corefile",
        ],
        "",
    );
    assert_eq!(code, 1);
    let report: Value = serde_json::from_str(&out).unwrap();
    let imports = &report["files"][0];
    assert_eq!(
        (&imports["file"], &imports["ok"]),
        (&Value::from("imports.Corefile"), &Value::from(false))
    );
    let error = &imports["diagnostics"][0];
    assert_eq!(error["severity"], "error");
    assert_eq!(error["rule"], "error");
    assert_eq!(
        error["message"],
        "plugin/errors: this plugin can only be used once per Server Block"
    );
    assert_eq!(error["place"]["line"], 1);
    assert_eq!(
        (&error["place"]["column"], &error["place"]["endColumn"]),
        (&Value::from(1), &Value::from(7))
    );
    assert_eq!(error["imports"][0]["line"], 7);
    assert_eq!(
        (&error["notes"][0]["file"], &error["notes"][0]["line"]),
        (&Value::from("imports.Corefile"), &Value::from(3))
    );
    assert_eq!(
        report["errors"],
        report["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| {
                file["diagnostics"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|found| found["severity"] == "error")
                    .count()
            })
            .sum::<usize>()
    );
    let blocks = report["files"][1]["blocks"].as_array().unwrap();
    assert_eq!(blocks[0]["keys"][0], ".:53");
    assert_eq!(blocks[0]["order"][0]["plugin"], "ready");
}

#[test]
fn sarif_has_what_code_hosts_ask_for() {
    let (_, out, _) = run_in(
        &golden(),
        &[
            "check",
            "--format",
            "sarif",
            "shadowed.Corefile",
            "configmap.yaml",
        ],
        "",
    );
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["version"], "2.1.0");
    let run = &report["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let rules: Vec<&str> = rules
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    let results = run["results"].as_array().unwrap();
    assert!(results.len() > 3);
    for result in results {
        assert!(
            rules.contains(&result["ruleId"].as_str().unwrap()),
            "{result}"
        );
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let location = &result["locations"][0]["physicalLocation"];
        // A bracket is no character of a path in a URI.
        let uri = location["artifactLocation"]["uri"].as_str().unwrap();
        assert!(
            [
                "shadowed.Corefile",
                "configmap.yaml",
                "configmap.yaml%5Bconsul.server%5D"
            ]
            .contains(&uri)
        );
        let region = &location["region"];
        for field in ["startLine", "startColumn", "endLine", "endColumn"] {
            assert!(region[field].as_u64().unwrap() > 0, "{result}");
        }
        assert!(region["endColumn"].as_u64() > region["startColumn"].as_u64());
    }
}

#[test]
fn fmt_prints_checks_and_writes() {
    let folder = Folder::new();
    let (ugly, nice) = (
        ".{$NO}:53  {\nwhoami # of course\n\n}\n",
        ".{$NO}:53 {\n    whoami # of course\n}\n",
    );
    let path = folder.write("Corefile", ugly);
    let read = || std::fs::read_to_string(&path).unwrap();
    let run = |arguments: &[&str], stdin: &str| {
        let (code, out, _) = run_in(folder.path(), arguments, stdin);
        (code, out)
    };
    assert_eq!(run(&["fmt", "Corefile"], ""), (0, nice.to_owned()));
    assert_eq!(run(&["fmt", "-"], ugly), (0, nice.to_owned()));
    assert_eq!(
        run(&["fmt", "-check", "Corefile"], ""),
        (1, "Corefile\n".to_owned())
    );
    assert_eq!(read(), ugly);
    assert_eq!(run(&["fmt", "-w", "Corefile"], ""), (0, String::new()));
    assert_eq!(read(), nice);
    assert_eq!(run(&["fmt", "--check", "Corefile"], ""), (0, String::new()));
    let manifest = "apiVersion: v1\nkind: ConfigMap\n";
    let path = folder.write("cm.yaml", manifest);
    assert_eq!(run(&["fmt", "-w", "cm.yaml"], ""), (1, String::new()));
    assert_eq!(std::fs::read_to_string(path).unwrap(), manifest);
}

#[test]
fn the_users_page_names_every_rule_and_option() {
    let page = std::fs::read_to_string(root().join("docs/check.md")).unwrap();
    for (rule, _) in callsign::check::RULES {
        assert!(page.contains(&format!("`{rule}`")), "{rule}");
    }
    for option in [
        "--deny",
        "--explain",
        "--format",
        "--hints",
        "--check",
        "-w",
    ] {
        assert!(page.contains(option), "{option}");
    }
}
