//! What the whole-turn measurements ask of the engine: the commands of redis-benchmark, each in a form that can go on for
//! ever without the data growing.

use crate::rig::Rig;
use crate::wire::pipeline;

/// Keys and members of the workloads over many: they fit no processor's first two caches. Fewer without optimizations,
/// where the measurements are only tried.
const MANY: usize = if cfg!(debug_assertions) { 960 } else { 48_000 };
/// Requests that are sent at once while data is filled in.
const FILL: usize = 200;

/// A workload: data, then the same requests again and again.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// How it is asked for.
    pub name: &'static str,
    /// How many requests fill in the data, and the n-th of them.
    fill: (usize, fn(usize) -> String),
    /// The n-th request of the endless sequence.
    request: fn(usize) -> String,
}

fn none(_: usize) -> String {
    unreachable!("nothing is filled in")
}

/// Numbers in an order that no cache foresees.
fn scattered(n: usize) -> usize {
    n.wrapping_mul(0x9e37_79b9) % MANY
}

/// All workloads.
pub const WORKLOADS: &[Workload] = &[
    Workload { name: "ping", fill: (0, none), request: |_| "PING".to_owned() },
    Workload { name: "set", fill: (0, none), request: |_| "SET key:__rand_int__ xxx".to_owned() },
    Workload {
        name: "get",
        fill: (1, |_| "SET key:__rand_int__ xxx".to_owned()),
        request: |_| "GET key:__rand_int__".to_owned(),
    },
    Workload { name: "incr", fill: (0, none), request: |_| "INCR counter:__rand_int__".to_owned() },
    Workload {
        name: "lpush_lpop",
        fill: (1_000, |_| "LPUSH mylist xxx".to_owned()),
        request: |n| if n.is_multiple_of(2) { "LPUSH mylist xxx".to_owned() } else { "LPOP mylist".to_owned() },
    },
    Workload { name: "sadd", fill: (0, none), request: |_| "SADD myset element:__rand_int__".to_owned() },
    Workload {
        name: "sadd_spop",
        fill: (MANY, |n| format!("SADD myset element:{n:012}")),
        request: |n| {
            if n.is_multiple_of(2) {
                format!("SADD myset element:{:012}", scattered(n))
            } else {
                "SPOP myset".to_owned()
            }
        },
    },
    Workload { name: "spop_missing", fill: (0, none), request: |_| "SPOP myset".to_owned() },
    Workload { name: "hset", fill: (0, none), request: |_| "HSET myhash element:__rand_int__ xxx".to_owned() },
    Workload { name: "zadd", fill: (0, none), request: |_| "ZADD myzset 0 element:__rand_int__".to_owned() },
    Workload {
        name: "zadd_move",
        fill: (MANY, |n| format!("ZADD myzset {} element:{n:012}", scattered(n))),
        request: |n| format!("ZADD myzset {} element:{:012}", scattered(n * 31), scattered(n)),
    },
    Workload {
        name: "zadd_zpopmin",
        fill: (MANY, |n| format!("ZADD myzset {} element:{n:012}", scattered(n))),
        request: |n| {
            if n.is_multiple_of(2) {
                format!("ZADD myzset {} element:{:012}", scattered(n * 31), scattered(n))
            } else {
                "ZPOPMIN myzset".to_owned()
            }
        },
    },
    Workload {
        name: "lrange_100",
        fill: (1_000, |_| "LPUSH mylist xxx".to_owned()),
        request: |_| "LRANGE mylist 0 99".to_owned(),
    },
    Workload { name: "mset", fill: (0, none), request: |_| format!("MSET{}", " key:__rand_int__ xxx".repeat(10)) },
    Workload {
        name: "set_many",
        fill: (MANY, |n| format!("SET key:{n:012} xxx")),
        request: |n| format!("SET key:{:012} xxx", scattered(n)),
    },
    Workload {
        name: "get_many",
        fill: (MANY, |n| format!("SET key:{n:012} xxx")),
        request: |n| format!("GET key:{:012}", scattered(n)),
    },
];

/// A workload under way: an engine with its data, and the requests of some turns, used in a circle.
pub struct Running {
    rig: Rig,
    clients: usize,
    /// What one client sends at once.
    sendings: Vec<Vec<u8>>,
    next: usize,
}

impl Workload {
    /// The workload of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        WORKLOADS.iter().find(|workload| workload.name == name)
    }

    /// Fills in the data and prepares turns in which each of `clients` clients sends `depth` requests at once.
    ///
    /// # Panics
    /// If the engine answers with an error: the workload is wrong.
    pub fn start(&self, clients: usize, depth: usize) -> Running {
        let mut rig = Rig::new(clients);
        let (count, fill) = self.fill;
        for from in (0..count).step_by(FILL) {
            let reply = rig.ask(&pipeline(FILL.min(count - from), |n| fill(from + n)));
            assert!(!reply.contains(&b'-'), "{}: {}", self.name, reply.escape_ascii());
        }
        // An even number in a circle, so that requests which give and take stay in step.
        let distinct = 2 * (MANY / depth / 2);
        let sendings = (0..distinct).map(|i| pipeline(depth, |n| (self.request)(i * depth + n))).collect();
        Running { rig, clients, sendings, next: 0 }
    }
}

impl Running {
    /// Runs one turn; returns the bytes of its replies.
    pub fn turn(&mut self) -> usize {
        let (sendings, next) = (&self.sendings, self.next);
        let sent = self.rig.turn(|client| &sendings[(next + client) % sendings.len()]);
        self.next = (next + self.clients) % self.sendings.len();
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_is_answered_without_errors() {
        for workload in WORKLOADS {
            let mut rig = Rig::new(1);
            let (count, fill) = workload.fill;
            for n in 0..count.min(500) {
                let reply = rig.ask(&pipeline(1, |_| fill(n)));
                assert!(!reply.starts_with(b"-"), "{}: {}", workload.name, reply.escape_ascii());
            }
            for n in 0..50 {
                let reply = rig.ask(&pipeline(1, |_| (workload.request)(n)));
                assert!(!reply.starts_with(b"-") && !reply.is_empty(), "{}: {}", workload.name, reply.escape_ascii());
            }
        }
    }
}
