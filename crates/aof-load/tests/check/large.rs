//! Logs that are larger than the memory there is.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;

use super::{PING, Place, Ran, ran};

/// How many megabytes the log of many commands has: more than the default takes longer, and no more memory.
const SIZE_VARIABLE: &str = "LEDGERSTONE_CHECK_LOG_MB";

/// Checks `a.aof` with an address space of 64 MB in all: program, stack and heap. So it has no more resident at any time.
fn run_in_64_mb(place: &Place) -> Ran {
    let script = format!("ulimit -v 65536; exec '{}' a.aof", env!("CARGO_BIN_EXE_check-aof"));
    ran(&Command::new("sh").args(["-c", &script]).current_dir(place.home.path()).output().unwrap())
}

/// How long the argument of the large log is.
const HOLE_BYTES: u64 = 160 << 20;

/// A log that takes no room on the disk: one argument is nearly all of it, and a hole.
fn large_log(path: &Path, line_end: &[u8]) {
    let mut file = fs::File::create(path).unwrap();
    write!(file, "{PING}*2\r\n$3\r\nDEL\r\n${HOLE_BYTES}\r\n").unwrap();
    let body = file.metadata().unwrap().len();
    file.set_len(body + HOLE_BYTES).unwrap();
    let mut end = fs::OpenOptions::new().append(true).open(path).unwrap();
    end.write_all(line_end).unwrap();
    end.write_all(PING.repeat(20_000).as_bytes()).unwrap();
}

#[test]
fn a_file_larger_than_the_memory_there_is_is_checked_also_where_it_is_damaged() {
    let place = Place::with(b"");
    for (line_end, status) in [(&b"\r\n"[..], 0), (b"", 1)] {
        large_log(&place.path("a.aof"), line_end);
        let ran = run_in_64_mb(&place);
        assert_eq!(ran.status, status, "{}", ran.text);
        let damaged = "*2\r\n$3\r\nDEL\r\n$167772160\r\n".len() as u64 + HOLE_BYTES;
        let text =
            if status == 0 { "diff=0\n".to_owned() } else { format!(" {damaged} in all; whole commands resume") };
        assert!(ran.text.contains(&text), "{}", ran.text);
    }
}

/// A log of commands of a megabyte each, which are mostly holes.
fn log_of_many_commands(path: &Path, megabytes: u64) {
    let mut file = fs::File::create(path).unwrap();
    for i in 0..megabytes {
        write!(file, "*3\r\n$3\r\nSET\r\n$6\r\n{i:06}\r\n$1048576\r\n").unwrap();
        file.seek(SeekFrom::Current(1 << 20)).unwrap();
        file.write_all(b"\r\n").unwrap();
    }
}

#[test]
fn a_log_of_any_number_of_commands_is_checked_in_64_mb_also_where_it_is_damaged() {
    let megabytes = std::env::var(SIZE_VARIABLE).map_or(96, |text| text.parse().unwrap());
    let place = Place::with(b"");
    log_of_many_commands(&place.path("a.aof"), megabytes);
    let size = fs::metadata(place.path("a.aof")).unwrap().len();
    let ran = run_in_64_mb(&place);
    assert!(ran.status == 0 && ran.text.contains(&format!("size={size}, ok_up_to={size},")), "{}", ran.text);

    let mut file = fs::OpenOptions::new().write(true).open(place.path("a.aof")).unwrap();
    let each = size / megabytes;
    for command in [0, megabytes / 2, megabytes - 1] {
        file.seek(SeekFrom::Start(command * each)).unwrap();
        file.write_all(b"?").unwrap();
    }
    let ran = run_in_64_mb(&place);
    let stretches = ran.text.lines().filter(|line| line.contains("  damaged: bytes")).count();
    assert!(ran.status == 1 && stretches == 3, "{}", ran.text);
}
