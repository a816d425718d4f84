//! Calls that fail because they are told to, and a disk that gets full. Pure.

/// A call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A new file or directory.
    Create,
    /// write(2) and its like.
    Write,
    /// truncate(2).
    SetLen,
    /// fsync(2) and fdatasync(2), of a file or a directory.
    Sync,
    /// rename(2).
    Rename,
    /// unlink(2).
    Unlink,
}

impl Call {
    /// Every call.
    pub const ALL: [Self; 6] = [Self::Create, Self::Write, Self::SetLen, Self::Sync, Self::Rename, Self::Unlink];
}

/// Makes calls fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which call.
    pub call: Call,
    /// On files that have this in their name; empty for all, directories among them.
    pub name: String,
    /// So many of these calls succeed before.
    pub skip: u32,
    /// So many fail then; none: until [`Handle::heal`](crate::Handle::heal).
    pub times: Option<u32>,
    /// The error number, such as EIO.
    pub errno: i32,
}

/// The faults that are set, and how often they were met.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    set: Vec<Fault>,
    /// How many calls have failed.
    pub(crate) met: u64,
    /// No write may make all files together larger than this, in bytes.
    pub(crate) quota_bytes: Option<usize>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.set.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.set.clear();
        self.quota_bytes = None;
    }

    /// The error of a call on a file of this name, if it is to fail.
    pub(crate) fn meet(&mut self, call: Call, name: &str) -> Result<(), i32> {
        for fault in self.set.iter_mut().filter(|f| f.call == call && name.contains(&f.name) && f.times != Some(0)) {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.times = fault.times.map(|times| times - 1);
            self.met += 1;
            return Err(fault.errno);
        }
        Ok(())
    }

    /// How many bytes a write that makes a file longer by `growth` may write, of `len`, with `used` bytes on the disk.
    pub(crate) fn admitted(&mut self, used: usize, growth: usize, len: usize) -> Result<usize, i32> {
        let Some(quota) = self.quota_bytes else { return Ok(len) };
        let short = growth.saturating_sub(quota.saturating_sub(used));
        if short >= len && len > 0 {
            self.met += 1;
            return Err(libc::ENOSPC);
        }
        Ok(len - short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(skip: u32, times: Option<u32>) -> Fault {
        Fault { call: Call::Write, name: ".aof".to_owned(), skip, times, errno: libc::EIO }
    }

    fn met(fault: Fault, calls: usize) -> Vec<bool> {
        let mut faults = Faults::default();
        faults.add(fault);
        (0..calls).map(|_| faults.meet(Call::Write, "a.aof").is_err()).collect()
    }

    #[test]
    fn a_fault_comes_after_so_many_calls_and_so_many_times() {
        assert_eq!(met(fault(1, Some(2)), 5), [false, true, true, false, false]);
        assert_eq!(met(fault(0, None), 3), [true, true, true]);
    }

    #[test]
    fn other_calls_and_other_files_do_not_meet_it() {
        let mut faults = Faults::default();
        faults.add(fault(0, None));
        assert_eq!(faults.meet(Call::Sync, "a.aof"), Ok(()));
        assert_eq!(faults.meet(Call::Write, "a.conf"), Ok(()));
        assert_eq!(faults.met, 0);
    }

    #[test]
    fn a_write_that_does_not_fit_is_cut_short_and_the_next_one_fails() {
        let mut faults = Faults { quota_bytes: Some(10), ..Faults::default() };
        assert_eq!(faults.admitted(8, 2, 2), Ok(2));
        assert_eq!(faults.admitted(8, 5, 5), Ok(2));
        assert_eq!(faults.admitted(10, 1, 1), Err(libc::ENOSPC));
        assert_eq!(faults.admitted(10, 0, 4), Ok(4), "what is overwritten takes no room");
    }
}
