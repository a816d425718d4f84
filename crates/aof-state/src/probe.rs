//! Whether a disk takes an fsync: asked of a small file beside the log after an fsync of the log itself has failed.

use std::io;

use vfs::{Dir, Open};

use crate::temp::TempFile;

/// What the probe writes. Its size does not matter, but that there is something to write back does.
const PROBE: &[u8] = b"A probe of the disk after a failed fsync. It may be removed.\n";

/// Writes a small file beside the log `aof_name`, fsyncs and removes it. Blocks: for a background job.
///
/// A success says that the disk takes fsyncs again. It says nothing of what an fsync failed for before.
///
/// # Errors
/// The first failed call's. A short write counts as a full disk. What is left behind is removed by the next probe, or at the
/// next start.
pub fn probe_disk(dir: &dyn Dir, aof_name: &str) -> io::Result<()> {
    let name = TempFile::Probe.name(aof_name);
    if dir.stat(&name)?.is_some() {
        dir.unlink(&name)?;
    }
    let file = dir.open(&name, Open::CreateNew)?;
    let probed = write_and_fsync(&*file);
    // The probe's own result comes first; that it stays behind is the next one's to say.
    let removed = dir.unlink(&name);
    probed.and(removed)
}

fn write_and_fsync(file: &dyn vfs::File) -> io::Result<()> {
    match file.append(PROBE)? {
        n if n < PROBE.len() => Err(io::ErrorKind::StorageFull.into()),
        _ => file.fsync(),
    }
}

#[cfg(test)]
mod tests {
    use vfs::sim::{Call, Fault, Rule, SimDisk};

    use super::*;

    const AOF: &str = "appendonly.aof";

    #[test]
    fn a_probe_succeeds_on_a_good_disk_and_leaves_nothing() {
        let disk = SimDisk::new();
        let dir = disk.dir("/data");
        probe_disk(&*dir, AOF).unwrap();
        assert_eq!(dir.list().unwrap(), [""; 0]);
    }

    #[test]
    fn a_probe_tells_of_any_call_that_fails_and_the_next_one_is_not_hindered() {
        for call in [Call::Open, Call::Append, Call::Fsync, Call::Unlink] {
            let disk = SimDisk::new();
            let dir = disk.dir("/data");
            disk.inject(Rule::nth(call, 1, Fault::EIO));
            assert_eq!(probe_disk(&*dir, AOF).unwrap_err().raw_os_error(), Some(5), "{call:?}");
            probe_disk(&*dir, AOF).unwrap();
            assert_eq!(dir.list().unwrap(), [""; 0]);
        }
    }

    #[test]
    fn a_short_write_is_a_full_disk() {
        let disk = SimDisk::new();
        disk.inject(Rule::nth(Call::Append, 1, Fault::Short(3)));
        assert_eq!(probe_disk(&*disk.dir("/data"), AOF).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
