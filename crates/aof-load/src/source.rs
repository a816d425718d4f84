//! Reads a log and hands out batches of units: in a thread, so that reading, parsing and applying overlap, or inline, so
//! that a simulation decides when it happens. Both run the same [`Reader`].
//!
//! Invariant: what comes is the batches in file order, then exactly one end.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the reader thread of a load: one of the seams to threads"
)]

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use vfs::File;

use crate::SourceKind;
use crate::assemble::Assembler;
use crate::copy::read_once;
use crate::damage::Damage;
use crate::queue::{self, Received, Receiver, Sender};
use crate::unit::Batch;

/// Bytes asked for by one pread(2).
const CHUNK_BYTES: usize = 256 * 1024;

/// Batches on their way from the reader's thread hold at most this much, or one batch.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// How long one step waits for a slow disk before it lets the caller go on with other things.
const PATIENCE: Duration = Duration::from_millis(50);

/// Why reading a log ended before its size.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// At the first damage. What came before is whole.
    #[error("{damage}")]
    Damaged {
        /// What is wrong, and where.
        damage: Box<Damage>,
        /// The whole commands of the `MULTI` that is open there, as one unit; empty if none is open.
        open: Box<Batch>,
    },
    /// With a failed pread(2).
    #[error("can't read at byte {offset}")]
    Io {
        /// Where.
        offset: u64,
        /// The system call's error.
        source: io::Error,
    },
}

/// What a source gives.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// The next units.
    Batch(Batch),
    /// Nothing yet.
    NotYet,
    /// No more units: the log ended with a whole one. Not to be asked again.
    Whole,
    /// No more units. Not to be asked again.
    Failed(ReadError),
    /// The reader's thread died without a word.
    ReaderDied,
}

/// Reads the units of one file, for whoever wants to look at a log without recovering it. Changes nothing.
pub struct Reader {
    file: Arc<dyn File>,
    at: u64,
    size_bytes: u64,
    assembler: Assembler,
    end: Option<Result<(), ReadError>>,
}

impl Reader {
    /// Reads `file` from `offset`, where an item starts (behind a preamble, if there is one), to `size_bytes`, at most the
    /// file's size.
    #[must_use]
    pub fn new(file: Arc<dyn File>, offset: u64, size_bytes: u64) -> Self {
        Self { file, at: offset, size_bytes, assembler: Assembler::new(offset), end: None }
    }

    /// The next whole units, in file order; `None` at the end.
    ///
    /// # Errors
    /// Once, after all units before it: the first damage, or a failed system call. After that `None`.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, ReadError> {
        loop {
            if let Some(batch) = self.assembler.take() {
                return Ok(Some(batch));
            }
            if let Some(end) = &mut self.end {
                let mut end = std::mem::replace(end, Ok(()));
                if let Err(ReadError::Damaged { open, .. }) = &mut end {
                    **open = self.assembler.take_open();
                }
                return end.map(|()| None);
            }
            self.end = self.fill().map_or_else(|error| Some(Err(error)), |more| (!more).then_some(Ok(())));
        }
    }

    /// Reads one chunk and recognises what is whole in it. `false` at the end.
    fn fill(&mut self) -> Result<bool, ReadError> {
        let left = usize::try_from(self.size_bytes.saturating_sub(self.at)).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        if left == 0 {
            return self.assembler.end().map(|()| false).map_err(damaged);
        }
        let bytes = self.assembler.bytes_mut();
        let filled = bytes.len();
        bytes.resize(filled + left, 0);
        let read = read_once(&*self.file, &mut bytes[filled..], self.at);
        bytes.truncate(filled + read.as_ref().unwrap_or(&0));
        self.at += read.map_err(|source| ReadError::Io { offset: self.at, source })? as u64;
        self.assembler.advance().map(|()| true).map_err(damaged)
    }
}

/// What is in the open transaction is added when the units before it are taken.
fn damaged(damage: Damage) -> ReadError {
    ReadError::Damaged { damage: Box::new(damage), open: Box::default() }
}

type Message = Result<Option<Batch>, ReadError>;

/// Where batches come from.
pub(crate) enum Source {
    /// From a thread.
    Threaded(Receiver<Message>),
    /// From the reader itself.
    Inline(Box<Reader>),
}

impl Source {
    /// Starts reading.
    ///
    /// # Errors
    /// If no thread could be started.
    pub(crate) fn start(kind: SourceKind, reader: Reader) -> io::Result<Self> {
        match kind {
            SourceKind::Inline => Ok(Self::Inline(Box::new(reader))),
            SourceKind::Threaded => {
                let (sender, receiver) = queue::channel(QUEUE_BYTES);
                // Not joined: it ends when the file does or the receiver is gone, and holds nothing but its handle.
                thread::Builder::new().name("aof-load".into()).spawn(move || run(reader, &sender))?;
                Ok(Self::Threaded(receiver))
            }
        }
    }

    /// The next units. Waits for a slow disk only a moment.
    pub(crate) fn next(&mut self) -> Delivery {
        let message = match self {
            Self::Inline(reader) => reader.next_batch(),
            Self::Threaded(receiver) => match receiver.receive(PATIENCE) {
                Received::Message(message) => message,
                Received::Timeout => return Delivery::NotYet,
                Received::Disconnected => return Delivery::ReaderDied,
            },
        };
        match message {
            Ok(Some(batch)) => Delivery::Batch(batch),
            Ok(None) => Delivery::Whole,
            Err(error) => Delivery::Failed(error),
        }
    }
}

fn run(mut reader: Reader, sender: &Sender<Message>) {
    loop {
        let message = reader.next_batch();
        let size_bytes = match &message {
            Ok(Some(batch)) => batch.size_bytes(),
            _ => 0,
        };
        let last = size_bytes == 0;
        if !sender.send(message, size_bytes) || last {
            return;
        }
    }
}
