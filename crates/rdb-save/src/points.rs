//! Decides when a snapshot is due: so many changes, so many seconds after the last one.

/// How long nothing is tried after a snapshot that failed, in milliseconds. Source: CONFIG_BGSAVE_RETRY_DELAY of Redis.
pub const RETRY_AFTER_MS: u64 = 5_000;

/// One `save <seconds> <changes>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// More seconds than these have passed since the last snapshot.
    pub seconds: u64,
    /// There were at least so many changes since.
    pub changes: u64,
}

/// What happened since the last snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent {
    /// Changes that no snapshot holds.
    pub changes: u64,
    /// How long ago the last one ended, in milliseconds.
    pub saved_ms_ago: u64,
    /// How long ago one failed that was tried since, in milliseconds.
    pub failed_ms_ago: Option<u64>,
}

impl Recent {
    /// Whether a snapshot may be tried by itself: none has failed just now.
    pub fn may_try(&self) -> bool {
        self.failed_ms_ago.is_none_or(|ms| ms > RETRY_AFTER_MS)
    }
}

/// The first save point that is reached. Source: serverCron of Redis 7.2.
pub fn due(points: &[SavePoint], recent: Recent) -> Option<SavePoint> {
    let reached = |point: &&SavePoint| {
        recent.changes >= point.changes && recent.saved_ms_ago > point.seconds.saturating_mul(1_000)
    };
    points.iter().find(reached).copied().filter(|_| recent.may_try())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [SavePoint; 2] = [SavePoint { seconds: 3600, changes: 1 }, SavePoint { seconds: 60, changes: 100 }];

    fn recent(changes: u64, saved_ms_ago: u64) -> Recent {
        Recent { changes, saved_ms_ago, failed_ms_ago: None }
    }

    #[test]
    fn a_point_is_reached_when_both_its_numbers_are() {
        assert_eq!(due(&POINTS, recent(99, 61_000)), None);
        assert_eq!(due(&POINTS, recent(100, 60_000)), None);
        assert_eq!(due(&POINTS, recent(100, 60_001)), Some(POINTS[1]));
        assert_eq!(due(&POINTS, recent(1, 3_600_001)), Some(POINTS[0]));
        assert_eq!(due(&[], recent(u64::MAX, u64::MAX)), None);
    }

    #[test]
    fn without_a_change_a_point_of_no_changes_alone_is_reached() {
        assert_eq!(due(&POINTS, recent(0, u64::MAX)), None);
        let always = SavePoint { seconds: 1, changes: 0 };
        assert_eq!(due(&[always], recent(0, 1_001)), Some(always));
    }

    #[test]
    fn after_a_failure_nothing_is_tried_for_five_seconds() {
        let failed = |ms| Recent { failed_ms_ago: Some(ms), ..recent(100, 100_000) };
        assert_eq!(due(&POINTS, failed(5_000)), None);
        assert_eq!(due(&POINTS, failed(5_001)), Some(POINTS[1]));
    }
}
