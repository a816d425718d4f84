//! A type that misbehaves in the forked child of a real process: the rewrite fails, and nothing else.

use anyhow::{Result, ensure};
use testkit::Info;
use testkit::info::wait_rewritten;

use crate::{Home, call, calls};

/// The rewrite of a value that does this fails, and the log says so.
fn fails(way: &str, preamble: bool, line: &str) -> Result<()> {
    let home = Home::new()?;
    let mut running = home.server(env!("CARGO_BIN_EXE_misfit-server"), preamble).start()?;
    let mut client = running.client()?;
    calls(&mut client, &["SET before 1", &format!("MISFIT.SET bad {way}")])?;
    let log = std::fs::read(home.log())?;
    calls(&mut client, &["BGREWRITEAOF"])?;
    let rewritten = wait_rewritten(&mut client);
    ensure!(rewritten.is_err(), "{way}: the rewrite succeeded");
    let info = Info::fetch(&mut client, "persistence")?;
    ensure!(info.text("aof_last_bgrewrite_status") == Some("err"), "{way}");
    let said = running.log()?;
    ensure!(said.contains(line), "{way}: {said}");
    ensure!(std::fs::read(home.log())? == log, "{way}: the log was changed");
    calls(&mut client, &["SET behind 1"])?;
    running.kill_9()?;
    let running = home.server(env!("CARGO_BIN_EXE_misfit-server"), preamble).start()?;
    let mut client = running.client()?;
    let found = call(&mut client, "EXISTS before behind bad")?;
    ensure!(found.as_integer() == Some(3), "{way}: {found:?}");
    // Without the value all is well again.
    calls(&mut client, &["DEL bad", "BGREWRITEAOF"])?;
    wait_rewritten(&mut client)
}

#[test]
fn an_error_of_a_callback_is_told_by_the_child_with_type_key_and_reason() -> Result<()> {
    let line = "Write error writing append only file on disk: a value of the custom type misfit-v1: it was told to fail (key \"bad\")";
    fails("error", false, line)
}

#[test]
fn a_panic_of_a_callback_ends_the_child_alone() -> Result<()> {
    for preamble in [false, true] {
        fails("panic", preamble, "Background AOF rewrite terminated")?;
    }
    Ok(())
}

#[test]
fn a_callback_that_allocates_is_found_by_a_build_for_tests() -> Result<()> {
    // A release build does not look, as that would cost every allocation.
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    for preamble in [false, true] {
        fails("allocation", preamble, "Background AOF rewrite terminated by signal 6")?;
    }
    Ok(())
}
