//! How long commands take: a clock that is read once after each command, so that the end of one is the start of the next.
//!
//! What a command took thus includes the decoding of its request, a few dozen nanoseconds. Nothing is decided by it: a
//! simulation has no such clock, and everything takes no time.

/// The clock of the process and its last reading.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stopwatch {
    read: Option<fn() -> u64>,
    last_ns: u64,
    /// Time that a command took and that passes only after it, when the owner stalls.
    ahead_ns: u64,
}

impl Stopwatch {
    /// A stopwatch over a clock that never goes back, in nanoseconds.
    pub(crate) fn new(read: Option<fn() -> u64>) -> Self {
        Self { read, ..Self::default() }
    }

    /// Whether there is a clock.
    pub(crate) fn runs(&self) -> bool {
        self.read.is_some()
    }

    /// Begins to measure: what came before is nobody's time.
    #[inline]
    pub(crate) fn start(&mut self) {
        if let Some(read) = self.read {
            self.last_ns = read().saturating_add(self.ahead_ns);
        }
    }

    /// Runs ahead of the clock by what a command asked the owner to stall, so that it counts as the command's time.
    pub(crate) fn run_ahead(&mut self, ns: u64) {
        self.ahead_ns = self.ahead_ns.saturating_add(ns);
    }

    /// Goes by the clock again: the owner stalls now.
    pub(crate) fn wait_for_clock(&mut self) {
        self.ahead_ns = 0;
    }

    /// The last reading, in nanoseconds: where the command begins that comes now.
    #[inline]
    pub(crate) fn last_ns(&self) -> u64 {
        self.last_ns
    }

    /// Reads the clock; the nanoseconds since an earlier reading.
    #[inline]
    pub(crate) fn since(&mut self, earlier_ns: u64) -> u64 {
        self.start();
        self.last_ns.saturating_sub(earlier_ns)
    }
}
