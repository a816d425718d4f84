//! Waiting, with a bound, for what sends no event.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// How long is waited between two looks.
pub(crate) const POLL: Duration = Duration::from_millis(1);

/// Looks until something is there.
///
/// # Errors
/// If it is not there in time, or a look fails.
pub(crate) fn wait<T>(what: &str, bound: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "{what} did not come in {bound:?}");
        std::thread::sleep(POLL);
    }
}
