//! Starts over files that a crash, an operator or an attacker left.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use anyhow::{Result, ensure};

use crate::support::{Home, call, command, dialogue, refused, show};

/// Three commands, each whole.
fn good_log() -> Vec<u8> {
    [command(&["SELECT", "0"]), command(&["SET", "k", "v"]), command(&["RPUSH", "l", "a", "b"])].concat()
}

/// Starts over `log` followed by `tail`; the tail must be cut, kept beside the log, and nothing of the log lost.
fn recovers_without(tail: &[u8]) -> Result<()> {
    let home = Home::new()?;
    let log = good_log();
    home.write_aof(&[log.as_slice(), tail].concat())?;
    let builder = home.server()?.directive("appendfsync", "always");
    let mut server = builder.start()?;
    let mut client = server.client()?;
    dialogue(&mut client, &[("GET k", "\"v\""), ("LLEN l", "2"), ("DBSIZE", "2"), ("SET after 1", "OK")])?;
    server.kill_9()?;
    let side = home.data().join(format!("appendonly.aof.torn-{}", log.len()));
    ensure!(std::fs::read(&side)? == tail, "the side file does not hold what was cut: {:?}", home.names()?);
    let server = builder.start()?;
    dialogue(&mut server.client()?, &[("GET after", "\"1\""), ("DBSIZE", "3")])
}

#[test]
fn a_command_cut_short_is_cut_off_and_kept_beside() -> Result<()> {
    recovers_without(b"*3\r\n$3\r\nSET\r\n$4\r\nlost\r\n$10\r\nonly-")
}

#[test]
fn a_transaction_without_its_exec_is_cut_before_the_multi() -> Result<()> {
    recovers_without(&[command(&["MULTI"]), command(&["SET", "lost", "1"])].concat())
}

#[test]
fn nul_bytes_after_a_good_tail_are_cut_off() -> Result<()> {
    recovers_without(&[0; 4096])
}

#[test]
fn a_torn_tail_is_refused_where_the_operator_said_so() -> Result<()> {
    let home = Home::new()?;
    let log = [good_log(), b"*3\r\n$3\r\nSE".to_vec()].concat();
    home.write_aof(&log)?;
    let refusal = home.server()?.directive("aof-load-truncated", "no").start_refused()?;
    refused(&refusal, &[&good_log().len().to_string()])?;
    ensure!(std::fs::read(home.aof())? == log, "the file was touched");
    Ok(())
}

#[test]
fn an_unknown_command_is_refused_with_its_name_and_offset() -> Result<()> {
    let home = Home::new()?;
    let log = [good_log(), command(&["NOSUCHCOMMAND", "x"]), command(&["SET", "k", "w"])].concat();
    home.write_aof(&log)?;
    refused(&home.server()?.start_refused()?, &["NOSUCHCOMMAND", &good_log().len().to_string()])?;
    ensure!(std::fs::read(home.aof())? == log, "the file was touched");
    Ok(())
}

#[test]
fn an_empty_file_is_a_valid_log() -> Result<()> {
    let home = Home::new()?;
    home.write_aof(b"")?;
    let server = home.server()?.start()?;
    dialogue(&mut server.client()?, &[("DBSIZE", "0"), ("SET k v", "OK")])
}

#[test]
fn a_missing_log_beside_other_data_is_refused() -> Result<()> {
    let home = Home::new()?;
    std::fs::write(home.data().join("dump.rdb"), b"REDIS0010")?;
    refused(&home.server()?.start_refused()?, &["dump.rdb: byte 9: the RDB data can't be loaded"])?;
    let home = Home::new()?;
    std::fs::create_dir(home.data().join("appendonlydir"))?;
    std::fs::write(home.data().join("appendonlydir/appendonly.aof.manifest"), b"")?;
    refused(&home.server()?.start_refused()?, &["appendonlydir"])
}

/// Redis would load the other one.
#[test]
fn a_log_beside_a_log_of_several_files_is_loaded_and_a_warning_names_the_other() -> Result<()> {
    let home = Home::new()?;
    home.write_aof(&good_log())?;
    std::fs::create_dir(home.data().join("appendonlydir"))?;
    let server = home.server()?.start()?;
    let log = server.log()?;
    ensure!(log.contains("appendonlydir stands beside appendonly.aof"), "{log}");
    Ok(())
}

#[test]
fn a_directory_in_place_of_the_log_is_refused() -> Result<()> {
    let home = Home::new()?;
    std::fs::create_dir(home.aof())?;
    refused(&home.server()?.start_refused()?, &["appendonly.aof"])
}

#[test]
fn a_symbolic_link_in_place_of_the_log_is_refused_and_not_followed() -> Result<()> {
    let home = Home::new()?;
    let target = home.path().join("elsewhere");
    std::fs::write(&target, good_log())?;
    symlink(&target, home.aof())?;
    refused(&home.server()?.start_refused()?, &["appendonly.aof"])?;
    ensure!(std::fs::read(&target)? == good_log(), "the link was followed");
    Ok(())
}

#[test]
fn files_are_readable_by_their_owner_only() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    dialogue(&mut server.client()?, &[("SET k v", "OK")])?;
    for name in home.names()? {
        let mode = std::fs::metadata(home.data().join(&name))?.permissions().mode();
        ensure!(mode.trailing_zeros() >= 6 || mode & 0o077 == 0, "{name} has mode {mode:o}");
    }
    Ok(())
}

#[test]
fn temporary_files_of_a_crash_are_removed_and_other_files_are_not() -> Result<()> {
    let home = Home::new()?;
    home.write_aof(&good_log())?;
    // No process has such a number. Two have the others, and are no servers of ours; one of them has its file open.
    let others = format!("temp-rewriteaof-{}.aof", std::process::id());
    let nobodys = format!("temp-rewriteaof-{}.aof", std::os::unix::process::parent_id());
    for name in ["temp-rewriteaof-4194305.aof", "temp-rewriteaof-bg-4194305.aof", "notes.txt", &others, &nobodys] {
        std::fs::write(home.data().join(name), b"x")?;
    }
    let _held = std::fs::File::open(home.data().join(&others))?;
    let _server = home.server()?.start()?;
    let names = home.names()?;
    ensure!(names.iter().all(|n| !n.starts_with("temp-rewriteaof") || *n == others), "{names:?}");
    ensure!(["notes.txt", &others].iter().all(|kept| names.iter().any(|n| n == kept)), "{names:?}");
    Ok(())
}

#[test]
fn past_deadlines_are_stored_while_loading_and_expire_after() -> Result<()> {
    let home = Home::new()?;
    let log = [good_log(), command(&["PEXPIREAT", "k", "1000"]), command(&["RENAME", "k", "moved"])].concat();
    home.write_aof(&log)?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    ensure!(show(&call(&mut client, "EXISTS moved")?) == "0");
    dialogue(&mut client, &[("LLEN l", "2")])
}

/// On a real file system, whose inodes, birth times and attributes tell the log from others; and without the state file too.
#[test]
fn a_log_that_was_turned_off_is_told_from_what_was_saved_later_and_earlier() -> Result<()> {
    let home = Home::new()?;
    let without_log = home.server()?.directive("appendonly", "no");
    let mut server = home.server()?.start()?;
    let mut client = server.client()?;
    dialogue(&mut client, &[("SET k 1", "OK"), ("SAVE", "OK"), ("SET k 2", "OK"), ("CONFIG SET appendonly no", "OK")])?;
    server.kill_9()?;
    let mut server = without_log.start()?;
    let mut client = server.client()?;
    dialogue(&mut client, &[("GET k", "\"2\""), ("SET k 3", "OK"), ("SAVE", "OK")])?;
    server.kill_9()?;
    for state_is_there in [true, false] {
        if !state_is_there {
            std::fs::remove_file(home.data().join("appendonly.aof.state"))?;
        }
        refused(&home.server()?.start_refused()?, &["dump.rdb", "is newer than appendonly.aof", "as it says itself"])?;
        let mut server = without_log.start()?;
        dialogue(&mut server.client()?, &[("GET k", "\"3\"")])?;
        server.kill_9()?;
    }
    std::fs::rename(home.aof(), home.path().join("away.aof"))?;
    dialogue(&mut home.server()?.start()?.client()?, &[("GET k", "\"3\"")])
}
