//! A log to measure loading with: plain commands over all base types, as many as wanted, the same for the same seed.
//!
//! Every command succeeds on the state that those before it made, as in a log that a server wrote; each type has keys of
//! its own. About a third are SETs; a few keys have a deadline, far ahead. The commands are those of Redis 6.2, so that
//! every server of interest reads them.

use resp_codec::encode_command;

/// 2100-01-01, in milliseconds since the epoch: no deadline passes while anything is measured.
const FAR_MS: u64 = 4_102_444_800_000;
/// So many commands go to one database before another is selected.
const SELECT_EVERY: u64 = 5_000;
/// How many databases are used.
const DATABASES: u64 = 4;

/// Draws the commands of one log.
#[derive(Debug)]
pub struct LoadLog {
    rng: fastrand::Rng,
    /// How many commands are wanted, which decides how many keys there are.
    wanted: u64,
    made: u64,
}

impl LoadLog {
    /// A log of `commands` commands that depends on `seed` alone.
    pub fn new(seed: u64, commands: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed), wanted: commands, made: 0 }
    }

    /// Appends the next command to `out`; false at the end.
    pub fn next_into(&mut self, out: &mut Vec<u8>) -> bool {
        if self.made == self.wanted {
            return false;
        }
        if self.made.is_multiple_of(SELECT_EVERY) {
            let db = self.rng.u64(..DATABASES).to_string();
            push(out, &["SELECT", &db]);
        } else {
            self.command(out);
        }
        self.made += 1;
        true
    }

    fn command(&mut self, out: &mut Vec<u8>) {
        match self.rng.u8(..100) {
            0..34 => push(out, &["SET", &self.key("s", 4), &self.value(100)]),
            34..40 => push(out, &["SET", &self.key("s", 4), &self.value(30), "PXAT", &self.deadline()]),
            40..48 => push(out, &["INCR", &self.key("n", 20)]),
            48..51 => push(out, &["PEXPIREAT", &self.key("s", 4), &self.deadline()]),
            51..63 => self.collection(out, "HSET", "h", |log| vec![log.member(), log.value(24)]),
            63..68 => self.collection(out, "RPUSH", "l", |log| vec![log.value(24)]),
            68..72 => self.collection(out, "LPUSH", "l", |log| vec![log.value(24)]),
            72..81 => self.collection(out, "SADD", "u", |log| vec![log.member()]),
            81..90 => self.collection(out, "ZADD", "z", |log| vec![log.score(), log.member()]),
            90..94 => push(out, &["DEL", &self.key("s", 4)]),
            94 | 95 => push(out, &["HDEL", &self.key("h", 40), &self.member()]),
            96 | 97 => push(out, &["LPOP", &self.key("l", 40)]),
            98 => push(out, &["SREM", &self.key("u", 40), &self.member()]),
            _ => push(out, &["ZREM", &self.key("z", 40), &self.member()]),
        }
    }

    /// One to three elements into a collection.
    fn collection(&mut self, out: &mut Vec<u8>, name: &str, kind: &str, element: fn(&mut Self) -> Vec<String>) {
        let mut words = vec![name.to_owned(), self.key(kind, 40)];
        for _ in 0..self.rng.u8(1..=3) {
            words.extend(element(self));
        }
        push(out, &words);
    }

    /// A key of a kind of which there is one for every so many commands.
    fn key(&mut self, kind: &str, commands_a_key: u64) -> String {
        let keys = (self.wanted / commands_a_key / DATABASES).max(1);
        format!("{kind}:{:012}", self.rng.u64(..keys))
    }

    fn member(&mut self) -> String {
        match self.rng.u8(..3) {
            0 => self.rng.u16(..1_000).to_string(),
            _ => format!("member-{}", self.rng.u16(..200)),
        }
    }

    fn value(&mut self, max_bytes: usize) -> String {
        let len = self.rng.usize(1..=max_bytes);
        (0..len).map(|_| self.rng.alphanumeric()).collect()
    }

    fn score(&mut self) -> String {
        (f64::from(self.rng.i32(-1_000_000..1_000_000)) / 8.0).to_string()
    }

    fn deadline(&mut self) -> String {
        (FAR_MS + self.rng.u64(..1_000_000_000)).to_string()
    }
}

fn push<A: AsRef<[u8]>>(out: &mut Vec<u8>, words: &[A]) {
    encode_command(out, words.iter().map(AsRef::as_ref));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_log_again() {
        let bytes = |seed| {
            let (mut out, mut log) = (Vec::new(), LoadLog::new(seed, 2_000));
            while log.next_into(&mut out) {}
            out
        };
        assert_eq!(bytes(3), bytes(3));
        assert_ne!(bytes(3), bytes(4));
        assert!(bytes(3).starts_with(b"*2\r\n$6\r\nSELECT\r\n"));
    }

    #[test]
    fn a_log_has_as_many_commands_as_wanted() {
        let (mut out, mut log, mut count) = (Vec::new(), LoadLog::new(5, 1_234), 0);
        while log.next_into(&mut out) {
            count += 1;
        }
        assert_eq!(count, 1_234);
    }
}
