//! What is there after the process ended: by kill -9 under every policy, by SIGTERM, during and after a rewrite.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::mixed::Mixed;
use testkit::{Info, compare, wait_rewritten};

use crate::support::{Home, call, command, dialogue, lasting, mixed_load};

fn survives_kill_9(policy: &str) -> Result<()> {
    let home = Home::new()?;
    let builder = home.server()?.directive("appendfsync", policy);
    let mut mixed = Mixed::new(11);
    for _ in 0..3 {
        let mut server = builder.start()?;
        let mut client = server.client()?;
        mixed_load(&mut client, &mut mixed, 4_000)?;
        let expected = lasting(&mut client)?;
        server.kill_9()?;
        let server = builder.start()?;
        let found = lasting(&mut server.client()?)?;
        let differences = compare(&expected, &found, 0);
        ensure!(differences.is_empty(), "{policy}: {differences:#?}");
    }
    Ok(())
}

#[test]
fn every_reply_under_always_survives_kill_9() -> Result<()> {
    survives_kill_9("always")
}

#[test]
fn every_reply_under_everysec_survives_kill_9() -> Result<()> {
    survives_kill_9("everysec")
}

#[test]
fn every_reply_under_no_survives_kill_9() -> Result<()> {
    survives_kill_9("no")
}

#[test]
fn a_rewrite_under_load_keeps_every_write() -> Result<()> {
    let home = Home::new()?;
    let builder = home.server()?;
    let mut server = builder.start()?;
    let mut client = server.client()?;
    let mut mixed = Mixed::new(12);
    mixed_load(&mut client, &mut mixed, 5_000)?;
    let before = std::fs::metadata(home.aof())?.len();
    client.expect(&["BGREWRITEAOF"])?;
    mixed_load(&mut client, &mut mixed, 500)?;
    wait_rewritten(&mut client)?;
    let after = std::fs::metadata(home.aof())?.len();
    ensure!(after < before, "the rewrite made {after} bytes of {before}");
    mixed_load(&mut client, &mut mixed, 500)?;
    let expected = lasting(&mut client)?;
    server.kill_9()?;
    let server = builder.start()?;
    let differences = compare(&expected, &lasting(&mut server.client()?)?, 0);
    ensure!(differences.is_empty(), "{differences:#?}");
    ensure!(home.names()?.iter().all(|name| !name.starts_with("temp-rewriteaof")), "{:?}", home.names()?);
    Ok(())
}

#[test]
fn sigterm_ends_cleanly_and_keeps_everything() -> Result<()> {
    let home = Home::new()?;
    let builder = home.server()?.directive("appendfsync", "no");
    let mut server = builder.start()?;
    let mut client = server.client()?;
    mixed_load(&mut client, &mut Mixed::new(13), 3_000)?;
    let expected = lasting(&mut client)?;
    let status = server.terminate(Duration::from_secs(10))?;
    ensure!(status.success(), "{status}\n{}", server.log()?);
    let server = builder.start()?;
    let differences = compare(&expected, &lasting(&mut server.client()?)?, 0);
    ensure!(differences.is_empty(), "{differences:#?}");
    Ok(())
}

#[test]
fn a_relative_deadline_is_the_same_after_a_restart() -> Result<()> {
    let home = Home::new()?;
    let mut server = home.server()?.start()?;
    let mut client = server.client()?;
    dialogue(&mut client, &[("SET k v EX 1000", "OK"), ("SETEX l 2000 v", "OK"), ("PEXPIRE l 1500000", "1")])?;
    let before = [call(&mut client, "PEXPIRETIME k")?, call(&mut client, "PEXPIRETIME l")?];
    server.kill_9()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    let after = [call(&mut client, "PEXPIRETIME k")?, call(&mut client, "PEXPIRETIME l")?];
    ensure!(before == after, "{before:?} became {after:?}");
    Ok(())
}

/// How large a file may be under [`limited`], in bytes.
const LIMIT_BYTES: u64 = 32_768;

/// What puts the limit on a server. A write at it brings SIGXFSZ, which ends a process that does not ignore it.
fn limited() -> [String; 2] {
    ["prlimit".to_owned(), format!("--fsize={LIMIT_BYTES}")]
}

/// The server ended with SIGXFSZ when its log reached the largest size that a file may have (LimitFSIZE, ulimit -f).
#[test]
fn a_log_that_has_reached_the_largest_size_of_a_file_refuses_writes_and_the_server_goes_on() -> Result<()> {
    let home = Home::new()?;
    let mut server = home.server()?.wrapper(limited()).start()?;
    let mut client = server.client()?;
    client.expect(&["SET", "a", "first"])?;
    // The log is filled to the byte: where there is room left a write is short instead.
    let size = |value: &str| command(&["SET", "k", value]).len() as u64;
    let room = LIMIT_BYTES - std::fs::metadata(home.aof())?.len();
    let most = "x".repeat(usize::try_from(room)?);
    let value = &most[usize::try_from(size(&most) - room)?..];
    client.expect(&["SET", "k", value])?;
    ensure!(std::fs::metadata(home.aof())?.len() == LIMIT_BYTES, "the log is as large as it may be");
    let refused = "MISCONF Errors writing to the AOF file: File too large";
    for request in ["SET a second", "SET b 1"] {
        let reply = call(&mut client, request).context("the server goes on")?;
        let text = String::from_utf8_lossy(reply.as_error().unwrap_or_default()).into_owned();
        ensure!(text.starts_with(refused), "{request}: {text}");
    }
    dialogue(&mut client, &[("STRLEN k", &value.len().to_string())])?;
    ensure!(server.try_wait()?.is_none(), "the server goes on");
    Ok(())
}

/// The child was ended by SIGXFSZ, and nothing said why.
#[test]
fn a_snapshot_that_exceeds_the_largest_size_of_a_file_fails_and_says_so() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.directive("appendonly", "no").wrapper(limited()).start()?;
    let mut client = server.client()?;
    // Numbers, so that compression does not make them fit.
    let value: String = (0..20_000_u64).map(|i| format!("{:x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    client.expect(&["SET", "k", &value])?;
    client.expect(&["BGSAVE"])?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while Info::fetch(&mut client, "persistence")?.text("rdb_last_bgsave_status") != Some("err") {
        ensure!(Instant::now() < deadline, "no snapshot failed");
    }
    let log = server.log()?;
    ensure!(log.contains("File too large"), "the log does not say why: {log}");
    Ok(())
}
