//! Ten thousand connections at once: what they cost while they say nothing, and that all of them are heard.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use testkit::{Client, Info};

use crate::support::{Home, reaches, show};

/// `maxclients` by default, the connection that asks among them.
const CLIENTS: usize = 10_000;
/// What all of them may cost together while they are idle, the server itself included, in kilobytes.
const RESIDENT_LIMIT_KB: u64 = 1 << 20;
/// What one of them may cost, by the server's count of its memory, in bytes.
const IDLE_LIMIT: i64 = 1_024;

fn resident_kb(pid: i32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn used(asks: &mut Client) -> Result<i64> {
    Info::fetch(asks, "memory")?.number("used_memory").context("used_memory")
}

/// Lets every connection ask `request` before any reads the `reply`.
fn all_ask(crowd: &[TcpStream], request: &[u8], reply: &[u8]) -> Result<()> {
    for mut stream in crowd {
        stream.write_all(request)?;
    }
    let mut got = vec![0; reply.len()];
    for mut stream in crowd {
        stream.read_exact(&mut got)?;
        ensure!(got == reply, "{}", got.escape_ascii());
    }
    Ok(())
}

#[test]
fn ten_thousand_connections_cost_little_and_all_are_heard() -> Result<()> {
    testkit::server::raise_open_files(2 * CLIENTS as u64)?;
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut asks = server.client()?;
    let before = used(&mut asks)?;
    let connect = |_| TcpStream::connect(server.address()).context("connect");
    let mut crowd: Vec<TcpStream> = (1..CLIENTS).map(connect).collect::<Result<_>>()?;
    reaches(&mut asks, "connected_clients", i64::try_from(CLIENTS)?)?;
    let each = (used(&mut asks)? - before) / i64::try_from(CLIENTS)?;
    let resident = resident_kb(server.pid())?;
    println!("{each} bytes a connection by the server's count, {resident} kB resident in all");
    ensure!(each < IDLE_LIMIT, "{each} bytes a connection");
    ensure!(resident < RESIDENT_LIMIT_KB, "{resident} kB");

    // The one too many is told so.
    let mut refused = server.client()?;
    let reply = show(&refused.receive()?);
    ensure!(reply == "(ERR max number of clients reached)" && refused.ends(), "{reply}");

    all_ask(&crowd, b"PING\r\n", b"+PONG\r\n")?;
    let writes = resp_codec::encode_request(&["SET", "k", "v"]).repeat(50);
    all_ask(&crowd, &writes, &b"+OK\r\n".repeat(50))?;
    let resident = resident_kb(server.pid())?;
    println!("{resident} kB resident after all have written");
    ensure!(resident < RESIDENT_LIMIT_KB, "{resident} kB");

    // Whoever leaves makes room.
    crowd.truncate(10);
    reaches(&mut asks, "connected_clients", 11)?;
    ensure!(show(&server.client()?.call(&["GET", "k"])?) == "\"v\"");
    Ok(())
}
