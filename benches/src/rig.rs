//! An engine in memory: bytes of requests in, turns by hand, bytes of replies out. No sockets, and time stands still.
//!
//! What it does is all that the server does for a request but the system calls.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bio::{Bio, Completion, InlineBio, Job, JobId, Kind};
use child::sim::SimChildren;
use engine::{ClientId, Config, Engine, Env, MemoryLog, Now, Peer, Process};
use vfs::sim::SimDisk;

use crate::forgetful::ForgetfulDir;

const DIR: &str = "/data";
/// The name of the log in it.
const LOG: &str = "appendonly.aof";
/// A start that needs more turns than this hangs.
const START_TURNS: usize = 1_000_000;

/// Background threads that run when they are polled.
#[derive(Clone, Default)]
struct AtOnce(Rc<RefCell<InlineBio>>);

impl Bio for AtOnce {
    fn submit(&mut self, kind: Kind, job: Job) -> JobId {
        self.0.borrow_mut().submit(kind, job)
    }

    fn poll(&mut self, out: &mut Vec<Completion>) {
        let mut inner = self.0.borrow_mut();
        inner.run_all();
        inner.poll(out);
    }

    fn pending(&self, kind: Kind) -> usize {
        self.0.borrow().pending(kind)
    }

    fn release(&mut self, kind: Kind, id: JobId) {
        self.0.borrow_mut().release(kind, id);
    }

    fn drain(&mut self, kind: Kind) {
        self.0.borrow_mut().drain(kind);
    }
}

/// A serving engine with clients.
pub struct Rig {
    engine: Engine,
    clients: Vec<ClientId>,
    ready: Vec<ClientId>,
    now: Now,
}

impl Rig {
    /// A server with the default configuration and a log under `everysec`, empty, with `clients` clients.
    ///
    /// # Panics
    /// If it does not start: a bug.
    pub fn new(clients: usize) -> Self {
        let mut rig = Self::on(&SimDisk::new());
        let connect = |engine: &mut Engine| {
            engine.connect(Peer { unix_socket: true, ..Peer::default() }).expect("there is room for clients")
        };
        rig.clients = (0..clients).map(|_| connect(&mut rig.engine)).collect();
        rig
    }

    /// A server that has loaded `log`.
    ///
    /// # Panics
    /// If it does not start: a bug, or no log.
    pub fn loaded(log: &[u8]) -> Self {
        let disk = SimDisk::new();
        disk.put(DIR, LOG, log);
        Self::on(&disk)
    }

    fn on(disk: &SimDisk) -> Self {
        let forgets = Arc::new(AtomicBool::new(false));
        let log = MemoryLog::default();
        let env = Env {
            dir: Arc::new(ForgetfulDir::new(disk.dir(DIR), Arc::clone(&forgets))),
            bio: Box::new(AtOnce::default()),
            spawner: Box::new(SimChildren::new().spawner()),
            log: Box::new(MemoryLog(Arc::clone(&log.0))),
            config_file: None,
            process: Process { pid: 42, boot_id: [1; 16], ..Process::default() },
            seed: [9; 16],
        };
        let now = Now { mono_us: 7_000_000, unix_us: 1_790_000_000_000_000 };
        let mut rig =
            Self { engine: Engine::new(Config::default(), env, now), clients: Vec::new(), ready: Vec::new(), now };
        rig.engine.start().expect("an engine starts on a disk without faults");
        let serves = || log.0.lock().iter().any(|(_, line)| line.contains("Ready to accept connections"));
        for _ in 0..START_TURNS {
            if serves() {
                break;
            }
            assert!(rig.engine.exit().is_none(), "the engine ended: {:?}", log.0.lock());
            rig.end_turn();
        }
        assert!(serves(), "the engine does not serve: {:?}", log.0.lock());
        forgets.store(true, Ordering::Relaxed);
        rig
    }

    /// One turn in which client number i sends `request(i)`, and takes its replies. Returns how many bytes of them there were.
    ///
    /// # Panics
    /// If the engine does not read a client, or there are more bytes than one read takes: the request is too large.
    pub fn turn<'r>(&mut self, request: impl Fn(usize) -> &'r [u8]) -> usize {
        for i in 0..self.clients.len() {
            let (client, request) = (self.clients[i], request(i));
            let room = self.engine.query_spare(client).expect("a client without held replies is read");
            room[..request.len()].copy_from_slice(request);
            self.engine.filled(client, request.len());
        }
        self.end_turn()
    }

    /// What one client is answered, as it would be sent.
    ///
    /// # Panics
    /// As [`Rig::turn`].
    pub fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        let client = self.clients[0];
        let room = self.engine.query_spare(client).expect("a client without held replies is read");
        room[..request.len()].copy_from_slice(request);
        self.engine.filled(client, request.len());
        self.engine.cron();
        self.engine.end_turn();
        let reply = self.engine.sendable(client).to_vec();
        self.end_turn();
        reply
    }

    fn end_turn(&mut self) -> usize {
        self.engine.cron();
        self.engine.end_turn();
        self.engine.take_ready(&mut self.ready);
        let mut sent = 0;
        for client in self.ready.drain(..) {
            let n = self.engine.sendable(client).len();
            if n > 0 {
                self.engine.sent(client, n);
            }
            sent += n;
        }
        self.engine.begin_turn(self.now);
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::request;

    #[test]
    fn a_request_is_answered_within_its_turn() {
        let mut rig = Rig::new(3);
        assert_eq!(rig.ask(&request("SET key value")), b"+OK\r\n");
        assert_eq!(rig.ask(&request("GET key")), b"$5\r\nvalue\r\n");
        let get = request("GET key");
        assert_eq!(rig.turn(|_| &get), 3 * b"$5\r\nvalue\r\n".len());
    }

    #[test]
    fn a_log_is_loaded_before_the_first_turn() {
        let mut rig = Rig::loaded(&request("RPUSH list a b"));
        let client = rig.engine.connect(Peer { unix_socket: true, ..Peer::default() }).unwrap();
        rig.clients.push(client);
        assert_eq!(rig.ask(&request("LLEN list")), b":2\r\n");
    }
}
