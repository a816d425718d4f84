//! The child, as the parent sees it turn by turn: its reports, its request to stop, the diff it gets, its end.

use child::{Exit, Kill};

use crate::child_side::{ChildStep, SnapshotPhase};
use crate::env::{Call, Mode, RewriteEnv};
use crate::machine::{Event, Killed, Phase};
use crate::notice::Notice;
use crate::rewriter::{Rewriter, Run};

/// How much of the diff goes into the pipe in one turn, in bytes, unless more is fed.
const SEND_PER_TURN_BYTES: u64 = 1 << 20;

/// How long a child that was asked to end politely has for it, in milliseconds.
const POLITE_FOR_MS: u64 = 1_000;

impl Rewriter {
    /// Looks after the child. In this order: what it says, what it gets, whether it lives; so that nothing is sent after the
    /// acknowledgement and no report is lost.
    pub(crate) fn supervise(&mut self, env: &mut RewriteEnv<'_>) {
        self.read_reports(env.mono_ms);
        if let Phase::Child { .. } = self.phase {
            let asked = self.run.as_mut().and_then(|run| run.child.as_mut()).is_some_and(|c| c.take_stop_request());
            if asked {
                self.happen(env, Event::StopRequested);
            }
        }
        if self.phase == (Phase::Child { sending: true }) {
            self.send_diff(env);
        }
        self.look_for_end(env);
    }

    fn read_reports(&mut self, mono_ms: u64) {
        let Some(run) = &mut self.run else { return };
        while let Some(info) = run.child.as_mut().and_then(|child| child.next_info()) {
            run.watchdog.observe(&info, mono_ms);
            let (before, now) = (run.info.phase, info.phase);
            let reached = |phase: SnapshotPhase| before < phase as u16 && phase as u16 <= now;
            if reached(SnapshotPhase::Agreed) {
                self.notices.push(Notice::Agreed);
            }
            if reached(SnapshotPhase::Appended) {
                self.notices.push(Notice::Concatenating { bytes: info.read_bytes });
            }
            if reached(SnapshotPhase::Complete) {
                self.notices.push(Notice::FilePerformed);
            }
            run.info = info;
        }
    }

    fn send_diff(&mut self, env: &mut RewriteEnv<'_>) {
        let Some(run) = &mut self.run else { return };
        let Some(child) = &mut run.child else { return };
        if run.mode == Mode::Once {
            return;
        }
        let mut budget_bytes = SEND_PER_TURN_BYTES.max(2 * run.fed_bytes);
        while let Some(front) = env.log.diff_front().filter(|_| budget_bytes > 0) {
            let piece = &front[..front.len().min(usize::try_from(budget_bytes).unwrap_or(usize::MAX))];
            // An error is EPIPE: the child is gone, and its status will say why.
            let Ok(sent @ 1..) = child.send(piece) else { return };
            env.log.diff_consume(sent);
            run.sent_bytes += sent as u64;
            budget_bytes -= sent as u64;
        }
    }

    fn look_for_end(&mut self, env: &mut RewriteEnv<'_>) {
        let Some(run) = &mut self.run else { return };
        let exit = run.child.as_mut().and_then(|child| child.try_reap());
        match (self.phase, exit) {
            (Phase::Dying { why }, Some(exit)) => {
                if let (Killed::Stalled, Exit::Signal(signal)) = (why, exit) {
                    self.notices.push(Notice::ChildKilled { signal });
                }
                self.happen(env, Event::ChildGone);
            }
            (Phase::Dying { .. }, None) if env.mono_ms >= run.killed_ms + POLITE_FOR_MS => {
                self.happen(env, Event::KillOverdue);
            }
            (Phase::Child { .. }, Some(exit)) => self.child_ended(env, exit),
            (Phase::Child { .. }, None) if run.watchdog.expired(env.mono_ms) => {
                let stalled_ms = run.watchdog.stalled_ms(env.mono_ms);
                self.notices.push(Notice::ChildStalled { stalled_ms });
                self.happen(env, Event::ChildStalled);
            }
            _ => {}
        }
    }

    fn child_ended(&mut self, env: &mut RewriteEnv<'_>, exit: Exit) {
        // What it said just before its end is still in the pipe.
        self.read_reports(env.mono_ms);
        let Some(run) = &mut self.run else { return };
        self.figures.last_cow_bytes = run.info.cow_bytes;
        match exit {
            Exit::Code(0) => {
                if run.info.cow_bytes > 0 {
                    self.notices.push(Notice::CopyOnWrite { bytes: run.info.cow_bytes });
                }
                self.notices.push(Notice::ChildSucceeded);
                match self.timings.meter().time("aof-fstat", || run.check_account()) {
                    Ok(()) => {
                        let diff = run.mode != Mode::Once;
                        self.happen(env, Event::ChildSucceeded { diff });
                    }
                    Err(notice) => {
                        if let Notice::SwitchFailed { step, errno } = notice {
                            self.note_error(Call::Other, step, errno);
                        }
                        self.notices.push(notice);
                        self.happen(env, Event::ChildFailed);
                    }
                }
            }
            // SIGUSR1 is the server's own way, from whoever it came: no error, and nothing to use.
            Exit::Signal(signal) if signal == Kill::Polite.signal() => {
                let first = run.mode == Mode::First;
                self.notices.push(Notice::ChildKilled { signal });
                self.happen(env, Event::Abort);
                self.happen(env, Event::ChildGone);
                if first {
                    self.retry_first(env.mono_ms, None);
                }
            }
            Exit::Signal(signal) => {
                self.notices.push(Notice::ChildKilled { signal });
                self.happen(env, Event::ChildFailed);
            }
            Exit::Code(_) | Exit::Lost => {
                let note = run.info.note;
                if let Some(failure) = run.info.failure {
                    let step = ChildStep::name_of(failure);
                    if let Some(call) = ChildStep::call_of(failure) {
                        self.note_error(call, step, failure.errno);
                    }
                    self.notices.push(if note.is_empty() {
                        Notice::ChildError { step, errno: failure.errno }
                    } else {
                        Notice::ValueError { note: note.to_string() }
                    });
                }
                self.notices.push(Notice::ChildFailed);
                self.happen(env, Event::ChildFailed);
            }
        }
    }

    pub(crate) fn answer_stop(&mut self) {
        self.notices.push(Notice::AskedToStop);
        let Some(child) = self.run.as_mut().and_then(|run| run.child.as_mut()) else { return };
        if let Err(e) = child.acknowledge_stop() {
            // The child gives up by itself after 5 s, and its status tells.
            self.notices.push(Notice::CannotAcknowledge { errno: e.raw_os_error().unwrap_or(0) });
        }
    }

    pub(crate) fn kill(&mut self, env: &RewriteEnv<'_>, how: Kill) {
        let Some(run) = &mut self.run else { return };
        run.killed_ms = env.mono_ms;
        if let Some(child) = &mut run.child {
            child.kill(how);
        }
    }

    pub(crate) fn forget_child(&mut self) {
        if let Some(run) = &mut self.run {
            run.child = None;
        }
    }
}

impl Run {
    /// Whether the child is about to need an answer.
    pub(crate) fn child_is_busy(&self) -> bool {
        self.info.phase >= SnapshotPhase::Draining as u16 || self.fed_bytes > 0
    }

    /// Compares what the child says it did with what the parent knows. The two sides of the pipe are the only proof that no
    /// byte of the diff was lost between them, and the file's size that nobody else wrote to it.
    fn check_account(&mut self) -> Result<(), Notice> {
        let complete = SnapshotPhase::Complete as u16;
        if self.info.phase != complete {
            let (expected, found) = (u64::from(complete), u64::from(self.info.phase));
            return Err(Notice::Mismatch { what: "the child's last phase", expected, found });
        }
        if self.info.read_bytes != self.sent_bytes {
            let (expected, found) = (self.sent_bytes, self.info.read_bytes);
            return Err(Notice::Mismatch { what: "the diff that the child read", expected, found });
        }
        let size_bytes = self.file.metadata().map_err(|e| Notice::SwitchFailed {
            step: "reading the size of the new file",
            errno: e.raw_os_error().unwrap_or(0),
        })?;
        if size_bytes.len != self.info.written_bytes {
            let (expected, found) = (self.info.written_bytes, size_bytes.len);
            return Err(Notice::Mismatch { what: "the new file", expected, found });
        }
        self.size_bytes = size_bytes.len;
        Ok(())
    }
}
