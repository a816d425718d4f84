//! Faults that a test build can be told to have by environment variables; in every other build this is nothing.
//!
//! docs/testing.md names the variables and what they are for.

use std::sync::Arc;

use engine::TestHooks;
use vfs::Dir;

/// The directory, made slow and its calls counted if a test build is told so, and with them the writes into pipes.
pub(crate) fn wrap_dir(dir: Arc<dyn Dir>) -> Arc<dyn Dir> {
    #[cfg(feature = "test-hooks")]
    {
        child::on_pipe_write(|bytes, write| match vfs::Calls::of_process() {
            Some(calls) => calls.write_to_pipe(bytes, write),
            None => write(),
        });
        vfs::HookedDir::from_env(dir)
    }
    #[cfg(not(feature = "test-hooks"))]
    dir
}

/// The engine's faults.
pub(crate) fn from_env() -> TestHooks {
    let mut hooks = TestHooks::default();
    if cfg!(feature = "test-hooks") {
        hooks.ack_early = std::env::var_os("LEDGERSTONE_TEST_ACK_EARLY").is_some_and(|v| v == "1");
    }
    hooks
}
