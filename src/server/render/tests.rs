//! Rendering: sizes, cuts, compression.
