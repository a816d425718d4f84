//! Applies units to the sink in bounded steps.
//!
//! Invariant: a unit reaches `apply` only if the sink accepted every command of it, and units reach it in file order.

use std::path::Path;
use std::sync::Arc;

use crate::copy::Failed;
use crate::damage::RefusedCommand;
use crate::error::CommandName;
use crate::file::LogFile;
use crate::source::{Delivery, ReadError, Reader, Source};
use crate::{Batch, Command, Damage, LoadError, Operation, Refusal, Sink, SourceKind, Unit};

/// How a log ended.
#[derive(Debug)]
pub(crate) enum End {
    /// With a whole unit.
    Whole,
    /// At the first damage, perhaps in a transaction that is not whole.
    Damaged { damage: Damage, open: Batch },
    /// With a command that the sink refused.
    Refused(RefusedCommand),
}

/// A replay in progress.
pub(crate) struct Replay {
    source: Source,
    current: Option<(Batch, usize)>,
    loaded_bytes: u64,
}

impl Replay {
    /// Replays the commands of `log` from `offset` on, where one starts.
    pub(crate) fn start(log: &LogFile, kind: SourceKind, offset: u64) -> Result<Self, LoadError> {
        let reader = Reader::new(Arc::clone(&log.file), offset, log.size_bytes);
        let source = Source::start(kind, reader)
            .map_err(|error| log.io(Failed { operation: Operation::StartReader, offset: 0, error }))?;
        Ok(Self { source, current: None, loaded_bytes: offset })
    }

    /// The end of the last unit applied.
    pub(crate) fn loaded_bytes(&self) -> u64 {
        self.loaded_bytes
    }

    /// Applies about `budget_bytes` of units, at least one unless the disk is slow, counting commands in `commands`. How the
    /// log ended, once it did.
    pub(crate) fn step<S: Sink + ?Sized>(
        &mut self,
        sink: &mut S,
        budget_bytes: u64,
        path: &Path,
        commands: &mut u64,
    ) -> Result<Option<End>, LoadError> {
        let stop = self.loaded_bytes.saturating_add(budget_bytes.max(1));
        while self.loaded_bytes < stop {
            let (batch, next) = match &mut self.current {
                Some(current) => current,
                None => match self.source.next() {
                    Delivery::Batch(batch) => self.current.insert((batch, 0)),
                    Delivery::NotYet => return Ok(None),
                    Delivery::Whole => return Ok(Some(End::Whole)),
                    Delivery::Failed(ReadError::Damaged { damage, open }) => {
                        return Ok(Some(End::Damaged { damage: *damage, open: *open }));
                    }
                    Delivery::Failed(ReadError::Io { offset, source }) => {
                        return Err(LoadError::Io {
                            path: path.to_owned(),
                            operation: Operation::Read,
                            offset,
                            source,
                        });
                    }
                    Delivery::ReaderDied => return Err(LoadError::ReaderDied { path: path.to_owned() }),
                },
            };
            let Some(unit) = batch.unit(*next) else {
                self.current = None;
                continue;
            };
            if let Err(refused) = apply(sink, &unit) {
                return Ok(Some(End::Refused(refused)));
            }
            *commands += unit.commands().len() as u64;
            *next += 1;
            self.loaded_bytes = unit.range().end;
        }
        Ok(None)
    }
}

/// Asks the sink about every command of a unit.
pub(crate) fn check<S: Sink + ?Sized>(sink: &mut S, unit: &Unit<'_>) -> Result<(), RefusedCommand> {
    for command in unit.commands() {
        sink.check(command.args()).map_err(|refusal| refused(unit, &command, refusal, true))?;
    }
    Ok(())
}

fn apply<S: Sink + ?Sized>(sink: &mut S, unit: &Unit<'_>) -> Result<(), RefusedCommand> {
    check(sink, unit)?;
    let Err(refusal) = sink.apply(unit) else { return Ok(()) };
    match unit.commands().next() {
        Some(first) => Err(refused(unit, &first, refusal, !unit.is_transaction())),
        None => Err(RefusedCommand {
            name: CommandName::new(b"MULTI"),
            offset: unit.range().start,
            index: unit.index(),
            refusal,
            unit_offset: unit.range().start,
            nothing_applied: false,
            holds_nul: false,
        }),
    }
}

fn refused(unit: &Unit<'_>, command: &Command<'_>, refusal: Refusal, nothing_applied: bool) -> RefusedCommand {
    RefusedCommand {
        name: CommandName::new(command.args().name()),
        offset: command.offset(),
        index: command.index(),
        refusal,
        unit_offset: unit.range().start,
        nothing_applied,
        holds_nul: command.args().from(0).any(|arg| memchr::memchr(0, arg).is_some()),
    }
}
