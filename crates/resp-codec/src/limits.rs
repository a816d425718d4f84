//! What a request may announce, and what is answered to one that is broken or passes a limit.

use crate::reply::Reply;

/// Limits on requests. All have Redis's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most arguments of one request.
    pub max_multibulk_count: usize,
    /// Longest argument, in bytes: `proto-max-bulk-len`.
    pub max_bulk_len_bytes: usize,
    /// Longest inline request, and longest header line, in bytes.
    pub max_inline_len_bytes: usize,
    /// Whether the client may send requests of this size: one that has not authenticated is held to 10 arguments of
    /// 16,384 bytes.
    pub authenticated: bool,
}

/// Largest request, all of it: spans are 32 bits wide. So a log holds no longer command either.
pub const MAX_REQUEST_BYTES: usize = u32::MAX as usize;
/// Source: Redis 7.2, `processMultibulkBuffer`.
const UNAUTHENTICATED_COUNT: usize = 10;
const UNAUTHENTICATED_BULK_BYTES: usize = 16_384;

impl Limits {
    /// Redis's defaults for a client that needs no authentication or has it.
    pub const DEFAULT: Self = Self {
        max_multibulk_count: i32::MAX as usize,
        max_bulk_len_bytes: 512 * 1024 * 1024,
        max_inline_len_bytes: 64 * 1024,
        authenticated: true,
    };

    /// The same, for a client that has not authenticated yet.
    pub const fn unauthenticated(self) -> Self {
        Self { authenticated: false, ..self }
    }

    pub(crate) fn check_count(&self, count: usize) -> Result<(), ProtocolError> {
        if count > self.max_multibulk_count {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        if !self.authenticated && count > UNAUTHENTICATED_COUNT {
            return Err(ProtocolError::UnauthenticatedMultibulkLength);
        }
        Ok(())
    }

    /// Checks the announced length of an argument whose bytes begin at `at`.
    pub(crate) fn check_bulk(&self, announced: i64, at: usize) -> Result<usize, ProtocolError> {
        let len = usize::try_from(announced).map_err(|_| ProtocolError::InvalidBulkLength)?;
        if len > self.max_bulk_len_bytes || len + 2 > MAX_REQUEST_BYTES.saturating_sub(at) {
            return Err(ProtocolError::InvalidBulkLength);
        }
        if !self.authenticated && len > UNAUTHENTICATED_BULK_BYTES {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        Ok(len)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a connection's input cannot be understood. `Display` is Redis's text, without the `ERR` code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The count after `*` is no number or too large.
    #[error("Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    /// The length after `$` is no number, negative or too large.
    #[error("Protocol error: invalid bulk length")]
    InvalidBulkLength,
    /// An argument does not begin with `$`.
    #[error("Protocol error: expected '$', got '{}'", char::from(*got))]
    ExpectedDollar {
        /// The byte there.
        got: u8,
    },
    /// An inline request without an end.
    #[error("Protocol error: too big inline request")]
    TooBigInline,
    /// A `*` line without an end.
    #[error("Protocol error: too big mbulk count string")]
    TooBigMultibulkCount,
    /// A `$` line without an end.
    #[error("Protocol error: too big bulk count string")]
    TooBigBulkCount,
    /// An inline request with an open quote, or text directly after a closing one.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// More arguments than a client may send before it authenticates.
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// A longer argument than a client may send before it authenticates.
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
}

impl ProtocolError {
    /// Answers it, byte for byte as Redis.
    pub fn reply(&self, reply: &mut Reply<'_>) {
        match self {
            Self::ExpectedDollar { got } => {
                reply.err_bytes(&[b"Protocol error: expected '$', got '", &[*got][..], b"'"].concat());
            }
            other => reply.err(&other.to_string()),
        }
    }
}
