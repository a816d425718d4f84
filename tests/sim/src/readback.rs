//! The dataset of a server, as a client can read it.

use resp_codec::Value;

use crate::model::{DATABASES, Dataset, Entry, Held};
use crate::server::Server;

impl Dataset {
    /// The last number in a list of the workload; 0 if there is none.
    pub fn last_pushed(&self, db: u32, key: &str) -> u64 {
        match self.0.get(&(db, key.to_owned())).map(|entry| &entry.held) {
            Some(Held::List(items)) => items.last().and_then(|n| n.parse().ok()).unwrap_or(0),
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
            for key in keys.iter().map(text) {
                if let Some(entry) = Entry::read_back(server, client, &key) {
                    dataset.0.insert((db, key), entry);
                }
            }
        }
        server.engine.disconnect(client);
        dataset
    }
}

impl Entry {
    fn read_back(server: &mut Server, client: engine::ClientId, key: &str) -> Option<Self> {
        let Value::Status(kind) = server.ask_as(client, &["TYPE", key]) else { unreachable!("TYPE answers a status") };
        let held = match kind.as_slice() {
            b"string" => Held::Text(text(&server.ask_as(client, &["GET", key]))),
            b"list" => {
                let Value::Array(items) = server.ask_as(client, &["LRANGE", key, "0", "-1"]) else {
                    unreachable!("LRANGE answers an array")
                };
                Held::List(items.iter().map(text).collect())
            }
            // It expired meanwhile.
            b"none" => return None,
            other => unreachable!("a type that nobody made: {}", String::from_utf8_lossy(other)),
        };
        let Value::Integer(at_ms) = server.ask_as(client, &["PEXPIRETIME", key]) else {
            unreachable!("PEXPIRETIME answers a number")
        };
        Some(Self { held, deadline_ms: (at_ms >= 0).then_some(at_ms) })
    }
}

/// A reply's bytes as text; NUL bytes of a hole survive.
fn text(value: &Value) -> String {
    String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned()
}
