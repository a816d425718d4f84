//! Faults that a test build can be told to have by environment variables; in every other build this is nothing.
//!
//! docs/testing.md names the variables and what they are for.

use std::sync::Arc;

use engine::TestHooks;
use vfs::Dir;

/// The directory, made slow if a test build is told so.
pub(crate) fn wrap_dir(dir: Arc<dyn Dir>) -> Arc<dyn Dir> {
    #[cfg(feature = "test-hooks")]
    return vfs::DelayedDir::from_env(dir);
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
