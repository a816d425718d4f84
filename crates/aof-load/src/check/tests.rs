//! The check against the reader of a recovery, and salvage against what is known to be undamaged.

#![expect(clippy::cast_possible_truncation, reason = "small offsets")]

use std::sync::Arc;

use proptest::prelude::*;
use resp_codec::encode_command;
use vfs::sim::SimDisk;
use vfs::{Dir as _, File, Open};

use super::*;
use crate::damage::{Damage, Expected};
use crate::{ReadError, Reader};

fn file_with(bytes: &[u8]) -> Arc<dyn File> {
    let disk = SimDisk::new();
    disk.put("/d", "log", bytes);
    disk.dir("/d").open("log", Open::Read).unwrap()
}

fn report_of(bytes: &[u8]) -> Report {
    check(&file_with(bytes), bytes.len() as u64, None).unwrap()
}

/// The words of the commands of one unit; `true` for a transaction.
type Words = (bool, Vec<Vec<Vec<u8>>>);

/// The units of a file as plain words, and the first damage.
fn read(bytes: &[u8]) -> (Vec<Words>, Option<Damage>) {
    let mut reader = Reader::new(file_with(bytes), 0, bytes.len() as u64);
    let mut units = Vec::new();
    loop {
        match reader.next_batch() {
            Ok(Some(batch)) => units.extend(batch.units().map(|unit| {
                let commands = unit.commands();
                let words = commands.map(|command| command.args().from(0).map(<[u8]>::to_vec).collect()).collect();
                (unit.is_transaction(), words)
            })),
            Ok(None) => return (units, None),
            Err(ReadError::Damaged { damage, .. }) => return (units, Some(*damage)),
            Err(error) => panic!("{error}"),
        }
    }
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_command(&mut bytes, words.iter().copied());
    bytes
}

/// Commands from text: words between spaces.
fn log(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| command(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>())).collect()
}

/// A check against the first damage that a recovery names.
fn agrees_with_the_reader(bytes: &[u8]) {
    let report = report_of(bytes);
    let (_, damage) = read(bytes);
    let expected = damage.as_ref().map_or(bytes.len() as u64, |damage| damage.cut_at);
    assert_eq!(report.ok_up_to, expected, "{:?}\n{report:?}", bytes.escape_ascii().to_string());
    // A command that looks like a damaged EXEC is named as the place; a reader sees only that an EXEC is missing.
    if report.damage().is_none_or(|damage| !matches!(damage.expected, Expected::Exec { .. })) {
        assert_eq!(report.damage(), damage.as_ref());
    }
    let mut at = 0;
    for stretch in &report.stretches {
        assert!(at <= stretch.start && stretch.start <= stretch.resume && stretch.resume <= stretch.end, "{report:?}");
        at = stretch.end;
    }
    assert!(at <= bytes.len() as u64);
}

proptest! {
    #[test]
    fn any_bytes_are_damaged_where_a_reader_finds_them_damaged(bytes in "[*$0-3#\r\nMULTIEXEC]{0,60}") {
        agrees_with_the_reader(bytes.as_bytes());
    }

    #[test]
    fn parts_of_commands_are_damaged_where_a_reader_finds_them_damaged(
        parts in prop::collection::vec(prop::sample::select(vec![
            "*1\r\n", "*2\r\n", "*3\r\n", "$0\r\n", "$1\r\n", "$5\r\n", "$4\r\n", "$4294967290\r\n", "MULTI", "EXEC", "DISCARD", "EXEB",
            "$5\r\nMULTI\r\n", "*1\r\n$5\r\nMULTI\r\n", "*1\r\n$4\r\nEXEC\r\n", "*1\r\n$7\r\nDISCARD\r\n", "a", "SET", "\r\n", "\r",
            "*", "\0", "*1\r\n$1\r\na\r\n", "#TS:1\r\n", "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n", "*1\r\n$5\r\nMULTO\r\n", "*1\r\n$4\r\nexed\r\n",
        ]), 0..24),
    ) {
        agrees_with_the_reader(parts.concat().as_bytes());
    }
}

#[test]
fn a_whole_file_is_valid_to_its_end() {
    for bytes in [log(&["SELECT 0", "SET a b", "MULTI", "SET c d", "EXEC"]), b"#TS:1\r\n".to_vec(), Vec::new()] {
        let report = report_of(&bytes);
        assert!(report.is_valid() && report.ok_up_to == bytes.len() as u64, "{report:?}");
    }
}

/// Salvages, and gives the new file's bytes and the report.
fn salvage_of(bytes: &[u8]) -> (Vec<u8>, Salvaged) {
    let disk = SimDisk::new();
    disk.put("/d", "log", bytes);
    let dir = disk.dir("/d");
    let file = dir.open("log", Open::Read).unwrap();
    let salvaged = salvage(&file, bytes.len() as u64, None, &*dir, "new").unwrap();
    assert_eq!(disk.content("/d", "log").unwrap(), bytes, "the damaged file is as it was");
    assert!(!dir.list().unwrap().iter().any(|name| name.starts_with("temp-")));
    let new = disk.content("/d", "new").unwrap();
    assert_eq!(new.len() as u64, salvaged.size_bytes);
    (new, salvaged)
}

/// A command with the database it runs in, and whether it is in a transaction.
type Run = (u32, bool, Vec<Vec<u8>>);

/// What a log does, unit by unit; `SELECT` alone does nothing.
fn runs(bytes: &[u8]) -> Vec<Vec<Run>> {
    let (units, damage) = read(bytes);
    assert_eq!(damage, None);
    let mut database = 0;
    let mut all = Vec::new();
    for (transaction, commands) in units {
        let mut unit = Vec::new();
        for words in commands {
            if words[0].eq_ignore_ascii_case(b"select") && words.len() == 2 {
                database = String::from_utf8_lossy(&words[1]).parse().unwrap_or(database);
            } else {
                unit.push((database, transaction, words));
            }
        }
        if transaction || !unit.is_empty() {
            all.push(unit);
        }
    }
    all
}

mod salvaging {
    use std::ops::Range;

    use fastrand::Rng;

    use super::*;

    /// What happens to some bytes.
    #[derive(Clone, Debug)]
    enum Harm {
        Change(u8),
        Hole(usize),
        Cut(usize),
        Insert(Vec<u8>),
    }

    /// A log, and where each unit lies in it.
    #[derive(Clone, Default)]
    struct Log {
        bytes: Vec<u8>,
        units: Vec<Range<usize>>,
    }

    fn any_harm(rng: &mut Rng) -> Harm {
        match rng.u8(..5) {
            0 => Harm::Change(rng.u8(..)),
            1 => Harm::Change(*rng.choice(b"0123456789*$\r\n").expect("not empty")),
            2 => Harm::Hole(rng.usize(1..60)),
            3 => Harm::Cut(rng.usize(1..60)),
            _ => Harm::Insert((0..rng.usize(1..20)).map(|_| rng.u8(..)).collect()),
        }
    }

    fn any_word(rng: &mut Rng) -> Vec<u8> {
        match rng.u8(..6) {
            0 => (0..rng.usize(..200)).map(|_| rng.u8(..)).collect(),
            1 => b"two\r\nlines\r\n".to_vec(),
            _ => (0..rng.usize(..30)).map(|_| rng.lowercase() as u8).collect(),
        }
    }

    fn any_plain(rng: &mut Rng) -> Vec<u8> {
        let name = *rng.choice(&[&b"SET"[..], b"RPUSH", b"DEL"]).expect("not empty");
        let mut words: Vec<_> = (0..rng.usize(1..5)).map(|_| any_word(rng)).collect();
        words.push(rng.u32(..).to_string().into_bytes());
        command(&[&[name], &words.iter().map(Vec::as_slice).collect::<Vec<_>>()[..]].concat())
    }

    fn any_select(rng: &mut Rng) -> Vec<u8> {
        command(&[b"SELECT", rng.u8(..16).to_string().as_bytes()])
    }

    fn any_unit(rng: &mut Rng) -> Vec<u8> {
        match rng.u8(..8) {
            0 => any_select(rng),
            1 | 2 => {
                let commands: Vec<_> = (0..rng.usize(..5))
                    .map(|_| if rng.u8(..5) == 0 { any_select(rng) } else { any_plain(rng) })
                    .collect();
                [command(&[b"MULTI"]), commands.concat(), command(&[b"EXEC"])].concat()
            }
            _ => any_plain(rng),
        }
    }

    fn any_log(rng: &mut Rng) -> Log {
        let mut log = Log::default();
        for _ in 0..rng.usize(20..60) {
            let start = log.bytes.len();
            log.bytes.extend(any_unit(rng));
            log.units.push(start..log.bytes.len());
        }
        log
    }

    /// The bytes that are touched.
    fn touched(harm: &Harm, at: usize) -> Range<usize> {
        match harm {
            Harm::Change(_) => at..at + 1,
            Harm::Hole(len) | Harm::Cut(len) => at..at + len,
            Harm::Insert(_) => at..at,
        }
    }

    /// The bytes after all harms, which come in order.
    fn harmed(bytes: &[u8], harms: &[(usize, Harm)]) -> Vec<u8> {
        let mut new = Vec::new();
        let mut done = 0;
        for (at, harm) in harms {
            let range = touched(harm, *at);
            let start = range.start.max(done);
            let range = start..range.end.min(bytes.len()).max(start);
            new.extend_from_slice(&bytes[done..start]);
            done = range.end;
            match harm {
                Harm::Change(to) => new.extend(bytes[range].iter().map(|old| if to == old { !to } else { *to })),
                Harm::Hole(_) => new.resize(new.len() + range.len(), 0),
                Harm::Cut(_) => (),
                Harm::Insert(more) => new.extend_from_slice(more),
            }
        }
        new.extend_from_slice(&bytes[done..]);
        new
    }

    /// Whether a unit is as it was: nothing in it was touched.
    fn is_whole(unit: &Range<usize>, harms: &[(usize, Harm)]) -> bool {
        harms.iter().all(|(at, harm)| {
            let touched = touched(harm, *at);
            if touched.is_empty() {
                *at <= unit.start || *at >= unit.end
            } else {
                touched.end <= unit.start || touched.start >= unit.end
            }
        })
    }

    /// Whether a unit at `at` of the damaged file is lost where nothing in the file says that it is none of what is damaged.
    fn may_be_lost(report: &Report, unit: Range<u64>) -> bool {
        let stretches = &report.stretches;
        // Behind damage in a transaction, and before more damage: the EXEC may have been in either.
        let between = stretches.windows(2).any(|pair| {
            pair[0].transaction
                && pair[0].resume <= unit.start
                && unit.end <= pair[0].end
                && pair[0].end >= pair[1].start
        });
        // Before arguments without a count: they may be its own.
        let before = |stretch: &Stretch| stretch.damage.found == Some(b'$') && stretch.damage.offset == unit.end;
        // Where an EXEC is lost without a trace.
        let traceless = |stretch: &Stretch| {
            matches!(stretch.damage.expected, Expected::NoNestedMulti { .. } | Expected::Exec { .. })
                && (stretch.start..stretch.end).contains(&unit.start)
        };
        between || stretches.iter().any(|stretch| before(stretch) || traceless(stretch))
    }

    /// What became of a damaged log.
    #[derive(Debug, PartialEq, Eq)]
    enum Outcome {
        AllThere,
        Unclear,
    }

    /// Damages a log in three places and salvages it. What is wrong with the result, if anything.
    fn salvaged_from(seed: u64) -> Result<Outcome, String> {
        let mut rng = Rng::with_seed(seed);
        let log = any_log(&mut rng);
        let mut harms: Vec<_> = (0..3).map(|_| (rng.usize(..log.bytes.len()), any_harm(&mut rng))).collect();
        harms.sort_by_key(|(at, _)| *at);
        let bytes = harmed(&log.bytes, &harms);
        let (new, salvaged) = salvage_of(&bytes);
        let found: Vec<_> = runs(&new).into_iter().filter(|unit| !unit.is_empty()).collect();
        let mut rest = found.iter();
        let mut strangers = 0;
        let mut outcome = Outcome::AllThere;
        for range in log.units.iter().filter(|unit| is_whole(unit, &harms)) {
            let text = &log.bytes[range.clone()];
            let unit = runs(text).concat();
            let same = |other: &Vec<Run>| other.iter().map(|run| &run.2).eq(unit.iter().map(|run| &run.2));
            let before = rest.clone();
            if unit.is_empty() {
                continue;
            }
            if let Some(skipped) = rest.by_ref().position(same) {
                strangers += skipped;
                continue;
            }
            rest = before;
            // A wrong length that ends at a line end by chance swallows it or its start, and nothing can tell.
            let holds = |word: &Vec<u8>| word.windows(8).any(|part| part == &text[..8]);
            let swallowed = found.iter().flatten().flat_map(|run| &run.2).any(holds);
            // So it may swallow a MULTI alone.
            let loose = unit.iter().all(|run| found.iter().flatten().any(|other| other.2 == run.2));
            if swallowed || loose {
                continue;
            }
            let at = memchr::memmem::find(&bytes, text).expect("it is whole") as u64;
            if !may_be_lost(&salvaged.report, at..at + text.len() as u64) {
                let [text, bytes] = [text, &bytes[..]].map(|bytes| bytes.escape_ascii().to_string());
                return Err(format!("lost {text}\nof {bytes}\nharmed by {harms:?}\n{:#?}", salvaged.report));
            }
            outcome = Outcome::Unclear;
        }
        strangers += rest.count();
        if strangers > 6 { Err(format!("{strangers} strangers, harmed by {harms:?}")) } else { Ok(outcome) }
    }

    #[test]
    fn of_a_log_damaged_in_three_places_no_whole_command_is_lost() {
        let mut unclear = 0;
        for seed in 0..600 {
            match salvaged_from(seed) {
                Ok(outcome) => unclear += u32::from(outcome == Outcome::Unclear),
                Err(wrong) => panic!("seed {seed}: {wrong}"),
            }
        }
        assert!(unclear <= 6, "{unclear}");
    }
}

#[test]
fn each_of_three_damaged_places_is_a_stretch_with_what_was_expected_and_where_commands_resume() {
    let mut bytes = Vec::new();
    let mut starts = Vec::new();
    for i in 0..9 {
        starts.push(bytes.len() as u64);
        bytes.extend(log(&[&format!("SET key:{i} value:{i}")]));
    }
    let len = starts[1];
    // A byte changed in a length, a hole across an end, a byte cut out of a value.
    bytes[starts[7] as usize + 35] = b'x';
    bytes[starts[4] as usize - 6..starts[4] as usize + 9].fill(0);
    bytes[starts[1] as usize + 4] = b'?';
    bytes.remove(starts[7] as usize + 34);
    let report = report_of(&bytes);
    let found: Vec<_> =
        report.stretches.iter().map(|s| (s.start, s.resume, s.end, s.damage.offset, s.damage.found)).collect();
    assert_eq!(
        found,
        [
            (len, 2 * len, 2 * len, len + 4, Some(b'?')),
            (3 * len, 5 * len, 5 * len, 4 * len - 2, Some(0)),
            (7 * len, 8 * len - 1, 8 * len - 1, 8 * len - 2, Some(b'\n')),
        ]
    );
    assert_eq!((report.ok_up_to, report.commands, report.stretch_count), (len, 5, 3));
    let (new, _) = salvage_of(&bytes);
    assert_eq!(new, [0, 2, 5, 6, 8].map(|i| log(&[&format!("SET key:{i} value:{i}")])).concat());
}

/// The databases in which the commands of a salvaged log run, and the report.
fn databases_of(bytes: &[u8]) -> (Vec<(u32, String)>, Salvaged) {
    let (new, salvaged) = salvage_of(bytes);
    let key = |run: &Run| (run.0, String::from_utf8_lossy(&run.2[1]).into_owned());
    (runs(&new).concat().iter().map(key).collect(), salvaged)
}

#[test]
fn behind_damage_the_last_select_counts_until_the_next_and_that_is_said() {
    let head = log(&["SELECT 3", "SET a 1"]);
    let lost = b"*2\r\n$6\r\nSEL\0CT\r\n$1\r\n5\r\n";
    let tail = log(&["SET b 2", "DEL c", "SELECT 7", "SET d 4"]);
    let (found, salvaged) = databases_of(&[&head[..], lost, &tail].concat());
    let expected = [(3, "a"), (3, "b"), (3, "c"), (7, "d")].map(|(database, key)| (database, key.to_owned()));
    assert_eq!(found, expected);
    assert_eq!(salvaged.report.stretches[0].assumed, Some(Assumed { database: 3, commands: 2 }));
    assert_eq!(salvaged.selects_added, 0);
}

#[test]
fn damage_that_cannot_have_held_a_select_leaves_the_database_certain() {
    let whole = String::from_utf8(log(&["SELECT 3", "SET a 1", "SET b 2", "SET c 3"])).unwrap();
    for (from, to) in [("2\r\n*", "2?\n*"), ("*3\r\n$3\r\nSET\r\n$1\r\nb", "*4\r\n$3\r\nSET\r\n$1\r\nb")] {
        let (found, salvaged) = databases_of(whole.replacen(from, to, 1).as_bytes());
        assert_eq!(found, [(3, "a".to_owned()), (3, "c".to_owned())]);
        assert_eq!(salvaged.report.stretches[0].assumed, None);
    }
}

#[test]
fn the_select_of_a_dropped_transaction_is_written_anew() {
    let damaged =
        [log(&["SELECT 1", "SET a 1", "MULTI", "SELECT 2", "SET b 2"]), b"*9\r\n".to_vec(), log(&["EXEC", "SET c 3"])]
            .concat();
    let (found, salvaged) = databases_of(&damaged);
    assert_eq!(found, [(1, "a".to_owned()), (2, "c".to_owned())]);
    let stretch = &salvaged.report.stretches[0];
    assert_eq!((stretch.transaction, stretch.dropped_commands), (true, 4));
    assert_eq!((salvaged.selects_added, salvaged.report.stretch_count), (1, 1));
}

#[test]
fn what_looks_like_commands_inside_of_a_value_is_text_if_the_lengths_lead_on() {
    let text = log(&["FLUSHALL", "SET x y"]);
    let mut bytes = log(&["SET a 1"]);
    let start = bytes.len();
    bytes.extend(command(&[b"SET", b"backup", &text]));
    let line_end = bytes.len() - 2;
    bytes.extend(log(&["SET b 2"]));
    let clean = log(&["SET a 1", "SET b 2"]);
    // The line end of the value, its count, and the length of an earlier argument.
    for at in [line_end, line_end + 1, start + 1, start + 5] {
        let mut bytes = bytes.clone();
        bytes[at] = b'?';
        let (new, salvaged) = salvage_of(&bytes);
        assert_eq!(new, clean, "{at} {:?}", salvaged.report);
        assert_eq!(salvaged.report.stretches[0].ambiguity, None);
    }
}

#[test]
fn a_value_that_was_cut_short_is_text_up_to_the_end_and_the_other_reading_is_named() {
    let mut bytes = log(&["SET a 1"]);
    let start = bytes.len() as u64;
    bytes.extend(command(&[b"SET", b"backup", &log(&["FLUSHALL", "SET x y"])]));
    bytes.truncate(bytes.len() - 9);
    let (new, salvaged) = salvage_of(&bytes);
    assert_eq!(new, log(&["SET a 1"]));
    let stretch = &salvaged.report.stretches[0];
    let ambiguity = stretch.ambiguity.expect("two readings");
    assert_eq!((stretch.start, stretch.end, ambiguity.taken), (start, bytes.len() as u64, Reading::Text));
    assert_eq!((ambiguity.inside_end - ambiguity.inside, ambiguity.outside), (18, bytes.len() as u64));
}

#[test]
fn commands_that_may_be_the_text_of_a_value_whose_start_is_lost_are_named() {
    let head = log(&["SET a 1"]);
    let text = log(&["FLUSHALL", "SET x y"]);
    let mut bytes = [head.clone(), command(&[b"SET", b"backup", &text]), log(&["SET b 2"])].concat();
    bytes[head.len() + 2..head.len() + 30].fill(0);
    let report = report_of(&bytes);
    let end = (head.len() + 30 + text.len()) as u64;
    let inside = end - text.len() as u64;
    let expected = Ambiguity { inside, inside_end: end, outside: end + 2, taken: Reading::Commands };
    assert_eq!(report.stretches[0].ambiguity, Some(expected), "{report:#?}");
    assert_eq!(report.stretch_count, 2);
}

#[test]
fn a_wrong_length_does_not_swallow_the_commands_behind_it() {
    let whole = log(&["SET a 1", "SET key value", "SET b 2", "MULTI", "SET c 3", "EXEC"]);
    for wrong in
        ["$6\r\nvalue", "$4\r\nvalue", "$31\r\nvalue", "$5000\r\nvalue", "$4000000000\r\nvalue", "$-1\r\nvalue"]
    {
        let text = String::from_utf8_lossy(&whole).replacen("$5\r\nvalue", wrong, 1);
        let (new, salvaged) = salvage_of(text.as_bytes());
        assert_eq!(new, log(&["SET a 1", "SET b 2", "MULTI", "SET c 3", "EXEC"]), "{wrong} {:?}", salvaged.report);
    }
}

#[test]
fn a_command_with_too_small_a_count_is_dropped_with_the_arguments_that_it_lost() {
    let text = String::from_utf8_lossy(&log(&["SET a 1", "DEL x y z", "SET b 2"])).replacen("*4", "*2", 1);
    let (new, salvaged) = salvage_of(text.as_bytes());
    assert_eq!(new, log(&["SET a 1", "SET b 2"]));
    assert_eq!(salvaged.report.stretches[0].dropped_commands, 1);
    assert_eq!(salvaged.report.stretches[0].start, log(&["SET a 1"]).len() as u64);
    assert_eq!(salvaged.report.ok_up_to, log(&["SET a 1", "DEL x"]).len() as u64, "as a reader sees it");
}

#[test]
fn a_transaction_without_its_start_or_its_end_is_dropped_as_a_whole() {
    let good = log(&["SET a 1", "SET z 9"]);
    for (from, to) in [
        ("MULTI", "MULTO"),
        ("MULTI", "MUL\0I"),
        ("$5\r\nMULTI", "$x\r\nMULTI"),
        ("EXEC", "EXEB"),
        ("*1\r\n$4\r\nEXEC", "*1\r\n\0\0\0\0\0\0\0\0"),
    ] {
        let bytes = log(&["SET a 1", "MULTI", "SET b 2", "SET c 3", "EXEC", "SET z 9"]);
        let bytes = String::from_utf8_lossy(&bytes).replacen(from, to, 1);
        let (new, salvaged) = salvage_of(bytes.as_bytes());
        assert_eq!(new, good, "{from} {to} {:?}", salvaged.report);
    }
    let open = log(&["SET a 1", "MULTI", "SET b 2"]);
    assert_eq!(salvage_of(&open).0, log(&["SET a 1"]));
}

#[test]
fn what_was_dropped_as_a_damaged_exec_is_not_searched_again() {
    // Found by fuzzing: a command across the end of a name that looks like EXEC was found once more for the damage behind it, and
    // the second stretch ended before it began, inside of the first.
    let bytes = [log(&["MULTI", "SET a b"]), b"*1\r\n$4\r\nEX*2\r\n".to_vec(), b"$6\r\nSELECT\r\n$1\r\n1\r\n".to_vec()]
        .concat();
    agrees_with_the_reader(&bytes);
    let (salvaged, _) = salvage_of(&[bytes, log(&["SET c d"])].concat());
    assert!(salvaged.ends_with(&log(&["SET c d"])), "{:?}", salvaged.escape_ascii().to_string());
}

#[test]
fn a_file_full_of_damage_lists_only_a_thousand_stretches() {
    let bytes = [log(&["SET a 1"]), b"!".to_vec()].concat().repeat(1500);
    let report = report_of(&bytes);
    assert_eq!((report.stretches.len(), report.stretch_count, report.commands), (1000, 1500, 1500));
}

#[test]
fn an_annotation_between_units_is_salvaged_too() {
    let bytes = [b"#TS:5\r\n".to_vec(), log(&["SET a 1"]), b"#note\n!".to_vec(), log(&["SET b 2"])].concat();
    let (new, salvaged) = salvage_of(&bytes);
    assert_eq!(new, [b"#TS:5\r\n".to_vec(), log(&["SET a 1"]), b"#note\n".to_vec(), log(&["SET b 2"])].concat());
    assert_eq!(salvaged.report.annotations, 2);
}

#[test]
fn a_preamble_is_left_to_who_reads_it() {
    struct Fixed(u64);
    impl Preamble for Fixed {
        fn end(&self, _file: &dyn File, _size_bytes: u64) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
            Ok(self.0)
        }
    }
    let bytes = [b"REDIS0011 and so on".to_vec(), log(&["SET a 1"]), b"!".to_vec()].concat();
    let size_bytes = bytes.len() as u64;
    let file = file_with(&bytes);
    assert!(matches!(check(&file, size_bytes, None), Err(CheckError::Preamble)));
    let report = check(&file, size_bytes, Some(&Fixed(19))).unwrap();
    assert_eq!((report.commands_start, report.commands, report.ok_up_to), (19, 1, size_bytes - 1));
}

#[test]
fn arguments_that_lead_nowhere_are_followed_once() {
    let bytes = [log(&["SET a 1"]), b"$1\r\na\r\n".repeat(50_000), b"x".to_vec(), log(&["SET b 2"])].concat();
    let report = report_of(&bytes);
    assert_eq!((report.stretch_count, report.commands, report.stretches[0].undecided), (1, 1, false));
}
