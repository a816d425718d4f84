//! MULTI, EXEC, DISCARD and WATCH.
//!
//! A transaction runs in one go and is fed as one unit: on replay it is there whole or not at all. WATCH knows keys by
//! database and keyed 64-bit hash: two watched keys of one hash would at worst abort a transaction without need.

use std::collections::HashMap;

use aof_state::LogOffset;
use commands::KeyLog;
use keyspace::{KeyHash, Keyspace, UnixMs};
use resp_codec::Args;

use crate::client::{Client, ClientId, Transaction, Watched};
use crate::engine::Engine;

/// What the commands of the running EXEC have done so far.
#[derive(Debug, Default)]
pub(crate) struct Unit {
    /// What their replies depend on, their own effects left out.
    pub(crate) need: LogOffset,
    /// The keys they changed.
    pub(crate) keys: KeyLog,
    /// Where the reply of the command that runs begins in the client's output buffer.
    pub(crate) reply_start: usize,
}

impl Unit {
    /// Takes over what one command changed.
    pub(crate) fn note(&mut self, keys: &KeyLog) {
        self.keys.modified.extend_from_slice(&keys.modified);
        self.keys.modified_dbs.extend_from_slice(&keys.modified_dbs);
    }
}

/// Places for watched keys that a client keeps when it watches none, and the table of all.
const KEEP_WATCHED: usize = 16;

/// What a key under WATCH takes beside its name, in bytes: its places in the client's list and in the table of all, each of which
/// may have as many to spare as it uses, and the list of who watches it.
const WATCHED_BYTES: usize =
    2 * (size_of::<Watched>() + size_of::<((u32, KeyHash), Vec<Watcher>)>() + 1 + size_of::<Watcher>());

/// Who watches which key.
#[derive(Debug, Default)]
pub(crate) struct WatchTable {
    watchers: HashMap<(u32, KeyHash), Vec<Watcher>>,
}

#[derive(Clone, Copy, Debug)]
struct Watcher {
    client: ClientId,
    /// See [`Watched::present`].
    present: bool,
}

impl WatchTable {
    fn add(&mut self, client: ClientId, watched: &Watched) {
        let watcher = Watcher { client, present: watched.present };
        // Most keys have one: a list that grows by itself would begin with places for four.
        self.watchers.entry((watched.db, watched.hash)).or_insert_with(|| Vec::with_capacity(1)).push(watcher);
    }

    /// Whether a client watches a key of that hash.
    fn has(&self, client: ClientId, db: u32, hash: KeyHash) -> bool {
        self.watchers.get(&(db, hash)).is_some_and(|watchers| watchers.iter().any(|w| w.client == client))
    }

    /// Forgets everything a client watches.
    pub(crate) fn forget(&mut self, client: &Client) {
        for w in &client.watched {
            if let Some(ids) = self.watchers.get_mut(&(w.db, w.hash)) {
                ids.retain(|w| w.client != client.id);
                if ids.is_empty() {
                    self.watchers.remove(&(w.db, w.hash));
                }
            }
        }
        // Shrunk where most of it is spare, so that it is not copied for every client that goes.
        if self.watchers.capacity() / 8 > self.watchers.len().max(KEEP_WATCHED) {
            self.watchers.shrink_to(2 * self.watchers.len());
        }
    }

    /// The clients whose watch breaks by changes of single keys. That a key expired is news only to who saw it alive.
    pub(crate) fn touched(&self, keys: &KeyLog) -> Vec<ClientId> {
        if self.watchers.is_empty() {
            return Vec::new();
        }
        let written = keys.modified.iter().chain(&keys.rewritten);
        let modified = written.filter_map(|at| self.watchers.get(at)).flatten();
        let expired = keys.expired.iter().filter_map(|at| self.watchers.get(at)).flatten().filter(|w| w.present);
        modified.chain(expired).map(|w| w.client).collect()
    }
}

impl Engine {
    /// Breaks the WATCH of everyone who watches what the command that just ran changed; `client`, which ran it, is checked
    /// out of the table of clients.
    pub(crate) fn break_watches(&mut self, client: &mut Client) {
        for id in self.watch.touched(&self.keylog) {
            if id == client.id {
                client.watch_broken = true;
            } else if let Some(other) = self.clients.find(id) {
                other.watch_broken = true;
            }
        }
        if self.keylog.modified_dbs.is_empty() || self.watch.watchers.is_empty() {
            return;
        }
        let (keyspace, dbs, now) = (&self.keyspace, &self.keylog.modified_dbs, self.now.unix());
        for watcher in self.clients.iter_mut().chain(std::iter::once(client)) {
            // A key that is in neither content of the database has not changed. Source: touchAllWatchedKeysInDb of Redis.
            let changed = |w: &Watched| dbs.contains(&w.db) && (w.present || is_present(keyspace, w.db, &w.key, now));
            watcher.watch_broken |= watcher.watched.iter().any(changed);
        }
    }

    pub(crate) fn multi(&mut self, client: &mut Client) {
        if client.transaction.is_some() {
            return self.answer_error(client, "ERR MULTI calls can not be nested");
        }
        client.transaction = Some(Transaction::default());
        self.answer_ok(client);
    }

    pub(crate) fn discard_command(&mut self, client: &mut Client) {
        if client.transaction.is_none() {
            return self.answer_error(client, "ERR DISCARD without MULTI");
        }
        self.discard(client);
        self.answer_ok(client);
    }

    /// Ends the transaction without running it.
    pub(crate) fn discard(&mut self, client: &mut Client) {
        client.transaction = None;
        self.unwatch(client);
    }

    pub(crate) fn unwatch(&mut self, client: &mut Client) {
        self.watch.forget(client);
        client.watched.clear();
        client.watched.shrink_to(KEEP_WATCHED);
        client.watched_bytes = 0;
        client.watch_broken = false;
    }

    pub(crate) fn watch_command(&mut self, client: &mut Client, args: Args<'_>) {
        if client.transaction.is_some() {
            return self.answer_error(client, "ERR WATCH inside MULTI is not allowed");
        }
        // A watch that is broken already stays so until EXEC: more keys change nothing. Source: watchCommand.
        if !client.watch_broken {
            for key in args.from(1) {
                self.watch_key(client, key);
            }
        }
        self.answer_ok(client);
    }

    fn watch_key(&mut self, client: &mut Client, name: &[u8]) {
        let key = self.keyspace.key(name);
        // A request may name a million keys: looking through all of them for each would take hours.
        let watches = self.watch.has(client.id, client.db, key.hash);
        if watches && client.watched.iter().any(|w| w.db == client.db && *w.key == *name) {
            return;
        }
        let present = is_present(&self.keyspace, client.db, name, self.now.unix());
        let watched = Watched { db: client.db, key: name.into(), hash: key.hash, present };
        self.watch.add(client.id, &watched);
        client.watched_bytes += name.len() + WATCHED_BYTES;
        client.watched.push(watched);
    }

    /// Whether a watched key expired since WATCH without having been removed yet.
    fn watched_key_expired(&self, client: &Client) -> bool {
        client.watched.iter().any(|w| {
            let key = self.keyspace.key(&w.key);
            w.present && self.keyspace.db(w.db).is_expired(key, self.now.unix())
        })
    }

    pub(crate) fn exec(&mut self, client: &mut Client) {
        let broken = client.watch_broken || self.watched_key_expired(client);
        let Some(transaction) = client.transaction.take() else {
            return self.answer_error(client, "ERR EXEC without MULTI");
        };
        self.unwatch(client);
        if transaction.refused {
            return self.answer_error(client, "EXECABORT Transaction discarded because of previous errors.");
        }
        if broken {
            // That a watched key changed is news that may come from any key: it waits for all of them.
            let need = self.last_writes.of_everything();
            self.reply(client).null_array();
            return self.end_reply(client, need);
        }
        // CLIENT REPLY in the queue is for what comes after it, not for what is written already.
        let mode = client.reply_mode;
        let need = self.run_queue(client, &transaction);
        let later = std::mem::replace(&mut client.reply_mode, mode);
        self.end_reply(client, need);
        client.reply_mode = later;
    }

    /// Runs the queue into one array reply and feeds its effects as one unit.
    fn run_queue(&mut self, client: &mut Client, transaction: &Transaction) -> LogOffset {
        self.reply(client).array(transaction.queue.len());
        self.persistence.begin_unit();
        self.unit = Some(Unit::default());
        for queued in &transaction.queue {
            if let Some(unit) = &mut self.unit {
                unit.reply_start = client.out.buffer().len();
            }
            self.call(client, queued.command, queued.args.args());
        }
        let unit = self.unit.take().expect("set above, and a queue holds no EXEC");
        self.keylog = unit.keys;
        match self.persistence.end_unit() {
            Some(end) => {
                client.fed_upto = end;
                self.note_writes(end, unit.need)
            }
            None => unit.need,
        }
    }
}

/// Whether the key exists and is not past its deadline.
fn is_present(keyspace: &Keyspace, db: u32, name: &[u8], now: UnixMs) -> bool {
    let key = keyspace.key(name);
    keyspace.db(db).contains(key) && !keyspace.db(db).is_expired(key, now)
}
