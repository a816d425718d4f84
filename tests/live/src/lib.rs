//! Empty: the package exists for its one test binary, `tests/live/main.rs`, which drives the real server process.
