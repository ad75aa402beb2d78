//! Black-box suites: the program as a user starts it, asked over real sockets.

// A test that cannot go on fails by panicking; the lint is for the program.
#![allow(clippy::unwrap_used)]

mod check;
mod cli;
mod docs;
mod house;
mod lifecycle;
mod monitoring;
mod program;
