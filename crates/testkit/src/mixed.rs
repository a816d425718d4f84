//! A seeded mix of write commands over all base types and several databases, for comparing two servers' datasets.
//!
//! Keys are few, so that commands meet keys of other types and of their own; errors such as WRONGTYPE are part of the mix.
//! Deadlines are either over in milliseconds or hours ahead, so that none falls between two readings.

use crate::client::Pipeline;

/// How many keys there are.
const KEYS: usize = 40;
/// How many databases are used.
const DATABASES: usize = 4;

/// Draws commands.
#[derive(Debug)]
pub struct Mixed {
    rng: fastrand::Rng,
}

/// Command templates: `k` a key, `d` a key that is written, `m` a member, `i` an integer, `f` a float, `n` a small
/// index, `p` hours in milliseconds, `s` hours in seconds, `x` a few milliseconds, `b` a database.
const TEMPLATES: &[&str] = &[
    "SET k m",
    "SET k m PX p",
    "SET k m EX s",
    "SET k i KEEPTTL",
    "SET k m PX x",
    "SET k m NX GET",
    "SETEX k s m",
    "PSETEX k p m",
    "SETNX k m",
    "MSET k m k m",
    "APPEND k m",
    "SETRANGE k n m",
    "INCR k",
    "DECRBY k i",
    "INCRBYFLOAT k f",
    "GETDEL k",
    "GETEX k PX p",
    "GETEX k PERSIST",
    "GETSET k m",
    "RPUSH k m m i",
    "LPUSH k i m",
    "RPUSHX k m",
    "LPOP k 2",
    "RPOP k",
    "LSET k n m",
    "LINSERT k BEFORE m m",
    "LREM k 0 m",
    "LTRIM k 0 n",
    "RPOPLPUSH k k",
    "LMOVE k k LEFT RIGHT",
    "SADD k m m i",
    "SADD k i i i",
    "SREM k m",
    "SPOP k",
    "SPOP k 2",
    "SMOVE k k m",
    "SINTERSTORE d k k",
    "SUNIONSTORE d k k",
    "SDIFFSTORE d k k",
    "HSET k m m i i",
    "HSETNX k m i",
    "HINCRBY k i i",
    "HINCRBYFLOAT k i f",
    "HDEL k m",
    "ZADD k f m i i",
    "ZADD k GT CH f m",
    "ZINCRBY k f m",
    "ZREM k m",
    "ZPOPMIN k",
    "ZPOPMAX k 2",
    "ZREMRANGEBYRANK k 0 n",
    "ZREMRANGEBYSCORE k -inf f",
    "ZUNIONSTORE d 2 k k",
    "ZINTERSTORE d 2 k k WEIGHTS 2 i",
    "ZRANGESTORE d k 0 n",
    "EXPIRE k s",
    "PEXPIRE k p",
    "PEXPIRE k x",
    "PERSIST k",
    "DEL k",
    "UNLINK k k",
    "RENAME k k",
    "RENAMENX k k",
    "COPY k d REPLACE",
    "MOVE k b",
    "SELECT b",
    "SELECT b",
];

impl Mixed {
    /// A mix that depends on `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed) }
    }

    /// Appends about `count` requests, some of them whole transactions.
    pub fn fill(&mut self, pipeline: &mut Pipeline, count: usize) {
        let end = pipeline.len() + count;
        while pipeline.len() < end {
            if self.rng.u8(..12) > 0 {
                self.push_command(pipeline);
                continue;
            }
            pipeline.push(&["MULTI"]);
            for _ in 0..self.rng.usize(1..5) {
                self.push_command(pipeline);
            }
            pipeline.push(&["EXEC"]);
        }
    }

    fn push_command(&mut self, pipeline: &mut Pipeline) {
        if self.rng.u16(..2_000) == 0 {
            pipeline.push(&["FLUSHDB"]);
            return;
        }
        let template = TEMPLATES[self.rng.usize(..TEMPLATES.len())];
        let arguments: Vec<Vec<u8>> = template.split(' ').map(|word| self.argument(word)).collect();
        pipeline.push(&arguments);
    }

    fn argument(&mut self, word: &str) -> Vec<u8> {
        let text = match word {
            "k" => format!("key:{}", self.rng.usize(..KEYS)),
            "d" => format!("made:{}", self.rng.usize(..KEYS / 4)),
            "m" => return self.member(),
            "i" => self.rng.i64(-300..300).to_string(),
            "f" => (f64::from(self.rng.i16(-2_000..2_000)) / 8.0).to_string(),
            "n" => self.rng.usize(..6).to_string(),
            "p" => self.rng.u64(3_600_000..900_000_000).to_string(),
            "s" => self.rng.u64(3_600..900_000).to_string(),
            "x" => self.rng.u64(1..20).to_string(),
            "b" => self.rng.usize(..DATABASES).to_string(),
            literal => literal.to_owned(),
        };
        text.into_bytes()
    }

    /// Mostly from a small set, so that members meet; else bytes of any kind.
    fn member(&mut self) -> Vec<u8> {
        match self.rng.u8(..10) {
            0 => Vec::new(),
            1 => b"\0\xff\r\n*1".to_vec(),
            2 => vec![b'y'; self.rng.usize(50..5_000)],
            3 => (0..self.rng.usize(1..40)).map(|_| self.rng.u8(..)).collect(),
            _ => format!("member-{}", self.rng.usize(..60)).into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_commands_again() {
        let bytes = |seed| {
            let mut pipeline = Pipeline::default();
            Mixed::new(seed).fill(&mut pipeline, 500);
            (pipeline.len(), pipeline.size_bytes())
        };
        assert_eq!(bytes(3), bytes(3));
        assert_ne!(bytes(3), bytes(4));
    }
}
