//! A disk that takes no more.

use std::process::Command;

use super::bed::{Bed, WEB};
use crate::program::{Program, callsign};

/// Has every file that the program writes be too large with its first byte.
const FULL: &str = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";

#[test]
fn a_snapshot_that_finds_no_room_is_told_and_the_earlier_file_stays() {
    let bed = Bed::new();
    let corefile = bed.folder.path().join("Corefile");
    let snapshot = bed.folder.write("state", "an earlier one");
    let arguments = ["-conf", corefile.to_str().unwrap()];
    let more = ["--snapshot", snapshot.to_str().unwrap()];
    let program = callsign(&[arguments, more].concat());
    let mut command = Command::new("sh");
    command.args(["-c", FULL]).arg(program.get_program());
    command.args(program.get_args());
    let mut program = Program::run(command, "");
    program.find_port();
    let line = program.wait_said("cannot be written");
    assert!(
        line.contains("state cannot be written: File too large (os error 27)"),
        "{line}"
    );
    assert_eq!(
        bed.metric("callsign_kubernetes_snapshot_write_failures_total"),
        1.0
    );
    assert_eq!(program.addresses(WEB), ["10.96.0.1"]);
    assert_eq!(
        std::fs::read_to_string(&snapshot).unwrap(),
        "an earlier one"
    );
    let entries = std::fs::read_dir(bed.folder.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        ["Corefile", "state"],
        "nothing is left of what was begun"
    );
}
