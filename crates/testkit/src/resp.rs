//! Replies as a client reads them, owned.
//!
//! Decoding is incremental: bytes go in as they arrive, whole values come out. RESP2 and RESP3 both.

/// One reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+OK`.
    Simple(Vec<u8>),
    /// `-ERR …`, without the dash.
    Error(Vec<u8>),
    /// `:1`.
    Integer(i64),
    /// A bulk string.
    Bulk(Vec<u8>),
    /// A null of either protocol.
    Null,
    /// An array, a set or a push message.
    Array(Vec<Value>),
    /// A map, as pairs in order.
    Map(Vec<(Value, Value)>),
    /// A double, a big number or a boolean, as its text.
    Text(Vec<u8>),
}

impl Value {
    /// The bytes of a bulk, simple or textual reply.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bulk(b) | Self::Simple(b) | Self::Text(b) => Some(b),
            _ => None,
        }
    }

    /// The items of an array reply.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The number of an integer reply.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(n) => Some(*n),
            _ => None,
        }
    }

    /// The text of an error reply.
    pub fn error(&self) -> Option<&[u8]> {
        match self {
            Self::Error(e) => Some(e),
            _ => None,
        }
    }
}

/// Turns bytes into [`Value`]s, however they are cut.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

/// How many consumed bytes may stand at the head of the buffer before it is moved down.
const COMPACT_BYTES: usize = 256 * 1024;

impl Decoder {
    /// Appends bytes that arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start > COMPACT_BYTES {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next whole value, or none while bytes are missing.
    ///
    /// # Errors
    /// If the bytes are not RESP.
    pub fn next_value(&mut self) -> anyhow::Result<Option<Value>> {
        let mut cursor = Cursor { bytes: &self.buffer[self.start..], at: 0 };
        let value = cursor.value()?;
        if value.is_some() {
            self.start += cursor.at;
        }
        Ok(value)
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn value(&mut self) -> anyhow::Result<Option<Value>> {
        let Some(line) = self.line() else { return Ok(None) };
        let Some((kind, rest)) = line.split_first() else { anyhow::bail!("an empty line in place of a reply") };
        Ok(match kind {
            b'+' => Some(Value::Simple(rest.to_vec())),
            b'-' => Some(Value::Error(rest.to_vec())),
            b':' => Some(Value::Integer(number(rest)?)),
            b',' | b'(' | b'#' => Some(Value::Text(rest.to_vec())),
            b'_' => Some(Value::Null),
            b'$' | b'=' | b'!' => self.bulk(number(rest)?, *kind)?,
            b'*' | b'~' | b'>' => self.array(number(rest)?)?,
            b'%' => self.map(number(rest)?)?,
            other => anyhow::bail!("a reply cannot start with byte {other:#04x}"),
        })
    }

    fn bulk(&mut self, length: i64, kind: u8) -> anyhow::Result<Option<Value>> {
        let Ok(length) = usize::try_from(length) else { return Ok(Some(Value::Null)) };
        if self.bytes.len() < self.at + length + 2 {
            return Ok(None);
        }
        let body = &self.bytes[self.at..self.at + length];
        anyhow::ensure!(self.bytes[self.at + length..].starts_with(b"\r\n"), "a bulk reply without its CRLF");
        self.at += length + 2;
        Ok(Some(match kind {
            b'!' => Value::Error(body.to_vec()),
            b'=' => Value::Bulk(body.get(4..).unwrap_or_default().to_vec()),
            _ => Value::Bulk(body.to_vec()),
        }))
    }

    fn array(&mut self, count: i64) -> anyhow::Result<Option<Value>> {
        let Ok(count) = usize::try_from(count) else { return Ok(Some(Value::Null)) };
        let mut items = Vec::new();
        for _ in 0..count {
            let Some(item) = self.value()? else { return Ok(None) };
            items.push(item);
        }
        Ok(Some(Value::Array(items)))
    }

    fn map(&mut self, pairs: i64) -> anyhow::Result<Option<Value>> {
        let mut items = Vec::new();
        for _ in 0..pairs {
            let (Some(key), Some(value)) = (self.value()?, self.value()?) else { return Ok(None) };
            items.push((key, value));
        }
        Ok(Some(Value::Map(items)))
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let bytes = self.bytes;
        let rest = bytes.get(self.at..)?;
        let end = rest.iter().position(|&b| b == b'\r')?;
        if rest.get(end + 1) != Some(&b'\n') {
            return None;
        }
        self.at += end + 2;
        Some(&rest[..end])
    }
}

fn number(text: &[u8]) -> anyhow::Result<i64> {
    Ok(std::str::from_utf8(text)?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_comes_out_whole_however_it_is_cut() {
        let bytes = b"*3\r\n$2\r\nab\r\n:-7\r\n%1\r\n+k\r\n,1.5\r\n";
        for cut in 0..bytes.len() {
            let mut decoder = Decoder::default();
            decoder.feed(&bytes[..cut]);
            assert_eq!(decoder.next_value().unwrap(), None, "cut at {cut}");
            decoder.feed(&bytes[cut..]);
            let map = Value::Map(vec![(Value::Simple(b"k".to_vec()), Value::Text(b"1.5".to_vec()))]);
            let whole = Value::Array(vec![Value::Bulk(b"ab".to_vec()), Value::Integer(-7), map]);
            assert_eq!(decoder.next_value().unwrap(), Some(whole));
        }
    }

    #[test]
    fn both_nulls_are_null() {
        let mut decoder = Decoder::default();
        decoder.feed(b"$-1\r\n*-1\r\n_\r\n");
        for _ in 0..3 {
            assert_eq!(decoder.next_value().unwrap(), Some(Value::Null));
        }
    }
}
