//! What a thousand clients cost that each send half a request: memory follows the bytes that arrived.
//!
//! Measured is the server's own count of allocated memory, which does not depend on time or on what else runs. Clients that
//! sent nothing are subtracted where only the request's own share is judged.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::{Client, Info, ServerProcess};

use crate::support::{Home, call, show};

const CLIENTS: usize = 1_000;
/// What a client may cost that sent half of a 40 KB argument, in bytes.
const HALF_REQUEST_LIMIT: i64 = 64 * 1024;
/// What an announcement may cost beyond an idle client: its own 39 bytes, a slot for each argument, and where the decoder
/// stands.
const ANNOUNCEMENT_LIMIT: i64 = 512;
/// How long the server may take to read what was sent.
const READ_BOUND: Duration = Duration::from_secs(30);

/// A server with one connection that asks it, and clients of which something is kept.
struct Crowd {
    server: ServerProcess,
    asks: Client,
    clients: Vec<Client>,
}

impl Crowd {
    fn new(home: &Home) -> Result<Self> {
        // The tests of this file may run side by side in one process, which holds the clients of both; a server has one each.
        testkit::server::raise_open_files(2 * CLIENTS as u64 + 500)?;
        let server = home.server()?.start()?;
        let mut asks = server.client()?;
        Info::fetch(&mut asks, "everything")?;
        Ok(Self { server, asks, clients: Vec::new() })
    }

    fn field(&mut self, section: &str, field: &str) -> Result<i64> {
        Info::fetch(&mut self.asks, section)?.number(field).with_context(|| field.to_owned())
    }

    /// Lets so many clients connect and send `bytes`. Returns by how much each grew the server's memory.
    fn cost_each(&mut self, bytes: &[u8]) -> Result<i64> {
        let before = self.field("memory", "used_memory")?;
        let sent = i64::try_from(bytes.len() * CLIENTS)?;
        let read = self.field("stats", "total_net_input_bytes")?;
        let connected = self.clients.len();
        for _ in 0..CLIENTS {
            let mut client = self.server.client()?;
            client.send_raw(bytes)?;
            self.clients.push(client);
        }
        let deadline = Instant::now() + READ_BOUND;
        let wanted = i64::try_from(connected + CLIENTS + 1)?;
        while self.field("stats", "total_net_input_bytes")? < read + sent
            || self.field("clients", "connected_clients")? < wanted
        {
            ensure!(Instant::now() < deadline, "the server did not read what was sent in {READ_BOUND:?}");
        }
        let after = self.field("memory", "used_memory")?;
        Ok((after - before) / i64::try_from(CLIENTS)?)
    }

    fn is_served(&mut self) -> Result<()> {
        ensure!(show(&call(&mut self.asks, "PING")?) == "PONG");
        Ok(())
    }
}

#[test]
fn a_thousand_half_requests_cost_no_more_than_the_bytes_that_arrived() -> Result<()> {
    let rest = vec![b'x'; 20_480];
    let half = [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$40960\r\n".as_slice(), &rest].concat();
    let home = Home::new()?;
    let mut crowd = Crowd::new(&home)?;
    let each = crowd.cost_each(&half)?;
    ensure!(each < HALF_REQUEST_LIMIT, "{each} bytes a client");
    crowd.is_served()?;
    // The other half still makes the whole request.
    let client = &mut crowd.clients[CLIENTS / 2];
    client.send_raw(&rest)?;
    client.send_raw(b"\r\n")?;
    ensure!(show(&client.receive()?) == "OK");
    ensure!(show(&call(&mut crowd.asks, "STRLEN k")?) == "40960");
    Ok(())
}

#[test]
fn a_thousand_announcements_of_half_a_gigabyte_cost_nothing() -> Result<()> {
    let announcement = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n";
    let idle_home = Home::new()?;
    let idle = Crowd::new(&idle_home)?.cost_each(b"")?;
    let home = Home::new()?;
    let mut crowd = Crowd::new(&home)?;
    let each = crowd.cost_each(announcement)?;
    ensure!(each - idle < ANNOUNCEMENT_LIMIT, "{each} bytes a client, {idle} of an idle one");
    crowd.is_served()
}
