//! Values of custom types, as the commands that they emit themselves.
//!
//! A type's code is not trusted with the file: a command that replay would refuse, or none at all, fails the rewrite as a failed
//! write does, before the new file takes the old one's place.

use child::Failure;
use keyspace::{CannotRewrite, Custom, CustomTypes, Emission, EmitCommands, Unwritable, ValueRef};

use super::commands::Commands;

/// Writes the commands that rebuild a value.
pub(super) fn emit(
    out: &mut Commands<'_, '_>,
    types: &CustomTypes,
    key: &[u8],
    custom: &Custom,
) -> Result<(), Failure> {
    let emission = types.emission(custom.value().custom_type());
    let mut emitted = Emitted { out, emission, stopped: None };
    let result = custom.value().rewrite(key, &mut emitted);
    let Emitted { emission, stopped, .. } = emitted;
    let (CannotRewrite(reason), command) = match (stopped, result) {
        (Some(Stopped::Output(failure)), _) => return Err(failure),
        (Some(Stopped::Misuse(misuse)), _) => (misuse, emission.command_name()),
        (None, Err(cannot)) => (cannot, None),
        (None, Ok(())) => match emission.finish() {
            Err(misuse) => (misuse, emission.command_name()),
            Ok(()) => return Ok(()),
        },
    };
    let unwritable = Unwritable { command, ..Unwritable::new(ValueRef::Custom(custom), key, reason) };
    Err(out.out().cannot_write(&unwritable))
}

/// Takes the commands of a value, up to the first thing that goes wrong.
struct Emitted<'c, 'o, 'e, 't> {
    out: &'c mut Commands<'o, 'e>,
    emission: Emission<'t>,
    stopped: Option<Stopped>,
}

enum Stopped {
    Output(Failure),
    Misuse(CannotRewrite),
}

impl<'o, 'e, 't> Emitted<'_, 'o, 'e, 't> {
    /// Writes what the rules allow, unless something has gone wrong before.
    fn write(
        &mut self,
        allowed: impl FnOnce(&mut Emission<'t>) -> Result<(), CannotRewrite>,
        write: impl FnOnce(&mut Commands<'o, 'e>) -> Result<(), Failure>,
    ) {
        if self.stopped.is_some() {
            return;
        }
        self.stopped = match allowed(&mut self.emission) {
            Err(misuse) => Some(Stopped::Misuse(misuse)),
            Ok(()) => write(self.out).err().map(Stopped::Output),
        };
    }
}

impl EmitCommands for Emitted<'_, '_, '_, '_> {
    fn command(&mut self, name: &'static str, args: usize) {
        self.write(
            |emission| emission.command(name, args),
            |out| {
                out.array(1 + args)?;
                out.bulk(name.as_bytes())
            },
        );
    }

    fn arg(&mut self, bytes: &[u8]) {
        self.write(Emission::arg, |out| out.bulk(bytes));
    }

    fn arg_int(&mut self, value: i64) {
        self.write(Emission::arg, |out| out.bulk_int(value));
    }

    fn arg_double(&mut self, value: f64) {
        self.write(Emission::arg, |out| out.bulk_double(value));
    }
}
