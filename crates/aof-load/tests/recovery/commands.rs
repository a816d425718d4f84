//! `commands`: what it gives of real files, and how it ends.
#![expect(clippy::disallowed_methods, reason = "it opens real files by their path")]

use std::path::PathBuf;

use aof_load::{LoadError, commands, commands_of};
use keyspace::{CannotRewrite, CustomType, CustomTypes, CustomValue, EmitCommands, UnixMs, Value, WriteParts};
use rdb::{Encoder, WriteOptions};
use resp_codec::encode_command;

/// A directory with one file in it.
struct Place(tempfile::TempDir);

impl Place {
    fn with(name: &str, bytes: &[u8]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.put(name, bytes);
        place
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn log(lines: &[&str]) -> Vec<u8> {
    let mut log = Vec::new();
    for line in lines {
        encode_command(&mut log, line.split(' ').map(str::as_bytes).collect::<Vec<_>>().into_iter());
    }
    log
}

/// The commands, each as `offset db words`, and the error behind them.
fn printed(path: PathBuf) -> (Vec<String>, Option<LoadError>) {
    let (mut lines, mut error) = (Vec::new(), None);
    let mut commands = commands(path).unwrap();
    for command in &mut commands {
        match command {
            Ok(command) => lines.push(format!("{} {} {command}", command.offset, command.db)),
            Err(found) => error = Some(found),
        }
    }
    assert!(commands.next().is_none(), "the end is the end");
    (lines, error)
}

#[test]
fn every_command_comes_with_its_offset_and_its_database_and_transactions_whole() {
    let place = Place::with("log", &log(&["SET a 1", "select 3", "MULTI", "SET b 2", "SELECT 0", "exec", "DEL a"]));
    let (lines, error) = printed(place.path("log"));
    assert!(error.is_none(), "{error:?}");
    let expected =
        ["0 0 SET a 1", "27 3 select 3", "50 3 MULTI", "65 3 SET b 2", "92 0 SELECT 0", "115 0 EXEC", "129 0 DEL a"];
    assert_eq!(lines, expected);
}

#[test]
fn words_are_quoted_so_that_they_can_be_read_back() {
    let mut bytes = Vec::new();
    let words: [&[u8]; 7] = [b"SET", b"", b"a b", b"it's", b"\\\"", b"\r\n\0\xff", b"{plain}:1"];
    encode_command(&mut bytes, words.into_iter());
    let (lines, _) = printed(Place::with("log", &bytes).path("log"));
    assert_eq!(lines, [r#"0 0 SET "" "a b" "it\'s" "\\\"" "\r\n\x00\xff" {plain}:1"#]);
}

#[test]
fn a_torn_tail_is_the_last_item_and_names_its_place() {
    let whole = log(&["SET a 1"]);
    let tail = log(&["MULTI", "SET b 2", "EXEC"]);
    for len in 1..tail.len() {
        let (lines, error) = printed(Place::with("log", &[&whole[..], &tail[..len]].concat()).path("log"));
        assert_eq!(lines, ["0 0 SET a 1"]);
        match error {
            Some(LoadError::TornRefused { damage, .. }) => assert_eq!(damage.cut_at, whole.len() as u64),
            other => panic!("cut at {len}: {other:?}"),
        }
    }
}

#[test]
fn the_files_of_a_manifest_come_in_its_order_each_in_database_0() {
    let place = Place::with("a.manifest", b"file b1 seq 1 type b\nfile i1 seq 1 type i\nfile i2 seq 2 type i\n");
    place.put("b1", &log(&["SELECT 4", "SET a 1"]));
    place.put("i1", &log(&["SET b 2"]));
    place.put("i2", &log(&["SELECT 4", "DEL a"]));
    let (lines, error) = printed(place.path("a.manifest"));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(lines, ["0 4 SELECT 4", "23 4 SET a 1", "0 0 SELECT 0", "0 0 SET b 2", "0 4 SELECT 4", "23 4 DEL a"]);
    let files: Vec<_> = commands(place.path("a.manifest")).unwrap().map(|command| command.unwrap().file).collect();
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["b1", "b1", "i1", "i1", "i2", "i2"]);
}

#[test]
fn a_log_that_a_server_goes_on_writing_is_read_to_where_it_ended_when_it_was_opened() {
    let place = Place::with("log", &log(&["SET a 1"]));
    let mut commands = commands(place.path("log")).unwrap();
    assert!(commands.next().unwrap().is_ok());
    place.put("log", &log(&["SET a 1", "SET b 2"]));
    assert!(commands.next().is_none());
}

#[test]
fn what_cannot_be_opened_or_is_no_log_is_an_error() {
    let place = Place::with("log", b"hello");
    let (lines, error) = printed(place.path("log"));
    assert!(lines.is_empty() && matches!(error, Some(LoadError::BadFormat { .. })), "{error:?}");
    for none in ["none", ""] {
        assert!(
            matches!(commands(place.path(none)), Err(LoadError::Io { .. } | LoadError::NotAFile { .. })),
            "{none:?}"
        );
    }
    place.put("a.manifest", b"file none seq 1 type b\n");
    assert!(matches!(commands(place.path("a.manifest")), Err(LoadError::MissingFile { .. })));
}

/// A number, which some numbers cannot be written as.
#[derive(Clone, Debug)]
struct Tally(i64);

static TALLY: CustomType =
    CustomType::new("testtally", 2, &["tally.set"], |_, parts| Ok(Box::new(Tally(parts.signed()?))));

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
        out.command(if self.0 == -1 { "set" } else { "tally.set" }, 2);
        out.arg(key);
        if self.0 != -2 {
            out.arg_int(self.0);
        }
        Ok(())
    }

    fn save(&self, out: &mut dyn WriteParts) {
        out.signed(self.0);
    }
}

fn tallies() -> CustomTypes {
    CustomTypes::with_arities([&TALLY], |_| Some(3)).unwrap()
}

/// A log whose preamble holds one value of a custom type.
fn with_preamble(number: i64) -> Vec<u8> {
    let mut encoder = Encoder::reserve(WriteOptions::default());
    let value = Value::Custom(tallies().adopt(Box::new(Tally(number))).unwrap());
    let mut bytes = Vec::new();
    encoder.head(&mut bytes).unwrap();
    encoder.select_db(&mut bytes, 3).unwrap();
    encoder.key(&mut bytes, b"t", value.as_ref(), Some(UnixMs(7))).unwrap();
    encoder.end(&mut bytes).unwrap();
    [bytes, log(&["TALLY.ADD t 2"])].concat()
}

#[test]
fn values_of_custom_types_come_as_the_commands_that_they_emit() {
    let place = Place::with("log", &with_preamble(40));
    let commands = commands_of(place.path("log"), tallies()).unwrap();
    let lines: Vec<_> = commands.map(|command| command.unwrap().to_string()).collect();
    assert_eq!(lines, ["SELECT 3", "tally.set t 40", "PEXPIREAT t 7", "SELECT 0", "TALLY.ADD t 2"]);
    let (lines, error) = printed(place.path("log"));
    let error = vfs::error_chain(&error.unwrap());
    assert!(lines.is_empty() && error.contains("value of module type testtally version 2"), "{error}");
}

#[test]
fn a_value_that_emits_what_no_log_may_hold_is_an_error() {
    for (number, reason) in [
        (-1, "it emitted a command that is none of its type's"),
        (-2, "it emitted a command with fewer arguments than announced"),
    ] {
        let place = Place::with("log", &with_preamble(number));
        let error = commands_of(place.path("log"), tallies()).unwrap().next().unwrap().unwrap_err();
        assert!(vfs::error_chain(&error).contains(reason), "{error}");
    }
    let other = CustomTypes::with_arities([&TALLY], |_| Some(-4)).unwrap();
    let place = Place::with("log", &with_preamble(1));
    let error = commands_of(place.path("log"), other).unwrap().next().unwrap().unwrap_err();
    assert!(vfs::error_chain(&error).contains("it emitted a command with a wrong number of arguments"), "{error}");
}
