//! The dataset of a server, as a client can read it.

use resp_codec::Value;

use crate::key::Key;
use crate::model::{DATABASES, Dataset, Entry, Held};
use crate::server::Server;

impl Dataset {
    /// The last number in a list of the workload; 0 if there is none.
    pub fn last_pushed(&self, db: u32, key: Key) -> u64 {
        match self.keys.get(&(db, key)).map(|entry| &entry.held) {
            Some(Held::List(items)) => items.last().copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// Reads back everything that a server holds.
    ///
    /// # Panics
    /// If the server does not answer as Redis does.
    pub fn read_back(server: &mut Server) -> Self {
        let mut dataset = Self::default();
        let client = server.connect();
        for db in 0..DATABASES {
            server.ask_as(client, &["SELECT", &db.to_string()]);
            let Value::Array(keys) = server.ask_as(client, &["KEYS", "*"]) else {
                unreachable!("KEYS answers an array")
            };
            for name in keys.iter().map(text) {
                match (Key::of(&name), Entry::read_back(server, client, &name)) {
                    (Some(key), Ok(Some(entry))) => {
                        dataset.keys.insert((db, key), entry);
                    }
                    (_, Ok(None)) => (),
                    (None, Ok(Some(entry))) => dataset.strange.push(format!("{db} {name:?}: {entry:?}")),
                    (_, Err(list)) => dataset.strange.push(format!("{db} {name:?}: {}", list.escape_ascii())),
                }
            }
        }
        server.engine.disconnect(client);
        dataset
    }
}

impl Entry {
    /// What a key holds, unless it has expired; or the reply, for a list of something else than numbers.
    fn read_back(server: &mut Server, client: engine::ClientId, key: &str) -> Result<Option<Self>, Vec<u8>> {
        let Value::Status(kind) = server.ask_as(client, &["TYPE", key]) else { unreachable!("TYPE answers a status") };
        let held = match kind.as_slice() {
            b"string" => Held::Text(text(&server.ask_as(client, &["GET", key])).into()),
            b"list" => Held::List(server.ask_for(client, &["LRANGE", key, "0", "-1"], list)?),
            // It expired meanwhile.
            b"none" => return Ok(None),
            other => unreachable!("a type that nobody made: {}", String::from_utf8_lossy(other)),
        };
        let Value::Integer(at_ms) = server.ask_as(client, &["PEXPIRETIME", key]) else {
            unreachable!("PEXPIRETIME answers a number")
        };
        Ok(Some(Self { held, deadline_ms: (at_ms >= 0).then_some(at_ms) }))
    }
}

/// A reply's bytes as text; NUL bytes of a hole survive.
fn text(value: &Value) -> String {
    String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned()
}

/// The numbers of a list that was answered, once the reply is complete; or the reply as it is, where it is none of numbers. A list is
/// long, so that no value is made of every item.
fn list(reply: &[u8]) -> Option<Result<Vec<u64>, Vec<u8>>> {
    let mut rest = reply;
    let len = header(&mut rest, b'*')?;
    let mut numbers = Vec::with_capacity(len);
    for _ in 0..len {
        let bytes = header(&mut rest, b'$')?;
        let item = rest.get(..bytes)?;
        numbers.push(number(item));
        rest = rest.get(bytes + 2..)?;
    }
    let numbers: Option<Vec<u64>> = numbers.into_iter().collect();
    Some(numbers.ok_or_else(|| reply.to_vec()))
}

/// The length in the line that `rest` begins with, of this type; `rest` begins behind it then.
///
/// # Panics
/// If the line is another.
fn header(rest: &mut &[u8], kind: u8) -> Option<usize> {
    let end = rest.iter().position(|&byte| byte == b'\r')?;
    let len = rest.strip_prefix(&[kind]).and_then(|_| number(&rest[1..end]));
    *rest = rest.get(end + 2..)?;
    Some(len.and_then(|len| usize::try_from(len).ok()).unwrap_or_else(|| unreachable!("LRANGE answers an array")))
}

/// A number as the workload writes it: one that is written otherwise is none.
fn number(digits: &[u8]) -> Option<u64> {
    let is_written_so = !digits.is_empty() && (digits[0] != b'0' || digits.len() == 1);
    let add = |number: u64, byte: &u8| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    };
    digits.iter().try_fold(0, add).filter(|_| is_written_so)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_numbers_is_read_when_it_is_complete_and_any_other_is_kept_as_it_is() {
        let reply = b"*2\r\n$1\r\n7\r\n$2\r\n10\r\n";
        assert!((0..reply.len()).all(|end| list(&reply[..end]).is_none()));
        assert_eq!(list(reply), Some(Ok(vec![7, 10])));
        for odd in [&b"*1\r\n$2\r\n07\r\n"[..], b"*1\r\n$0\r\n\r\n", b"*1\r\n$2\r\n1\0\r\n"] {
            assert_eq!(list(odd), Some(Err(odd.to_vec())));
        }
    }
}
