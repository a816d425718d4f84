//! The server as it is: all that it does stands in the library, which programs with types of their own start as well.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: server_bin::Allocator = server_bin::Allocator;

fn main() -> ExitCode {
    server_bin::main(&[])
}
