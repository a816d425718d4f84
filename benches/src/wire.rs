//! Requests as they come over the wire, and one executed without an engine.

use commands::{CommandLimits, Ctx, Garbage, KeyLog, Store, execute, resolve};
use keyspace::{HashSeed, Keyspace, UnixMs};
use resp_codec::{Args, Effects, Limits, Protocol, Reply, RequestDecoder, encode_command};

/// A multibulk request of words separated by single spaces.
pub fn request(words: &str) -> Vec<u8> {
    let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
    let mut out = Vec::new();
    encode_command(&mut out, words.into_iter());
    out
}

/// `count` requests one after the other; `words` makes the n-th.
pub fn pipeline(count: usize, words: impl Fn(usize) -> String) -> Vec<u8> {
    (0..count).flat_map(|n| request(&words(n))).collect()
}

/// A decoded request that owns its bytes.
#[derive(Debug)]
pub struct Decoded {
    bytes: Vec<u8>,
    decoder: RequestDecoder,
}

impl Decoded {
    /// The request of words separated by single spaces.
    ///
    /// # Panics
    /// If the decoder does not find it: a bug.
    pub fn new(words: &str) -> Self {
        let (bytes, mut decoder) = (request(words), RequestDecoder::new(Limits::default()));
        let found = decoder.decode(&bytes).expect("a well-formed request");
        assert_eq!(found, resp_codec::Decoded::Request { consumed: bytes.len() });
        Self { bytes, decoder }
    }

    /// Its arguments.
    pub fn args(&self) -> Args<'_> {
        self.decoder.args(&self.bytes)
    }
}

/// A keyspace and what commands write to, kept from command to command.
#[derive(Debug)]
pub struct Executor {
    keyspace: Keyspace,
    effects: Effects,
    keys: KeyLog,
    trash: Vec<Garbage>,
    rng: fastrand::Rng,
    limits: CommandLimits,
    out: Vec<u8>,
}

impl Default for Executor {
    fn default() -> Self {
        Self {
            keyspace: Keyspace::new(1, HashSeed([3; 16])),
            effects: Effects::default(),
            keys: KeyLog::default(),
            trash: Vec::new(),
            rng: fastrand::Rng::with_seed(crate::SEED),
            limits: CommandLimits::default(),
            out: Vec::new(),
        }
    }
}

impl Executor {
    /// Finds the command and runs it. Returns its reply.
    ///
    /// # Panics
    /// If there is no such command.
    pub fn run(&mut self, request: &Decoded) -> &[u8] {
        let args = request.args();
        self.effects.clear();
        self.keys.clear();
        self.out.clear();
        let command = resolve(args).expect("a known command with a fitting number of arguments");
        let mut ctx = Ctx {
            store: Store {
                keyspace: &mut self.keyspace,
                db: 0,
                now: UnixMs(1_000_000),
                effects: &mut self.effects,
                keys: &mut self.keys,
                trash: &mut self.trash,
                replay: false,
                keep_expired: false,
            },
            reply: Reply::new(&mut self.out, Protocol::Resp2),
            rng: &mut self.rng,
            limits: &self.limits,
            table: commands::CommandTable::default(),
        };
        execute(command, &mut ctx, args);
        &self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoded_request_has_its_words() {
        let decoded = Decoded::new("SET 1 1 EX 100");
        let words: Vec<&[u8]> = decoded.args().from(0).collect();
        assert_eq!(words, [b"SET".as_slice(), b"1", b"1", b"EX", b"100"]);
    }

    #[test]
    fn commands_run_one_after_the_other_over_one_keyspace() {
        let mut executor = Executor::default();
        assert_eq!(executor.run(&Decoded::new("INCR n")), b":1\r\n");
        assert_eq!(executor.run(&Decoded::new("INCR n")), b":2\r\n");
    }
}
