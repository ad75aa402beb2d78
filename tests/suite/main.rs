//! Black-box suites: the program as a user starts it, asked over real sockets.

// A test that cannot go on fails by panicking; the lint is for the program.
#![allow(clippy::unwrap_used)]

// Each program of tests uses a part of it.
#[allow(dead_code)]
#[path = "../api/api.rs"]
mod api;
// Of the other suite.
#[allow(dead_code)]
#[path = "../differential/awake.rs"]
mod awake;
mod check;
mod cli;
mod decode;
mod docs;
mod faults;
mod field;
mod guide;
mod house;
mod lifecycle;
mod lookup;
mod message;
mod monitoring;
mod options;
// Of the other suite.
#[path = "../differential/port.rs"]
mod port;
mod program;
mod streams;
