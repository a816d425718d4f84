//! Wall-clock instants and what a write does to a key's deadline.

/// A wall-clock instant, in milliseconds since the Unix epoch; may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub i64);

/// What a write does to the deadline of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Leaves the deadline as it is (`KEEPTTL`); a new key gets none.
    Keep,
    /// Removes the deadline: the key does not expire.
    Clear,
    /// Sets the deadline.
    At(UnixMs),
}
