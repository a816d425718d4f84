//! Counters of INFO stats, and the rates sampled from them by the cron.

/// Counters since the start, or since CONFIG RESETSTAT.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    /// Connections admitted.
    pub connections_received: u64,
    /// Connections refused because of maxclients.
    pub rejected_connections: u64,
    /// Commands run.
    pub commands_processed: u64,
    /// Bytes read from clients.
    pub net_input_bytes: u64,
    /// Bytes written to clients.
    pub net_output_bytes: u64,
    /// Error replies.
    pub error_replies: u64,
    /// Keys removed because their deadline passed.
    pub expired_keys: u64,
    /// Lookups that found a key.
    pub keyspace_hits: u64,
    /// Lookups that found none.
    pub keyspace_misses: u64,
    /// Clients closed for their query buffer.
    pub query_buffer_limit_disconnections: u64,
    /// Clients closed for their output buffer.
    pub output_buffer_limit_disconnections: u64,
    /// Changes of keys.
    pub dirty: u64,
    /// Operations a second, averaged over the last samples.
    pub ops_per_second: Rate,
    /// Input bytes a second.
    pub input_per_second: Rate,
    /// Output bytes a second.
    pub output_per_second: Rate,
}

/// Samples kept per rate. Source: STATS_METRIC_SAMPLES of Redis.
const SAMPLES: usize = 16;

/// The average of the last samples of a growing counter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    samples: [u64; SAMPLES],
    next: usize,
    last_value: u64,
    last_us: u64,
}

impl Rate {
    /// Takes a sample of the counter at monotonic time `mono_us`.
    pub(crate) fn sample(&mut self, value: u64, mono_us: u64) {
        let elapsed_us = mono_us.saturating_sub(self.last_us);
        if elapsed_us > 0 && self.last_us > 0 {
            let per_second = u128::from(value.saturating_sub(self.last_value)) * 1_000_000 / u128::from(elapsed_us);
            self.samples[self.next] = u64::try_from(per_second).unwrap_or(u64::MAX);
            self.next = (self.next + 1) % SAMPLES;
        }
        (self.last_value, self.last_us) = (value, mono_us);
    }

    /// Units a second.
    pub(crate) fn per_second(&self) -> u64 {
        self.samples.iter().sum::<u64>() / SAMPLES as u64
    }
}
