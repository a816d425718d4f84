//! Extensions against the table of every server.

use keyspace::{CannotLoad, CustomType};

use super::*;
use crate::command::Group;
use crate::{CommandError, Ctx};

fn nothing(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    ctx.reply.ok();
    Ok(())
}

const fn row(name: &'static str, arity: i32, flags: u32, keys: Keys) -> Row {
    Row::data(name, arity, flags, keys, nothing).doc(Group::Module, "1.0.0", "O(1)", "Does nothing.").takes("key")
}

static ROWS: [Row; 2] =
    [row("my.write", 2, Flags::WRITE, Keys::FIRST), row("my.read", -2, Flags::READONLY, Keys::FIRST)];
static TYPE: CustomType = CustomType::new("test-type", 0, &["my.write"], |_, _| Err(CannotLoad("never")));

static TYPES: [&CustomType; 1] = [&TYPE];

fn extension(commands: &'static [Row], types: &'static [&'static CustomType]) -> Extension {
    Extension { name: "mine", types, commands }
}

fn refused(commands: &'static [Row], types: &'static [&'static CustomType]) -> String {
    Extensions::new(&[extension(commands, types)]).unwrap_err().to_string()
}

#[test]
fn commands_of_an_extension_stand_behind_all_others() {
    let Extensions { table, types } = Extensions::new(&[extension(&ROWS, &TYPES)]).unwrap();
    assert_eq!(table.len(), TABLE.len() + 2);
    assert!(table.all().enumerate().all(|(at, command)| usize::from(command.id) == at));
    let found = table.find(b"MY.Write").unwrap();
    assert_eq!((found.name, found.docs.summary, found.docs.group), ("my.write", "Does nothing.", Group::Module));
    assert!(table.is_of(found, b"Mine") && !table.is_of(found, b"other"));
    assert!(!table.is_of(table.find(b"get").unwrap(), b"mine"));
    assert!(types.find(b"test-type").is_some());
    assert!(CommandTable::default().find(b"my.write").is_none());
}

#[test]
fn what_would_be_misunderstood_is_refused() {
    static TAKEN: [Row; 1] = [row("get", 2, Flags::READONLY, Keys::FIRST)];
    static TWICE: [Row; 2] = [row("my.a", 2, 0, Keys::FIRST), row("my.a", 2, 0, Keys::FIRST)];
    static UPPER: [Row; 1] = [row("My.Write", 2, 0, Keys::FIRST)];
    static BAR: [Row; 1] = [row("my|sub", 2, 0, Keys::FIRST)];
    static BOTH: [Row; 1] = [row("my.both", 2, Flags::WRITE | Flags::READONLY, Keys::FIRST)];
    static CONTAINER: [Row; 1] = [row("my.all", -2, Flags::CONTAINER, Keys::None)];
    static NAME_AS_KEY: [Row; 1] = [row("my.keys", 2, 0, Keys::range(0, 1, 1))];
    static LINE: [Row; 1] = [row("my.line", 2, 0, Keys::FIRST).takes("[key")];
    for (rows, text) in [
        (&TAKEN[..], "there is a command 'get' already"),
        (&TWICE, "there is a command 'my.a' already"),
        (&UPPER, "'My.Write' is no name of a command"),
        (&BAR, "'my|sub' is no name of a command"),
        (&BOTH, "the flags of 'my.both' do not fit together, or are not for extensions"),
        (&CONTAINER, "the flags of 'my.all' do not fit together, or are not for extensions"),
        (&NAME_AS_KEY, "the arguments of 'my.keys' cannot be as its arity and keys say"),
        (&LINE, "the arguments of 'my.line' are not described"),
    ] {
        assert_eq!(refused(rows, &[]), text);
    }
}

#[test]
fn a_type_that_is_rewritten_as_what_no_log_may_hold_is_refused() {
    static READS: CustomType = CustomType::new("test-read", 0, &["my.read"], |_, _| Err(CannotLoad("never")));
    static UNKNOWN: CustomType = CustomType::new("test-none", 0, &["my.none"], |_, _| Err(CannotLoad("never")));
    static ENGINE: CustomType = CustomType::new("test-exec", 0, &["exec"], |_, _| Err(CannotLoad("never")));
    static UPPER: CustomType = CustomType::new("test-case", 0, &["MY.WRITE"], |_, _| Err(CannotLoad("never")));
    static TWICE: [&CustomType; 2] = [&TYPE, &TYPE];
    for (ty, command) in [(&READS, "my.read"), (&UNKNOWN, "my.none"), (&ENGINE, "exec"), (&UPPER, "MY.WRITE")] {
        let result = Extensions::new(&[extension(&ROWS, Box::leak(Box::new([ty])))]);
        assert_eq!(result.unwrap_err(), ExtensionError::NotReplayed { ty: ty.name(), command });
    }
    static NOTHING: CustomType = CustomType::new("test-void", 0, &[], |_, _| Err(CannotLoad("never")));
    static NO_COMMANDS: [&CustomType; 1] = [&NOTHING];
    assert_eq!(refused(&ROWS, &NO_COMMANDS), "values of the type test-void are rebuilt by no command");
    assert_eq!(refused(&ROWS, &TWICE), "two custom types are called test-type");
}
