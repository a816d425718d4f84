//! MULTI, EXEC, DISCARD and WATCH, over real connections.

use anyhow::Result;

use crate::support::{Home, dialogue};

#[test]
fn a_transaction_runs_as_one() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    dialogue(
        &mut server.client()?,
        &[
            ("MULTI", "OK"),
            ("SET k 1", "QUEUED"),
            ("INCR k", "QUEUED"),
            ("LPUSH k x", "QUEUED"),
            ("EXEC", "[OK, 2, (WRONGTYPE Operation against a key holding the wrong kind of value)]"),
            ("GET k", "\"2\""),
            ("EXEC", "(ERR EXEC without MULTI)"),
        ],
    )
}

#[test]
fn a_command_that_cannot_be_queued_aborts_the_transaction() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    dialogue(
        &mut server.client()?,
        &[
            ("MULTI", "OK"),
            ("SET k 1", "QUEUED"),
            ("SET k", "(ERR wrong number of arguments for 'set' command)"),
            ("EXEC", "(EXECABORT Transaction discarded because of previous errors.)"),
            ("EXISTS k", "0"),
            ("MULTI", "OK"),
            ("SET k 1", "QUEUED"),
            ("DISCARD", "OK"),
            ("EXISTS k", "0"),
        ],
    )
}

#[test]
fn a_watched_key_that_another_client_changes_ends_the_transaction() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let (mut one, mut other) = (server.client()?, server.client()?);
    dialogue(&mut one, &[("SET k 1", "OK"), ("WATCH k", "OK"), ("MULTI", "OK"), ("SET k 2", "QUEUED")])?;
    dialogue(&mut other, &[("SET k 3", "OK")])?;
    dialogue(&mut one, &[("EXEC", "nil"), ("GET k", "\"3\"")])?;
    dialogue(&mut one, &[("WATCH k", "OK"), ("MULTI", "OK"), ("SET k 4", "QUEUED"), ("EXEC", "[OK]")])
}
