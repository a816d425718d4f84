//! Directories and names that are not as a server would like them: links in the way, files of others, no right to write.

use std::ffi::OsString;
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

/// A data directory made just before the server started was lost with all that was acknowledged, if the power went.
#[test]
fn the_directory_that_the_data_directory_is_in_is_fsynced_before_anything_is_acknowledged() -> Result<()> {
    let home = Home::new()?;
    let trace = home.path().join("trace");
    let strace = ["strace", "-f", "-qq", "-y", "-e", "trace=fsync", "-o"].map(OsString::from);
    let line = strace.into_iter().chain([trace.clone().into_os_string()]);
    let server = home.server()?.wrapper(line).start()?;
    let outer = format!("<{}>)", home.path().canonicalize()?.display());
    let calls = fs::read_to_string(&trace)?;
    ensure!(calls.lines().any(|call| call.contains("fsync(") && call.contains(&outer)), "{calls}");
    drop(server);
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

/// Lets a server find its directory mounted for reading only, which nobody else sees.
const READ_ONLY: &str = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";

#[test]
fn a_directory_that_cannot_be_written_is_refused_and_left_as_it_is() -> Result<()> {
    let home = with_a_key()?;
    let before = home.names()?;
    fs::set_permissions(home.data(), Permissions::from_mode(0o555))?;
    // Root may write even so, but not where nobody may, and may mount.
    let writable =
        fs::write(home.data().join("try"), b"").and_then(|()| fs::remove_file(home.data().join("try"))).is_ok();
    let mut server = home.server()?;
    if writable {
        let data = home.data().into_os_string();
        let words = ["unshare", "--mount", "sh", "-c", READ_ONLY].map(OsString::from);
        server = server.wrapper(words.into_iter().chain([data]));
    }
    let outcome = server.start_refused();
    fs::set_permissions(home.data(), Permissions::from_mode(0o755))?;
    let why = if writable { "Read-only file system" } else { "Permission denied" };
    refused(&outcome?, &["ledgerstone.lock", why])?;
    ensure!(home.names()? == before, "{:?}", home.names()?);
    Ok(())
}

#[test]
fn a_link_in_place_of_the_snapshot_is_not_followed() -> Result<()> {
    let home = Home::new()?;
    let precious = link_away(&home, "dump.rdb")?;
    let without_log = home.server()?.directive("appendonly", "no");
    refused(&without_log.start_refused()?, &["dump.rdb"])?;
    check_untouched(&home, &precious)?;
    fs::remove_file(home.data().join("dump.rdb"))?;
    // One that appears while the server runs is replaced by the snapshot, and what it names stays.
    let server = without_log.start()?;
    let mut client = server.client()?;
    symlink(home.path().join("elsewhere"), home.data().join("dump.rdb"))?;
    dialogue(&mut client, &[("SET k v", "OK"), ("SAVE", "OK")])?;
    ensure!(fs::symlink_metadata(home.data().join("dump.rdb"))?.is_file(), "the link is still there");
    check_untouched(&home, &precious)
}

#[test]
fn a_directory_that_is_a_link_is_the_one_that_it_names_and_has_one_server() -> Result<()> {
    let home = with_a_key()?;
    let link = home.path().join("link");
    symlink(home.data(), &link)?;
    let by_link = home.server()?.directive("dir", &link.display().to_string());
    let mut server = by_link.start()?;
    dialogue(&mut server.client()?, &[("GET k", "\"kept\""), ("SET k again", "OK")])?;
    refused(&home.server()?.start_refused()?, &["is in use by another server"])?;
    server.kill_9()?;
    let server = home.server()?.start()?;
    dialogue(&mut server.client()?, &[("GET k", "\"again\"")])
}

#[test]
fn no_umask_makes_a_file_readable_to_others() -> Result<()> {
    for umask in ["0", "0777"] {
        let home = Home::new()?;
        let script = format!("umask {umask}; exec \"$@\"");
        let server = home.server()?.wrapper(["sh", "-c", &script, "sh"]).start()?;
        let mut client = server.client()?;
        dialogue(&mut client, &[("SET k v", "OK"), ("BGREWRITEAOF", "Background append only file rewriting started")])?;
        wait_rewritten(&mut client)?;
        dialogue(&mut client, &[("SAVE", "OK")])?;
        for name in home.names()? {
            let mode = fs::metadata(home.data().join(&name))?.permissions().mode() & 0o7777;
            ensure!(mode & 0o177 == 0, "umask {umask}: {name} has mode {mode:o}");
        }
        ensure!(home.names()?.contains(&"dump.rdb".to_owned()), "{:?}", home.names()?);
    }
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
