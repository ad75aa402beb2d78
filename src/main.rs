//! The `callsign` program.

fn main() {}
