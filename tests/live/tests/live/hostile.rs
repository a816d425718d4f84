//! Clients that mean harm: none makes the server hold more than its limits say, each is told the truth, and others are served.
//!
//! Judged by the server's own counts of memory and of clients, never by time.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::ports::with_outer_address;
use testkit::{Client, Info, Pipeline, ServerProcess, Value};

use crate::support::{Home, call, dialogue, reaches, show};

const MB: i64 = 1 << 20;
/// How long the server may take for what it is waited for here.
const BOUND: Duration = Duration::from_secs(60);
/// What a client may take that has not authenticated.
const UNAUTHENTICATED_BYTES: i64 = 64 * 1024;

fn number(asks: &mut Client, section: &str, field: &str) -> Result<i64> {
    Info::fetch(asks, section)?.number(field).with_context(|| field.to_owned())
}

/// Asks until a number of INFO is at least as wanted.
fn rises_to(asks: &mut Client, section: &str, field: &str, wanted: i64) -> Result<()> {
    let deadline = Instant::now() + BOUND;
    while number(asks, section, field)? < wanted {
        ensure!(Instant::now() < deadline, "{field} was not {wanted} within {BOUND:?}");
    }
    Ok(())
}

/// A server with a value of a megabyte under `big`, and a connection that asks it.
fn with_big(home: &Home) -> Result<(ServerProcess, Client)> {
    let server = home.bare_server()?.directive("appendonly", "no").start()?;
    let mut asks = server.client()?;
    ensure!(show(&asks.call(&["SET", "big", &"x".repeat(usize::try_from(MB)?)])?) == "OK");
    Ok((server, asks))
}

fn set(asks: &mut Client, name: &str, value: &str) -> Result<()> {
    asks.expect(&["CONFIG", "SET", name, value]).map(drop)
}

fn requests(words: &[&str], count: usize) -> Pipeline {
    let mut pipeline = Pipeline::default();
    for _ in 0..count {
        pipeline.push(words);
    }
    pipeline
}

#[test]
fn readers_that_never_read_are_closed_at_the_hard_limit() -> Result<()> {
    const READERS: i64 = 30;
    let home = Home::new()?;
    let (server, mut asks) = with_big(&home)?;
    set(&mut asks, "client-output-buffer-limit", "normal 8mb 0 0")?;
    let before = number(&mut asks, "memory", "used_memory")?;
    let gets = requests(&["GET", "big"], 100);
    let mut readers: Vec<Client> = (0..READERS).map(|_| server.client()).collect::<Result<_>>()?;
    for reader in &mut readers {
        reader.send(&gets)?;
        dialogue(&mut asks, &[("PING", "PONG")])?;
    }
    rises_to(&mut asks, "stats", "client_output_buffer_limit_disconnections", READERS)?;
    // Each is closed as soon as it passes the limit, so they hardly add up.
    let peak = number(&mut asks, "memory", "used_memory_peak")?;
    ensure!(peak - before < READERS * 8 * MB, "{peak} bytes, {before} before");
    ensure!(server.log()?.contains(" closed for overcoming of output buffer limits."));
    reaches(&mut asks, "connected_clients", 1)
}

/// The soft limit was looked at when the client said something.
#[test]
fn a_reader_that_stopped_and_says_nothing_is_closed_after_the_soft_seconds() -> Result<()> {
    let home = Home::new()?;
    let (server, mut asks) = with_big(&home)?;
    set(&mut asks, "client-output-buffer-limit", "normal 0 2mb 1")?;
    let mut reader = server.client()?;
    reader.send(&requests(&["GET", "big"], 60))?;
    rises_to(&mut asks, "stats", "client_output_buffer_limit_disconnections", 1)?;
    reaches(&mut asks, "connected_clients", 1)
}

#[test]
fn a_pipeline_of_a_million_commands_that_is_never_read_costs_no_more_than_its_bound() -> Result<()> {
    let home = Home::new()?;
    let (server, mut asks) = with_big(&home)?;
    dialogue(&mut asks, &[("SETRANGE k 16383 x", "16384")])?;
    let flood = TcpStream::connect(server.address())?;
    let gets = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(1_000_000);
    std::thread::scope(|scope| -> Result<()> {
        let mut to = &flood;
        scope.spawn(move || to.write_all(&gets));
        let heard = (|| {
            // From 64 MB of unread replies on it is not read.
            rises_to(&mut asks, "clients", "client_recent_max_output_buffer", 64 * MB)?;
            for _ in 0..100 {
                dialogue(&mut asks, &[("PING", "PONG")])?;
            }
            let used = number(&mut asks, "memory", "used_memory")?;
            ensure!(used < 160 * MB, "{used} bytes");
            Ok(())
        })();
        flood.shutdown(Shutdown::Both)?;
        heard
    })?;
    drop(flood);
    reaches(&mut asks, "connected_clients", 1)
}

#[test]
fn a_value_of_the_longest_length_is_taken_and_one_byte_more_is_not() -> Result<()> {
    const LONGEST: usize = 512 << 20;
    let home = Home::new()?;
    let server = home.bare_server()?.directive("appendonly", "no").start()?;
    let mut asks = server.client()?;
    let mut client = server.client()?;
    client.set_timeout(BOUND)?;
    client.send_raw(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${LONGEST}\r\n").as_bytes())?;
    let piece = vec![b'v'; 1 << 20];
    for _ in 0..LONGEST / piece.len() {
        client.send_raw(&piece)?;
    }
    client.send_raw(b"\r\n")?;
    ensure!(show(&client.receive()?) == "OK");
    dialogue(&mut asks, &[("STRLEN k", &LONGEST.to_string())])?;
    dialogue(&mut asks, &[("APPEND k x", "(ERR string exceeds maximum allowed size (proto-max-bulk-len))")])?;
    // What arrived, twice at most, and the value.
    let peak = number(&mut asks, "memory", "used_memory_peak")?;
    ensure!(peak < 3 * 512 * MB + 64 * MB, "{peak} bytes");
    client.send_raw(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", LONGEST + 1).as_bytes())?;
    ensure!(show(&client.receive()?) == "(ERR Protocol error: invalid bulk length)" && client.ends());
    dialogue(&mut asks, &[("STRLEN k", &LONGEST.to_string())])
}

#[test]
fn the_longest_length_is_what_the_configuration_says_for_keys_as_well() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.directive("proto-max-bulk-len", "1mb").start()?;
    let mut client = server.client()?;
    let key = "k".repeat(usize::try_from(MB)?);
    ensure!(show(&client.call(&["SET", &key, "1"])?) == "OK");
    ensure!(show(&client.call(&["INCR", &key])?) == "2");
    client.send_raw(b"*2\r\n$3\r\nGET\r\n$1048577\r\n")?;
    ensure!(show(&client.receive()?) == "(ERR Protocol error: invalid bulk length)" && client.ends());
    Ok(())
}

#[test]
fn a_request_in_a_request_is_no_request() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let nested = b"*2\r\n".repeat(10_000);
    for bytes in [&b"*2\r\n$4\r\nECHO\r\n*1\r\n$1\r\na\r\n"[..], &nested] {
        let mut client = server.client()?;
        client.send_raw(bytes)?;
        let reply = show(&client.receive()?);
        ensure!(reply == "(ERR Protocol error: expected '$', got '*')" && client.ends(), "{reply}");
    }
    dialogue(&mut server.client()?, &[("PING", "PONG")])
}

#[test]
fn a_queue_without_end_is_closed_at_the_limit_of_the_query_buffer() -> Result<()> {
    let home = Home::new()?;
    let (server, mut asks) = with_big(&home)?;
    set(&mut asks, "client-query-buffer-limit", "4mb")?;
    let before = number(&mut asks, "memory", "used_memory")?;
    let mut client = server.client()?;
    dialogue(&mut client, &[("MULTI", "OK")])?;
    // The server may close before it has taken all of it.
    let _refused = client.send(&requests(&["SET", "k", &"v".repeat(1_000)], 20_000));
    rises_to(&mut asks, "stats", "client_query_buffer_limit_disconnections", 1)?;
    reaches(&mut asks, "connected_clients", 1)?;
    let peak = number(&mut asks, "memory", "used_memory_peak")?;
    ensure!(peak - before < 16 * MB, "{peak} bytes, {before} before");
    ensure!(server.log()?.contains("Closing client that reached max query buffer length: id="));
    dialogue(&mut asks, &[("EXISTS k", "0")])
}

/// A server with a password, and a connection that has given it.
fn with_password(home: &Home) -> Result<(ServerProcess, Client)> {
    let server = home.server()?.start()?;
    let mut asks = server.client()?;
    dialogue(&mut asks, &[("CONFIG SET requirepass secret", "OK"), ("AUTH secret", "OK")])?;
    Ok((server, asks))
}

#[test]
fn wrong_passwords_in_a_loop_are_refused_counted_and_keep_nobody_waiting() -> Result<()> {
    const GUESSERS: i64 = 20;
    const GUESSES: i64 = 500;
    let home = Home::new()?;
    let (server, mut asks) = with_password(&home)?;
    let mut guessers: Vec<Client> = (0..GUESSERS).map(|_| server.client()).collect::<Result<_>>()?;
    let guesses = requests(&["AUTH", "guess"], usize::try_from(GUESSES)?);
    for guesser in &mut guessers {
        guesser.send(&guesses)?;
        dialogue(&mut asks, &[("PING", "PONG")])?;
    }
    for guesser in &mut guessers {
        for _ in 0..GUESSES {
            let reply = show(&guesser.receive()?);
            ensure!(reply == "(WRONGPASS invalid username-password pair or user is disabled.)", "{reply}");
        }
        dialogue(guesser, &[("GET k", "(NOAUTH Authentication required.)"), ("AUTH secret", "OK"), ("GET k", "nil")])?;
    }
    let denied = number(&mut asks, "stats", "acl_access_denied_auth")?;
    ensure!(denied == GUESSERS * GUESSES, "{denied}");
    Ok(())
}

/// The most that a client of `CLIENT LIST` takes, other than the one that asks.
fn largest_other(asks: &mut Client) -> Result<i64> {
    let list = show(&call(asks, "CLIENT LIST")?);
    let own = show(&call(asks, "CLIENT ID")?);
    let lines = list.split("id=").filter(|line| !line.starts_with(&format!("{own} ")));
    let sizes = lines.filter_map(|line| line.split(' ').find_map(|word| word.strip_prefix("tot-mem=")));
    Ok(sizes.filter_map(|size| size.parse().ok()).max().unwrap_or(0))
}

#[test]
fn two_hundred_clients_without_authentication_take_no_more_than_64_kib_each() -> Result<()> {
    const EACH: usize = 40;
    let home = Home::new()?;
    let (server, mut asks) = with_password(&home)?;
    let long = "x".repeat(16_384);
    let half = [&b"*10\r\n"[..], &resp_codec::encode_request(&[&long, &long])[4..], b"$9000\r\n"].concat();
    let quoting = resp_codec::encode_request(&["HELLO", "3", &long]).repeat(2_000);
    let attacks = [
        half,
        b"PING\r\n".repeat(1_000_000),
        b"*1\r\n$4\r\nPING\r\n".repeat(500_000),
        quoting,
        [&b"AUTH wrong\r\n".repeat(100_000)[..], b"a ".repeat(18_000).as_slice()].concat(),
    ];
    let before = number(&mut asks, "memory", "used_memory")?;
    let mut crowd = Vec::new();
    for attack in &attacks {
        for _ in 0..EACH {
            let mut stream = TcpStream::connect(server.address())?;
            stream.set_nonblocking(true)?;
            // As much as the server takes from somebody who reads nothing.
            let mut rest = &attack[..];
            while let Ok(n) = stream.write(rest) {
                rest = &rest[n..];
                if rest.is_empty() {
                    break;
                }
            }
            crowd.push(stream);
        }
        dialogue(&mut asks, &[("SET k 1", "OK"), ("GET k", "\"1\"")])?;
        let largest = largest_other(&mut asks)?;
        ensure!(largest <= UNAUTHENTICATED_BYTES, "{largest} bytes of one client");
        let used = number(&mut asks, "memory", "used_memory")?;
        let most = before + i64::try_from(crowd.len())? * UNAUTHENTICATED_BYTES + MB;
        ensure!(used < most, "{used} bytes, {before} before, {} clients", crowd.len());
    }
    drop(crowd);
    reaches(&mut asks, "connected_clients", 1)
}

#[test]
fn http_before_authentication_is_closed_as_well() -> Result<()> {
    let home = Home::new()?;
    let (server, mut asks) = with_password(&home)?;
    let mut browser = server.client()?;
    browser.send_raw(b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nAUTH secret\r\nSET k v\r\n")?;
    ensure!(browser.ends());
    dialogue(&mut asks, &[("EXISTS k", "0")])?;
    ensure!(server.log()?.contains("Possible SECURITY ATTACK detected"));
    Ok(())
}

#[test]
fn from_elsewhere_nobody_is_let_in_without_a_password() -> Result<()> {
    with_outer_address(|address| {
        let home = Home::new()?;
        let server = home.server()?.directive("bind", "0.0.0.0").start()?;
        let outside = SocketAddr::new(address, server.address().port());
        let denied = |client: &mut Client| -> Result<()> {
            let reply = show(&client.receive()?);
            ensure!(reply.starts_with("(DENIED Redis is running in protected mode") && client.ends(), "{reply}");
            Ok(())
        };
        denied(&mut Client::connect(outside)?)?;
        let mut asks = server.client()?;
        ensure!(number(&mut asks, "stats", "rejected_connections")? == 1);
        dialogue(&mut asks, &[("CONFIG SET protected-mode no", "OK")])?;
        dialogue(&mut Client::connect(outside)?, &[("PING", "PONG")])?;
        dialogue(&mut asks, &[("CONFIG SET protected-mode yes requirepass secret", "OK")])?;
        dialogue(
            &mut Client::connect(outside)?,
            &[("PING", "(NOAUTH Authentication required.)"), ("AUTH secret", "OK"), ("PING", "PONG")],
        )
    })
}

#[test]
fn who_says_nothing_is_closed_after_the_timeout_and_who_waits_is_not() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let (mut idle, mut waits, mut asks) = (server.client()?, server.client()?, server.client()?);
    dialogue(&mut idle, &[("PING", "PONG"), ("MULTI", "OK")])?;
    waits.send(&requests(&["WAIT", "1", "0"], 1))?;
    reaches(&mut asks, "blocked_clients", 1)?;
    dialogue(&mut asks, &[("CONFIG SET timeout 1", "OK")])?;
    reaches(&mut asks, "connected_clients", 2)?;
    ensure!(idle.ends());
    reaches(&mut asks, "blocked_clients", 1)
}

#[test]
fn what_rules_the_server_s_place_and_its_files_cannot_be_set_by_a_client() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    for (name, reason) in [
        ("dir", "can't set protected config"),
        ("dbfilename", "can't set protected config"),
        ("appendfilename", "can't set immutable config"),
        ("logfile", "can't set immutable config"),
        ("pidfile", "can't set immutable config"),
        ("unixsocket", "can't set immutable config"),
        ("enable-debug-command", "can't set immutable config"),
    ] {
        let expected = format!("(ERR CONFIG SET failed (possibly related to argument '{name}') - {reason})");
        dialogue(&mut client, &[(&format!("CONFIG SET {name} /tmp"), &expected)])?;
    }
    Ok(())
}

#[test]
fn patterns_of_many_stars_and_strings_without_anything_in_common_cost_little() -> Result<()> {
    let home = Home::new()?;
    let (_server, mut asks) = with_big(&home)?;
    let key = "a".repeat(5_000);
    ensure!(show(&asks.call(&["SET", &key, "1"])?) == "OK");
    // Tried one star after the other, the pattern would not be done with in the age of the universe.
    let pattern = "a*".repeat(2_000) + "b";
    ensure!(show(&asks.call(&["KEYS", &pattern])?) == "[]");
    let scan = asks.call(&["SCAN", "0", "COUNT", "1000", "MATCH", &pattern])?;
    ensure!(show(&scan) == "[\"0\", []]", "{scan:?}");
    asks.expect(&["SADD", "s", &key])?;
    ensure!(show(&asks.call(&["SSCAN", "s", "0", "MATCH", &pattern])?) == "[\"0\", []]");
    let peak = number(&mut asks, "memory", "used_memory_peak")?;
    let refusal = show(&call(&mut asks, "LCS big big")?);
    ensure!(refusal.contains("transient memory for LCS exceeds proto-max-bulk-len"), "{refusal}");
    ensure!(number(&mut asks, "memory", "used_memory_peak")? - peak < MB);
    Ok(())
}

#[test]
fn limits_changed_at_run_time_are_written_and_in_force_after_a_restart() -> Result<()> {
    let home = Home::new()?;
    let builder = home.server()?.port(testkit::ports::free_port()?);
    let settings = [
        ("timeout", "77", "77"),
        ("tcp-keepalive", "33", "33"),
        ("maxclients", "123", "123"),
        ("protected-mode", "no", "no"),
        ("client-query-buffer-limit", "2mb", "2097152"),
        ("proto-max-bulk-len", "3mb", "3145728"),
        (
            "client-output-buffer-limit",
            "normal 4mb 2mb 5 pubsub 1mb 0 0",
            "normal 4194304 2097152 5 slave 268435456 67108864 60 pubsub 1048576 0 0",
        ),
    ];
    let mut server = builder.start()?;
    let mut client = server.client()?;
    for (name, value, _) in settings {
        set(&mut client, name, value)?;
    }
    set(&mut client, "requirepass", "a secret")?;
    client.expect(&["CONFIG", "REWRITE"])?;
    server.terminate(BOUND)?;
    let server = builder.keep_configuration().spawn()?;
    let deadline = Instant::now() + BOUND;
    let mut client = loop {
        let found = server.client().and_then(|mut client| client.call(&["AUTH", "a secret"]).map(|r| (client, r)));
        if let Ok((client, Value::Status(_))) = found {
            break client;
        }
        ensure!(Instant::now() < deadline, "the server did not take the password within {BOUND:?}\n{}", server.log()?);
    };
    for (name, _, shown) in settings {
        dialogue(&mut client, &[(&format!("CONFIG GET {name}"), &format!("[\"{name}\", \"{shown}\"]"))])?;
    }
    Ok(())
}

/// Only its default is accepted: nobody shall believe that clients are evicted.
#[test]
fn eviction_of_clients_is_refused_by_name() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    let refusal = show(&call(&mut client, "CONFIG SET maxmemory-clients 1mb")?);
    ensure!(refusal.contains("'maxmemory-clients' has no effect in this server"), "{refusal}");
    dialogue(&mut client, &[("CONFIG SET maxmemory-clients 0", "OK")])
}
