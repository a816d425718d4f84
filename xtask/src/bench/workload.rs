//! What redis-benchmark is told to do: its own default list, and what that list leaves out.
//!
//! The keyspace is emptied before every test, so a test that reads or pops is preceded by what stands before it in a whole
//! run of redis-benchmark; that part is not measured. Without `-r` redis-benchmark works on one key and one element, so
//! SPOP and ZPOPMIN find their key once and then never again, and ZADD and SADD change nothing after the first request.
//! The group `random` is the same with `-r`: it is there because users have more than one key.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Connections. Source: the default of redis-benchmark.
pub(crate) const CLIENTS: u32 = 50;
/// The range of `-r` in the group `random`: far more keys than fit a processor's caches.
pub(crate) const RANDOM_RANGE: u32 = 1_000_000;
/// Requests that fill a keyspace over that range: 95 of 100 names are drawn at least once.
const RANDOM_FILL: u64 = 3 * RANDOM_RANGE as u64;
/// Elements of the list that LRANGE reads. Source: the default number of requests of redis-benchmark.
const LRANGE_FILL: u64 = 100_000;
/// Requests are pipelined so while a keyspace is filled.
const FILL_PIPELINE: u32 = 16;

/// Which rows of the table belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// What redis-benchmark runs by default, in its order.
    Default,
    /// The same commands on a key that is not there.
    Missing,
    /// The same commands over a million keys or elements.
    Random,
}

impl Group {
    /// As it is asked for.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Missing => "missing",
            Self::Random => "random",
        }
    }
}

/// One test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    what: What,
    /// What fills the keyspace before.
    fill: Option<Fill>,
    /// The number of requests is divided by this: such requests take longer.
    weight: u64,
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
enum What {
    /// A test of redis-benchmark, by the name that `-t` takes.
    Named(&'static str),
    /// A command, where the test of that name would fill the keyspace under measurement.
    Command(&'static [&'static str]),
}

/// A test of redis-benchmark that runs before, unmeasured.
#[derive(Clone, Copy, Debug)]
struct Fill {
    test: &'static str,
    /// None: as many as are measured.
    requests: Option<u64>,
}

const fn test(name: &'static str, named: &'static str) -> Test {
    Test { name, group: Group::Default, what: What::Named(named), fill: None, weight: 1 }
}

const fn filled(name: &'static str, named: &'static str, by: &'static str) -> Test {
    Test { fill: Some(Fill { test: by, requests: None }), ..test(name, named) }
}

const fn missing(name: &'static str, named: &'static str) -> Test {
    Test { group: Group::Missing, ..test(name, named) }
}

const fn random(name: &'static str, named: &'static str) -> Test {
    Test { group: Group::Random, ..test(name, named) }
}

const fn random_filled(name: &'static str, named: &'static str, by: &'static str) -> Test {
    let fill = Some(Fill { test: by, requests: Some(RANDOM_FILL) });
    Test { group: Group::Random, fill, ..test(name, named) }
}

const fn lrange(name: &'static str, command: &'static [&'static str], weight: u64) -> Test {
    let fill = Some(Fill { test: "lpush", requests: Some(LRANGE_FILL) });
    Test { name, group: Group::Default, what: What::Command(command), fill, weight }
}

/// Every test, in the order of redis-benchmark.
#[rustfmt::skip]
pub(crate) const TESTS: &[Test] = &[
    test("PING_INLINE", "ping_inline"),
    test("PING_MBULK", "ping_mbulk"),
    test("SET", "set"),
    filled("GET", "get", "set"),
    test("INCR", "incr"),
    test("LPUSH", "lpush"),
    test("RPUSH", "rpush"),
    filled("LPOP", "lpop", "lpush"),
    filled("RPOP", "rpop", "rpush"),
    test("SADD", "sadd"),
    test("HSET", "hset"),
    filled("SPOP", "spop", "sadd"),
    test("ZADD", "zadd"),
    filled("ZPOPMIN", "zpopmin", "zadd"),
    lrange("LRANGE_100", &["LRANGE", "mylist", "0", "99"], 2),
    lrange("LRANGE_300", &["LRANGE", "mylist", "0", "299"], 4),
    lrange("LRANGE_500", &["LRANGE", "mylist", "0", "499"], 5),
    lrange("LRANGE_600", &["LRANGE", "mylist", "0", "599"], 6),
    Test { weight: 2, ..test("MSET", "mset") },
    missing("GET_MISSING", "get"),
    missing("LPOP_MISSING", "lpop"),
    missing("SPOP_MISSING", "spop"),
    missing("ZPOPMIN_MISSING", "zpopmin"),
    random("SET_RANDOM", "set"),
    random_filled("GET_RANDOM", "get", "set"),
    random("INCR_RANDOM", "incr"),
    random("SADD_RANDOM", "sadd"),
    random("HSET_RANDOM", "hset"),
    Test { weight: 2, ..random_filled("SPOP_RANDOM", "spop", "sadd") },
    random("ZADD_RANDOM", "zadd"),
    Test { weight: 2, ..random_filled("ZPOPMIN_RANDOM", "zpopmin", "zadd") },
    Test { weight: 4, ..random("MSET_RANDOM", "mset") },
];

/// The tests that a list names: groups, tests, or `all`, separated by commas, in any case.
///
/// # Errors
/// If a word is neither.
pub(crate) fn select(list: &str) -> Result<Vec<&'static Test>> {
    let words: Vec<&str> = list.split(',').map(str::trim).filter(|w| !w.is_empty()).collect();
    let names =
        |word: &str, test: &Test| word == "all" || word == test.group.name() || word.eq_ignore_ascii_case(test.name);
    if let Some(unknown) = words.iter().find(|word| !TESTS.iter().any(|test| names(word, test))) {
        let known: Vec<&str> = TESTS.iter().map(|t| t.name).collect();
        bail!(
            "no test or group is named {unknown}; groups are default, missing, random and all, tests {}",
            known.join(", ")
        );
    }
    Ok(TESTS.iter().filter(|test| words.iter().any(|word| names(word, test))).collect())
}

/// How redis-benchmark reaches a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Driver<'a> {
    /// redis-benchmark.
    pub(crate) binary: &'a Path,
    pub(crate) port: u16,
}

impl Test {
    /// How many requests are made where `base` is asked for.
    pub(crate) fn requests(&self, base: u64) -> u64 {
        (base / self.weight).max(u64::from(CLIENTS))
    }

    /// Puts into the keyspace what the test reads.
    ///
    /// # Errors
    /// If redis-benchmark fails or the server answers with an error.
    pub(crate) fn fill(&self, driver: Driver<'_>, base: u64) -> Result<()> {
        let Some(fill) = self.fill else { return Ok(()) };
        driver.run(What::Named(fill.test), self.fill_requests(fill, base), FILL_PIPELINE, self.range()).map(drop)
    }

    /// Makes so many requests; returns how many a second were answered.
    ///
    /// # Errors
    /// If redis-benchmark fails or the server answers with an error.
    pub(crate) fn run(&self, driver: Driver<'_>, requests: u64, pipeline: u32) -> Result<f64> {
        driver.run(self.what, requests, pipeline, self.range())
    }

    fn fill_requests(&self, fill: Fill, base: u64) -> u64 {
        fill.requests.unwrap_or(self.requests(base))
    }

    fn range(&self) -> Option<u32> {
        (self.group == Group::Random).then_some(RANDOM_RANGE)
    }
}

impl Driver<'_> {
    fn run(self, what: What, requests: u64, pipeline: u32, range: Option<u32>) -> Result<f64> {
        let mut command = Command::new(self.binary);
        command.args(["-h", "127.0.0.1", "-q", "-p", &self.port.to_string()]);
        command.args(["-c", &CLIENTS.to_string(), "-n", &requests.to_string(), "-P", &pipeline.to_string()]);
        if let Some(range) = range {
            command.args(["-r", &range.to_string()]);
        }
        match what {
            What::Named(test) => command.args(["-t", test]),
            What::Command(words) => command.args(words),
        };
        let output = command.output().context("redis-benchmark")?;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || said.contains("Error") || said.contains("ERR") {
            bail!("redis-benchmark, {what:?}: {}\n{}", output.status, said.trim());
        }
        rate(&said).with_context(|| format!("redis-benchmark, {what:?}, named no rate:\n{said}"))
    }
}

/// The last `… requests per second` in what redis-benchmark prints, over its own progress.
fn rate(said: &str) -> Option<f64> {
    let before = said.rsplit_once(" requests per second")?.0;
    before.rsplit([' ', '\r', '\n']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::figures::float;
    use super::*;

    #[test]
    fn tests_are_chosen_by_group_and_name_in_the_order_of_the_table() {
        let names = |list| select(list).map(|tests| tests.iter().map(|t| t.name).collect::<Vec<_>>());
        assert_eq!(names("zadd,ping_inline,missing,set").ok().map(|n| n.len()), Some(7));
        assert_eq!(names("get,Set").ok(), Some(vec!["SET", "GET"]));
        assert_eq!(names("default").ok().map(|n| n.len()), Some(19));
        assert_eq!(names("all").ok().map(|n| n.len()), Some(TESTS.len()));
        assert!(names("get,nosuch").is_err());
    }

    /// GET over a million names missed 86 of 100 of them, and a pipelined SPOP found nothing any more at its end: each was
    /// preceded by as many random requests as it made itself.
    #[test]
    fn what_a_random_test_reads_or_pops_is_there() {
        let range = f64::from(RANDOM_RANGE);
        for test in TESTS.iter().filter(|test| test.group == Group::Random) {
            let Some(fill) = test.fill else { continue };
            for base in [150_000, 1_200_000] {
                let drawn = float(test.fill_requests(fill, base)) / range;
                let there = range * (1.0 - (-drawn).exp());
                let asked = if test.name.contains("POP") { float(test.requests(base)) } else { range };
                assert!(there >= 0.95 * asked, "{}: {there:.0} elements for {asked:.0}", test.name);
            }
        }
    }

    #[test]
    fn the_rate_is_the_last_one_printed() {
        let said = "SET: rps=0.0 (overall: 0.0)\rSET: 99.50 requests per second, p50=0.1 msec\n";
        assert_eq!(rate(said), Some(99.5));
        assert_eq!(rate("nothing"), None);
    }
}
