//! MULTI, EXEC, DISCARD and WATCH.
//!
//! A transaction runs in one go and is fed as one unit: on replay it is there whole or not at all. WATCH knows keys by
//! database and keyed 64-bit hash: two watched keys of one hash would at worst abort a transaction without need.

use std::collections::HashMap;

use aof_state::LogOffset;
use commands::KeyLog;
use keyspace::KeyHash;
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
}

impl Unit {
    /// Takes over what one command changed.
    pub(crate) fn note(&mut self, keys: &KeyLog) {
        self.keys.modified.extend_from_slice(&keys.modified);
        self.keys.modified_dbs.extend_from_slice(&keys.modified_dbs);
    }
}

/// Who watches which key.
#[derive(Debug, Default)]
pub(crate) struct WatchTable {
    watchers: HashMap<(u32, KeyHash), Vec<ClientId>>,
}

impl WatchTable {
    fn add(&mut self, db: u32, key: KeyHash, client: ClientId) {
        self.watchers.entry((db, key)).or_default().push(client);
    }

    /// Forgets everything a client watches.
    pub(crate) fn forget(&mut self, client: &Client) {
        for w in &client.watched {
            if let Some(ids) = self.watchers.get_mut(&(w.db, w.hash)) {
                ids.retain(|id| *id != client.id);
                if ids.is_empty() {
                    self.watchers.remove(&(w.db, w.hash));
                }
            }
        }
    }

    /// The clients that watch something that a command changed.
    pub(crate) fn touched(&self, keys: &KeyLog) -> Vec<ClientId> {
        if self.watchers.is_empty() {
            return Vec::new();
        }
        let by_key = keys.modified.iter().chain(&keys.expired).filter_map(|at| self.watchers.get(at)).flatten();
        let in_db = |db: u32| keys.modified_dbs.contains(&db);
        let by_db = self.watchers.iter().filter(|((db, _), _)| in_db(*db)).flat_map(|(_, ids)| ids);
        by_key.chain(by_db).copied().collect()
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
        if client.watched.iter().any(|w| w.db == client.db && *w.key == *name) {
            return;
        }
        let expired = self.keyspace.db(client.db).is_expired(key, self.now.unix());
        client.watched.push(Watched { db: client.db, key: name.into(), hash: key.hash, expired });
        self.watch.add(client.db, key.hash, client.id);
    }

    /// Whether a watched key expired since WATCH without having been removed yet.
    fn watched_key_expired(&self, client: &Client) -> bool {
        client.watched.iter().any(|w| {
            let key = self.keyspace.key(&w.key);
            !w.expired && self.keyspace.db(w.db).is_expired(key, self.now.unix())
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
        let need = self.run_queue(client, &transaction);
        self.end_reply(client, need);
    }

    /// Runs the queue into one array reply and feeds its effects as one unit.
    fn run_queue(&mut self, client: &mut Client, transaction: &Transaction) -> LogOffset {
        self.reply(client).array(transaction.queue.len());
        self.persistence.begin_unit();
        self.unit = Some(Unit::default());
        for queued in &transaction.queue {
            self.call(client, queued.command, queued.args.args());
        }
        let unit = self.unit.take().expect("set above, and a queue holds no EXEC");
        self.keylog = unit.keys;
        match self.persistence.end_unit() {
            Some(end) => self.note_writes(end, unit.need),
            None => unit.need,
        }
    }
}
