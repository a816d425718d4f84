//! What the engine does by the clock: expiry, idle clients, statistics, and when it wants to be woken.

use commands::Garbage;
use keyspace::Removed;
use mutants::{Mutant, planted};
use resp_codec::{Effect, encode_command};

use crate::client::{Blocked, Client, ClientId, Closing};
use crate::engine::Engine;
use crate::log::Level;

/// Keys removed in one go of the active expiry.
const EXPIRE_BATCH: usize = 64;
/// Goes of the active expiry in one turn, over all databases: some two thousand keys, a millisecond or two. A count rather than
/// a time, so that a simulation repeats.
const EXPIRE_BATCHES: usize = 32;
/// How often expired keys are looked for when none were left, in microseconds. Source: the 10 Hz of Redis's slow cycle.
const EXPIRE_EVERY_US: u64 = 100_000;
/// After so long without a word a client gives back what its buffers keep, in milliseconds.
const SHRINK_AFTER_MS: u64 = 2_000;
/// How soon the next turn goes on when some were left, in microseconds.
const EXPIRE_AGAIN_US: u64 = 1_000;

impl Engine {
    /// Runs the cron when it is due. Called once a turn.
    pub fn cron(&mut self) {
        if self.exit.is_some() {
            return;
        }
        if self.active_expire
            && self.pause.is_none()
            && !self.persistence.is_loading()
            && self.now.mono_us >= self.next_expire_us
        {
            self.stopwatch.start();
            let started_ns = self.stopwatch.last_ns();
            let more = self.expire_keys();
            let took_ns = self.stopwatch.since(started_ns);
            self.stats.expire_ns += took_ns;
            self.stats.expire_caps += u64::from(more);
            self.note_latency("expire-cycle", took_ns / 1_000_000);
            self.next_expire_us = self.now.mono_us + if more { EXPIRE_AGAIN_US } else { EXPIRE_EVERY_US };
        }
        if self.now.mono_us < self.next_cron_us {
            return;
        }
        self.next_cron_us = self.now.mono_us + 1_000_000 / u64::from(self.config.hz.max(1));
        self.sample_rates();
        self.sample_memory();
        self.close_idle_clients();
        self.close_slow_clients();
        self.shrink_idle_clients();
        self.persistence_cron();
    }

    /// Milliseconds until the engine must be given a turn even if nothing happens.
    pub fn sleep_ms(&self) -> u64 {
        if self.exit.is_some() || self.turn_wanted || self.persistence.is_reading() {
            return 0;
        }
        let expires = self.active_expire && self.pause.is_none() && !self.persistence.is_loading();
        let expire_us = if expires { self.next_expire_us } else { u64::MAX };
        let pause_us = self.pause.map_or(u64::MAX, |pause| pause.until_us);
        let wait_us = self.waiters.next_deadline_us().unwrap_or(u64::MAX);
        let wake_us = self.next_cron_us.min(expire_us).min(pause_us).min(wait_us);
        let cron_ms = wake_us.saturating_sub(self.now.mono_us).div_ceil(1000);
        cron_ms.min(self.persistence.sleep_ms(self.now.mono_ms()))
    }

    fn sample_rates(&mut self) {
        let s = &mut self.stats;
        s.ops_per_second.sample(s.commands_processed, self.now.mono_us);
        s.input_per_second.sample(s.net_input_bytes, self.now.mono_us);
        s.output_per_second.sample(s.net_output_bytes, self.now.mono_us);
        s.turns_per_second.sample(s.turns, self.now.mono_us);
        s.turns_ns_per_second.sample(s.turns_ns, self.now.mono_us);
    }

    fn close_idle_clients(&mut self) {
        if self.config.timeout_s == 0 {
            return;
        }
        let limit_ms = u64::from(self.config.timeout_s) * 1000;
        let now_ms = self.now.mono_ms();
        let idle: Vec<ClientId> = self
            .clients
            .iter()
            // Whoever waits for the log is kept waiting by the disk.
            .filter(|c| c.blocked == Blocked::No && c.out.held_replies() == 0)
            .filter(|c| now_ms.saturating_sub(c.active_ms) > limit_ms)
            .map(|c| c.id)
            .collect();
        for id in idle {
            self.log_line(Level::Verbose, format_args!("Closing idle client"));
            self.close(id, Closing::Now);
        }
    }

    /// Closes the clients that leave too much unread. One that stopped reading says nothing any more that would tell.
    fn close_slow_clients(&mut self) {
        let limit = self.config.output_limit_normal;
        if limit.hard_bytes == 0 && limit.soft_bytes == 0 {
            return;
        }
        let now_ms = self.now.mono_ms();
        let mut slow = Vec::new();
        for client in self.clients.iter_mut() {
            if client.note_unsent(limit, now_ms) {
                slow.push(client.id);
            }
        }
        for id in slow {
            let Some(mut client) = self.clients.check_out(id) else { continue };
            self.close_slow_client(&mut client);
            self.after_requests(&mut client);
            self.clients.check_in(client);
        }
    }

    /// Lets clients that have been idle give back what their buffers keep: ten thousand of them keep much.
    fn shrink_idle_clients(&mut self) {
        if self.now.mono_us < self.next_shrink_us {
            return;
        }
        self.next_shrink_us = self.now.mono_us + SHRINK_AFTER_MS * 1_000;
        let now_ms = self.now.mono_ms();
        let is_idle = |c: &&mut Client| now_ms.saturating_sub(c.active_ms) >= SHRINK_AFTER_MS;
        self.clients.iter_mut().filter(is_idle).for_each(Client::shrink);
    }

    /// Removes keys whose deadline passed and feeds their DELs, which delay no reply. Returns whether there are more.
    pub(crate) fn expire_keys(&mut self) -> bool {
        let now = self.now.unix();
        let databases = self.keyspace.databases();
        let mut names = Vec::new();
        let mut batches = 0;
        for _ in 0..databases {
            let db = self.expire_db % databases;
            while self.keyspace.db(db).volatile_len() > 0 {
                if batches == EXPIRE_BATCHES {
                    return true;
                }
                batches += 1;
                names.clear();
                let more = self.keyspace.db(db).expired(now, EXPIRE_BATCH, &mut names);
                for name in &names {
                    self.expire_key(db, name);
                }
                if !more {
                    break;
                }
            }
            self.expire_db = (db + 1) % databases;
        }
        false
    }

    fn expire_key(&mut self, db: u32, name: &[u8]) {
        let key = self.keyspace.key(name);
        match self.keyspace.db_mut(db).delete(key) {
            Removed::Missing => return,
            Removed::Freed => {}
            Removed::Large(value) => self.trash.push(Garbage::Value(value)),
        }
        self.stats.expired_keys += 1;
        let mut command = Vec::new();
        encode_command(&mut command, [&b"DEL"[..], name].into_iter());
        if !planted(Mutant::ExpiryNotFed) {
            self.persistence.feed_expired(Effect { db, command: &command });
        }
        self.keylog.clear();
        self.keylog.expired.push((db, key.hash));
        for id in self.watch.touched(&self.keylog) {
            if let Some(client) = self.clients.find(id) {
                client.watch_broken = true;
            }
        }
    }
}
