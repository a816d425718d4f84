//! What the workload's requests are answered, as far as it goes: told from a [`Value`] without making one.

use std::sync::Arc;

use resp_codec::Value;

/// A reply as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`.
    Ok,
    /// `+QUEUED`.
    Queued,
    /// A number.
    Integer(i64),
    /// The two of a transaction.
    Two([i64; 2]),
    /// A string, or none.
    Text(Option<Arc<str>>),
}

impl Reply {
    /// Whether a server answered this.
    pub fn is(&self, got: &Value) -> bool {
        match (self, got) {
            (Self::Ok, Value::Status(status)) => status == b"OK",
            (Self::Queued, Value::Status(status)) => status == b"QUEUED",
            (Self::Integer(n), Value::Integer(got)) => n == got,
            (Self::Two(pushed), Value::Array(got)) => {
                got.len() == 2 && pushed.iter().zip(got).all(|(&n, got)| *got == Value::Integer(n))
            }
            (Self::Text(None), Value::Null) => true,
            (Self::Text(Some(text)), Value::Bulk(got)) => text.as_bytes() == got,
            _ => false,
        }
    }

    /// The same as a server answers it.
    pub fn value(&self) -> Value {
        match self {
            Self::Ok => Value::Status(b"OK".to_vec()),
            Self::Queued => Value::Status(b"QUEUED".to_vec()),
            Self::Integer(n) => Value::Integer(*n),
            Self::Two(pushed) => Value::Array(pushed.map(Value::Integer).to_vec()),
            Self::Text(text) => text.as_ref().map_or(Value::Null, |text| Value::Bulk(text.as_bytes().to_vec())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_what_it_would_be_as_a_value_and_nothing_else() {
        let text = |text: &str| Reply::Text(Some(text.into()));
        let replies = [
            Reply::Ok,
            Reply::Queued,
            Reply::Integer(1),
            Reply::Two([1, 2]),
            Reply::Two([2, 1]),
            text("1"),
            Reply::Text(None),
        ];
        for (i, reply) in replies.iter().enumerate() {
            for (j, other) in replies.iter().enumerate() {
                assert_eq!(reply.is(&other.value()), i == j, "{reply:?} {other:?}");
            }
        }
    }
}
