//! Decides when a rewrite starts by itself (R1), and when it waits after failures. Pure.

/// When a rewrite starts by growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoRewrite {
    /// `auto-aof-rewrite-percentage`: growth over the base size; 0 is never.
    pub percentage: u32,
    /// `auto-aof-rewrite-min-size`, in bytes.
    pub min_size_bytes: u64,
}

impl Default for AutoRewrite {
    /// Redis's defaults: 100 and 64mb.
    fn default() -> Self {
        Self { percentage: 100, min_size_bytes: 64 * 1024 * 1024 }
    }
}

impl AutoRewrite {
    /// The growth in percent that starts a rewrite, or `None` if it is too small. A base size of 0 counts as 1, as in Redis.
    pub fn growth_percent(&self, current_bytes: u64, base_bytes: u64) -> Option<u64> {
        if self.percentage == 0 || current_bytes <= self.min_size_bytes {
            return None;
        }
        let ratio_percent = u128::from(current_bytes) * 100 / u128::from(base_bytes.max(1));
        let growth_percent = u64::try_from(ratio_percent.saturating_sub(100)).unwrap_or(u64::MAX);
        (growth_percent >= u64::from(self.percentage)).then_some(growth_percent)
    }
}

/// How many failures in a row are tried again without waiting.
const FREE_FAILURES: u32 = 3;

/// The longest wait, in minutes.
const LONGEST_WAIT_MINUTES: u64 = 60;

const MINUTE_MS: u64 = 60_000;

/// Keeps automatic rewrites from failing in a tight loop: after three failures in a row they wait 1, 2, 4 … 60 minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
    not_before_ms: u64,
}

impl Backoff {
    /// Takes note of a failure at `mono_ms`; returns the wait if there is one.
    pub fn failed(&mut self, mono_ms: u64) -> Option<u64> {
        self.failures = self.failures.saturating_add(1);
        let waits_before = self.failures.checked_sub(FREE_FAILURES)?;
        let minutes = 1_u64.checked_shl(waits_before).unwrap_or(u64::MAX).clamp(1, LONGEST_WAIT_MINUTES);
        let wait_ms = minutes * MINUTE_MS;
        self.not_before_ms = mono_ms + wait_ms;
        Some(wait_ms)
    }

    /// Takes note of a success.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How long an automatic rewrite has to wait from `mono_ms` on, if at all.
    pub fn wait_ms(&self, mono_ms: u64) -> Option<u64> {
        self.not_before_ms.checked_sub(mono_ms).filter(|ms| *ms > 0)
    }

    /// Whether an automatic rewrite may start.
    pub fn allows(&self, mono_ms: u64) -> bool {
        mono_ms >= self.not_before_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1024 * 1024;

    #[test]
    fn growth_counts_over_the_base_and_only_above_the_minimum() {
        let auto = AutoRewrite::default();
        assert_eq!(auto.growth_percent(64 * MB, 1), None, "exactly the minimum is not above it");
        assert_eq!(auto.growth_percent(128 * MB, 64 * MB), Some(100));
        assert_eq!(auto.growth_percent(128 * MB - 1, 64 * MB), None);
        assert_eq!(auto.growth_percent(65 * MB, 0), Some(65 * MB * 100 - 100));
        assert_eq!(AutoRewrite { percentage: 0, ..auto }.growth_percent(u64::MAX, 1), None);
        assert_eq!(auto.growth_percent(65 * MB, 100 * MB), None, "a log smaller than its base has not grown");
    }

    #[test]
    fn the_third_failure_in_a_row_waits_and_waits_double_up_to_an_hour() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..11).map(|_| backoff.failed(0).map(|ms| ms / MINUTE_MS)).collect();
        let expected =
            [None, None, Some(1), Some(2), Some(4), Some(8), Some(16), Some(32), Some(60), Some(60), Some(60)];
        assert_eq!(waits, expected);
        assert!(!backoff.allows(60 * MINUTE_MS - 1));
        assert!(backoff.allows(60 * MINUTE_MS));
        backoff.succeeded();
        assert!(backoff.allows(0));
        assert_eq!(backoff.failed(0), None);
    }
}
