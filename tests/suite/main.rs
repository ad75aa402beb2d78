//! Black-box suites: the program as a user starts it, asked over real sockets.

mod cli;
mod docs;
mod house;
mod lifecycle;
mod program;
