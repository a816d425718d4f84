//! Torn tails and corruption, byte by byte.

use aof_load::{AmbiguousTail, Evidence, Expected, LoadError, LoadOptions};
use vfs::sim::SimDisk;

use crate::fixture::*;

/// Recovers `bytes` and expects that exactly the units up to `cut_at` are there, the file is cut, and the rest kept aside.
#[track_caller]
fn check_cut(bytes: &[u8], sample: &Sample, cut_at: u64, proven: Option<aof_load::Proven>) {
    let disk = disk_with(bytes);
    let outcome = recover(&disk, proven);
    let recovered = outcome.recovered();
    assert_eq!(outcome.units, sample.before(cut_at));
    assert_eq!(recovered.size_bytes, cut_at);
    assert_eq!(disk.durable_content(DIR, AOF).unwrap(), bytes[..cut_at as usize]);
    let tail = &bytes[cut_at as usize..];
    let side_file = format!("{AOF}.torn-{cut_at}");
    if tail.is_empty() {
        assert_eq!(recovered.cut, None);
        assert_eq!(names(&disk), [AOF]);
    } else {
        assert_eq!(recovered.cut.as_ref().unwrap().side_file.as_deref(), Some(&side_file[..]));
        assert_eq!(disk.durable_content(DIR, &side_file).unwrap(), tail);
        assert_eq!(names(&disk), [AOF.to_owned(), side_file]);
    }
    assert_eq!(recovered.file.append(b"x").unwrap(), 1, "the file can be appended to");
    assert_eq!(disk.content(DIR, AOF).unwrap().len() as u64, cut_at + 1);
}

/// Recovers and expects an error, with nothing changed on disk.
#[track_caller]
fn check_refused(bytes: &[u8], options: LoadOptions, proven: Option<aof_load::Proven>) -> LoadError {
    let disk = disk_with(bytes);
    let outcome = recover_in(disk.dir(DIR), options, proven);
    assert_eq!(disk.content(DIR, AOF).unwrap(), bytes);
    assert_eq!(names(&disk), [AOF]);
    outcome.result.unwrap_err()
}

#[test]
fn a_log_cut_at_any_byte_recovers_to_the_whole_units_before() {
    let sample = sample();
    for len in 0..=sample.bytes.len() {
        let boundary = sample.boundary(len as u64);
        for proven in [None, unclean(0), unclean(boundary)] {
            check_cut(&sample.bytes[..len], &sample, boundary, proven);
        }
    }
}

#[test]
fn nul_bytes_after_any_cut_are_a_torn_tail() {
    let sample = sample();
    for len in 0..=sample.bytes.len() {
        for nuls in [1, 2, 3, 7, 64, 5000] {
            let mut bytes = sample.bytes[..len].to_vec();
            bytes.resize(len + nuls, 0);
            let boundary = sample.boundary(len as u64);
            check_cut(&bytes, &sample, boundary, None);
            check_cut(&bytes, &sample, boundary, unclean(boundary));
        }
    }
}

#[test]
fn garbage_after_any_cut_is_a_torn_tail() {
    let sample = sample();
    for len in 1..=sample.bytes.len() {
        let mut bytes = sample.bytes[..len].to_vec();
        bytes.extend_from_slice(b"\xff*garbage\r\n*1\r\n$9\r\n");
        check_cut(&bytes, &sample, sample.boundary(len as u64), None);
    }
}

#[test]
fn what_follows_a_hole_in_the_unproven_part_does_not_matter() {
    let sample = sample();
    let (start, end) = (sample.units[1].1, sample.units[2].1);
    for at in start..end {
        let mut bytes = sample.bytes.clone();
        bytes[at as usize..end as usize].fill(0);
        check_cut(&bytes, &sample, start, unclean(start));
        let error = check_refused(&bytes, INLINE, None);
        assert!(matches!(error, LoadError::BadFormat { evidence: Evidence::CommandFollows { .. }, .. }), "{error}");
        let error = check_refused(&bytes, INLINE, unclean(sample.bytes.len() as u64));
        assert!(matches!(error, LoadError::BadFormat { evidence: Evidence::Fsynced { .. }, .. }), "{error}");
    }
}

#[test]
fn a_flipped_bit_after_a_clean_end_never_cuts_anything() {
    let sample = sample();
    for at in 0..sample.bytes.len() {
        for bit in 0..8 {
            let mut bytes = sample.bytes.clone();
            bytes[at] ^= 1 << bit;
            let disk = disk_with(&bytes);
            let outcome = recover(&disk, clean(bytes.len() as u64));
            if let Ok(recovered) = &outcome.result {
                assert_eq!(recovered.cut, None, "bit {bit} of byte {at}");
            }
            assert_eq!(disk.content(DIR, AOF).unwrap(), bytes);
            assert_eq!(names(&disk), [AOF]);
        }
    }
}

#[test]
fn a_flipped_bit_in_proven_bytes_never_cuts_anything() {
    let sample = sample();
    for at in 0..sample.bytes.len() {
        for bit in 0..8 {
            let mut bytes = sample.bytes.clone();
            bytes[at] ^= 1 << bit;
            let outcome = recover(&disk_with(&bytes), unclean(bytes.len() as u64));
            if let Ok(recovered) = &outcome.result {
                assert_eq!(recovered.cut, None, "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn without_a_state_file_a_changed_byte_never_cuts_a_whole_unit_behind_it() {
    let sample = sample();
    let last = sample.units[sample.units.len() - 2].1;
    for at in 0..last as usize {
        for change in 1..=255 {
            let mut bytes = sample.bytes.clone();
            bytes[at] ^= change;
            let outcome = recover(&disk_with(&bytes), None);
            if let Ok(recovered) = &outcome.result {
                assert_eq!(recovered.cut, None, "byte {at} ^ {change}");
            }
        }
    }
}

#[test]
fn a_wrong_length_in_the_middle_is_refused_and_both_readings_are_named() {
    let sample = sample();
    let text = String::from_utf8_lossy(&sample.bytes).replacen("$5\r\nvalue", "$5000\r\nvalue", 1);
    let error = check_refused(text.as_bytes(), INLINE, None);
    assert!(matches!(error, LoadError::Ambiguous { .. }), "{error}");
    let text_of_error = error.to_string();
    for part in ["aof-load-ambiguous-tail", "redis-check-aof", "cut short", "length is damaged", "byte 23"] {
        assert!(text_of_error.contains(part), "{part} in {text_of_error}");
    }
    let error = check_refused(text.as_bytes(), INLINE, clean(text.len() as u64));
    assert!(matches!(error, LoadError::BadFormat { .. }), "{error}");
    let error = check_refused(text.as_bytes(), INLINE, unclean(100));
    let proven = matches!(error, LoadError::BadFormat { evidence: Evidence::Fsynced { .. }, .. });
    assert!(proven, "proven bytes are no cut-off value: {error}");
}

#[test]
fn a_value_that_looks_like_commands_and_was_cut_short_is_cut_only_if_told_so() {
    let mut sample = sample();
    let cut_at = sample.bytes.len() as u64;
    let value = sample.bytes.clone();
    sample.push(false, &[vec![b"SET".to_vec(), b"backup".to_vec(), value]]);
    let bytes = &sample.bytes[..sample.bytes.len() - 5];
    let error = check_refused(bytes, INLINE, None);
    assert!(matches!(error, LoadError::Ambiguous { .. }), "{error}");
    check_cut(bytes, &sample, cut_at, unclean(cut_at));

    let disk = disk_with(bytes);
    let options = LoadOptions { ambiguous_tail: AmbiguousTail::Cut, ..INLINE };
    let outcome = recover_in(disk.dir(DIR), options, None);
    assert_eq!(outcome.recovered().size_bytes, cut_at);
    assert_eq!(disk.content(DIR, &format!("{AOF}.torn-{cut_at}")).unwrap(), bytes[cut_at as usize..]);
}

#[test]
fn a_torn_tail_is_refused_with_rediss_words_if_told_so() {
    let options = LoadOptions { truncated: false, ..INLINE };
    let sample = sample();
    let error = check_refused(&sample.bytes[..sample.bytes.len() - 3], options, None);
    assert_eq!(
        error.to_string(),
        "Unexpected end of file reading the append only file. You can: 1) Make a backup of your AOF file, then use \
         ./redis-check-aof --fix <filename>. 2) Alternatively you can set the 'aof-load-truncated' configuration option to \
         yes and restart the server. (/data/appendonly.aof: the file ends at byte 299, in command 11 begun at byte 270: \
         expected an argument of 3 bytes; valid up to byte 270)"
    );
    let mut bytes = sample.bytes.clone();
    bytes.push(0);
    let error = check_refused(&bytes, options, None);
    assert!(error.to_string().starts_with("Torn end reading the append only file. You can"), "{error}");
}

#[test]
fn the_log_of_a_cut_is_in_rediss_words() {
    let sample = sample();
    let disk = disk_with(&sample.bytes[..sample.units[4].1 as usize - 1]);
    let outcome = recover(&disk, unclean(0));
    let log = outcome.log();
    assert_eq!(
        log,
        [
            "!!! Warning: short read while loading the AOF file !!! (the file ends at byte 269, in command 10 begun at byte \
             256: expected CRLF after an argument of 4 bytes; valid up to byte 196)",
            "Revert incomplete MULTI/EXEC transaction from AOF file",
            "The torn tail of the AOF, 73 bytes, was copied to appendonly.aof.torn-196",
            "!!! Truncating the AOF at offset 196 !!!",
            "The AOF was not closed cleanly: writing and fsyncing bytes 0 to 196 again",
            "196 bytes of the AOF proven",
            "AOF loaded anyway because aof-load-truncated is enabled",
        ]
    );
}

#[test]
fn corruption_is_reported_with_offset_command_and_expectation() {
    let sample = sample();
    let text = String::from_utf8_lossy(&sample.bytes).replacen("$3\r\nkey", "$x\r\nkey", 1);
    assert_eq!(
        check_refused(text.as_bytes(), INLINE, None).to_string(),
        "Bad file format reading the append only file: restore the file from a copy, or let check-aof --salvage copy what is whole in \
         it to a new file; redis-check-aof --fix would cut off everything behind the damage (/data/appendonly.aof: 'x' at byte 37, in command 1 begun at byte 23: expected a length from 0 to \
         4294967295 and CRLF; valid up to byte 23; a whole command follows at byte 56, so this is no torn tail)"
    );
}

#[test]
fn the_place_of_damage_is_that_in_the_file_however_long_the_log_is() {
    let command = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    let count = 600_000 / command.len();
    let mut bytes = command.repeat(count);
    let at = bytes.len() as u64;
    bytes.extend_from_slice(b"!");
    match check_refused(&bytes, INLINE, clean(at + 1)) {
        LoadError::BadFormat { damage, .. } => {
            assert_eq!((damage.offset, damage.command_index, damage.cut_at), (at, count as u64, at));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn refused_commands_are_named_and_nothing_is_touched() {
    let sample = sample();
    for (line, reason) in [
        ("NOSUCH a", "Unknown command 'NOSUCH' reading the append only file"),
        ("SELECT", "Wrong number of arguments for 'SELECT' reading the append only file"),
        ("WATCH key", "'WATCH' may not stand in an append only file"),
        ("SELECT x", "Can't apply 'SELECT' of the append only file: database number"),
    ] {
        for transaction in [false, true] {
            let mut bad = sample.clone();
            bad.push(transaction, &[words(line)]);
            bad.push(false, &[words("SET a b")]);
            let offset = sample.bytes.len() + if transaction { 15 } else { 0 };
            let index = 12 + usize::from(transaction);
            for proven in [None, unclean(0), clean(bad.bytes.len() as u64)] {
                assert_eq!(
                    check_refused(&bad.bytes, INLINE, proven).to_string(),
                    format!(
                        "{reason} (/data/appendonly.aof: byte {offset}, command {index}; the file was not touched)"
                    )
                );
            }
        }
    }
}

#[test]
fn a_hole_in_an_argument_that_decides_is_a_torn_tail_where_holes_may_be() {
    let mut bad = sample();
    let start = bad.bytes.len() as u64;
    bad.push(false, &[vec![b"SELECT".to_vec(), vec![0, 0]]]);
    bad.push(false, &[words("SET a b")]);
    check_cut(&bad.bytes, &sample(), start, unclean(start));
    for proven in [None, unclean(start + 1), clean(bad.bytes.len() as u64)] {
        let error = check_refused(&bad.bytes, INLINE, proven);
        assert!(matches!(error, LoadError::Refused { .. }), "{error}");
    }
}

#[test]
fn a_damaged_exec_is_named_even_if_its_multi_then_stays_open_to_the_end() {
    let mut sample = Sample::default();
    sample.push(true, &[words("SET a b")]);
    sample.push(false, &[words("SET c d")]);
    let text = String::from_utf8_lossy(&sample.bytes).replacen("EXEC", "EXEB", 1);
    for proven in [None, clean(text.len() as u64), unclean(20)] {
        let error = check_refused(text.as_bytes(), INLINE, proven);
        assert!(matches!(error, LoadError::Refused { .. } | LoadError::BadFormat { .. }), "{error}");
    }
}

#[test]
fn transactions_that_no_server_logs_are_bad_format() {
    let command = |name: &str| format!("*1\r\n${}\r\n{name}\r\n", name.len());
    let (multi, exec, discard) = (command("MULTI"), command("exec"), command("DISCARD"));
    for (text, offset, expected) in [
        (format!("{multi}{multi}{exec}"), 15, Expected::NoNestedMulti { multi: 0 }),
        (format!("{multi}{exec}{exec}"), 29, Expected::OpenMulti),
        (format!("{multi}{discard}"), 15, Expected::NoDiscard),
        (discard, 0, Expected::NoDiscard),
        ("*2\r\n$5\r\nMULTI\r\n$1\r\nx\r\n".to_owned(), 0, Expected::NoArguments),
    ] {
        match check_refused(text.as_bytes(), INLINE, None) {
            LoadError::BadFormat { damage, .. } => assert_eq!((damage.offset, damage.expected), (offset, expected)),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn hostile_counts_and_lengths_are_errors_or_torn_tails_and_take_no_memory() {
    let sample = sample();
    let end = sample.bytes.len();
    for (tail, offset) in [
        ("*2147483648\r\n", 10),
        ("*99999999999999999999\r\n", 10),
        ("*-1\r\n", 1),
        ("*0\r\n", 1),
        ("*01\r\n", 2),
        ("*+1\r\n", 1),
        ("* 1\r\n", 1),
        ("*1\n", 2),
        ("*1\r\r\n", 3),
        ("*\r\n", 1),
        ("*1\r\n$-1\r\n", 5),
        ("*1\r\n$9223372036854775807\r\n", 14),
        ("*1\r\n$4294967295\r\nx", 5),
        ("*1\r\n$0\r\n\r\n", 8),
        ("*1\r\n$3\r\nGETxx", 11),
        ("*2\r\n$3\r\nGET\r\n:1\r\n", 13),
        ("PING\r\n", 0),
        ("$3\r\nabc\r\n", 0),
        ("\n", 0),
    ] {
        let mut bytes = sample.bytes.clone();
        bytes.extend_from_slice(tail.as_bytes());
        check_cut(&bytes, &sample, end as u64, None);
        match check_refused(&bytes, INLINE, clean(bytes.len() as u64)) {
            LoadError::BadFormat { damage, .. } => assert_eq!(damage.offset, (end + offset) as u64, "{tail:?}"),
            other => panic!("{tail:?}: {other}"),
        }
    }
    for tail in ["*2147483647\r\n", "*1\r\n$4294967000\r\n", "*3\r\n$3\r\nSET\r\n$536870912\r\nab", "*", "#ts"] {
        let mut bytes = sample.bytes.clone();
        bytes.extend_from_slice(tail.as_bytes());
        check_cut(&bytes, &sample, end as u64, None);
    }
}

#[test]
fn a_value_full_of_command_starts_is_searched_in_bounded_time() {
    // Every argument is a header itself, with the argument's own CRLF as line end: each starts a chain to the end.
    let mut bytes = sample().bytes;
    let start = bytes.len();
    bytes.extend_from_slice(b"*2000000000\r\n$5\r\nRPUSH\r\n");
    while bytes.len() - start < 1 << 20 {
        bytes.extend_from_slice(b"$9\r\n*99999999\r\n");
    }
    let disk = SimDisk::new();
    disk.put(DIR, AOF, &bytes);
    // Either answer is right, as long as it comes.
    let outcome = recover_in(disk.dir(DIR), INLINE, None);
    assert!(outcome.result.is_ok() || outcome.error().contains("resembles commands"));
}

#[test]
fn annotations_between_commands_are_skipped() {
    let sample = sample();
    let mut bytes = b"#TS:1700000000\r\n".to_vec();
    let mut at = 0;
    for (_, end) in &sample.units {
        bytes.extend_from_slice(&sample.bytes[at..*end as usize]);
        bytes.extend_from_slice(b"#TS:1700000001\r\n#\n");
        at = *end as usize;
    }
    let outcome = recover(&disk_with(&bytes), None);
    assert_eq!(outcome.units, sample.before(u64::MAX));
    assert_eq!(outcome.recovered().size_bytes, bytes.len() as u64);

    let mut endless = sample.bytes.clone();
    endless.push(b'#');
    endless.resize(endless.len() + 200_000, b'x');
    check_cut(&endless, &sample, sample.bytes.len() as u64, None);
}

#[test]
fn a_file_that_was_never_a_log_is_refused_rather_than_cut_to_nothing() {
    for bytes in ["hello\n", "{\"json\": 1}", "REDI"] {
        let error = check_refused(bytes.as_bytes(), INLINE, None);
        assert!(matches!(error, LoadError::BadFormat { evidence: Evidence::NoCommandBefore, .. }), "{error}");
    }
    check_cut(&[0; 4096], &sample(), 0, None);
}
