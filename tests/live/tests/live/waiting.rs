//! WAITAOF of the real process: what it answers is on the disk, and who waits does not stay for ever.

use anyhow::{Result, ensure};
use testkit::{Info, Pipeline};

use crate::support::{Home, call, dialogue, reaches, send, show};

#[test]
fn what_waitaof_answered_is_fsynced_under_every_policy() -> Result<()> {
    for policy in ["always", "everysec", "no"] {
        let home = Home::new()?;
        let server = home.server()?.directive("appendfsync", policy).start()?;
        let mut client = server.client()?;
        for round in 0..3 {
            let mut pipeline = Pipeline::default();
            pipeline.push(&["INCR", "n"]).push(&["WAITAOF", "1", "0", "60000"]).push(&["GET", "n"]);
            let replies: Vec<String> = client.run(&pipeline)?.iter().map(show).collect();
            let n = round + 1;
            ensure!(replies == [n.to_string(), "[1, 0]".to_owned(), format!("\"{n}\"")], "{policy}: {replies:?}");
            let info = Info::fetch(&mut client, "persistence")?;
            let marks = ["aof_appended_offset", "aof_fsynced_offset"].map(|field| info.number(field));
            ensure!(marks[0].is_some() && marks[0] == marks[1], "{policy}: {marks:?}");
        }
    }
    Ok(())
}

#[test]
fn who_waits_leaves_when_it_hangs_up_and_goes_on_when_it_is_unblocked() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let (mut asks, mut leaves, mut stays) = (server.client()?, server.client()?, server.client()?);
    let id = show(&call(&mut stays, "CLIENT ID")?);
    for waits in [&mut leaves, &mut stays] {
        send(waits, "WAITAOF 0 1 0")?;
        send(waits, "CLIENT ID")?;
    }
    reaches(&mut asks, "blocked_clients", 2)?;
    drop(leaves);
    reaches(&mut asks, "blocked_clients", 1)?;
    dialogue(&mut asks, &[(&format!("CLIENT UNBLOCK {id} ERROR"), "1")])?;
    let replies = [show(&stays.receive()?), show(&stays.receive()?)];
    ensure!(replies == ["(UNBLOCKED client unblocked via CLIENT UNBLOCK)", &id], "{replies:?}");
    // A time that is over wakes the loop.
    dialogue(&mut stays, &[("WAIT 1 30", "0"), ("WAITAOF 1 1 30", "[1, 0]")])
}
