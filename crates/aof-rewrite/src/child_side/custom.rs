//! Values of custom types, as the commands that they emit themselves.
//!
//! A type's code is not trusted with the file: a command that nothing could replay, with another number of arguments than
//! announced, or no command at all, fails the rewrite as a failed write does, before the new file takes the old one's place.

use child::Failure;
use keyspace::{CannotRewrite, CustomValue, EmitCommands};

use super::Out;

/// Writes the commands that rebuild `value`.
pub(super) fn emit(out: &mut Out<'_>, key: &[u8], value: &dyn CustomValue) -> Result<(), Failure> {
    let ty = value.custom_type();
    let mut commands = Commands { out, known: ty.commands(), left: 0, emitted: 0, stopped: None };
    let result = value.rewrite(key, &mut commands);
    let Commands { left, emitted, stopped, .. } = commands;
    let reason = match (stopped, result) {
        (Some(Stopped::Output(failure)), _) => return Err(failure),
        (Some(Stopped::Misuse(reason)), _) | (None, Err(CannotRewrite(reason))) => reason,
        (None, Ok(())) if left > 0 => FEWER,
        (None, Ok(())) if emitted == 0 => "it emitted no command",
        (None, Ok(())) => return Ok(()),
    };
    Err(out.cannot_rewrite(ty.name(), key, reason))
}

const FEWER: &str = "it emitted a command with fewer arguments than announced";

/// Takes the commands of a value, up to the first thing that goes wrong.
struct Commands<'o, 'e> {
    out: &'o mut Out<'e>,
    known: &'static [&'static str],
    /// Arguments of the current command that are still to come.
    left: usize,
    emitted: usize,
    stopped: Option<Stopped>,
}

enum Stopped {
    Output(Failure),
    Misuse(&'static str),
}

impl<'e> Commands<'_, 'e> {
    fn write(&mut self, write: impl FnOnce(&mut Out<'e>) -> Result<(), Failure>) {
        if self.stopped.is_none()
            && let Err(failure) = write(self.out)
        {
            self.stopped = Some(Stopped::Output(failure));
        }
    }

    fn misuse(&mut self, reason: &'static str) {
        self.stopped.get_or_insert(Stopped::Misuse(reason));
    }

    fn argument(&mut self, write: impl FnOnce(&mut Out<'e>) -> Result<(), Failure>) {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                self.write(write);
            }
            None => self.misuse("it emitted a command with more arguments than announced"),
        }
    }
}

impl EmitCommands for Commands<'_, '_> {
    fn command(&mut self, name: &'static str, args: usize) {
        if self.left > 0 {
            self.misuse(FEWER);
        }
        if !self.known.contains(&name) {
            self.misuse("it emitted a command that is none of its type's");
        }
        (self.left, self.emitted) = (args, self.emitted + 1);
        self.write(|out| {
            out.array(1 + args)?;
            out.bulk(name.as_bytes())
        });
    }

    fn arg(&mut self, bytes: &[u8]) {
        self.argument(|out| out.bulk(bytes));
    }

    fn arg_int(&mut self, value: i64) {
        self.argument(|out| out.bulk_int(value));
    }

    fn arg_double(&mut self, value: f64) {
        self.argument(|out| out.bulk_double(value));
    }
}
