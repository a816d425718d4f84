//! Applies units to the sink in bounded steps.
//!
//! Invariant: a unit reaches `apply` only if the sink accepted every command of it, and units reach it in file order.

use std::path::Path;

use crate::damage::RefusedCommand;
use crate::error::CommandName;
use crate::source::{Delivery, ReadError, Source};
use crate::{Batch, Command, Damage, LoadError, Operation, Sink, Unit};

/// How a log ended.
#[derive(Debug)]
pub(crate) enum End {
    /// With a whole unit.
    Whole,
    /// At the first damage.
    Damaged(Damage),
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
    /// Replays what `source` gives.
    pub(crate) fn new(source: Source) -> Self {
        Self { source, current: None, loaded_bytes: 0 }
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
                    Delivery::Failed(ReadError::Damaged(damage)) => return Ok(Some(End::Damaged(*damage))),
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

fn apply<S: Sink + ?Sized>(sink: &mut S, unit: &Unit<'_>) -> Result<(), RefusedCommand> {
    let refused = |command: &Command<'_>, refusal, nothing_applied| RefusedCommand {
        name: CommandName::new(command.args().name()),
        offset: command.offset(),
        index: command.index(),
        refusal,
        unit_offset: unit.range().start,
        nothing_applied,
        holds_nul: command.args().from(0).any(|arg| arg.contains(&0)),
    };
    for command in unit.commands() {
        sink.check(command.args()).map_err(|refusal| refused(&command, refusal, true))?;
    }
    let Err(refusal) = sink.apply(unit) else { return Ok(()) };
    match unit.commands().next() {
        Some(first) => Err(refused(&first, refusal, !unit.is_transaction())),
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
