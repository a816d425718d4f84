//! Calls that a signal interrupted.

use std::io;

/// How often an interrupted call is repeated before it counts as failed: a signal a call is possible, a thousand are not.
const MAX_INTERRUPTS: u32 = 1_000;

/// Makes a call again as long as it is interrupted. For calls that have done nothing then, and reported nothing: an interrupted
/// fsync still has its error to tell.
///
/// # Errors
/// The call's. EINTR only after a thousand of them.
pub fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..MAX_INTERRUPTS {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
    call()
}
