//! The commands that most requests are allocate nothing once buffers have grown.

use alloc_watch::taken_by;
use commands::{CommandLimits, Ctx, KeyLog, Store, execute, resolve};
use keyspace::{HashSeed, Keyspace, UnixMs};
use resp_codec::{ArgSpan, Args, Effects, Protocol, Reply};

/// A keyspace and what a command writes to, kept from command to command.
struct Server {
    keyspace: Keyspace,
    effects: Effects,
    keys: KeyLog,
    trash: Vec<commands::Garbage>,
    rng: fastrand::Rng,
    limits: CommandLimits,
    out: Vec<u8>,
}

impl Server {
    /// Runs a request whose arguments are separated by single spaces.
    fn run(&mut self, request: &str) {
        let mut spans = [ArgSpan { start: 0, end: 0 }; 8];
        let (mut count, mut start) = (0, 0);
        for word in request.split(' ') {
            let end = start + u32::try_from(word.len()).expect("a short word");
            spans[count] = ArgSpan { start, end };
            (count, start) = (count + 1, end + 1);
        }
        let args = Args::new(request.as_bytes(), &spans[..count], false);
        self.effects.clear();
        self.keys.clear();
        self.out.clear();
        let command = resolve(args).expect("a known command");
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
    }
}

#[test]
fn get_set_and_incr_of_small_values_allocate_nothing() {
    let mut server = Server {
        keyspace: Keyspace::new(1, HashSeed([3; 16])),
        effects: Effects::default(),
        keys: KeyLog::default(),
        trash: Vec::new(),
        rng: fastrand::Rng::with_seed(1),
        limits: CommandLimits::default(),
        out: Vec::new(),
    };
    let requests = [
        "SET key some-value",
        "GET key",
        "get missing",
        "SET counter 10",
        "INCR counter",
        "INCRBY counter -5",
        "SET lasting value EX 100",
        "GET lasting",
        "SET key new-values XX",
        "TTL lasting",
        "EXISTS key missing",
        "STRLEN key",
    ];
    for request in requests {
        server.run(request);
    }
    for request in requests {
        let ((), taken) = taken_by(|| server.run(request));
        assert_eq!(taken.calls, 0, "{request}");
    }
}
