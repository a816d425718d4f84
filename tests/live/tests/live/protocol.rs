//! The protocol as clients meet it: both request forms, pipelines, errors word for word, limits.

use anyhow::{Result, ensure};
use testkit::{Info, Pipeline, Value};

use crate::support::{Home, call, dialogue, show};

#[test]
fn base_commands_answer_as_redis_does() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    dialogue(
        &mut server.client()?,
        &[
            ("PING", "PONG"),
            ("ping hello", "\"hello\""),
            ("SET k v", "OK"),
            ("GET k", "\"v\""),
            ("GET none", "nil"),
            ("RPUSH l a b c", "3"),
            ("LRANGE l 0 -1", "[\"a\", \"b\", \"c\"]"),
            ("INCR k", "(ERR value is not an integer or out of range)"),
            ("LPUSH k x", "(WRONGTYPE Operation against a key holding the wrong kind of value)"),
            ("ZADD z 1.5 a 2 b", "2"),
            ("ZRANGE z 0 -1 WITHSCORES", "[\"a\", \"1.5\", \"b\", \"2\"]"),
            ("HSET h f 1", "1"),
            ("HINCRBYFLOAT h f 0.2", "\"1.2\""),
            ("SELECT 15", "OK"),
            ("EXISTS k", "0"),
            ("SELECT 16", "(ERR DB index is out of range)"),
            ("GET", "(ERR wrong number of arguments for 'get' command)"),
            ("NOSUCH a b", "(ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' )"),
        ],
    )
}

#[test]
fn a_request_may_arrive_in_any_number_of_pieces() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    for byte in b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n" {
        client.send_raw(&[*byte])?;
    }
    ensure!(client.receive()? == Value::Status(b"OK".to_vec()));
    ensure!(show(&call(&mut client, "STRLEN k")?) == "2");
    Ok(())
}

#[test]
fn inline_commands_are_understood() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    client.send_raw(b"SET \"a key\" 'a value'\r\nGET \"a key\"\n")?;
    ensure!(show(&client.receive()?) == "OK");
    ensure!(show(&client.receive()?) == "\"a value\"");
    Ok(())
}

#[test]
fn replies_to_a_pipeline_come_in_order_with_errors_in_their_places() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    let mut pipeline = Pipeline::default();
    for i in 0..5_000 {
        pipeline.push(&["SET", "k", &i.to_string()]).push(&["LPUSH", "k", "x"]).push(&["GET", "k"]);
    }
    for (i, replies) in client.run(&pipeline)?.chunks(3).enumerate() {
        ensure!(replies[0] == Value::Status(b"OK".to_vec()), "request {i}");
        ensure!(replies[1].as_error().is_some_and(|e| e.starts_with(b"WRONGTYPE")), "request {i}");
        ensure!(replies[2].as_bytes() == Some(i.to_string().as_bytes()), "request {i}");
    }
    Ok(())
}

#[test]
fn a_client_that_breaks_the_protocol_is_told_so_and_disconnected() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let cases: &[(&[u8], &str)] = &[
        (b"*2147483648\r\n", "(ERR Protocol error: invalid multibulk length)"),
        (b"*1\r\n:3\r\n", "(ERR Protocol error: expected '$', got ':')"),
        (b"*1\r\n$-5\r\n", "(ERR Protocol error: invalid bulk length)"),
        (b"SET \"k\r\n", "(ERR Protocol error: unbalanced quotes in request)"),
    ];
    for (bytes, expected) in cases {
        let mut client = server.client()?;
        client.send_raw(bytes)?;
        let reply = show(&client.receive()?);
        ensure!(reply == *expected, "{bytes:?}: {reply}");
        ensure!(client.ends(), "{bytes:?}: still connected");
    }
    ensure!(show(&call(&mut server.client()?, "PING")?) == "PONG");
    Ok(())
}

#[test]
fn an_announced_length_costs_no_memory() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = server.client()?;
        client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n")?;
        clients.push(client);
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
    let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default().to_owned();
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse()?;
    ensure!(kilobytes < 256 * 1024, "{resident}");
    Ok(())
}

#[test]
fn hello_switches_to_resp3() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    let hello = show(&call(&mut client, "HELLO 3")?);
    ensure!(hello.starts_with('{') && hello.contains("\"proto\": 3"), "{hello}");
    dialogue(&mut client, &[("HSET h f v", "1"), ("HGETALL h", "{\"f\": \"v\"}"), ("GET none", "nil")])?;
    dialogue(&mut client, &[("HELLO 4", "(NOPROTO unsupported protocol version)")])
}

#[test]
fn quit_is_answered_and_closes() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    ensure!(show(&call(&mut client, "QUIT")?) == "OK");
    ensure!(client.ends());
    Ok(())
}

#[test]
fn info_shows_what_tools_and_tests_read() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    let about = Info::fetch(&mut client, "server")?;
    ensure!(about.number("process_id") == Some(i64::from(server.pid())));
    ensure!(about.text("redis_version").is_some());
    let persistence = Info::fetch(&mut client, "persistence")?;
    for field in ["loading", "aof_enabled", "aof_rewrite_in_progress", "aof_last_write_status", "aof_current_size"] {
        ensure!(persistence.text(field).is_some(), "{field}");
    }
    Ok(())
}

/// redis-cli asks for it when a person connects, and makes its hints and help from it.
#[test]
fn command_docs_tells_of_every_command_in_both_protocols() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    let count = call(&mut client, "COMMAND COUNT")?.as_integer().and_then(|n| usize::try_from(n).ok());
    let in_resp2 = call(&mut client, "COMMAND DOCS")?;
    ensure!(in_resp2.as_items().map(<[Value]>::len) == count.map(|n| 2 * n), "names and documentation in turn");
    call(&mut client, "HELLO 3")?;
    let Value::Map(in_resp3) = call(&mut client, "COMMAND DOCS")? else { anyhow::bail!("no map") };
    ensure!(Some(in_resp3.len()) == count);
    for (name, docs) in &in_resp3 {
        ensure!(show(docs).contains("\"summary\": \""), "{}", show(name));
    }
    let expire = show(&call(&mut client, "COMMAND DOCS expire")?);
    let key = r#"{"name": "key", "type": "key", "display_text": "key", "key_spec_index": 0}"#;
    ensure!(expire.starts_with("{\"expire\": {\"summary\": ") && expire.contains(key), "{expire}");
    Ok(())
}
