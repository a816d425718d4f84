//! What the engine does by the clock: expiry, idle clients, statistics, and when it wants to be woken.

use commands::Garbage;
use keyspace::Removed;
use resp_codec::{Effect, encode_command};

use crate::client::{ClientId, Closing};
use crate::engine::Engine;
use crate::log::Level;

/// Keys removed in one go of the active expiry before the clock is looked at again.
const EXPIRE_BATCH: usize = 64;
/// Goes of the active expiry in one run of the cron: bounds its time to a few milliseconds.
/// Source: ACTIVE_EXPIRE_CYCLE_SLOW_TIME_PERC of Redis (25 % of the time); here a count, so that a simulation repeats.
const EXPIRE_BATCHES: usize = 32;

impl Engine {
    /// Runs the cron when it is due. Called once a turn.
    pub fn cron(&mut self) {
        if self.now.mono_us < self.next_cron_us {
            return;
        }
        self.next_cron_us = self.now.mono_us + 1_000_000 / u64::from(self.config.hz.max(1));
        self.sample_rates();
        self.close_idle_clients();
        if self.active_expire && !self.persistence.is_loading() {
            self.expire_keys();
        }
        self.persistence_cron();
    }

    /// Milliseconds until the engine must be given a turn even if nothing happens.
    pub fn sleep_ms(&self) -> u64 {
        if self.exit.is_some() || self.persistence.is_loading() {
            return 0;
        }
        let cron_ms = self.next_cron_us.saturating_sub(self.now.mono_us).div_ceil(1000);
        cron_ms.min(self.persistence.sleep_ms(self.now.mono_ms()))
    }

    fn sample_rates(&mut self) {
        let s = &mut self.stats;
        s.ops_per_second.sample(s.commands_processed, self.now.mono_us);
        s.input_per_second.sample(s.net_input_bytes, self.now.mono_us);
        s.output_per_second.sample(s.net_output_bytes, self.now.mono_us);
    }

    fn close_idle_clients(&mut self) {
        if self.config.timeout_s == 0 {
            return;
        }
        let limit_ms = u64::from(self.config.timeout_s) * 1000;
        let now_ms = self.now.mono_ms();
        let idle: Vec<ClientId> =
            self.clients.iter().filter(|c| now_ms.saturating_sub(c.active_ms) > limit_ms).map(|c| c.id).collect();
        for id in idle {
            self.log_line(Level::Verbose, format_args!("Closing idle client"));
            self.close(id, Closing::Now);
        }
    }

    /// Removes keys whose deadline passed and feeds their DELs. These delay no reply.
    fn expire_keys(&mut self) {
        let now = self.now.unix();
        let mut names = Vec::new();
        for db in 0..self.keyspace.databases() {
            for _ in 0..EXPIRE_BATCHES {
                names.clear();
                let more = self.keyspace.db(db).expired(now, EXPIRE_BATCH, &mut names);
                for name in &names {
                    self.expire_key(db, name);
                }
                if !more {
                    break;
                }
            }
        }
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
        self.persistence.feed_expired(Effect { db, command: &command });
        self.keylog.clear();
        self.keylog.expired.push((db, key.hash));
        for id in self.watch.touched(&self.keylog) {
            if let Some(client) = self.clients.find(id) {
                client.watch_broken = true;
            }
        }
    }
}
