//! The program `check-aof` as its users see it: output, exit status, files. Its lines are those that scripts look for in the output
//! of redis-check-aof.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "tests: they run the real program over real files"
)]

mod large;
mod manifests;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use vfs::Dir as _;

const PING: &str = "*1\r\n$4\r\nPING\r\n";

/// A directory with a log in it.
struct Place {
    home: tempfile::TempDir,
}

/// What the program did.
struct Ran {
    status: i32,
    text: String,
}

impl Place {
    fn with(log: &[u8]) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("a.aof"), log).unwrap();
        Self { home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.home.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs the program here with `answer` on its standard input.
    fn run_answering(&self, arguments: &[&str], answer: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_check-aof"));
        command.args(arguments).current_dir(self.home.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It need not read it.
        let _unread = child.stdin.take().unwrap().write_all(answer.as_bytes());
        ran(&child.wait_with_output().unwrap())
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_answering(arguments, "")
    }

    fn check(&self, arguments: &[&str], status: i32, text: &str) {
        let ran = self.run(arguments);
        assert_eq!((ran.status, ran.text.as_str()), (status, text), "{arguments:?}");
    }
}

fn ran(output: &Output) -> Ran {
    Ran { status: output.status.code().unwrap(), text: String::from_utf8(output.stdout.clone()).unwrap() }
}

#[test]
fn a_whole_file_is_valid_and_an_empty_one_empty() {
    Place::with(PING.as_bytes()).check(
        &["a.aof"],
        0,
        "Start checking Old-Style AOF\n\
         AOF analyzed: filename=a.aof, size=14, ok_up_to=14, ok_up_to_line=4, diff=0\n\
         AOF a.aof is valid\n",
    );
    Place::with(b"").check(&["a.aof"], 0, "Start checking Old-Style AOF\nAOF a.aof is empty\n");
}

#[test]
fn damage_is_named_with_its_place_and_the_status_is_1() {
    let log = format!("{PING}*1\r\n$x\r\nPING\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*3");
    Place::with(log.as_bytes()).check(
        &["a.aof"],
        1,
        "Start checking Old-Style AOF\n\
         0x              13: Expected a length from 0 to 4294967295 and CRLF, got: 'x' (in command 1 begun at byte 14)\n  \
         damaged: bytes 14 to 28, 14 in all; whole commands resume at byte 28\n  \
         a SELECT may be lost: database 0 assumed for the commands up to the next one, 1 in all\n\
         0x              32: Expected a number of arguments from 1 to 2147483647 and CRLF, got: the end of the file (in command \
         3 begun at byte 48)\n  \
         damaged: bytes 48 to 50, 2 in all; no whole command follows\n\
         AOF analyzed: filename=a.aof, size=50, ok_up_to=14, ok_up_to_line=5, diff=36\n\
         Whole commands follow the damage: --fix would cut them as well, --salvage <new file> keeps them\n\
         AOF a.aof is not valid. Use the --fix option to try fixing it.\n",
    );
}

#[test]
fn what_cannot_be_checked_has_status_1_and_says_why() {
    let place = Place::with(b"REDIS0011 and so on");
    place.check(
        &["a.aof"],
        1,
        "Start checking Old-Style AOF\na.aof: RDB preamble of AOF file is not sane, aborting: unknown value type 32 at byte 9 is not supported\n",
    );
    fs::write(place.path("a.manifest"), "#x\nfile a.aof.1.base.aof seq 1 type b\n").unwrap();
    place.check(
        &["--fix", "--yes", "a.manifest"],
        1,
        "Start checking Multi Part AOF\nCannot open file a.aof.1.base.aof: No such file or directory (os error 2)\n",
    );
    place.check(&["none.aof"], 1, "Cannot open file none.aof: No such file or directory (os error 2)\n");
    for arguments in [&[][..], &["--fix"], &["--yes", "a.aof"], &["--fix", "--salvage", "b.aof", "a.aof"], &["a", "b"]]
    {
        assert_eq!(place.run(arguments).status, 1, "{arguments:?}");
    }
    assert_eq!(place.run(&["--help"]).status, 0);
    assert_eq!(place.names(), ["a.aof", "a.manifest"]);
}

#[test]
fn what_may_be_no_log_at_all_is_not_cut_without_a_word() {
    let place = Place::with(b"hello");
    let ran = place.run_answering(&["--fix", "a.aof"], "n");
    assert!(ran.text.contains("this may be no AOF at all\nThis will shrink"), "{}", ran.text);
    assert_eq!(place.read("a.aof"), b"hello");
}

#[test]
fn fix_asks_and_cuts_only_if_the_answer_is_yes() {
    let log = format!("{PING}*1\r\n$4\r\nPI");
    let place = Place::with(log.as_bytes());
    for answer in ["", "n\n", "\n"] {
        let ran = place.run_answering(&["--fix", "a.aof"], answer);
        assert_eq!(ran.status, 1);
        assert!(ran.text.ends_with(
            "This will shrink the AOF a.aof from 24 bytes, with 10 bytes, to 14 bytes\nContinue? [y/N]: Aborting...\n"
        ));
        assert_eq!((place.names(), place.read("a.aof")), (vec!["a.aof".to_owned()], log.clone().into_bytes()));
    }
    let ran = place.run_answering(&["--fix", "a.aof"], "y\n");
    assert_eq!(ran.status, 0);
    assert!(ran.text.ends_with(
        "Continue? [y/N]: The 10 bytes that were cut are in a.aof.torn-14\nSuccessfully truncated AOF a.aof\n"
    ));
    assert_eq!(place.names(), ["a.aof", "a.aof.torn-14"]);
    assert_eq!([place.read("a.aof"), place.read("a.aof.torn-14")].concat(), log.as_bytes());
}

#[test]
fn fix_says_what_whole_commands_it_would_cut_and_needs_no_answer_with_yes() {
    let place = Place::with(format!("{PING}?{PING}").as_bytes());
    let ran = place.run_answering(&["--fix", "a.aof"], "n");
    assert!(
        ran.text.contains(
            "Whole commands follow the damage, from byte 15 on, and would be cut as well: --salvage keeps them"
        )
    );
    assert_eq!(place.run(&["--fix", "--yes", "--without-side-file", "a.aof"]).status, 0);
    assert_eq!((place.names(), place.read("a.aof")), (vec!["a.aof".to_owned()], PING.as_bytes().to_vec()));
    place.check(
        &["--fix", "a.aof"],
        0,
        "Start checking Old-Style AOF\n\
         AOF analyzed: filename=a.aof, size=14, ok_up_to=14, ok_up_to_line=4, diff=0\n\
         AOF a.aof is valid\n",
    );
}

#[test]
fn a_file_in_a_directory_that_a_server_uses_is_checked_but_not_cut() {
    let place = Place::with(format!("{PING}?").as_bytes());
    let dir = vfs::RealDir::open(place.home.path()).unwrap();
    let _lock = dir.lock(aof_state::LOCK_NAME).unwrap();
    assert!(place.run(&["a.aof"]).text.contains("is not valid"));
    let text = format!(
        "Start checking Old-Style AOF\na.aof: the directory is in use by a running server (process {}): stop it first\n",
        std::process::id()
    );
    place.check(&["--fix", "--yes", "a.aof"], 1, &text);
    place.check(&["--truncate-to-timestamp", "5", "a.aof"], 1, &text);
    let text = format!(
        "Start checking Old-Style AOF\nFailed to salvage AOF a.aof to new.aof: can't write to the new file's directory: the directory \
         is in use by a running server (process {}): stop it first\n",
        std::process::id()
    );
    place.check(&["--salvage", "new.aof", "a.aof"], 1, &text);
}

#[test]
fn a_link_is_followed_and_the_side_file_stands_beside_what_it_names() {
    let place = Place::with(format!("{PING}?").as_bytes());
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link.aof");
    std::os::unix::fs::symlink(place.path("a.aof"), &link).unwrap();
    assert_eq!(place.run(&["--fix", "--yes", link.to_str().unwrap()]).status, 0);
    assert_eq!(place.names(), ["a.aof", "a.aof.torn-14"]);
}

#[test]
fn truncate_to_timestamp_cuts_before_the_first_later_annotation() {
    let log = format!("{PING}#TS:100\r\n{PING}#TS:200\r\n{PING}");
    let place = Place::with(log.as_bytes());
    place.check(
        &["--truncate-to-timestamp", "200", "a.aof"],
        0,
        "Start checking Old-Style AOF\nTruncate nothing in AOF a.aof to timestamp 200\nAOF a.aof is valid\n",
    );
    place.check(
        &["--truncate-to-timestamp", "150", "a.aof"],
        0,
        "Start checking Old-Style AOF\nThe 23 bytes that were cut are in a.aof.torn-37\n\
         Successfully truncated AOF a.aof to timestamp 150\n",
    );
    assert_eq!(place.read("a.aof"), &log.as_bytes()[..37]);
    for bad in ["", "x", "0", "-1", "1x"] {
        place.check(
            &["--truncate-to-timestamp", bad, "a.aof"],
            1,
            "Start checking Old-Style AOF\nInvalid timestamp, aborting...\n",
        );
    }
}

#[test]
fn truncate_to_timestamp_never_leaves_nothing_and_never_cuts_inside_of_a_transaction() {
    let transaction = format!("{PING}*1\r\n$5\r\nMULTI\r\n#TS:100\r\n{PING}*1\r\n$4\r\nEXEC\r\n");
    let place = Place::with(transaction.as_bytes());
    assert_eq!(place.run(&["--truncate-to-timestamp", "50", "a.aof"]).status, 0);
    assert_eq!(place.read("a.aof"), PING.as_bytes());
    let place = Place::with(format!("#TS:100\r\n{PING}").as_bytes());
    place.check(
        &["--truncate-to-timestamp", "50", "a.aof"],
        1,
        "Start checking Old-Style AOF\nAOF a.aof has nothing before timestamp 50, aborting...\n",
    );
    let place = Place::with(format!("{PING}#TS:soon\r\n").as_bytes());
    place.check(
        &["--truncate-to-timestamp", "50", "a.aof"],
        1,
        "Start checking Old-Style AOF\nInvalid timestamp annotation at byte 14\n",
    );
    let place = Place::with(format!("{PING}?#TS:100\r\n").as_bytes());
    let ran = place.run(&["--truncate-to-timestamp", "50", "a.aof"]);
    assert!(ran.status == 1 && ran.text.contains("is not valid"), "{}", ran.text);
}

#[test]
fn salvage_writes_a_new_file_and_never_over_one() {
    let place = Place::with(format!("{PING}?{PING}").as_bytes());
    let ran = place.run(&["--salvage", "new.aof", "a.aof"]);
    assert_eq!(ran.status, 0);
    assert!(ran.text.ends_with(
        "Successfully salvaged AOF a.aof to new.aof: 2 whole commands, among them 0 transactions, in 28 bytes\n"
    ));
    assert_eq!(place.read("new.aof"), PING.repeat(2).as_bytes());
    assert_eq!(place.names(), ["a.aof", "new.aof"]);
    let ran = place.run(&["--salvage", "new.aof", "a.aof"]);
    assert!(
        ran.status == 1 && ran.text.ends_with("Failed to salvage AOF a.aof to new.aof: new.aof exists\n"),
        "{}",
        ran.text
    );
}

/// It said so and ended with 0, beside a new file without anything in it.
#[test]
fn a_salvage_of_which_nothing_comes_says_so_and_leaves_no_file() {
    let torn = "*2\r\n$3\r\nSET\r\n$1\r\n";
    let transaction = format!("*1\r\n$5\r\nMULTI\r\n{PING}");
    for log in ["", "?", torn, &transaction, "#TS:100\r\n?"] {
        let place = Place::with(log.as_bytes());
        let ran = place.run(&["--salvage", "new.aof", "a.aof"]);
        let end = "Failed to salvage AOF a.aof to new.aof: nothing in it is whole\n";
        assert!(ran.status == 1 && ran.text.ends_with(end), "{log:?}: {} {}", ran.status, ran.text);
        assert_eq!(place.names(), ["a.aof"]);
    }
}

/// Whatever had the new file's temporary name was removed.
#[test]
fn a_file_that_no_salvage_left_is_not_removed_whatever_its_name() {
    let place = Place::with(format!("{PING}?{PING}").as_bytes());
    fs::write(place.path("temp-new.aof.copy"), "precious").unwrap();
    let ran = place.run(&["--salvage", "new.aof", "a.aof"]);
    assert!(ran.status == 1 && ran.text.contains("temp-new.aof.copy exists"), "{}", ran.text);
    assert_eq!(place.read("temp-new.aof.copy"), b"precious");
    assert_eq!(place.names(), ["a.aof", "temp-new.aof.copy"]);
}

#[test]
fn json_is_one_object_with_the_documented_fields() {
    let place = Place::with(format!("{PING}?{PING}").as_bytes());
    let ran = place.run(&["--json", "a.aof"]);
    let report: serde_json::Value = serde_json::from_str(&ran.text).unwrap();
    let expected = serde_json::json!({
        "file": "a.aof", "valid": false, "size": 29, "ok_up_to": 14, "ok_up_to_line": 4, "diff": 15, "commands_start": 0,
        "commands": 2, "transactions": 0, "annotations": 0, "stretch_count": 1,
        "stretches": [{
            "start": 14, "resume": 15, "end": 15, "offset": 14, "found": 63, "expected": "'*' or '#'", "command_offset": 14,
            "command_index": 1, "dropped_commands": 0, "transaction": false, "undecided": false, "ambiguity": null,
            "assumed": {"database": 0, "commands": 1},
        }],
    });
    assert_eq!((ran.status, &report), (1, &expected));
    let value = |arguments: &[&str]| serde_json::from_str::<serde_json::Value>(&place.run(arguments).text).unwrap();
    let salvaged = value(&["--json", "--salvage", "n\"w.aof", "a.aof"]);
    let expected_file = serde_json::json!({"file": "n\"w.aof", "size": 28, "selects_added": 0});
    assert_eq!((&salvaged["report"], &salvaged["salvaged"]), (&expected, &expected_file));
    assert!(value(&["--json", "--fix", "a.aof"])["error"].as_str().unwrap().contains("--yes"));
    let repaired = value(&["--json", "--fix", "--yes", "a.aof"]);
    let expected_cut = serde_json::json!({"size": 14, "cut": 15, "side_file": "a.aof.torn-14", "state_file": null});
    assert_eq!((&repaired["report"], &repaired["repaired"]), (&expected, &expected_cut));
    assert_eq!(value(&["--json", "a.aof"])["valid"], true);
    assert!(value(&["--json", "none"])["error"].as_str().unwrap().contains("No such file"));
}

#[test]
fn a_preamble_is_checked_and_only_what_stands_behind_it_is_cut_or_salvaged() {
    let preamble = [b"REDIS0011\xfe\x00\x00\x03key\x01v\xff", &[0; 8][..]].concat();
    let start = preamble.len();
    let place = Place::with(&[&preamble, PING.as_bytes(), b"*1\r\n$4\r\nPI"].concat());
    let (size, good) = (start + 24, start + 14);
    let analysis = |place: &Place, arguments: &[&str]| place.run(arguments).text;
    let text = analysis(&place, &["a.aof"]);
    assert!(text.contains("RDB preamble is OK, proceeding with AOF tail..."), "{text}");
    assert!(text.contains(&format!("size={size}, ok_up_to={good},")), "{text}");
    assert_eq!(place.run(&["--salvage", "new.aof", "a.aof"]).status, 0);
    let whole = [&preamble, PING.as_bytes()].concat();
    assert_eq!(place.read("new.aof"), whole);
    assert_eq!(place.run(&["--fix", "--yes", "a.aof"]).status, 0);
    assert_eq!(place.read("a.aof"), whole);

    let cut = Place::with(&preamble[..start - 1]);
    let ran = cut.run(&["--fix", "--yes", "a.aof"]);
    assert_eq!(ran.status, 1);
    assert!(
        ran.text.contains("RDB preamble of AOF file is not sane, aborting: unexpected end at byte"),
        "{}",
        ran.text
    );
    assert_eq!(cut.read("a.aof"), &preamble[..start - 1]);
}
