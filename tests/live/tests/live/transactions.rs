//! MULTI, EXEC, DISCARD and WATCH, over real connections.

use anyhow::Result;

use crate::support::{Home, call, dialogue};

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

#[test]
fn an_exec_that_is_refused_ends_the_transaction() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    dialogue(
        &mut server.client()?,
        &[
            ("MULTI", "OK"),
            ("EXEC x", "(EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command)"),
            ("EXEC", "(ERR EXEC without MULTI)"),
            ("MULTI", "OK"),
            ("SHUTDOWN", "(ERR Command not allowed inside a transaction)"),
            ("EXEC", "(EXECABORT Transaction discarded because of previous errors.)"),
        ],
    )
}

#[test]
fn emptying_a_database_breaks_the_watch_of_what_was_in_it_only() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let (mut one, mut other) = (server.client()?, server.client()?);
    dialogue(&mut other, &[("SET there 1", "OK")])?;
    for (key, change, outcome) in [
        ("absent", "FLUSHALL", "[PONG]"),
        ("there", "FLUSHALL", "nil"),
        ("absent", "SWAPDB 0 1", "[PONG]"),
        ("there", "SWAPDB 0 1", "nil"),
    ] {
        dialogue(&mut other, &[("SET there 1", "OK")])?;
        dialogue(&mut one, &[(&format!("WATCH {key}"), "OK"), ("MULTI", "OK"), ("PING", "QUEUED")])?;
        dialogue(&mut other, &[(change, "OK")])?;
        dialogue(&mut one, &[("EXEC", outcome)]).map_err(|e| e.context(format!("{key}, {change}")))?;
    }
    Ok(())
}

#[test]
fn that_a_key_dead_at_watch_is_removed_is_no_change() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let (mut one, mut other) = (server.client()?, server.client()?);
    dialogue(&mut other, &[("DEBUG SET-ACTIVE-EXPIRE 0", "OK")])?;
    for (change, reply, outcome) in [("GET k", "nil", "[PONG]"), ("DEL k", "0", "[PONG]"), ("SET k 2", "OK", "nil")] {
        dialogue(&mut other, &[("SET k 1 PX 20", "OK"), ("DEBUG SLEEP 0.05", "OK")])?;
        dialogue(&mut one, &[("WATCH k", "OK"), ("MULTI", "OK"), ("PING", "QUEUED")])?;
        dialogue(&mut other, &[(change, reply)])?;
        dialogue(&mut one, &[("EXEC", outcome)]).map_err(|e| e.context(change))?;
    }
    // One that was alive at WATCH has changed, whether anybody has looked or not.
    for look in ["PING", "GET k"] {
        dialogue(&mut other, &[("SET k 1 PX 1000", "OK")])?;
        dialogue(&mut one, &[("WATCH k", "OK"), ("MULTI", "OK"), ("PING", "QUEUED")])?;
        dialogue(&mut other, &[("DEBUG SLEEP 1.1", "OK")])?;
        call(&mut other, look)?;
        dialogue(&mut one, &[("EXEC", "nil")]).map_err(|e| e.context(look))?;
    }
    Ok(())
}

/// BGREWRITEAOF in a transaction forked in the middle of it: the server ended by an assertion, and a child would have
/// seen half of the transaction.
#[test]
fn a_rewrite_or_a_switch_of_the_log_never_begins_inside_a_transaction() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    let refusal = "(ERR CONFIG SET failed (possibly related to argument 'appendonly') - \
                   it can't be changed inside a transaction)";
    dialogue(
        &mut client,
        &[
            ("MULTI", "OK"),
            ("SET k 1", "QUEUED"),
            ("BGREWRITEAOF", "QUEUED"),
            ("BGREWRITEAOF", "QUEUED"),
            ("CONFIG SET appendonly no", "QUEUED"),
            ("SET k 2", "QUEUED"),
            (
                "EXEC",
                &format!(
                    "[OK, Background append only file rewriting scheduled, \
                     Background append only file rewriting scheduled, {refusal}, OK]"
                ),
            ),
            ("GET k", "\"2\""),
        ],
    )?;
    testkit::wait_rewritten(&mut client)?;
    dialogue(&mut client, &[("GET k", "\"2\"")])
}
