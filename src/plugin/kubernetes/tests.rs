//! The plugin: names to answers.
