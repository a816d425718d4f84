//! The configuration file that the server was started with, and how CONFIG REWRITE replaces it: what it then says is the
//! engine's to decide.
//!
//! It is replaced as a whole: a power cut leaves the old file or the new one. Owner and mode stay. The loop stands still
//! meanwhile, as in Redis.
#![expect(clippy::disallowed_methods, reason = "the configuration file is no file of the engine's")]

use std::error::Error;
use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use engine::config::rewrite;
use engine::{Config, ConfigFile};
use vfs::{Dir, DurableRenameError, File, Open, RealDir, durable_rename};

use crate::settings;

/// What the new file is called until it takes the old one's place.
const NEW_SUFFIX: &str = ".rewriting";

/// The file that the server was started with.
pub(crate) struct StartedWith {
    /// Absolute, and no symbolic link: what is replaced is the file that a link leads to.
    pub(crate) path: PathBuf,
    /// What relative names of included files are relative to.
    pub(crate) base: PathBuf,
}

impl ConfigFile for StartedWith {
    fn rewrite(&mut self, config: &Config) -> Result<(), Box<dyn Error>> {
        Ok(self.try_rewrite(config)?)
    }
}

impl StartedWith {
    fn try_rewrite(&self, config: &Config) -> anyhow::Result<()> {
        let old = match std::fs::read_to_string(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("can't read {}", self.path.display()))?,
        };
        let text = rewrite::rewrite(&old, config);
        let loaded = settings::say(&text, &self.path, &self.base)?;
        let text = rewrite::amend(text, &loaded, config);
        let (place, name) = (self.path.parent(), self.path.file_name().and_then(OsStr::to_str));
        let (place, name) = place.zip(name).context("the name of the configuration file is no UTF-8 text")?;
        let dir = RealDir::open(place).with_context(|| format!("can't open {}", place.display()))?;
        replace(&dir, name, text.as_bytes(), |new| take_after(&self.path, &place.join(new)))
    }
}

/// Gives `new` the owner, the group and the mode of `old`. Whoever may not give a file away stays its owner; a group that could
/// not be kept leaves nothing to the one that took its place: there may be a password in the file.
fn take_after(old: &Path, new: &Path) -> io::Result<()> {
    let found = match std::fs::metadata(old) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if chown(new, Some(found.uid()), Some(found.gid())).is_err() {
        let _not_ours_to_give = chown(new, None, Some(found.gid()));
    }
    let same_group = std::fs::metadata(new)?.gid() == found.gid();
    std::fs::set_permissions(new, Permissions::from_mode(mode_after(found.mode(), same_group)))
}

/// The mode of the new file.
fn mode_after(mode: u32, same_group: bool) -> u32 {
    mode & if same_group { 0o7777 } else { 0o7707 }
}

/// Puts `bytes` in place of the file `name`, durably. `prepare` is told the name of the new file, which nobody else can read
/// until then.
fn replace(
    dir: &dyn Dir,
    name: &str,
    bytes: &[u8],
    prepare: impl FnOnce(&str) -> io::Result<()>,
) -> anyhow::Result<()> {
    let new = format!("{name}{NEW_SUFFIX}");
    // A crash may have left one.
    if dir.stat(&new).with_context(|| format!("can't look at {new}"))?.is_some() {
        dir.unlink(&new).with_context(|| format!("can't remove {new}"))?;
    }
    let file = dir.open(&new, Open::CreateNew).with_context(|| format!("can't create {new}"))?;
    let written = append_all(&*file, bytes).and_then(|()| prepare(&new));
    let replaced = written
        .with_context(|| format!("can't write {new}"))
        .and_then(|()| durable_rename(dir, &*file, &new, name).map_err(anyhow::Error::new));
    replaced.inspect_err(|error| {
        if !matches!(error.downcast_ref(), Some(DurableRenameError::FsyncDir(_))) {
            // What cannot be removed now is removed the next time.
            let _left = dir.unlink(&new);
        }
    })
}

fn append_all(file: &dyn File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.append(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule, SimDisk};

    use super::*;

    const PLACE: &str = "/etc/ledgerstone";
    const NAME: &str = "redis.conf";

    fn disk() -> SimDisk {
        let disk = SimDisk::new();
        disk.put(PLACE, NAME, b"old");
        disk
    }

    fn replaced(disk: &SimDisk) -> anyhow::Result<()> {
        replace(&*disk.dir(PLACE), NAME, b"new", |_| Ok(()))
    }

    #[test]
    fn a_group_that_could_not_be_kept_leaves_nothing_to_another() {
        assert_eq!((mode_after(0o100_640, true), mode_after(0o100_664, false)), (0o640, 0o604));
    }

    #[test]
    fn whatever_fails_the_file_is_the_old_one_and_nothing_is_left_beside_it() {
        for call in [Call::Open, Call::Append, Call::Fsync, Call::Rename] {
            let disk = disk();
            disk.inject(Rule::nth(call, 1, Fault::EIO));
            let error = replaced(&disk).unwrap_err();
            assert!(vfs::error_chain(&*error).ends_with("Input/output error"), "{call:?}: {error:#}");
            assert_eq!(disk.content(PLACE, NAME).unwrap(), b"old", "{call:?}");
            assert_eq!(disk.names(PLACE), [NAME], "{call:?}");
            replaced(&disk).unwrap();
            assert_eq!(disk.content(PLACE, NAME).unwrap(), b"new", "{call:?}");
        }
    }

    #[test]
    fn a_power_cut_after_it_leaves_the_new_file_and_one_before_its_end_the_old() {
        let cut = |disk: &SimDisk| {
            let mut rng = fastrand::Rng::with_seed(1);
            disk.crash(&mut rng, CrashMode::Strict, NameMode::OnlyDirFsync).content(PLACE, NAME)
        };
        let disk = disk();
        disk.inject(Rule::nth(Call::DirFsync, 1, Fault::FSYNC_EIO));
        replaced(&disk).unwrap_err();
        assert_eq!(disk.content(PLACE, NAME).unwrap(), b"new");
        assert_eq!(cut(&disk).as_deref(), Some(&b"old"[..]));
        replaced(&disk).unwrap();
        assert_eq!(cut(&disk).as_deref(), Some(&b"new"[..]));
    }

    #[test]
    fn what_a_crash_left_is_no_obstacle() {
        let disk = disk();
        disk.put(PLACE, "redis.conf.rewriting", b"half");
        replaced(&disk).unwrap();
        assert_eq!((disk.content(PLACE, NAME).unwrap(), disk.names(PLACE)), (b"new".to_vec(), vec![NAME.to_owned()]));
    }
}
