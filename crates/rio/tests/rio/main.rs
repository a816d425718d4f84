//! Sources and sinks over outputs and inputs that are short, interrupted, full and broken.

mod no_allocation;
mod sinks;
mod sources;
