//! What is there after the process ended: by kill -9 under every policy, by SIGTERM, during and after a rewrite.

use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::mixed::Mixed;
use testkit::{compare, wait_rewritten};

use crate::support::{Home, call, dialogue, lasting, mixed_load};

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
