//! What an embedding program adds: custom types and the commands on them, joined with the table that every server has.
//!
//! A command of an extension is a row like any other, so whatever goes by rows knows it: MULTI, replay, statistics, COMMAND.
//! The table of every server is asked first, so an extension costs other commands nothing.
//!
//! Invariant: no two commands have one name, and a custom type is rewritten by commands that replay runs.

use keyspace::{CustomType, CustomTypes, TypeTwice};
use resp_codec::Args;

use crate::command::{Command, Flags, Keys, Row, Run};
use crate::syntax::{self, SyntaxError};
use crate::table::{self, LONGEST_NAME, Refusal, TABLE};

/// What one extension adds. A program has one `static` for each.
#[derive(Clone, Copy, Debug)]
pub struct Extension {
    /// Its name, for COMMAND LIST FILTERBY MODULE.
    pub name: &'static str,
    /// Its types.
    pub types: &'static [&'static CustomType],
    /// Its commands.
    pub commands: &'static [Row],
}

/// The extensions of a program, checked against each other and the server. None by default.
#[derive(Clone, Debug, Default)]
pub struct Extensions {
    /// The commands.
    pub table: CommandTable,
    /// The types.
    pub types: CustomTypes,
}

impl Extensions {
    /// Joins extensions. To be called once in a program: the joined table stays for as long as the process.
    ///
    /// # Errors
    /// If a name is taken, a command cannot be described, or a type names a command that would not be replayed.
    pub fn new(extensions: &[Extension]) -> Result<Self, ExtensionError> {
        let table = CommandTable::joined(extensions)?;
        let types = extensions.iter().flat_map(|extension| extension.types).copied();
        let types = CustomTypes::with_arities(types, |name| table.find(name.as_bytes()).map(|row| row.arity))?;
        for ty in types.iter() {
            let replayed = |name: &&str| {
                let row = table.find(name.as_bytes()).filter(|row| row.name == *name);
                row.is_some_and(|row| row.is_write() && matches!(row.run, Run::Data(_)))
            };
            if ty.commands().is_empty() {
                return Err(ExtensionError::NoCommands { ty: ty.name() });
            }
            if let Some(command) = ty.commands().iter().find(|name| !replayed(name)) {
                return Err(ExtensionError::NotReplayed { ty: ty.name(), command });
            }
        }
        Ok(Self { table, types })
    }
}

/// The commands of a server: [`TABLE`], and those of extensions behind it.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandTable {
    added: &'static [Added],
}

/// A command of an extension.
#[derive(Debug)]
struct Added {
    command: Command,
    extension: &'static str,
}

impl CommandTable {
    fn joined(extensions: &[Extension]) -> Result<Self, ExtensionError> {
        let mut added: Vec<Added> = Vec::new();
        let rows = extensions.iter().flat_map(|extension| extension.commands.iter().map(|row| (extension.name, row)));
        for (extension, row) in rows {
            check(row)?;
            let name = row.command.name;
            if table::find(name.as_bytes()).is_some() || added.iter().any(|other| other.command.name == name) {
                return Err(ExtensionError::NameTaken(name));
            }
            let id = u16::try_from(TABLE.len() + added.len()).map_err(|_| ExtensionError::TooMany)?;
            let flags = Flags(row.command.flags.0 | Flags::MODULE);
            added.push(Added { command: Command { id, flags, docs: &row.docs, ..row.command }, extension });
        }
        Ok(Self { added: added.leak() })
    }

    /// Number of commands and subcommands.
    #[expect(clippy::len_without_is_empty, reason = "there are always some")]
    pub fn len(&self) -> usize {
        TABLE.len() + self.added.len()
    }

    /// All commands and subcommands, in the order of their ids.
    pub fn all(&self) -> impl Iterator<Item = &'static Command> + Clone + use<> {
        TABLE.iter().chain(self.added.iter().map(|added| &added.command))
    }

    /// All commands that are no subcommands.
    pub fn commands(&self) -> impl Iterator<Item = &'static Command> + Clone + use<> {
        self.all().filter(|command| !command.is_subcommand())
    }

    /// Finds a command by its name in any case; a subcommand by `parent|sub`.
    pub fn find(&self, name: &[u8]) -> Option<&'static Command> {
        table::find(name).or_else(|| self.find_added(name))
    }

    #[cold]
    fn find_added(&self, name: &[u8]) -> Option<&'static Command> {
        let named = |added: &&Added| added.command.name.as_bytes().eq_ignore_ascii_case(name);
        self.added.iter().find(named).map(|added| &added.command)
    }

    /// Whether a command is of the extension of this name.
    pub fn is_of(&self, command: &Command, extension: &[u8]) -> bool {
        let at = usize::from(command.id).checked_sub(TABLE.len());
        let added = at.and_then(|at| self.added.get(at));
        added.is_some_and(|added| added.extension.as_bytes().eq_ignore_ascii_case(extension))
    }

    /// Finds the row that runs a request, subcommands included, and checks the number of arguments.
    ///
    /// # Errors
    /// As Redis, in this order: an unknown command, an unknown subcommand, a wrong number of arguments.
    #[inline]
    pub fn resolve<'a>(&self, args: Args<'a>) -> Result<&'static Command, Refusal<'a>> {
        table::resolve_plain(args).map_or_else(|| self.resolve_otherwise(args), Ok)
    }

    #[inline(never)]
    fn resolve_otherwise<'a>(&self, args: Args<'a>) -> Result<&'static Command, Refusal<'a>> {
        match table::resolve(args) {
            Err(unknown @ Refusal::UnknownCommand(_)) => match self.find_added(args.name()) {
                None => Err(unknown),
                Some(command) if command.accepts(args.len()) => Ok(command),
                Some(command) => Err(Refusal::WrongArity(command)),
            },
            resolved => resolved,
        }
    }
}

/// Whether what is said about a command can be used as it is.
fn check(row: &Row) -> Result<(), ExtensionError> {
    let Command { name, arity, flags, keys, .. } = row.command;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_:".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
        return Err(ExtensionError::Name(name));
    }
    if flags.has(Flags::CONTAINER) || (flags.has(Flags::WRITE) && flags.has(Flags::READONLY)) {
        return Err(ExtensionError::Flags(name));
    }
    let first_key_fits = match keys {
        Keys::None => true,
        Keys::Range { first, step, .. } => first > 0 && step > 0,
        Keys::Numkeys { count_at, .. } => count_at > 0,
        Keys::Sort { .. } => false,
    };
    if arity == 0 || !first_key_fits {
        return Err(ExtensionError::Arguments(name));
    }
    match syntax::parse(row.docs.syntax) {
        Ok(_) => Ok(()),
        Err(source) => Err(ExtensionError::Syntax { name, source }),
    }
}

/// Why extensions cannot be had: a bug of the program that brings them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// A command has this name already.
    #[error("there is a command '{0}' already")]
    NameTaken(&'static str),
    /// The name of a command has other characters than `a-z 0-9 . - _ :`, or is too long.
    #[error("'{0}' is no name of a command")]
    Name(&'static str),
    /// The command has subcommands, or both reads and writes.
    #[error("the flags of '{0}' do not fit together, or are not for extensions")]
    Flags(&'static str),
    /// The command takes no arguments or has keys where none can be.
    #[error("the arguments of '{0}' cannot be as its arity and keys say")]
    Arguments(&'static str),
    /// The line of its arguments does not follow the notation.
    #[error("the arguments of '{name}' are not described")]
    Syntax {
        /// The command.
        name: &'static str,
        /// Where the line is wrong.
        source: SyntaxError,
    },
    /// There are too many commands.
    #[error("there are too many commands")]
    TooMany,
    /// Two types have one name.
    #[error(transparent)]
    TypeTwice(#[from] TypeTwice),
    /// No command rebuilds a value of this type: no log of commands could be rewritten as long as there is one.
    #[error("values of the type {ty} are rebuilt by no command")]
    NoCommands {
        /// The type.
        ty: &'static str,
    },
    /// A value of this type would be rewritten as a command that a log may not hold.
    #[error("values of the type {ty} are rebuilt by '{command}', which is no command that writes")]
    NotReplayed {
        /// The type.
        ty: &'static str,
        /// The command.
        command: &'static str,
    },
}

#[cfg(test)]
mod tests;
