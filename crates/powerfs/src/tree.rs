//! A [`Disk`] as files of the machine, and back; and what tells two of them apart.
#![expect(clippy::disallowed_methods, reason = "a tool for tests: it reads and writes real files")]

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::content::Content;
use crate::disk::{Attributes, Disk, Kind, Node};
use crate::{Inode, ROOT};

impl Disk {
    /// Reads a directory with everything below it; all of it counts as being on the medium. Extended attributes are left out.
    ///
    /// # Errors
    /// If something cannot be read, or is no file, directory or link, or has a name that is no UTF-8.
    pub fn read_from(path: &Path) -> io::Result<Self> {
        let mut disk = Self::default();
        disk.read_directory(ROOT, path)?;
        let directories = disk.names.cache.clone();
        Ok(Self::durable(disk.nodes, directories, disk.next_inode))
    }

    fn read_directory(&mut self, directory: Inode, path: &Path) -> io::Result<()> {
        self.names.cache.entry(directory).or_default();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            let (inode, metadata) = (self.next_inode, entry.metadata()?);
            self.next_inode += 1;
            let kind = if metadata.is_dir() {
                Kind::Directory
            } else if metadata.is_symlink() {
                Kind::Link(fs::read_link(entry.path())?.to_string_lossy().into_owned())
            } else if metadata.is_file() {
                Kind::File(Content::durable(fs::read(entry.path())?))
            } else {
                return Err(io::ErrorKind::Unsupported.into());
            };
            let mode = u16::try_from(metadata.permissions().mode() & 0o7777).expect("twelve bits");
            self.nodes.insert(inode, Node::new(kind, mode, Attributes::default()));
            self.names.cache.entry(directory).or_default().insert(name, inode);
            if metadata.is_dir() {
                self.read_directory(inode, &entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes what processes see into an existing directory. Extended attributes are left out.
    ///
    /// # Errors
    /// If something cannot be written, or is there already.
    pub fn write_to(&self, path: &Path) -> io::Result<()> {
        self.write_directory(ROOT, path)
    }

    fn write_directory(&self, directory: Inode, path: &Path) -> io::Result<()> {
        for (name, inode) in self.entries(directory) {
            let at = path.join(name);
            let Some(node) = self.nodes.get(&inode) else { continue };
            match &node.kind {
                Kind::File(content) => fs::write(&at, &content.cache)?,
                Kind::Link(target) => {
                    symlink(target, &at)?;
                    continue;
                }
                Kind::Directory => {
                    fs::create_dir(&at)?;
                    self.write_directory(inode, &at)?;
                }
            }
            fs::set_permissions(&at, fs::Permissions::from_mode(u32::from(node.mode)))?;
        }
        Ok(())
    }

    /// The files, directories and links by their paths, each with its length in bytes.
    #[must_use]
    pub fn listing(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        let mut directories = vec![(ROOT, String::new())];
        while let Some((directory, path)) = directories.pop() {
            for (name, inode) in self.entries(directory) {
                let at = format!("{path}{name}");
                if matches!(self.nodes.get(&inode).map(|node| &node.kind), Some(Kind::Directory)) {
                    directories.push((inode, format!("{at}/")));
                }
                found.insert(at, self.status(inode).map_or(0, |status| status.len));
            }
        }
        found
    }

    /// A number that two disks share which no process could tell apart, and hardly any others.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (directory, entries) in &self.names.cache {
            (directory, entries).hash(&mut hasher);
            for inode in entries.values() {
                let status = self.status(*inode);
                (inode, self.bytes(*inode), self.target(*inode), status.map(|s| s.mode)).hash(&mut hasher);
                self.attributes(*inode).for_each(|attribute| attribute.hash(&mut hasher));
            }
        }
        hasher.finish()
    }
}
