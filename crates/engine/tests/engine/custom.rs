//! A type and commands that the server does not have: through rewrites, reloads, transactions and every command on keys; and what
//! becomes of a rewrite whose callback fails.

use std::sync::LazyLock;

use commands::{CommandError, Ctx, Flags, Group, Keys, Row};
use engine::{Config, Extension, Extensions};
use keyspace::{CannotLoad, CannotRewrite, CustomType, CustomValue, Deadline, EmitCommands, ReadParts, WriteParts};
use resp_codec::Args;
use vfs::Dir as _;
use vfs::sim::SimDisk;

use crate::support::{BOOT, DIR, LOG, Rig, config};

static TALLY: CustomType = CustomType::new("testtally", 2, &["tally.set"], load);

/// A number. Some numbers are written wrongly, each in its way.
#[derive(Clone, Debug)]
struct Tally(i64);

const REFUSED: i64 = 13;
const OF_ANOTHER_TYPE: i64 = 14;
const WITH_FEWER_ARGUMENTS: i64 = 15;
const WITH_MORE_ARGUMENTS: i64 = 16;
const WITHOUT_COMMAND: i64 = 17;
const TOO_FEW_FOR_THE_COMMAND: i64 = 18;
const TOO_MANY_FOR_THE_COMMAND: i64 = 19;
const HUGE_PARTS: i64 = 20;

impl CustomValue for Tally {
    fn custom_type(&self) -> &'static CustomType {
        &TALLY
    }

    fn copy(&self) -> Box<dyn CustomValue> {
        Box::new(self.clone())
    }

    fn heap_bytes(&self) -> usize {
        0
    }

    fn rewrite(&self, key: &[u8], out: &mut dyn EmitCommands) -> Result<(), CannotRewrite> {
        match self.0 {
            REFUSED => return Err(CannotRewrite("thirteen is never written down")),
            OF_ANOTHER_TYPE => out.command("set", 2),
            WITH_FEWER_ARGUMENTS | TOO_FEW_FOR_THE_COMMAND => {
                out.command("tally.set", if self.0 == WITH_FEWER_ARGUMENTS { 2 } else { 1 });
                out.arg(key);
                return Ok(());
            }
            WITH_MORE_ARGUMENTS => {
                out.command("tally.set", 2);
                out.arg_int(0);
            }
            WITHOUT_COMMAND => return Ok(()),
            TOO_MANY_FOR_THE_COMMAND => {
                out.command("tally.set", 3);
                out.arg_int(0);
            }
            HUGE_PARTS => {
                out.command("tally.set", 2);
                out.arg(key);
                out.arg(&HUGE);
                return Ok(());
            }
            _ => out.command("tally.set", 2),
        }
        out.arg(key);
        out.arg_int(self.0);
        Ok(())
    }

    fn save(&self, out: &mut dyn WriteParts) {
        out.signed(self.0);
        if self.0 == HUGE_PARTS {
            out.string(&HUGE);
        }
    }
}

fn load(version: u16, parts: &mut dyn ReadParts) -> Result<Box<dyn CustomValue>, CannotLoad> {
    if version < 2 {
        return Err(CannotLoad("tallies before version 2 counted otherwise"));
    }
    Ok(Box::new(Tally(parts.signed()?)))
}

fn set(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let number = commands::parse::int(args.at(2))?;
    let key = ctx.store.key(args.at(1));
    ctx.store.insert_custom(key, Tally(number), Deadline::Clear)?;
    ctx.store.propagate();
    ctx.reply.ok();
    Ok(())
}

fn add(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let number = commands::parse::int(args.at(2))?;
    let key = ctx.store.key(args.at(1));
    let tally = ctx.store.custom_mut::<Tally>(key)?.ok_or(CommandError::NoSuchKey)?;
    tally.0 = tally.0.checked_add(number).ok_or(CommandError::Overflow)?;
    ctx.reply.integer(tally.0);
    ctx.store.modified(key);
    ctx.store.propagate();
    Ok(())
}

fn get(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    match ctx.store.custom::<Tally>(key)? {
        Some(tally) => ctx.reply.integer(tally.0),
        None => ctx.reply.null(),
    }
    Ok(())
}

const fn row(name: &'static str, arity: i32, flags: u32, handler: commands::Handler) -> Row {
    Row::data(name, arity, flags, Keys::FIRST, handler).doc(Group::Module, "1.0.0", "O(1)", "Keeps a tally.")
}

static COMMANDS: [Row; 4] = [
    row("tally.sneak", 3, Flags::READONLY, set).takes("key number:integer"),
    row("tally.set", 3, Flags::WRITE, set).takes("key number:integer"),
    row("tally.add", 3, Flags::WRITE | Flags::FAST, add).takes("key number:integer"),
    row("tally.get", 2, Flags::READONLY | Flags::FAST, get).takes("key"),
];
static TYPES: [&CustomType; 1] = [&TALLY];

fn extensions() -> Extensions {
    Extensions::new(&[Extension { name: "tallies", types: &TYPES, commands: &COMMANDS }]).unwrap()
}

fn rig() -> Rig {
    Rig::extended(&SimDisk::new(), config("everysec"), &extensions())
}

/// What the next server of the same program finds.
fn next(rig: &Rig) -> Rig {
    Rig::extended(&rig.killed(), config("everysec"), &extensions())
}

fn rewrite(rig: &mut Rig) -> String {
    let client = rig.client();
    assert!(rig.ask(client, "BGREWRITEAOF").starts_with("+Background append only file rewriting started"));
    rig.settle();
    rig.info("aof_last_bgrewrite_status")
}

fn form(rig: &mut Rig, preamble: bool) {
    let client = rig.client();
    let word = if preamble { "yes" } else { "no" };
    assert_eq!(rig.ask(client, &format!("CONFIG SET aof-use-rdb-preamble {word}")), "+OK|");
}

const READ_ALL: &str = "TALLY.GET a\nTALLY.GET other\nPEXPIRETIME a\nSELECT 9\nTALLY.GET far\nSELECT 0";

#[test]
fn values_come_back_from_commands_and_from_both_forms_of_a_rewritten_log() {
    for form_of_rewrite in [None, Some(false), Some(true)] {
        let mut rig = rig();
        let client = rig.client();
        rig.ask(
            client,
            "TALLY.SET a 40\nPEXPIREAT a 4000000000123\nTALLY.SET other -7\nSELECT 9\nTALLY.SET far 1\nSELECT 0",
        );
        if let Some(preamble) = form_of_rewrite {
            form(&mut rig, preamble);
            assert_eq!(rewrite(&mut rig), "ok");
            assert_eq!(rig.aof().starts_with("REDIS"), preamble);
            let commands = rig.aof().contains("*3|$9|tally.set|$1|a|$2|40|*3|$9|PEXPIREAT|$1|a|$13|4000000000123|");
            assert_eq!(commands, !preamble, "{}", rig.aof());
        }
        assert_eq!(rig.ask(client, "TALLY.ADD a 2"), ":42|");
        let before = rig.ask(client, READ_ALL);
        assert_eq!(before, ":42|:-7|:4000000000123|+OK|:1|+OK|");
        let digest = rig.ask(client, "DEBUG DIGEST");
        rig.settle();
        let mut found = next(&rig);
        let client = found.client();
        assert_eq!(found.ask(client, READ_ALL), before, "{form_of_rewrite:?}");
        assert_eq!(found.ask(client, "DEBUG DIGEST"), digest);
    }
}

#[test]
fn commands_on_keys_of_any_type_work_on_values_of_a_custom_type() {
    let mut rig = rig();
    let client = rig.client();
    assert_eq!(rig.ask(client, "TALLY.SET t 5\nTYPE t\nOBJECT ENCODING t"), "+OK|+testtally|$3|raw|");
    assert_eq!(rig.ask(client, "SET s x\nSCAN 0 TYPE testtally"), "+OK|*2|$1|0|*1|$1|t|");
    assert_eq!(rig.ask(client, "COPY t copy\nTALLY.ADD t 1\nTALLY.GET copy"), ":1|:6|:5|");
    assert_eq!(rig.ask(client, "RENAME copy moved\nMOVE moved 3\nEXISTS copy moved"), "+OK|:1|:0|");
    assert!(rig.ask(client, "MEMORY USAGE t").starts_with(':'));
    assert!(rig.ask(client, "DEBUG OBJECT t").contains("encoding:raw serializedlength:8"));
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value|";
    assert_eq!(rig.ask(client, "GET t\nTALLY.GET s"), format!("{wrong}{wrong}"));
    let digests = rig.ask(client, "DEBUG DIGEST-VALUE t\nTALLY.ADD t 1\nDEBUG DIGEST-VALUE t");
    let digests: Vec<&str> = digests.split('|').filter(|line| line.starts_with('+')).collect();
    assert!(digests[0] != digests[1] && digests[0].len() == 41, "{digests:?}");
    assert_eq!(rig.ask(client, "PEXPIRE t 50\nTALLY.GET t"), ":1|:7|");
    rig.pass_ms(100);
    assert_eq!(rig.ask(client, "TALLY.GET t\nSELECT 3\nDEL moved\nDBSIZE"), "$-1|+OK|:1|:0|");
    let before = rig.ask(client, "DEBUG DIGEST");
    rig.settle();
    let mut found = next(&rig);
    let client = found.client();
    assert_eq!(found.ask(client, "DEBUG DIGEST"), before);
}

#[test]
fn transactions_watches_and_waiting_replies_know_commands_of_an_extension() {
    let mut rig = rig();
    let (client, other) = (rig.client(), rig.client());
    let queued = rig.ask(client, "TALLY.SET t 1\nMULTI\nTALLY.ADD t 2\nTALLY.ADD t\nEXEC");
    assert_eq!(
        queued,
        "+OK|+OK|+QUEUED|-ERR wrong number of arguments for 'tally.add' command|\
         -EXECABORT Transaction discarded because of previous errors.|"
    );
    rig.send(client, "MULTI\nTALLY.ADD t 2\nTALLY.ADD t 3\nEXEC");
    rig.settle();
    assert_eq!(rig.take(client), "+OK|+QUEUED|+QUEUED|*2|:3|:6|");
    assert!(rig.aof().ends_with("*1|$5|MULTI|*3|$9|TALLY.ADD|$1|t|$1|2|*3|$9|TALLY.ADD|$1|t|$1|3|*1|$4|EXEC|"));
    rig.ask(client, "WATCH t\nMULTI\nTALLY.GET t");
    rig.ask(other, "TALLY.ADD t 1");
    assert_eq!(rig.ask(client, "EXEC"), "*-1|", "the watch is broken");
    let mut found = next(&rig);
    let client = found.client();
    assert_eq!(found.ask(client, "TALLY.GET t"), ":7|");
    // A write waits for the log as any other.
    let mut always = Rig::extended(&SimDisk::new(), config("always"), &extensions());
    let client = always.client();
    always.send(client, "TALLY.SET t 1");
    always.turn();
    assert_eq!(always.take(client), "", "not before it is fsynced");
}

#[test]
fn command_and_statistics_tell_of_them() {
    let mut rig = rig();
    let client = rig.client();
    let info = rig.ask(client, "COMMAND INFO tally.add");
    assert!(info.starts_with("*1|*10|$9|tally.add|:3|*3|+write|+module|+fast|:1|:1|:1|"), "{info}");
    assert!(info.contains("+RW|+access|+update"), "{info}");
    assert_eq!(
        rig.ask(client, "COMMAND LIST FILTERBY MODULE tallies"),
        "*4|$11|tally.sneak|$9|tally.set|$9|tally.add|$9|tally.get|"
    );
    assert_eq!(rig.ask(client, "COMMAND GETKEYS tally.add k 1"), "*1|$1|k|");
    assert!(rig.ask(client, "COMMAND DOCS tally.get").contains("Keeps a tally."));
    rig.ask(client, "TALLY.SET t 1\nTALLY.ADD t 1");
    assert!(rig.info("cmdstat_tally.add").starts_with("calls=1,"));
    assert_eq!(rig.ask(client, "CONFIG RESETSTAT"), "+OK|");
    assert_eq!(rig.info("cmdstat_tally.add"), "absent");
}

#[test]
fn a_rewrite_whose_callback_fails_is_reported_and_the_old_log_stays() {
    for (number, reason, command) in [
        (REFUSED, "thirteen is never written down", ""),
        (OF_ANOTHER_TYPE, "it emitted a command that is none of its type's", "command 'set', "),
        (WITH_FEWER_ARGUMENTS, "it emitted a command with fewer arguments than announced", "command 'tally.set', "),
        (WITH_MORE_ARGUMENTS, "it emitted a command with more arguments than announced", "command 'tally.set', "),
        (WITHOUT_COMMAND, "it emitted no command", ""),
        (TOO_FEW_FOR_THE_COMMAND, "it emitted a command with a wrong number of arguments", "command 'tally.set', "),
        (TOO_MANY_FOR_THE_COMMAND, "it emitted a command with a wrong number of arguments", "command 'tally.set', "),
    ] {
        let mut rig = rig();
        form(&mut rig, false);
        let client = rig.client();
        rig.ask(client, &format!("SET before 1\nTALLY.SET bad {number}"));
        rig.settle();
        let log = rig.aof();
        assert_eq!(rewrite(&mut rig), "err", "{reason}");
        let line = format!(
            "Write error writing append only file on disk: a value of the custom type testtally: {reason} ({command}key \"bad\")"
        );
        assert!(rig.logged(&line), "{:#?}", rig.lines());
        assert!(rig.logged("Background AOF rewrite terminated with error"));
        let mut names = rig.disk.dir(DIR).list().unwrap();
        names.retain(|name| name.contains("temp"));
        assert_eq!(
            (rig.aof(), names),
            (log, Vec::<String>::new()),
            "the log is the old one, and nothing lies beside it"
        );
        // Writes go on, and the old log has everything.
        assert_eq!(rig.ask(client, "SET behind 1"), "+OK|");
        let mut found = next(&rig);
        let client = found.client();
        assert_eq!(found.ask(client, "MGET before behind\nTALLY.GET bad"), format!("*2|$1|1|$1|1|:{number}|"));
        assert_eq!(found.ask(client, "DEL bad"), ":1|");
        assert_eq!(rewrite(&mut found), "ok", "without the value all is well again");
    }
}

#[test]
fn a_server_without_the_type_refuses_the_log_by_name_and_place_and_leaves_it_alone() {
    for (preamble, text) in [
        (None, "Unknown command 'TALLY.SET' reading the append only file (/data/appendonly.aof: byte 23, command 1; "),
        (
            Some(false),
            "Unknown command 'tally.set' reading the append only file (/data/appendonly.aof: byte 23, command 1; ",
        ),
        (Some(true), "value of module type testtally version 2 at byte "),
    ] {
        let mut rig = rig();
        let client = rig.client();
        rig.ask(client, "TALLY.SET t 5");
        if let Some(preamble) = preamble {
            form(&mut rig, preamble);
            assert_eq!(rewrite(&mut rig), "ok");
        }
        rig.settle();
        let image = rig.killed();
        let mut refused = Rig::loading(&image, config("everysec"), BOOT).unwrap();
        refused.turns(10);
        assert_eq!(refused.status(), Some(1));
        assert!(refused.logged(text), "{:#?}", refused.lines());
        if preamble == Some(true) {
            assert!(refused.logged("of key \"t\" is not supported"), "{:#?}", refused.lines());
        }
        assert_eq!(refused.aof(), rig.aof());
    }
}

#[test]
fn parts_that_its_type_refuses_are_refused_by_key_and_place() {
    let mut rig = rig();
    let client = rig.client();
    rig.ask(client, "CONFIG SET rdbcompression no\nTALLY.SET t 5");
    form(&mut rig, true);
    assert_eq!(rewrite(&mut rig), "ok");
    let id = rdb::ModuleId::new("testtally", 2).unwrap().bits().to_be_bytes();
    for (version, text) in [
        (1, "can't be loaded: tallies before version 2 counted otherwise"),
        (3, "can't be loaded: a newer version of its type has written it"),
    ] {
        let image = rig.killed();
        let mut changed = id;
        changed[7] = (id[7] & !3) | version;
        assert!(image.tamper(DIR, LOG, |bytes| {
            let at = bytes.windows(8).position(|window| window == id).unwrap();
            bytes[at..at + 8].copy_from_slice(&changed);
        }));
        let refused = Rig::extended(&image, Config { rdbchecksum: false, ..config("everysec") }, &extensions());
        assert_eq!(refused.status(), Some(1));
        let line = format!("of key \"t\" {text}");
        assert!(refused.logged(&line), "{:#?}", refused.lines());
    }
}

/// The request went into the log as it came, and the next start refused it.
#[test]
fn a_command_that_writes_without_saying_so_is_told_of_and_leaves_nothing_in_the_log() {
    let mut rig = rig();
    let client = rig.client();
    rig.ask(client, "TALLY.SET t 5");
    let log = rig.aof();
    let error = "-ERR 'tally.sneak' changed the dataset, though it is no command that writes: the change is in no log|";
    assert_eq!(rig.ask(client, "TALLY.SNEAK t 6"), error);
    assert_eq!(rig.ask(client, "MULTI\nTALLY.SNEAK t 7\nEXEC"), format!("+OK|+QUEUED|*1|{error}"));
    assert!(rig.logged("'tally.sneak' changed the dataset, though"), "{:#?}", rig.lines());
    rig.settle();
    assert_eq!(rig.aof(), log);
    let mut found = next(&rig);
    let client = found.client();
    assert_eq!(found.ask(client, "TALLY.GET t"), ":5|");
}

/// Never written to, so that it takes no memory.
static HUGE: LazyLock<Vec<u8>> = LazyLock::new(|| vec![0; 1 << 32]);

#[test]
fn what_no_reader_takes_back_fails_rewrites_and_snapshots_by_type_and_key() {
    for (preamble, reason) in [
        (false, "it takes a command that is longer than any may be"),
        (true, "a string in it is longer than any may be"),
    ] {
        let mut rig = rig();
        form(&mut rig, preamble);
        let client = rig.client();
        rig.ask(client, &format!("SET before 1\nTALLY.SET bad {HUGE_PARTS}"));
        let log = rig.aof();
        let value = format!("a value of the custom type testtally: {reason} (key \"bad\")");
        assert_eq!(rewrite(&mut rig), "err");
        assert!(rig.logged(&format!("Write error writing append only file on disk: {value}")), "{:#?}", rig.lines());
        assert_eq!(rig.aof(), log);
        if preamble {
            assert_eq!(rig.ask(client, "SAVE"), "-ERR|");
            assert!(rig.logged(&format!("Write error while saving DB to the disk: {value}")), "{:#?}", rig.lines());
            assert!(rig.ask(client, "DUMP bad").contains("too long for a payload"));
        }
        assert_eq!(rig.ask(client, "DEL bad"), ":1|");
        assert_eq!(rewrite(&mut rig), "ok");
    }
}
