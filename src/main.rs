//! The `callsign` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    callsign::cli::main(std::env::args_os())
}
