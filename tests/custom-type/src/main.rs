//! The server with one type more.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: server_bin::Allocator = server_bin::Allocator;

fn main() -> ExitCode {
    server_bin::main(&[tests_custom_type::EXTENSION])
}
