//! What a client meets at the level of its connection: HELLO and AUTH, CLIENT, CLIENT REPLY, and who is disconnected.
//!
//! The expected replies were recorded from a server of level 7.2.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::{Client, Info, Pipeline, Value};

use crate::support::{Home, call, dialogue, reaches, send, show};

#[test]
fn who_speaks_http_is_disconnected_before_what_follows_is_run() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    for attack in [&b"POST / HTTP/1.1\r\n\r\nSET k v\r\n"[..], b"GET / HTTP/1.1\r\nHost: localhost\r\nSET k v\r\n"] {
        let mut client = server.client()?;
        client.send_raw(attack)?;
        ensure!(client.ends());
    }
    dialogue(&mut server.client()?, &[("EXISTS k", "0")])?;
    let warned = server.log()?.matches("Possible SECURITY ATTACK detected").count();
    ensure!(warned == 1, "logged once a minute at most, not {warned} times");
    Ok(())
}

#[test]
fn a_hello_with_any_mistake_changes_nothing() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    dialogue(&mut server.client()?, &[("CONFIG SET requirepass secret", "OK")])?;
    let mut client = server.client()?;
    dialogue(
        &mut client,
        &[
            ("HELLO 3 AUTH default secret NOSUCH", "(ERR Syntax error in HELLO option 'NOSUCH')"),
            ("PING", "(NOAUTH Authentication required.)"),
            ("HELLO 9 AUTH default secret", "(NOPROTO unsupported protocol version)"),
            ("HELLO x", "(ERR Protocol version is not an integer or out of range)"),
            ("HELLO 3 AUTH default", "(ERR Syntax error in HELLO option 'AUTH')"),
            ("HELLO 3 AUTH nobody secret", "(WRONGPASS invalid username-password pair or user is disabled.)"),
            ("PING", "(NOAUTH Authentication required.)"),
        ],
    )?;
    let name = client.call(&["HELLO", "3", "AUTH", "default", "secret", "SETNAME", "two words"])?;
    ensure!(show(&name).contains("Client names cannot contain spaces"), "{name:?}");
    dialogue(&mut client, &[("PING", "(NOAUTH Authentication required.)"), ("AUTH secret", "OK"), ("PING", "PONG")])
}

#[test]
fn a_skip_covers_exactly_the_next_request() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    for pipeline in [
        &["CLIENT REPLY SKIP", "ECHO lost", "ECHO seen"][..],
        &["CLIENT REPLY SKIP", "RESET", "ECHO seen"],
        &["CLIENT REPLY SKIP", "NOSUCH", "ECHO seen"],
        &["CLIENT REPLY OFF", "ECHO lost", "CLIENT REPLY SKIP", "ECHO lost", "RESET"],
    ] {
        for words in pipeline {
            send(&mut client, words)?;
        }
        let expected = if pipeline.last() == Some(&"RESET") { "RESET" } else { "\"seen\"" };
        let reply = show(&client.receive()?);
        ensure!(reply == expected, "{pipeline:?}: {reply}");
    }
    // An empty request uses it up too.
    send(&mut client, "CLIENT REPLY SKIP")?;
    client.send_raw(b"\r\n")?;
    dialogue(&mut client, &[("PING", "PONG")])
}

#[test]
fn client_reply_inside_a_transaction_rules_what_comes_after_it() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    let queue = [("MULTI", "OK"), ("SET k 1", "QUEUED"), ("CLIENT REPLY SKIP", "QUEUED"), ("GET k", "QUEUED")];
    dialogue(&mut client, &queue)?;
    // CLIENT REPLY SKIP has no reply of its own, so an element of the array is missing, as in Redis.
    for words in ["EXEC", "ECHO lost", "ECHO seen"] {
        send(&mut client, words)?;
    }
    let replies = client.receive()?;
    ensure!(show(&replies) == "[OK, \"1\", \"seen\"]", "{replies:?}");
    Ok(())
}

#[test]
fn client_list_answers_by_id_in_the_order_asked_for() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let (mut one, mut other) = (server.client()?, server.client()?);
    let id = |client: &mut Client| -> Result<i64> {
        match call(client, "CLIENT ID")? {
            Value::Integer(n) => Ok(n),
            other => anyhow::bail!("{other:?}"),
        }
    };
    let (first, second) = (id(&mut one)?, id(&mut other)?);
    let list = call(&mut one, &format!("CLIENT LIST ID {second} 999999 {first} -5 {second}"))?;
    let text = String::from_utf8_lossy(list.as_bytes().unwrap_or_default()).into_owned();
    let ids: Vec<&str> = text.lines().filter_map(|l| l.split(' ').next()).collect();
    ensure!(ids == [format!("id={second}"), format!("id={first}"), format!("id={second}")], "{text}");
    dialogue(
        &mut one,
        &[
            ("CLIENT LIST ID x", "(ERR Invalid client ID)"),
            ("CLIENT LIST ID", "(ERR syntax error)"),
            ("CLIENT KILL ID 0", "(ERR client-id should be greater than 0)"),
            ("CLIENT KILL TYPE x y", "(ERR Unknown client type 'x')"),
            ("CLIENT NO-EVICT ON", "OK"),
            ("CLIENT NO-TOUCH ON", "OK"),
        ],
    )?;
    let info = show(&call(&mut one, "CLIENT INFO")?);
    ensure!(
        info.contains(" flags=eT ") && info.contains(" user=default ") && info.contains(" cmd=client|info "),
        "{info}"
    );
    Ok(())
}

#[test]
fn select_names_the_range_of_a_number_that_is_no_int() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    dialogue(
        &mut server.client()?,
        &[
            ("SELECT x", "(ERR value is not an integer or out of range)"),
            ("SELECT 2147483648", "(ERR value is out of range, value must between -2147483648 and 2147483647)"),
            ("SELECT -1", "(ERR DB index is out of range)"),
        ],
    )
}

#[test]
fn a_client_too_many_is_told_so_and_closed() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    dialogue(&mut client, &[("CONFIG SET maxclients 1", "OK")])?;
    let mut refused = server.client()?;
    let reply = show(&refused.receive()?);
    ensure!(reply == "(ERR max number of clients reached)" && refused.ends(), "{reply}");
    let stats = Info::fetch(&mut client, "stats")?;
    ensure!(stats.number("rejected_connections") == Some(1));
    Ok(())
}

#[test]
fn a_reader_too_slow_and_a_request_too_long_cost_the_connection() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut other = server.client()?;
    let limit = ["CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0"];
    ensure!(show(&other.call(&limit)?) == "OK");
    dialogue(&mut other, &[("CONFIG SET client-query-buffer-limit 1mb", "OK")])?;
    ensure!(show(&other.call(&["SET", "big", &"x".repeat(900_000)])?) == "OK");

    let mut slow = server.client()?;
    let mut reads = Pipeline::default();
    for _ in 0..100 {
        reads.push(&["GET", "big"]);
    }
    slow.send(&reads)?;
    ensure!(slow.ends());

    let mut long = server.client()?;
    long.send_raw(b"*2\r\n$4\r\nECHO\r\n$5000000\r\n")?;
    // The server may close before it has taken all of it.
    let _refused = long.send_raw(&vec![b'x'; 5_000_000]);
    ensure!(long.ends());

    let stats = Info::fetch(&mut other, "stats")?;
    ensure!(stats.number("client_output_buffer_limit_disconnections") == Some(1));
    ensure!(stats.number("client_query_buffer_limit_disconnections") == Some(1));
    Ok(())
}

#[test]
fn debug_sleep_stops_the_server_for_so_long() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let (mut one, mut other) = (server.client()?, server.client()?);
    let begun = Instant::now();
    send(&mut one, "DEBUG SLEEP 0.2")?;
    ensure!(show(&one.receive()?) == "OK");
    ensure!(begun.elapsed() >= Duration::from_millis(200));
    dialogue(
        &mut other,
        &[
            ("DEBUG NOSUCH", "(ERR unknown subcommand or wrong number of arguments for 'NOSUCH'. Try DEBUG HELP.)"),
            ("DEBUG PROTOCOL integer", "12345"),
            ("DEBUG STRINGMATCH-LEN 5 x*", "1"),
            ("DEBUG DIGEST-VALUE none", "[0000000000000000000000000000000000000000]"),
        ],
    )?;
    ensure!(show(&other.call(&["DEBUG", "ERROR", "MYCODE a text"])?) == "(MYCODE a text)");
    Ok(())
}

/// A request that had to wait runs at the end of a turn: its reply left at once, and whoever came next was stopped for it.
#[test]
fn a_debug_sleep_that_had_to_wait_is_not_answered_early() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let (mut one, mut other) = (server.client()?, server.client()?);
    let begun = Instant::now();
    dialogue(&mut other, &[("CLIENT PAUSE 50", "OK")])?;
    send(&mut one, "DEBUG SLEEP 0.2")?;
    ensure!(show(&one.receive()?) == "OK");
    ensure!(begun.elapsed() >= Duration::from_millis(250));
    Ok(())
}

/// A client that waits for the end of CLIENT PAUSE is not read, so nothing told that it had left: whoever gave up waiting and
/// came again filled the server up.
#[test]
fn who_leaves_during_a_pause_is_forgotten_at_once() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut asks = server.client()?;
    dialogue(&mut asks, &[("CLIENT PAUSE 600000 WRITE", "OK")])?;
    let mut leaves = server.client()?;
    send(&mut leaves, "SET k v")?;
    reaches(&mut asks, "blocked_clients", 1)?;
    drop(leaves);
    reaches(&mut asks, "connected_clients", 1)?;
    reaches(&mut asks, "blocked_clients", 0)
}
