//! Manifests: the files of a log in several files, checked in their order, cut, and salvaged to a log in one file.

use std::fs;

use serde_json::Value;
use vfs::Dir as _;

use super::{PING, Place};

/// A manifest of a base in RDB format and two incremental files with these bytes.
fn parts(first: &str, last: &str) -> Place {
    let place = Place::with(b"");
    fs::create_dir(place.path("p")).unwrap();
    let base = [b"REDIS0011\xfe\x00\x00\x03key\x01v\xff", &[0; 8][..]].concat();
    let manifest =
        "file b.rdb seq 1 type b\nfile old.aof seq 1 type h\nfile 1.aof seq 1 type i\nfile 2.aof seq 2 type i\n";
    for (name, bytes) in
        [("a.manifest", manifest.as_bytes()), ("b.rdb", &base), ("1.aof", first.as_bytes()), ("2.aof", last.as_bytes())]
    {
        fs::write(place.path("p").join(name), bytes).unwrap();
    }
    place
}

#[test]
fn the_files_of_a_manifest_are_checked_in_order_with_rediss_lines() {
    let text = "Start checking Multi Part AOF\nStart to check BASE AOF (RDB format).\n\
                RDB preamble is OK, proceeding with AOF tail...\n\
                AOF analyzed: filename=b.rdb, size=27, ok_up_to=27, ok_up_to_line=1, diff=0\nBASE AOF b.rdb is valid\n\
                Start to check INCR files.\n\
                AOF analyzed: filename=1.aof, size=14, ok_up_to=14, ok_up_to_line=4, diff=0\nINCR AOF 1.aof is valid\n";
    let place = parts(PING, "");
    place.check(
        &["p/a.manifest"],
        0,
        &format!("{text}INCR AOF 2.aof is empty\nAll AOF files and manifest are valid\n"),
    );

    let torn = format!("{PING}*1\r\n$4\r\nPI");
    let place = parts(PING, &torn);
    let ran = place.run(&["p/a.manifest"]);
    let not_valid = "AOF 2.aof is not valid. Use the --fix option to try fixing it.\n";
    assert!(ran.status == 1 && ran.text.starts_with(text) && ran.text.ends_with(not_valid), "{}", ran.text);
    assert_eq!(place.read("p/2.aof"), torn.as_bytes());
    let ran = place.run(&["--truncate-to-timestamp", "1", "p/a.manifest"]);
    assert!(ran.status == 1 && ran.text.contains("takes one of its files"), "{}", ran.text);
}

#[test]
fn only_the_last_file_of_a_manifest_is_cut_and_not_while_a_server_has_the_directory_above() {
    let torn = format!("{PING}*1\r\n$4\r\nPI");
    let place = parts(&torn, PING);
    let ran = place.run(&["--fix", "--yes", "p/a.manifest"]);
    assert!(ran.text.ends_with("Failed to truncate AOF 1.aof because it is not the last file\n"), "{}", ran.text);
    assert_eq!((ran.status, place.read("p/1.aof")), (1, torn.clone().into_bytes()));

    let place = parts(PING, &torn);
    let dir = vfs::RealDir::open(place.home.path()).unwrap();
    let lock = dir.lock(aof_state::LOCK_NAME).unwrap();
    let ran = place.run(&["--fix", "--yes", "p/a.manifest"]);
    assert!(ran.status == 1 && ran.text.contains("in use by a running server"), "{}", ran.text);
    assert_eq!(place.read("p/2.aof"), torn.as_bytes());
    drop(lock);
    let ran = place.run(&["--fix", "--yes", "p/a.manifest"]);
    let end = "Successfully truncated AOF 2.aof\nAll AOF files and manifest are valid\n";
    assert!(ran.status == 0 && ran.text.ends_with(end), "{}", ran.text);
    assert_eq!((place.read("p/2.aof"), place.read("p/2.aof.torn-14")), (PING.into(), b"*1\r\n$4\r\nPI".to_vec()));
}

fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn as_json_every_file_has_its_report_whichever_is_damaged() {
    let torn = format!("{PING}*1\r\n$4\r\nPI");
    let place = parts(&format!("{PING}?{PING}"), &torn);
    let ran = place.run(&["--json", "p/a.manifest"]);
    let found = json(&ran.text);
    assert_eq!((ran.status, &found["manifest"], &found["valid"]), (1, &"p/a.manifest".into(), &false.into()));
    let files = found["files"].as_array().unwrap();
    let told = |i: usize| {
        let (file, report) = (&files[i], &files[i]["report"]);
        (file["kind"].clone(), report["file"].clone(), report["valid"].clone(), report["ok_up_to"].clone())
    };
    assert_eq!(told(0), ("base".into(), "b.rdb".into(), true.into(), 27.into()));
    assert_eq!(told(1), ("incr".into(), "1.aof".into(), false.into(), 14.into()));
    assert_eq!(told(2), ("incr".into(), "2.aof".into(), false.into(), 14.into()));
    assert_eq!(files[1]["report"]["stretches"][0]["resume"], 15);

    let whole = json(&parts(PING, "").run(&["--json", "p/a.manifest"]).text);
    assert_eq!((&whole["valid"], whole["files"][2]["report"]["size"].clone()), (&true.into(), 0.into()));
}

#[test]
fn as_json_a_file_that_cannot_be_checked_is_told_in_its_place() {
    let place = parts("REDIS0011", PING);
    fs::remove_file(place.path("p/2.aof")).unwrap();
    let ran = place.run(&["--json", "p/a.manifest"]);
    let found = json(&ran.text);
    assert_eq!((ran.status, &found["valid"], &found["files"][0]["report"]["valid"]), (1, &false.into(), &true.into()));
    assert_eq!(found["files"][1]["error"], "INCR AOF 1.aof starts with an RDB snapshot, which only the base may");
    let error = found["files"][2]["error"].as_str().unwrap();
    assert!(error.starts_with("Cannot open file 2.aof") && found["files"][2]["file"] == "2.aof", "{error}");
}

#[test]
fn as_json_a_cut_asks_nothing_and_tells_what_stands_beside_the_file() {
    let torn = format!("{PING}*1\r\n$4\r\nPI");
    let place = parts(PING, &torn);
    let ran = place.run(&["--json", "--fix", "p/a.manifest"]);
    assert!(ran.status == 1 && json(&ran.text)["error"].as_str().unwrap().contains("needs --yes"), "{}", ran.text);
    assert_eq!(place.read("p/2.aof"), torn.as_bytes());
    let ran = place.run(&["--json", "--fix", "--yes", "p/a.manifest"]);
    let found = json(&ran.text);
    assert_eq!((ran.status, &found["valid"]), (0, &true.into()));
    assert_eq!(found["files"][2]["repaired"]["side_file"], "2.aof.torn-14");
    assert_eq!(found["files"][1]["repaired"], Value::Null);
    assert_eq!(place.read("p/2.aof"), PING.as_bytes());
}

/// One command of a log.
fn command(words: &str) -> String {
    let words: Vec<_> = words.split(' ').map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{}", words.len(), words.concat())
}

#[test]
fn salvage_writes_one_log_of_all_files_each_in_the_database_that_it_starts_in() {
    let first = [command("SET a 1"), command("SELECT 5"), "?".to_owned(), command("SET b 2")].concat();
    let last = [command("SET c 3"), command("MULTI"), command("SET d 4")].concat();
    let place = parts(&first, &last);
    let base = place.read("p/b.rdb");
    let ran = place.run(&["--salvage", "new.aof", "p/a.manifest"]);
    assert_eq!(ran.status, 0, "{}", ran.text);
    let end = "Successfully salvaged AOF p/a.manifest to new.aof: 4 whole commands, among them 0 transactions, in 154 bytes\n";
    assert!(ran.text.ends_with(end), "{}", ran.text);
    let expected = ["SET a 1", "SELECT 5", "SET b 2", "SELECT 0", "SET c 3"].map(command).concat();
    assert_eq!(place.read("new.aof"), [&base[..], expected.as_bytes()].concat());
    assert_eq!((place.read("p/1.aof"), place.read("p/2.aof")), (first.into_bytes(), last.into_bytes()));
    // What was salvaged is a log in one file, and nothing is wrong with it.
    assert_eq!(place.run(&["new.aof"]).status, 0);

    let ran = place.run(&["--json", "--salvage", "other.aof", "p/a.manifest"]);
    let found = json(&ran.text);
    assert_eq!(found["salvaged"]["selects_added"], 1);
    assert_eq!(found["files"][2]["report"]["stretches"][0]["transaction"], true);
    assert_eq!(place.read("other.aof"), place.read("new.aof"));
    let again = place.run(&["--json", "--salvage", "other.aof", "p/a.manifest"]);
    assert!(again.status == 1 && again.text.contains("other.aof exists"), "{}", again.text);
}

/// The one of its files that has the new file's temporary name was removed, and so was a manifest with that name.
#[test]
fn salvage_removes_no_file_of_the_manifest_nor_the_manifest() {
    let place = parts(PING, PING);
    let renamed = |manifest: String| manifest.replace("2.aof", "temp-2.copy");
    let manifest = renamed(String::from_utf8(place.read("p/a.manifest")).unwrap());
    fs::write(place.path("p/temp-a.copy"), &manifest).unwrap();
    fs::rename(place.path("p/2.aof"), place.path("p/temp-2.copy")).unwrap();
    for (new, name) in [("p/2", "p/temp-2.copy"), ("p/a", "p/temp-a.copy")] {
        let before = place.read(name);
        let ran = place.run(&["--salvage", new, "p/temp-a.copy"]);
        assert!(ran.status == 1 && ran.text.contains(&name[2..]), "{}", ran.text);
        assert_eq!(place.read(name), before);
    }
}

#[test]
fn a_file_damaged_in_three_places_behind_a_preamble_is_salvaged_without_one_good_command_lost() {
    let place = parts("", "");
    let preamble = place.read("p/b.rdb");
    let good: Vec<String> = (0..9).map(|i| command(&format!("SET key:{i} value:{i}"))).collect();
    let mut commands = good.clone();
    // A length that is none, a hole across an end, a byte cut out of a value.
    commands[1] = commands[1].replacen("$3", "$?", 1);
    commands[4] = commands[4].replacen("$5\r\nkey", "\0\0\0\0\0\0\0", 1);
    commands[7] = commands[7].replacen("value", "valu", 1);
    fs::write(place.path("a.aof"), [&preamble[..], commands.concat().as_bytes()].concat()).unwrap();
    let report = json(&place.run(&["--json", "a.aof"]).text);
    assert_eq!(
        (&report["stretch_count"], &report["commands_start"], &report["commands"]),
        (&3.into(), &27.into(), &6.into())
    );
    assert_eq!(place.run(&["--salvage", "new.aof", "a.aof"]).status, 0);
    let whole = [0, 2, 3, 5, 6, 8].map(|i| good[i].as_str()).concat();
    assert_eq!(place.read("new.aof"), [&preamble[..], whole.as_bytes()].concat());
}
