//! Directories and names that are not as a server would like them: links in the way, files of others, no right to write.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use anyhow::{Context as _, Result, ensure};
use testkit::wait_rewritten;

use crate::support::{Home, command, dialogue, refused};

const STATE: &str = "appendonly.aof.state";

/// A home whose server has kept one key, and was killed.
fn with_a_key() -> Result<Home> {
    let home = Home::new()?;
    let mut server = home.server()?.directive("appendfsync", "always").start()?;
    dialogue(&mut server.client()?, &[("SET k kept", "OK")])?;
    server.kill_9()?;
    Ok(home)
}

/// Puts a link to a file outside under a name of the data directory; returns what the file holds.
fn link_away(home: &Home, name: &str) -> Result<Vec<u8>> {
    let target = home.path().join("elsewhere");
    fs::write(&target, b"precious")?;
    symlink(&target, home.data().join(name)).with_context(|| name.to_owned())?;
    Ok(b"precious".to_vec())
}

fn check_untouched(home: &Home, bytes: &[u8]) -> Result<()> {
    ensure!(fs::read(home.path().join("elsewhere"))? == bytes, "the link was followed");
    Ok(())
}

#[test]
fn a_link_in_place_of_a_temporary_file_is_not_followed() -> Result<()> {
    for name in ["temp-appendonly.aof.state", "temp-appendonly.aof.probe"] {
        let home = with_a_key()?;
        let precious = link_away(&home, name)?;
        let server = home.server()?.start()?;
        let mut client = server.client()?;
        dialogue(
            &mut client,
            &[
                ("GET k", "\"kept\""),
                ("SET k again", "OK"),
                ("BGREWRITEAOF", "Background append only file rewriting started"),
            ],
        )?;
        wait_rewritten(&mut client)?;
        check_untouched(&home, &precious)?;
    }
    Ok(())
}

#[test]
fn links_that_stand_where_a_rewrite_will_write_make_it_fail_and_nothing_else() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    let precious = link_away(&home, &format!("temp-rewriteaof-{}.aof", server.pid()))?;
    dialogue(&mut client, &[("SET k v", "OK")])?;
    // Whether it fails or takes another name is the server's business.
    client.call(&["BGREWRITEAOF"])?;
    let _status = wait_rewritten(&mut client);
    dialogue(&mut client, &[("INCR n", "1")])?;
    check_untouched(&home, &precious)
}

#[test]
fn a_link_in_place_of_the_state_file_is_not_followed() -> Result<()> {
    let home = with_a_key()?;
    fs::remove_file(home.data().join(STATE))?;
    let precious = link_away(&home, STATE)?;
    match home.server()?.start() {
        Ok(server) => dialogue(&mut server.client()?, &[("GET k", "\"kept\""), ("SET k again", "OK")])?,
        Err(error) => ensure!(format!("{error:#}").contains(STATE), "{error:#}"),
    }
    check_untouched(&home, &precious)
}

#[test]
fn a_link_in_place_of_the_lock_is_refused_and_not_followed() -> Result<()> {
    let home = Home::new()?;
    let precious = link_away(&home, "ledgerstone.lock")?;
    refused(&home.server()?.start_refused()?, &["ledgerstone.lock"])?;
    check_untouched(&home, &precious)
}

#[test]
fn files_made_by_a_rewrite_are_readable_by_their_owner_only() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    dialogue(&mut client, &[("SET k v", "OK"), ("BGREWRITEAOF", "Background append only file rewriting started")])?;
    wait_rewritten(&mut client)?;
    for name in ["appendonly.aof", STATE, "ledgerstone.lock"] {
        let mode = fs::metadata(home.data().join(name))?.permissions().mode() & 0o7777;
        ensure!(mode == 0o600, "{name} has mode {mode:o}");
    }
    Ok(())
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_and_left_as_it_is() -> Result<()> {
    let home = with_a_key()?;
    let before = home.names()?;
    fs::set_permissions(home.data(), Permissions::from_mode(0o555))?;
    // Root may write even so: then there is nothing to see here, and `cargo xtask test-crash --power` mounts one read-only.
    let writable = fs::write(home.data().join("try"), b"").is_ok();
    let outcome = if writable { Ok(()) } else { refused(&home.server()?.start_refused()?, &["ledgerstone.lock"]) };
    fs::set_permissions(home.data(), Permissions::from_mode(0o755))?;
    outcome?;
    ensure!(writable || home.names()? == before, "{:?}", home.names()?);
    Ok(())
}

/// What a first server has written is neither lost nor doubled by those that tried to start beside it.
#[test]
fn servers_that_were_refused_change_nothing_of_what_the_first_one_writes() -> Result<()> {
    let home = Home::new()?;
    let mut first = home.server()?.directive("appendfsync", "always").start()?;
    let mut client = first.client()?;
    for n in 1..=5 {
        dialogue(&mut client, &[("INCR n", &n.to_string())])?;
        let other = home.server()?.directive("appendonly", if n % 2 == 0 { "yes" } else { "no" });
        refused(&other.start_refused()?, &[&home.data().display().to_string()])?;
    }
    first.kill_9()?;
    let log = fs::read(home.aof())?;
    let incremented = log.windows(4).filter(|bytes| bytes.eq_ignore_ascii_case(b"INCR")).count();
    ensure!(incremented == 5, "{:?}", String::from_utf8_lossy(&log));
    ensure!(log.ends_with(&command(&["INCR", "n"])), "{:?}", String::from_utf8_lossy(&log));
    let again = home.server()?.start()?;
    dialogue(&mut again.client()?, &[("GET n", "\"5\"")])
}
