//! The rules for the commands that rebuild a value, for whoever writes them down.
//!
//! A type's code is not trusted with a log: what replay would refuse is an error while the value is rewritten, when nothing depends on
//! what was written of it.

use super::CannotRewrite;

const FEWER: CannotRewrite = CannotRewrite("it emitted a command with fewer arguments than announced");

/// A command by which values of a type are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilder {
    /// Its name, in lower case.
    pub name: &'static str,
    /// How many arguments it takes, its name among them: exactly so many, or, if negative, at least so many. `None`: whoever
    /// registered the type does not know the commands.
    pub arity: Option<i32>,
}

impl Rebuilder {
    fn takes(&self, args: usize) -> bool {
        let argc = args.saturating_add(1);
        self.arity.is_none_or(|arity| {
            let least = arity.unsigned_abs() as usize;
            if arity < 0 { argc >= least } else { argc == least }
        })
    }
}

/// Follows the commands that a value emits. Allocates nothing.
#[derive(Debug)]
pub struct Emission<'t> {
    known: &'t [Rebuilder],
    /// The command whose arguments come.
    command: Option<&'static str>,
    /// How many of them are still to come.
    left: usize,
}

impl<'t> Emission<'t> {
    pub(super) fn new(known: &'t [Rebuilder]) -> Self {
        Self { known, command: None, left: 0 }
    }

    /// The command that was begun last.
    pub fn command_name(&self) -> Option<&'static str> {
        self.command
    }

    /// A command of so many arguments begins, its name not counted.
    ///
    /// # Errors
    /// If it may not: the value is not to be written then.
    pub fn command(&mut self, name: &'static str, args: usize) -> Result<(), CannotRewrite> {
        if self.left > 0 {
            return Err(FEWER);
        }
        (self.command, self.left) = (Some(name), args);
        let Some(known) = self.known.iter().find(|known| known.name == name) else {
            return Err(CannotRewrite("it emitted a command that is none of its type's"));
        };
        if !known.takes(args) {
            return Err(CannotRewrite("it emitted a command with a wrong number of arguments"));
        }
        Ok(())
    }

    /// An argument comes.
    ///
    /// # Errors
    /// If there should be none.
    pub fn arg(&mut self) -> Result<(), CannotRewrite> {
        self.left = self.left.checked_sub(1).ok_or(match self.command {
            Some(_) => CannotRewrite("it emitted a command with more arguments than announced"),
            None => CannotRewrite("it emitted an argument before any command"),
        })?;
        Ok(())
    }

    /// The value has emitted everything.
    ///
    /// # Errors
    /// If something is missing.
    pub fn finish(&self) -> Result<(), CannotRewrite> {
        match self.command {
            None => Err(CannotRewrite("it emitted no command")),
            Some(_) if self.left > 0 => Err(FEWER),
            Some(_) => Ok(()),
        }
    }
}
