//! Stand-in for `numeric` until it has landed.

/// A stack buffer for the decimal text of an integer.
#[derive(Clone, Debug, Default)]
pub struct IntBuf {
    bytes: [u8; 20],
}

impl IntBuf {
    /// Makes an empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Formats an integer.
    pub fn format(&mut self, value: i64) -> &[u8] {
        use std::io::Write as _;
        let mut rest: &mut [u8] = &mut self.bytes;
        write!(rest, "{value}").expect("20 bytes hold every i64");
        let used = 20 - rest.len();
        &self.bytes[..used]
    }
}

/// Parses the canonical text of an integer.
pub(crate) fn parse_i64(text: &[u8]) -> Option<i64> {
    let value: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (value.to_string().as_bytes() == text).then_some(value)
}
