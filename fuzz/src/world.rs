//! A server without sockets: the real engine over a simulated disk, fed with requests, killed, and started again.

use engine::config::SavePoints;
use engine::{ClientId, Config, Now, TestHooks};
use resp_codec::{ReplyDecoder, Value, encode_command};
use tests_sim::server::{DIR, LOG, Policy, Server, Spawn};
use vfs::sim::SimDisk;

use crate::log::Words;

/// Databases of the server.
const DATABASES: u32 = 4;
/// The longest string of the server, in bytes: so little that some commands cannot make the bound on memory theirs.
const MAX_STRING_BYTES: u64 = 64 << 10;
/// When it starts.
const START: Now = Now { mono_us: 1_000_000, unix_us: 1_700_000_000_000_000 };
/// A turn takes so long, in microseconds.
const TURN_US: u64 = 1;
/// The most turns that replies may take beyond the first: a rewrite's child takes some.
const MOST_TURNS: usize = 20_000;

/// A running server and a client.
pub(crate) struct World {
    server: Server,
    client: ClientId,
}

impl World {
    /// A server without data.
    pub(crate) fn new() -> Self {
        Self::start(&SimDisk::new(), START, true)
    }

    /// A server without data, for many inputs: its disk does not grow.
    pub(crate) fn without_log() -> Self {
        Self::start(&SimDisk::new(), START, false)
    }

    fn start(disk: &SimDisk, now: Now, appendonly: bool) -> Self {
        let config = Config {
            appendonly,
            // FLUSHALL would make one each time, and say so in the log.
            save: SavePoints::none(),
            databases: DATABASES,
            proto_max_bulk_len_bytes: MAX_STRING_BYTES,
            ..Policy::No.config()
        };
        let spawn = Spawn { config, now, boot: 1, pid: 1, seed: 7, hooks: TestHooks::default() };
        let mut server = Server::start(disk, &spawn).unwrap_or_else(|refusal| panic!("no start: {refusal:?}"));
        let client = server.connect();
        Self { server, client }
    }

    /// Whether nothing was written: there are no keys, and nothing stands in the log.
    pub(crate) fn is_untouched(&self) -> bool {
        self.server.engine.digest() == [0; 20] && self.server.disk.content(DIR, LOG).is_none_or(|log| log.is_empty())
    }

    /// Kills the server and starts one on what it left, which must hold the same.
    ///
    /// Digests are compared first: they see all that [`World::contents`] shows, and keys that have expired as well. Where they differ,
    /// it decides, and says what the difference is.
    ///
    /// # Panics
    /// If it does not; with what `told` says.
    pub(crate) fn restarted(mut self, told: impl FnOnce() -> String) -> Self {
        let mut again = Self::start(&self.server.disk.kill(), self.server.now, true);
        if again.server.engine.digest() != self.server.engine.digest() {
            assert_eq!(again.contents(), self.contents(), "after a restart{}", told());
        }
        again
    }

    /// Sends all requests at once and collects the replies.
    ///
    /// # Panics
    /// If a reply does not come, or is none.
    pub(crate) fn run(&mut self, requests: &[Words]) -> Vec<Value> {
        let mut bytes = Vec::new();
        for words in requests {
            encode_command(&mut bytes, words.iter().map(Vec::as_slice));
        }
        let (mut sent, mut received, mut replies) = (0, Vec::new(), Vec::new());
        let mut decoder = ReplyDecoder::default();
        for _ in 0..MOST_TURNS {
            self.server.begin_turn(TURN_US);
            sent += self.server.deliver(self.client, &bytes[sent..]);
            self.server.end_turn();
            self.server.bio.run_all();
            self.server.children.step(self.server.now.mono_ms());
            received.extend(self.server.collect(self.client, usize::MAX));
            let mut read = 0;
            while let Some((value, consumed)) = decoder.decode(&received[read..]).expect("a reply is well formed") {
                read += consumed;
                replies.push(value);
            }
            received.drain(..read);
            if replies.len() >= requests.len() {
                assert!(received.is_empty() && replies.len() == requests.len(), "a reply to each request");
                return replies;
            }
        }
        panic!("{} replies to {} requests", replies.len(), requests.len());
    }

    /// Everything that the server holds, as another client sees it: digests of the values, keys and their deadlines.
    fn contents(&mut self) -> Vec<String> {
        let client = std::mem::replace(&mut self.client, self.server.connect());
        let databases: Vec<String> = (0..DATABASES).map(|db| db.to_string()).collect();
        let select = |db: &str| request(&[b"SELECT", db.as_bytes()]);
        let listing = databases.iter().flat_map(|db| [select(db), request(&[b"KEYS", b"*"])]);
        let replies = self.run(&listing.collect::<Vec<_>>());
        let mut requests = vec![request(&[b"DEBUG", b"DIGEST"])];
        for (db, keys) in databases.iter().zip(replies.chunks(2)) {
            requests.push(select(db));
            for key in sorted_keys(&keys[1]) {
                requests.push(request(&[b"PEXPIRETIME", key]));
                requests.push(request(&[b"DEBUG", b"DIGEST-VALUE", key]));
            }
        }
        let replies = self.run(&requests);
        self.server.engine.disconnect(std::mem::replace(&mut self.client, client));
        let shown =
            |words: &Words| words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
        requests.iter().zip(replies).map(|(words, reply)| format!("{}: {reply:?}", shown(words))).collect()
    }
}

fn request(words: &[&[u8]]) -> Words {
    words.iter().map(|word| word.to_vec()).collect()
}

fn sorted_keys(reply: &Value) -> Vec<&[u8]> {
    let Value::Array(keys) = reply else { panic!("KEYS gave {reply:?}") };
    let mut keys: Vec<&[u8]> = keys.iter().filter_map(Value::as_bytes).collect();
    keys.sort_unstable();
    keys
}
