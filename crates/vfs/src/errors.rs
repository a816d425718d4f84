//! What the system said of a failed call, in the words that operators know: those of strerror(3), as Redis has them.
//!
//! Whatever tells a client, the log or an operator of such an error uses these. Rust's own text ends with ` (os error 5)`, and
//! that of `nix` begins with the name of the error: what greps for Redis's lines finds neither.

use std::error::Error;
use std::io;
use std::sync::Arc;

use nix::errno::Errno;

/// Whether a file was not opened because a symbolic link has its name: no link is followed.
#[must_use]
pub fn is_of_symlink(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ELOOP as i32)
}

/// The text of an error as strerror(3) gives it.
pub fn strerror(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(code) = error.raw_os_error() {
        let suffix = format!(" (os error {code})");
        if text.ends_with(&suffix) {
            text.truncate(text.len() - suffix.len());
        }
    }
    text
}

/// An error with its causes, on one line.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = said(error);
    let mut source = error.source();
    while let Some(cause) = source {
        text += ": ";
        text += &said(cause);
        source = cause.source();
    }
    text
}

/// What the system said at the bottom of an error, without the steps around it.
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    said(cause)
}

/// One error of a chain.
fn said(error: &(dyn Error + 'static)) -> String {
    if let Some(errno) = error.downcast_ref::<Errno>() {
        return strerror(&io::Error::from(*errno));
    }
    // One that several hold is an error of its own type.
    let shared = || error.downcast_ref::<Arc<io::Error>>().map(|shared| &**shared);
    error.downcast_ref::<io::Error>().or_else(shared).map_or_else(|| error.to_string(), strerror)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot fsync the log")]
    struct Failed(#[source] Arc<io::Error>);

    #[test]
    fn an_error_of_the_system_has_its_text_and_no_number() {
        assert_eq!(strerror(&io::Error::from_raw_os_error(5)), "Input/output error");
        assert_eq!(strerror(&io::Error::from_raw_os_error(28)), "No space left on device");
        assert_eq!(strerror(&io::Error::other("no number")), "no number");
    }

    #[test]
    fn a_chain_has_the_systems_text_wherever_it_stands() {
        let eio = || io::Error::from_raw_os_error(5);
        assert_eq!(error_chain(&eio()), "Input/output error");
        assert_eq!(error_chain(&Failed(Arc::new(eio()))), "cannot fsync the log: Input/output error");
        let in_a_job = io::Error::other(Failed(Arc::new(eio())));
        assert_eq!(error_chain(&in_a_job), "cannot fsync the log: Input/output error");
        assert_eq!(error_chain(&Errno::EIO), "Input/output error");
        assert_eq!(root_cause(&in_a_job), "Input/output error");
    }
}
