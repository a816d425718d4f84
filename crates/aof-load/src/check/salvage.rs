//! Copies what is whole in a damaged log to a new file: commands outside of transactions, and whole transactions.
//!
//! The new file gets its name last, under the lock of its directory, and only if nothing has that name then.
//!
//! Invariant: what is copied runs in the database that it would have run in, as far as the file still tells. A `SELECT` is written where
//! the last one that was read did not get into the new file. Where one may have been lost in damage, the last that was read
//! counts, and the report says so.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use aof_state::TempFile;
use resp_codec::encode_command;
use vfs::{Dir, DurableRenameError, File, Open, durable_rename_new};

use super::analysis::{Analysis, Event};
use super::{CheckError, Held, Preamble, RepairError, Report, commands_start};
use crate::Operation;
use crate::copy::{Copy, Failed, Target, write_all};

/// Marks a new file until it has its name, so that what a killed salvage has left is told from anybody else's file.
const MARK: [u8; 16] = *b"salvage unnamed\0";

/// What was copied, and what was found on the way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Salvaged {
    /// What is wrong with the damaged file. Its whole commands and transactions are those that were copied.
    pub report: Report,
    /// The new file's size.
    pub size_bytes: u64,
    /// `SELECT` commands that were written because the one that stood there is lost.
    pub selects_added: u64,
}

/// What was copied of several files, and what was found on the way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SalvagedFiles {
    /// As [`Salvaged::report`], one for each file.
    pub reports: Vec<Report>,
    /// The new file's size.
    pub size_bytes: u64,
    /// As [`Salvaged::selects_added`]; also those by which a file goes on in the database in which its commands ran.
    pub selects_added: u64,
}

/// Why nothing was salvaged. There is no new file then, unless the directory could not be fsynced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SalvageError {
    /// The damaged file could not be read.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The new file's directory could not be taken from a running server.
    #[error("can't write to the new file's directory")]
    Lock(#[source] RepairError),
    /// Something has the new file's name.
    #[error("{name} exists")]
    Exists {
        /// The name.
        name: String,
    },
    /// What an earlier salvage left when it was killed could not be removed.
    #[error("can't remove {name}, which an earlier salvage left")]
    Leftover {
        /// Its name.
        name: String,
        /// The system call's error.
        source: io::Error,
    },
    /// Something has the name that the new file has until it is whole, and nothing shows that an earlier salvage left it.
    #[error("{name} exists, and may be anybody's: move it away, or choose another name for the new file")]
    Foreign {
        /// Its name.
        name: String,
    },
    /// Neither a preamble nor a command is whole.
    #[error("nothing in it is whole")]
    Nothing,
    /// The damaged file has the name that the new one has until it is whole.
    #[error("the file is {name}, the new file's temporary name: choose another name for the new file")]
    ReadsTemporary {
        /// That name.
        name: String,
    },
    /// A system call on the new file failed.
    #[error("can't {operation} the new file")]
    File {
        /// What was attempted.
        operation: Operation,
        /// The system call's error.
        source: io::Error,
    },
    /// The new file is written, but could not be given its name for good.
    #[error("can't make the new file durable")]
    Durable(#[source] DurableRenameError),
}

/// Why the new file, which is written, did not get its name.
fn not_named(error: DurableRenameError, name: &str) -> SalvageError {
    match error {
        DurableRenameError::Rename(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            SalvageError::Exists { name: name.to_owned() }
        }
        error => SalvageError::Durable(error),
    }
}

impl From<Failed> for SalvageError {
    fn from(Failed { operation, error, .. }: Failed) -> Self {
        match operation {
            Operation::Read => Self::Check(CheckError::Read(error)),
            _ => Self::File { operation, source: error },
        }
    }
}

/// Copies what is whole in the first `size_bytes` bytes of `file` to the new file `name` in `dir`. The new file and its name are
/// durable on return. The damaged file is not changed, and nothing that stands in `dir` is replaced. Holds the lock of `dir`.
///
/// # Errors
/// Any [`SalvageError`]; what was written is removed.
pub fn salvage(
    file: &Arc<dyn File>,
    size_bytes: u64,
    preamble: Option<&dyn Preamble>,
    dir: &dyn Dir,
    name: &str,
) -> Result<Salvaged, SalvageError> {
    let SalvagedFiles { mut reports, size_bytes, selects_added } =
        salvage_files(&[(Arc::clone(file), size_bytes)], preamble, dir, name)?;
    let report = reports.pop().expect("a report for the one file");
    Ok(Salvaged { report, size_bytes, selects_added })
}

/// Copies what is whole in the files of a log in several files, given in its order with the size up to which each is read, to one new
/// file: a log that holds what they hold together. Each goes on in database 0, as it is the commands of a new client. All else as
/// [`salvage`].
///
/// # Errors
/// As [`salvage`].
pub fn salvage_files(
    files: &[(Arc<dyn File>, u64)],
    preamble: Option<&dyn Preamble>,
    dir: &dyn Dir,
    name: &str,
) -> Result<SalvagedFiles, SalvageError> {
    let _held = Held::take(dir).map_err(SalvageError::Lock)?;
    let mut starts = vec![0; files.len()];
    if let (Some((file, size_bytes)), Some(start)) = (files.first(), starts.first_mut()) {
        // No other may begin with a snapshot.
        *start = commands_start(&**file, *size_bytes, preamble)?;
    }
    if dir.stat(name).map_err(Failed::at(Operation::Stat, 0))?.is_some() {
        return Err(SalvageError::Exists { name: name.to_owned() });
    }
    let temp = TempFile::Copy.name(name);
    remove_leftover(dir, &temp, files)?;
    let to = dir.open(&temp, Open::CreateNew).map_err(Failed::at(Operation::Create, 0))?;
    // Where no mark can be kept, what a killed salvage leaves has to be removed by hand.
    let _kept = to.set_mark(MARK);
    let done = copy_all(files, &starts, &to).and_then(|salvaged| {
        if starts.first().is_none_or(|start| *start == 0) && salvaged.reports.iter().all(|report| report.commands == 0)
        {
            return Err(SalvageError::Nothing);
        }
        durable_rename_new(dir, &*to, &temp, name).map_err(|error| not_named(error, name))?;
        Ok(salvaged)
    });
    if done.is_err() {
        // If the rename was done there is nothing under this name.
        let _still_there = dir.unlink(&temp);
    }
    done
}

fn copy_all(files: &[(Arc<dyn File>, u64)], starts: &[u64], to: &Arc<dyn File>) -> Result<SalvagedFiles, SalvageError> {
    let mut salvaged = SalvagedFiles { reports: Vec::new(), size_bytes: 0, selects_added: 0 };
    let mut database = 0;
    for ((file, size_bytes), start) in files.iter().zip(starts) {
        let mut writer = Writer::new(Arc::clone(file), Arc::clone(to), *start, database);
        salvaged.reports.push(copy_whole(file, *start, *size_bytes, &mut writer)?);
        salvaged.size_bytes += writer.written_bytes;
        salvaged.selects_added += writer.selects_added;
        database = writer.database;
    }
    Ok(salvaged)
}

/// Removes the temporary file of a salvage that was killed: under the lock no other one writes it.
fn remove_leftover(dir: &dyn Dir, temp: &str, files: &[(Arc<dyn File>, u64)]) -> Result<(), SalvageError> {
    let Some(leftover) = dir.stat(temp).map_err(Failed::at(Operation::Stat, 0))? else { return Ok(()) };
    for (damaged, _) in files {
        let read = damaged.metadata().map_err(CheckError::Read)?;
        if (leftover.inode, leftover.birth_ns) == (read.inode, read.birth_ns) {
            return Err(SalvageError::ReadsTemporary { name: temp.to_owned() });
        }
    }
    // What cannot be opened is a directory, a link, or not ours to read.
    let mark = dir.open(temp, Open::Read).and_then(|file| file.mark());
    if !matches!(mark, Ok(Some(MARK))) {
        return Err(SalvageError::Foreign { name: temp.to_owned() });
    }
    dir.unlink(temp).map_err(|source| SalvageError::Leftover { name: temp.to_owned(), source })
}

fn copy_whole(file: &Arc<dyn File>, start: u64, size_bytes: u64, writer: &mut Writer) -> Result<Report, SalvageError> {
    let mut analysis = Analysis::new(file, start, size_bytes);
    let mut report = Report::new(size_bytes, start);
    while let Some(event) = analysis.next().map_err(CheckError::Read)? {
        writer.take(&event)?;
        report.add(&event);
    }
    report.end(analysis.line());
    writer.flush()?;
    Ok(report)
}

/// Writes what comes of one file to the new one.
struct Writer {
    from: Arc<dyn File>,
    to: Arc<dyn File>,
    /// What is to be copied next.
    pending: Range<u64>,
    /// The database that is selected at the end of the new file.
    database: u32,
    written_bytes: u64,
    selects_added: u64,
}

impl Writer {
    /// The new file's end selects `database`, unless it is empty.
    fn new(from: Arc<dyn File>, to: Arc<dyn File>, commands_start: u64, database: u32) -> Self {
        Self { from, to, pending: 0..commands_start, database, written_bytes: 0, selects_added: 0 }
    }

    fn take(&mut self, event: &Event) -> Result<(), Failed> {
        match event {
            Event::Stretch(_) => Ok(()),
            // One inside of a transaction comes with it.
            Event::Annotation(span) if span.in_transaction => Ok(()),
            Event::Annotation(span) => self.append(span.start..span.end),
            Event::Unit(unit) => {
                if unit.before.number != self.database && !unit.is_select {
                    self.select(unit.before.number)?;
                }
                self.database = unit.after.number;
                self.append(unit.start..unit.end)
            }
        }
    }

    fn append(&mut self, range: Range<u64>) -> Result<(), Failed> {
        if range.start != self.pending.end {
            self.flush()?;
            self.pending.start = range.start;
        }
        self.pending.end = range.end;
        Ok(())
    }

    fn select(&mut self, database: u32) -> Result<(), Failed> {
        self.flush()?;
        let mut command = Vec::new();
        encode_command(&mut command, [&b"SELECT"[..], database.to_string().as_bytes()].into_iter());
        let written = write_all(&command, |bytes, _| self.to.append(bytes));
        written.map_err(Failed::at(Operation::Write, self.written_bytes))?;
        self.written_bytes += command.len() as u64;
        self.selects_added += 1;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failed> {
        let Range { start, end } = self.pending;
        self.pending.start = end;
        let target = Target::Append(Arc::clone(&self.to));
        Copy::new(Arc::clone(&self.from), target, start, end).step(u64::MAX)?;
        self.written_bytes += end - start;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use vfs::sim::{Call, Fault, Rule, SimDisk};

    use super::super::meddling::MeddledDir;
    use super::super::{Held, RepairError};
    use super::*;

    const LOG: &[u8] = b"*1\r\n$4\r\nPING\r\n?";

    fn log_in(disk: &SimDisk) -> Arc<dyn File> {
        disk.put("/d", "log", LOG);
        disk.dir("/d").open("log", Open::Read).unwrap()
    }

    fn names(dir: &dyn Dir) -> Vec<String> {
        let mut names = dir.list().unwrap();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_appears_under_the_new_name_meanwhile_is_not_replaced() {
        let disk = SimDisk::new();
        let (log, other) = (log_in(&disk), disk.clone());
        let before = move |call: &str| {
            if call == "rename" {
                other.put("/d", "new", b"precious");
            }
        };
        let dir = MeddledDir { inner: disk.dir("/d"), before: Box::new(before) };
        let refused = salvage(&log, LOG.len() as u64, None, &dir, "new").unwrap_err();
        assert!(matches!(&refused, SalvageError::Exists { name } if name == "new"), "{refused:?}");
        assert_eq!(disk.content("/d", "new").unwrap(), b"precious");
        assert_eq!(names(&dir), ["log", "new"]);
    }

    #[test]
    fn nothing_is_written_to_a_directory_that_a_server_uses() {
        let disk = SimDisk::new();
        let (log, dir) = (log_in(&disk), disk.dir("/d"));
        let held = Held::take(&*dir).unwrap();
        let refused = salvage(&log, LOG.len() as u64, None, &*dir, "new").unwrap_err();
        assert!(matches!(refused, SalvageError::Lock(RepairError::InUse { .. })), "{refused:?}");
        drop(held);
        assert_eq!(names(&*dir), ["log"]);
        salvage(&log, LOG.len() as u64, None, &*dir, "new").unwrap();
        assert_eq!(names(&*dir), ["log", "new"], "a lock file that was not there goes again");
    }

    #[test]
    fn what_a_salvage_that_was_killed_left_does_not_stop_the_next_one() {
        let disk = SimDisk::new();
        let (log, dir) = (log_in(&disk), disk.dir("/d"));
        let leftover = dir.open("temp-new.copy", Open::CreateNew).unwrap();
        leftover.set_mark(MARK).unwrap();
        leftover.append(b"*1\r\n").unwrap();
        salvage(&log, LOG.len() as u64, None, &*dir, "new").unwrap();
        assert_eq!(disk.content("/d", "new").unwrap(), &LOG[..14]);
        assert_eq!(names(&*dir), ["log", "new"]);
    }

    #[test]
    fn a_leftover_that_cannot_be_removed_or_is_to_be_salvaged_itself_is_named() {
        let disk = SimDisk::new();
        let (log, dir) = (log_in(&disk), disk.dir("/d"));
        disk.put("/d", "temp-new.copy", LOG);
        let leftover = dir.open("temp-new.copy", Open::Read).unwrap();
        let refused = salvage(&leftover, LOG.len() as u64, None, &*dir, "new").unwrap_err();
        assert!(refused.to_string().contains("temp-new.copy"), "{refused}");
        assert_eq!(disk.content("/d", "temp-new.copy").unwrap(), LOG);
        let refused = salvage(&log, LOG.len() as u64, None, &*dir, "new").unwrap_err();
        assert!(matches!(&refused, SalvageError::Foreign { name } if name == "temp-new.copy"), "{refused:?}");
        leftover.set_mark(MARK).unwrap();
        disk.inject(Rule::nth(Call::Unlink, 1, Fault::EIO));
        let refused = salvage(&log, LOG.len() as u64, None, &*dir, "new").unwrap_err();
        assert!(refused.to_string().contains("temp-new.copy"), "{refused}");
        assert_eq!(names(&*dir), ["log", "temp-new.copy"]);
    }
}
