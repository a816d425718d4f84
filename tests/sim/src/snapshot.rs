//! Snapshots: what a server has said of them, and what `dump.rdb` must hold after a crash.
//!
//! At every instant the one before or the new one has the name, whole; the new one once SAVE has answered OK or the child has
//! ended well. Which keys it holds is judged as the log is: some prefix of what was executed, at least as long as at the fork.

use engine::TestHooks;
use resp_codec::Value;
use vfs::sim::SimDisk;

use crate::client::{Wrong, WrongReply};
use crate::history::History;
use crate::model::Dataset;
use crate::server::{DIR, Refusal, Server, Spawn};

/// The name of the snapshot.
pub const DUMP: &str = "dump.rdb";

/// What the log says of a child that ended well.
const SUCCEEDED: &str = "Background saving terminated with success";

/// The snapshots of one life.
#[derive(Debug, Default)]
pub struct Snapshots {
    /// How many operations the one that the child writes holds at least.
    forked: usize,
    saving: bool,
    seen_lines: usize,
    /// How many ended well.
    pub saved: u32,
}

impl Snapshots {
    /// SAVE or BGSAVE was asked for.
    pub fn asked(&mut self, request: &str, reply: &[u8], history: &mut History) {
        if request == "SAVE" && reply.ends_with(b"+OK\r\n") {
            history.saved = history.saved.max(history.executed.len());
            self.saved += 1;
        }
    }

    /// At a turn's end, in which the operations from `began` on were executed.
    ///
    /// # Errors
    /// If more than one child runs.
    pub fn follow(&mut self, server: &Server, began: usize, history: &mut History) -> Result<(), WrongReply> {
        let status = server.engine.log_status();
        let both = status.saving && status.rewrite_phase == "child";
        if both || server.children.running().len() > 1 {
            let got = Value::Status(b"a rewrite and a snapshot, or two of them".to_vec());
            return Err(WrongReply { got, expected: None, wrong: Wrong::TwoChildren });
        }
        let ended = {
            let lines = server.log.0.borrow();
            let new = &lines[self.seen_lines..];
            self.seen_lines = lines.len();
            new.iter().any(|(_, line)| line == SUCCEEDED)
        };
        if ended && self.saving {
            history.saved = history.saved.max(self.forked);
            self.saved += 1;
        }
        if status.saving && (ended || !self.saving) {
            self.forked = began;
        }
        self.saving = status.saving;
        Ok(())
    }
}

/// What is wrong with a snapshot.
#[derive(Debug)]
pub enum Broken {
    /// It cannot be loaded.
    Unreadable(Refusal),
    /// It holds nothing that there was.
    Foreign(Dataset),
    /// It is older than what was said to be saved.
    Old {
        /// How many operations it must hold.
        required: usize,
        /// How many it holds.
        held: usize,
    },
}

/// Judges the snapshot on a disk, if one has the name; its bytes. `earlier`: the one before this life.
///
/// # Errors
/// What is wrong with it.
pub fn judge(
    image: &SimDisk,
    spawn: &Spawn,
    history: &History,
    earlier: Option<&[u8]>,
    latest_ms: i64,
) -> Result<Option<Vec<u8>>, Broken> {
    let bytes = image.content(DIR, DUMP);
    if history.saved == 0 && bytes.as_deref() == earlier {
        return Ok(bytes);
    }
    let found = match &bytes {
        Some(bytes) => load(bytes, spawn).map_err(Broken::Unreadable)?,
        None => Dataset::default(),
    };
    let now_ms = spawn.now.unix().0.max(latest_ms);
    match history.prefixes_equal_to(&found, now_ms).last() {
        Some(&held) if held >= history.saved => Ok(bytes),
        Some(&held) => Err(Broken::Old { required: history.saved, held }),
        None => Err(Broken::Foreign(found)),
    }
}

/// What a server without a log loads from a snapshot.
fn load(bytes: &[u8], spawn: &Spawn) -> Result<Dataset, Refusal> {
    let disk = SimDisk::new();
    disk.put(DIR, DUMP, bytes);
    let config = engine::Config { appendonly: false, ..spawn.config.clone() };
    let spawn = Spawn { config, hooks: TestHooks::default(), ..spawn.clone() };
    Server::start(&disk, &spawn).map(|mut server| Dataset::read_back(&mut server))
}
