//! What writes a snapshot, as a step machine over a clock, pipes and a file: in a forked child, in a simulation, or in the
//! caller's own process (SAVE).
//!
//! In a forked process no step allocates, frees or locks: all memory is reserved when [`SaveTask`] is made. The stages: the keys;
//! fsync; rename over the snapshot before; fsync of the directory; exit 0.
//!
//! Invariant: until the rename, the snapshot before is untouched. Any failure removes the temp file and ends in exit 1.

use std::borrow::Borrow;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use child::{ChildEnv, Failure, Step, Task};
use child_file::{ChildFile, FileStep, PIECE_BYTES};
use keyspace::{Keyspace, UnixMs, Unwritable};
use mutants::{Mutant, planted};
use rdb::{Progress, SnapshotWriter};
use vfs::{Dir, File};

use crate::env::SaveConfig;

/// After how many bytes written the clock is looked at.
const LOOK_EVERY_BYTES: u64 = 64 * 1024;

/// Where the task stands, as its parent sees it in the `phase` of the child-info records. 0 is the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum SavePhase {
    /// All is written and fsynced.
    Written = 1,
    /// It has its name, durably.
    Saved = 2,
}

/// What the task was doing when it failed: the `step` of a [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum SaveStep {
    Write = FileStep::Write as u16,
    Fsync = FileStep::Fsync as u16,
    Rename = 3,
    FsyncDir = 4,
    /// A value cannot be written; a note says which, and why.
    Value = 5,
}

impl SaveStep {
    /// The step that a failure names.
    pub(crate) fn of(failure: Failure) -> Option<Self> {
        [Self::Write, Self::Fsync, Self::Rename, Self::FsyncDir, Self::Value]
            .into_iter()
            .find(|step| *step as u16 == failure.step)
    }

    /// The step in words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Fsync => "fsync",
            Self::Rename => "rename",
            Self::FsyncDir => "fsync of the directory",
            Self::Value => "a value",
        }
    }

    fn failure(self, error: &io::Error) -> Failure {
        Failure { step: self as u16, errno: error.raw_os_error().unwrap_or(0) }
    }
}

/// The files of one snapshot.
#[derive(Clone)]
pub struct SaveFiles {
    /// The directory; nobody else fsyncs by this handle ([`Dir::reopen`]).
    pub dir: Arc<dyn Dir>,
    /// The open, empty temp file.
    pub file: Arc<dyn File>,
    /// Its name.
    pub temp_name: String,
    /// The name that it gets.
    pub name: String,
}

/// Writes one snapshot. `K` is a reference where the keyspace is frozen by a fork or by its owner's patience, an owned keyspace in a
/// simulated child.
pub struct SaveTask<K> {
    files: SaveFiles,
    file: ChildFile,
    writer: SnapshotWriter<K>,
    looked_at_bytes: u64,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    Keys,
    Fsync,
    Rename,
    FsyncDir,
}

impl<K: Borrow<Keyspace>> SaveTask<K> {
    /// Takes all memory that writing will need. Keys whose deadline lies before `now` are left out.
    pub fn reserve(files: SaveFiles, keyspace: K, config: SaveConfig<'_>, now: UnixMs) -> Self {
        let mut file = ChildFile::reserve(Arc::clone(&files.file), config.incremental_fsync);
        if config.snapshot.checksum {
            file = file.checksummed();
        }
        let writer = config.snapshot.writer(keyspace, now, false);
        Self { files, file, writer, looked_at_bytes: 0, stage: Stage::Keys }
    }

    fn advance(&mut self, env: &mut dyn ChildEnv) -> Result<Step, Failure> {
        let mono_ms = env.mono_ms();
        self.file.report_in_time(env, mono_ms);
        match self.stage {
            Stage::Keys => self.keys(env)?,
            // All that a simulation writes is in the buffer until then.
            Stage::Fsync if planted(Mutant::SaveHalf) && self.file.fsync(env).is_err() => self.stage = Stage::Rename,
            Stage::Fsync => {
                self.file.fsync(env)?;
                self.enter(SavePhase::Written, env);
                self.stage = Stage::Rename;
            }
            Stage::Rename => {
                let SaveFiles { dir, temp_name, name, .. } = &self.files;
                dir.rename(temp_name, name).map_err(|error| SaveStep::Rename.failure(&error))?;
                self.stage = Stage::FsyncDir;
            }
            Stage::FsyncDir => {
                self.fsync_dir(env)?;
                self.enter(SavePhase::Saved, env);
                self.file.report_last(env, None);
                return Ok(Step::Exit(0));
            }
        }
        Ok(Step::Again)
    }

    fn keys(&mut self, env: &mut dyn ChildEnv) -> Result<(), Failure> {
        let before = self.writer.keys();
        let mut out = Out { file: &mut self.file, looked_at_bytes: &mut self.looked_at_bytes, env };
        let progress = self.writer.step(&mut out)?;
        self.file.info().items += self.writer.keys() - before;
        if progress == Progress::Complete {
            self.stage = Stage::Fsync;
        }
        Ok(())
    }

    /// Tells the parent before and after, for its watchdog.
    fn fsync_dir(&mut self, env: &mut dyn ChildEnv) -> Result<(), Failure> {
        self.file.info().in_fsync = true;
        self.file.report(env);
        let result = if planted(Mutant::SaveWithoutDirFsync) { Ok(()) } else { self.files.dir.fsync() };
        let result = result.map_err(|error| SaveStep::FsyncDir.failure(&error));
        self.file.info().in_fsync = false;
        result
    }

    fn enter(&mut self, phase: SavePhase, env: &mut dyn ChildEnv) {
        self.file.info().phase = phase as u16;
        self.file.report(env);
    }

    fn give_up(&mut self, env: &mut dyn ChildEnv, failure: Failure) -> Step {
        // The parent removes the file as well, in case this fails or the child is killed before it. After the rename there is none.
        let _ = self.files.dir.unlink(&self.files.temp_name);
        self.file.report_last(env, Some(failure));
        Step::Exit(1)
    }
}

impl<K: Borrow<Keyspace>> Task for SaveTask<K> {
    fn step(&mut self, env: &mut dyn ChildEnv) -> Step {
        self.advance(env).unwrap_or_else(|failure| self.give_up(env, failure))
    }
}

/// The snapshot's way to its file, on which it is fsynced and told of in time.
struct Out<'a> {
    file: &'a mut ChildFile,
    looked_at_bytes: &'a mut u64,
    env: &'a mut dyn ChildEnv,
}

impl rdb::Target for Out<'_> {
    type Error = Failure;

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        for piece in bytes.chunks(PIECE_BYTES) {
            self.file.write(piece)?;
            if self.file.accepted_bytes() - *self.looked_at_bytes >= LOOK_EVERY_BYTES {
                *self.looked_at_bytes = self.file.accepted_bytes();
                self.file.fsync_in_time(self.env)?;
                self.pause()?;
            }
        }
        Ok(())
    }

    fn checksum(&mut self) -> Option<u64> {
        self.file.end_checksum()
    }

    fn pause(&mut self) -> Result<(), Failure> {
        let mono_ms = self.env.mono_ms();
        self.file.report_in_time(self.env, mono_ms);
        Ok(())
    }

    fn refuse(&mut self, value: &Unwritable<'_>) -> Failure {
        // A note takes whatever fits.
        let _cut = write!(self.file.info().note, "{value}");
        Failure { step: SaveStep::Value as u16, errno: 0 }
    }
}
