use super::*;
use crate::corefile::testing::DIRECTIVES;
use crate::corefile::{Input, Memory};

#[test]
fn try_all() {
    for dir in ["tests/data/corefiles", "tests/data/corefiles/edge"] {
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.extension().is_some_and(|e| e == "Corefile"))
            .collect();
        names.sort();
        for path in names {
            let text = std::fs::read_to_string(&path).unwrap();
            let environment = Memory::default()
                .with_variable("POD_IP", "10.0.0.1")
                .with_variable("MY_HOST_IP", "10.0.0.2")
                .with_file("/etc/resolv.conf", "nameserver 10.1.1.1\n");
            let environment = Elsewhere::new(&environment);
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let mut known = DIRECTIVES.to_vec();
            known.extend([
                "ocp_dnsnameresolver",
                "kubeapi",
                "k8s_event",
                "mdns",
                "vcluster",
                "proxy",
                "federation",
            ]);
            let Ok(corefile) = Corefile::load(
                Input::text(name, text).in_directory("/etc/coredns"),
                &environment,
                &known,
            ) else {
                continue;
            };
            for f in findings(&corefile, 53, &environment) {
                print!("{f}");
            }
        }
    }
}
