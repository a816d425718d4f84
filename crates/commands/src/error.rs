//! The errors that commands answer, word for word as Redis 7.2 words them.
//!
//! A handler returns one and has then changed nothing and logged nothing; [`execute`](crate::execute()) turns it into the
//! reply. The code (`ERR`, `WRONGTYPE`) is part of the text.

/// Why a command was refused while it ran.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The key holds another type.
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    /// An option is unknown, doubled, contradictory, or lacks its argument.
    #[error("ERR syntax error")]
    Syntax,
    /// An argument should be a 64-bit integer, or the stored value should.
    #[error("ERR value is not an integer or out of range")]
    NotAnInteger,
    /// An argument should be a number.
    #[error("ERR value is not a valid float")]
    NotAFloat,
    /// An integer lies outside the range of this option.
    #[error("ERR value is out of range")]
    OutOfRange,
    /// An integer lies outside the range that is named.
    #[error("ERR value is out of range, value must between {min} and {max}")]
    OutOfRangeBetween {
        /// The least allowed.
        min: i64,
        /// The greatest allowed.
        max: i64,
    },
    /// An integer should not be negative.
    #[error("ERR value is out of range, must be positive")]
    MustBePositive,
    /// A command that needs its key to exist.
    #[error("ERR no such key")]
    NoSuchKey,
    /// RESTORE where a key stands.
    #[error("BUSYKEY Target key name already exists.")]
    BusyKey,
    /// RESTORE of bytes that DUMP did not make, or not in a version that is known.
    #[error("ERR DUMP payload version or checksum are wrong")]
    BadPayload,
    /// RESTORE of bytes that end in a right checksum and hold no value all the same.
    #[error("ERR Bad data format")]
    BadDataFormat,
    /// LSET beyond the list, SELECT-like numbers beyond their range.
    #[error("ERR index out of range")]
    IndexOutOfRange,
    /// The database number is out of range.
    #[error("ERR DB index is out of range")]
    DbIndexOutOfRange,
    /// The command was given one object twice.
    #[error("ERR source and destination objects are the same")]
    SameObject,
    /// The 64-bit sum does not fit.
    #[error("ERR increment or decrement would overflow")]
    Overflow,
    /// DECRBY of the least integer, which has no positive counterpart.
    #[error("ERR decrement would overflow")]
    DecrementOverflow,
    /// The sum is not a finite number.
    #[error("ERR increment would produce NaN or Infinity")]
    NanOrInfinity,
    /// SETRANGE before the start.
    #[error("ERR offset is out of range")]
    OffsetOutOfRange,
    /// The string would pass `proto-max-bulk-len`.
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    StringTooLong,
    /// A deadline that is not positive, or does not fit 64 bits of milliseconds. Holds the command's name.
    #[error("ERR invalid expire time in '{0}' command")]
    InvalidExpireTime(&'static str),
    /// The number of arguments does not fit a rule beyond the arity. Holds the command's full name.
    #[error("ERR wrong number of arguments for '{0}' command")]
    WrongArity(&'static str),
    /// A cursor that is not an unsigned integer.
    #[error("ERR invalid cursor")]
    InvalidCursor,
    /// `numkeys` of zero or less, as the commands without a wording of their own put it.
    #[error("ERR numkeys should be greater than 0")]
    NumkeysNotPositive,
    /// `numkeys` beyond the arguments given.
    #[error("ERR Number of keys can't be greater than number of args")]
    TooManyNumkeys,
    /// `numkeys` of zero or less of ZUNION and its kin. Holds the command's name.
    #[error("ERR at least 1 input key is needed for '{0}' command")]
    NoInputKey(&'static str),
    /// Any other fixed text, with its code.
    #[error("{0}")]
    Text(&'static str),
}
