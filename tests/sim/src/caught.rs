//! Runs campaigns so that a panic is a failure like any other: it has a seed and can be made smaller.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::campaign::Campaign;
use crate::failure::Failure;
use crate::report::Report;

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps what panics say from the terminal, for the failure to tell. For programs that run nothing but campaigns.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|info| LAST_PANIC.set(info.to_string())));
}

/// Runs a campaign.
///
/// # Errors
/// Its failure, a panic included.
pub fn run(campaign: &Campaign) -> Result<Report, Box<Failure>> {
    // Everything that it touches is its own, and gone with it.
    catch_unwind(AssertUnwindSafe(|| campaign.run()))
        .unwrap_or_else(|_| Err(Failure::of_panic(campaign, LAST_PANIC.take())))
}
