//! The part of a loop turn that belongs to the files: completions in, one flush out, the rewrite a step further.

use aof_buffer::{AppendFsync, Turn};
use aof_rewrite::{CHILD_DIFF_BYTES, ForkSource, Mode, RewriteConfig, RewriteEnv, Rewriter};
use aof_state::{Identity, StateKeeper};
use bio::Kind;
use child::Spawner;
use vfs::strerror;

use super::live_log::Live;
use super::{Persistence, Phase};
use crate::engine::Engine;
use crate::log::Level;

impl Engine {
    /// Everything that the files want of this turn.
    pub(crate) fn drive_persistence(&mut self) {
        if self.exit.is_some() {
            return;
        }
        let loading = self.persistence.is_loading();
        self.load_step();
        self.take_completions();
        self.flush();
        self.heal();
        self.drive_rewrite();
        self.drive_snapshot();
        self.end_if_asked();
        self.hold_growth();
        self.settle_failures();
        self.settle_errors();
        self.log_persistence_notices();
        self.watch_import();
        if loading && !self.persistence.is_loading() && self.exit.is_none() {
            self.announce_ready();
        }
        self.note_events();
    }

    /// Hands finished background jobs to whoever asked for them.
    pub(super) fn take_completions(&mut self) {
        let mut done = std::mem::take(&mut self.persistence.completions);
        self.persistence.bio.poll(&mut done);
        for completion in done.drain(..) {
            if self.persistence.aof.complete(&completion, self.now.mono_ms()) {
                continue;
            }
            if self.persistence.state_job == Some(completion.id) {
                self.persistence.state_written(&completion, self.now.mono_ms());
                continue;
            }
            if self.disk_probed(&completion)
                || self.persistence.snapshots.saver.complete(&completion)
                || self.persistence.copy_stated(&completion)
            {
                continue;
            }
            let ours = self.persistence.with_rewrite(self.now, |rewriter, env, _| rewriter.complete(env, &completion));
            if let (false, Err(error)) = (ours, &completion.outcome) {
                self.persistence.errors.warn("in a background job", error, "nothing depends on it");
            }
        }
        self.persistence.completions = done;
        self.adopt_promoted();
    }

    /// One write of everything fed in this turn.
    fn flush(&mut self) {
        let p = &mut self.persistence;
        if p.is_fed() {
            p.aof.set_fsync_held(p.no_fsync_on_rewrite && self.growth_frozen);
            let mut turn = Turn::at(self.now.mono_ms());
            // Not while a rewrite or a snapshot runs, or what one left behind: its fsyncs may be of gigabytes, and the disk would let the
            // loop wait.
            let bulk_io = p.rewriter.is_running() || p.bio.pending(Kind::BulkFsync) > 0;
            turn.alone = p.aof.policy() == AppendFsync::Always
                && !(bulk_io || self.growth_frozen)
                && p.lone.may_fsync(self.now.mono_us);
            let started_ns = p.clock.filter(|_| turn.alone).map(|clock| (clock, clock()));
            p.aof.turn(turn, &mut *p.bio);
            if let Some((clock, started_ns)) = started_ns {
                p.lone.took(clock().saturating_sub(started_ns), self.now.mono_us);
            }
        }
    }

    fn drive_rewrite(&mut self) {
        if !self.persistence.snapshots.saver.is_running()
            && let Some(mode) = self.persistence.rewriter.due(self.now.mono_ms())
            && (mode != Mode::First || matches!(self.persistence.phase, Phase::WaitRewrite))
        {
            // A failure was counted and logged by the rewriter, which schedules a first rewrite anew.
            let _started = self.fork_rewrite(mode);
        }
        self.persistence.with_rewrite(self.now, |rewriter, env, _| rewriter.turn(env));
        self.adopt_promoted();
        self.state_copy();
    }

    /// Holds back the growth of tables as long as a child lives: what they move would be copied.
    fn hold_growth(&mut self) {
        let child = self.persistence.has_child(self.now.mono_ms());
        if child != self.growth_frozen {
            self.growth_frozen = child;
            self.keyspace.freeze_growth(child);
        }
    }

    /// To be called before a child is forked. What it froze is let go by the turn's end if none lives then.
    pub(super) fn prepare_fork(&mut self) {
        self.keyspace.freeze_growth(true);
        self.growth_frozen = true;
        self.note_used_memory();
        self.persistence.forked_bytes = self.persistence.used_mem_bytes;
    }

    /// To be called before the dataset is written: a snapshot states it.
    pub(super) fn note_used_memory(&mut self) {
        self.persistence.used_mem_bytes = self.process.memory.map_or(0, |read| read().allocated);
    }

    /// A child was forked, which took so long.
    pub(super) fn forked(&mut self, fork_us: u64) {
        self.persistence.forks += 1;
        self.persistence.latest_fork_us = fork_us;
        self.persistence.child_cow = super::report::ChildCow::default();
        let databases = 0..self.keyspace.databases();
        self.persistence.child_keys = databases.map(|db| self.keyspace.db(db).len() as u64).sum();
    }

    /// Forks a rewrite child now.
    pub(super) fn fork_rewrite(&mut self, mode: Mode) -> Result<i32, aof_rewrite::StartError> {
        self.prepare_fork();
        let keyspace = &self.keyspace;
        let started = self.persistence.with_rewrite(self.now, |rewriter, env, spawner| {
            rewriter.start(env, ForkSource { spawner, keyspace }, mode)
        });
        if !matches!(started, Err(aof_rewrite::StartError::AlreadyRunning)) {
            self.persistence.rewrites += 1;
        }
        if started.is_ok() {
            let fork_us = self.persistence.rewriter.status(self.now.mono_ms()).latest_fork_us;
            self.forked(fork_us);
        }
        started
    }

    /// After a switch: the new file gets its identity and its state file, and a first rewrite turns the log on.
    fn adopt_promoted(&mut self) {
        let Some(file) = self.persistence.promoted.take() else { return };
        let p = &mut self.persistence;
        assert!(p.is_fed(), "a file becomes the log only while everything is fed");
        if matches!(std::mem::replace(&mut p.phase, Phase::On), Phase::WaitRewrite) {
            p.on_from = p.aof.marks().appended;
        }
        if p.aof.is_name_in_doubt() {
            // A state file would let the next start believe the name. Without one it copies the log to a file with another.
            p.keeper = None;
            return;
        }
        match p.timings.meter().time("aof-fstat", || Identity::of(&*file)) {
            Ok(identity) => p.keeper = Some(StateKeeper::new(identity, p.boot_id)),
            Err(error) => {
                p.keeper = None;
                p.errors.count_background("reading the identity of the log", &error);
                self.log_line(
                    Level::Warning,
                    format_args!(
                        "Can't tell the identity of the new append only file ({}): the next start will prove all of it",
                        strerror(&error)
                    ),
                );
            }
        }
    }

    /// Turns held replies into errors where a flush failed.
    fn settle_failures(&mut self) {
        while let Some(failed) = self.persistence.aof.take_failed() {
            self.persistence.failed_upto = self.persistence.failed_upto.max(failed.upto);
            let reason = failed.failure.reason();
            let text = format!(
                "-MISCONF Errors writing to the AOF file: {reason}. The command was executed but is not on disk\r\n"
            );
            self.fail_held(failed.upto, text.as_bytes());
        }
    }

    fn log_persistence_notices(&mut self) {
        for notice in self.persistence.aof.take_notices() {
            self.log.line(notice.level().into(), format_args!("{notice}"));
        }
        for notice in self.persistence.rewriter.take_notices() {
            self.log.line(notice.level().into(), format_args!("{notice}"));
        }
    }

    /// The part of the cron that belongs to the files.
    pub(crate) fn persistence_cron(&mut self) {
        self.persistence.watch_child(self.now.mono_ms());
        if self.persistence.is_on() {
            self.refresh_state();
            self.trigger_rewrite();
        }
        self.trigger_snapshot();
    }

    fn trigger_rewrite(&mut self) {
        let p = &mut self.persistence;
        if p.snapshots.saver.is_running() {
            return;
        }
        let auto = aof_rewrite::AutoRewrite {
            percentage: self.config.auto_aof_rewrite_percentage,
            min_size_bytes: self.config.auto_aof_rewrite_min_size_bytes,
        };
        let stats = p.aof.stats();
        if p.rewriter.auto_trigger(stats.current_size_bytes, stats.base_size_bytes, auto, self.now.mono_ms()) {
            p.rewriter.schedule(Mode::Switch);
        }
    }

    fn refresh_state(&mut self) {
        let p = &mut self.persistence;
        // It would no longer speak of the new file. And it may need an fsync of the directory, which would take the error of the
        // switch's rename: Linux reports it once. One submitted before runs before.
        if p.rewriter.holds_state_file() {
            return;
        }
        let (Some(keeper), None, Some(proven_bytes)) = (&mut p.keeper, p.state_job, p.aof.proven_size_bytes()) else {
            return;
        };
        let Some((state, durability)) = keeper.refresh(proven_bytes, self.now.mono_ms()) else { return };
        let (dir, name) = (std::sync::Arc::clone(&p.dir), p.log_name.clone());
        let job = move || state.write(&*dir, &name, durability).map(|()| 0).map_err(std::io::Error::other);
        p.state_job = Some(p.bio.submit(Kind::Rename, Box::new(job)));
    }
}

impl Persistence {
    /// Calls the rewriter with the world it needs.
    pub(super) fn with_rewrite<R>(
        &mut self,
        now: crate::clock::Now,
        call: impl FnOnce(&mut Rewriter, &mut RewriteEnv<'_>, &mut dyn Spawner) -> R,
    ) -> R {
        let snapshot = self.snapshot_settings();
        let mut live = Live {
            aof: &mut self.aof,
            attached: &mut self.attached,
            promoted: &mut self.promoted,
            keeper: self.keeper.as_ref(),
            marker: &mut self.marker,
            errors: &mut self.errors,
        };
        let mut env = RewriteEnv {
            dir: &self.dir,
            bio: &mut *self.bio,
            log: &mut live,
            config: RewriteConfig {
                log_name: self.import_name.as_deref().unwrap_or(&self.log_name),
                incremental_fsync: self.incremental_fsync,
                child_diff_bytes: CHILD_DIFF_BYTES,
                server_pid: self.pid,
                boot_id: self.boot_id,
                preamble: self.preamble.wanted.then_some(snapshot),
            },
            mono_ms: now.mono_ms(),
            now: now.unix(),
        };
        let result = call(&mut self.rewriter, &mut env, &mut *self.spawner);
        // The switch may have given up a file: on a disk that is dying its fsync may take for ever.
        self.aof.release_retired(&mut *self.bio);
        result
    }

    fn state_written(&mut self, completion: &bio::Completion, mono_ms: u64) {
        self.state_job = None;
        let is_older = self.stated_before_doubt.take_if(|job| *job == completion.id).is_some();
        let Err(error) = &completion.outcome else {
            self.copy_in_doubt &= is_older;
            return;
        };
        self.errors.state_not_written(error, mono_ms);
        if let Some(keeper) = &mut self.keeper {
            keeper.refresh_failed();
        }
    }

    /// Milliseconds until the files want a turn.
    pub(crate) fn sleep_ms(&self, mono_ms: u64) -> u64 {
        let buffer = if self.is_fed() { self.aof.next_wakeup_ms() } else { None };
        let saver = self.snapshots.saver.next_wakeup_ms(mono_ms);
        // What is scheduled waits for the end of a snapshot, which the saver looks for.
        let waits = saver.is_some() && !self.rewriter.is_running();
        let rewriter = if waits { None } else { self.rewriter.next_wakeup_ms(mono_ms) };
        let wakes = [buffer, rewriter, saver, self.healing_wakeup_ms()];
        wakes.into_iter().flatten().map(|at_ms| at_ms.saturating_sub(mono_ms)).min().unwrap_or(u64::MAX)
    }
}
