//! INFO's counters of commands, errors and look-ups, and CONFIG RESETSTAT.

use anyhow::{Result, ensure};
use testkit::{Client, Info};

use crate::support::{Home, call, dialogue, show};

fn fields(client: &mut Client, section: &str, expected: &[(&str, &str)]) -> Result<()> {
    let info = Info::fetch(client, section)?;
    for (field, value) in expected {
        ensure!(info.text(field) == Some(*value), "{field}: {:?}, not {value}", info.text(field));
    }
    Ok(())
}

#[test]
fn look_ups_for_reading_count_as_hits_and_misses() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    for (words, hits, misses) in [
        ("SET k v", "0", "0"),
        ("GET k", "1", "0"),
        ("GET none", "1", "1"),
        ("MGET k none", "2", "2"),
        ("EXISTS k k none", "4", "3"),
        ("TTL k", "5", "3"),
        ("TYPE none", "5", "4"),
        ("STRLEN k", "6", "4"),
        ("GETEX k", "7", "4"),
        ("SET n 1", "7", "4"),
        ("INCRBYFLOAT n 1", "7", "4"),
        ("HINCRBY h f 1", "7", "4"),
        ("SETNX k x", "7", "4"),
        ("LPUSHX l x", "7", "4"),
        ("DEL none", "7", "4"),
    ] {
        call(&mut client, words)?;
        fields(&mut client, "stats", &[("keyspace_hits", hits), ("keyspace_misses", misses)])
            .map_err(|e| e.context(words))?;
    }
    Ok(())
}

#[test]
fn errors_count_by_code_and_commands_by_outcome() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    for words in ["SET k v", "LPUSH k x", "GET", "NOSUCH", "MULTI", "INCR k", "EXEC", "EXEC", "CLIENT ID"] {
        call(&mut client, words)?;
    }
    fields(&mut client, "errorstats", &[("errorstat_ERR", "count=4"), ("errorstat_WRONGTYPE", "count=1")])?;
    fields(&mut client, "stats", &[("total_error_replies", "5")])?;
    let stats = Info::fetch(&mut client, "commandstats")?;
    for (command, calls, rejected, failed) in [
        ("cmdstat_set", 1, 0, 0),
        ("cmdstat_lpush", 1, 0, 1),
        ("cmdstat_get", 0, 1, 0),
        ("cmdstat_incr", 1, 0, 1),
        ("cmdstat_exec", 2, 0, 1),
        ("cmdstat_client|id", 1, 0, 0),
    ] {
        let line = stats.text(command).unwrap_or_default();
        // How long they took is the machine's business.
        let counts: Vec<&str> = line.split(',').filter(|field| !field.starts_with("usec")).collect();
        let expected =
            [format!("calls={calls}"), format!("rejected_calls={rejected}"), format!("failed_calls={failed}")];
        ensure!(counts == expected, "{command}: {line}");
    }
    dialogue(&mut client, &[("CONFIG RESETSTAT", "OK")])?;
    let stats = Info::fetch(&mut client, "commandstats")?;
    ensure!(stats.text("cmdstat_set").is_none());
    fields(&mut client, "stats", &[("total_error_replies", "0"), ("keyspace_hits", "0")])
}

#[test]
fn info_shows_the_sections_asked_for() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    let mut titles = |words: &str| -> Result<Vec<String>> {
        let reply = call(&mut client, words)?;
        let text = String::from_utf8_lossy(reply.as_bytes().unwrap_or_default()).into_owned();
        Ok(text.lines().filter_map(|l| l.strip_prefix("# ")).map(str::to_owned).collect())
    };
    let default = titles("INFO")?;
    ensure!(!default.contains(&"Commandstats".to_owned()) && default.contains(&"Errorstats".to_owned()), "{default:?}");
    ensure!(titles("INFO default")? == default);
    ensure!(titles("INFO all")?.contains(&"Commandstats".to_owned()));
    ensure!(titles("INFO keyspace SERVER")? == ["Server", "Keyspace"]);
    ensure!(titles("INFO nosuch")?.is_empty());
    Ok(())
}

#[test]
fn info_has_the_fields_that_dashboards_read() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    let all = Info::fetch(&mut client, "everything")?;
    for field in [
        "mem_fragmentation_ratio",
        "allocator_frag_bytes",
        "master_replid",
        "second_repl_offset",
        "sync_full",
        "total_blocking_keys",
    ] {
        ensure!(all.text(field).is_some(), "{field}");
    }
    for field in ["total_reads_processed", "total_writes_processed"] {
        ensure!(all.is_set(field), "{field}");
    }
    Ok(())
}

#[test]
fn config_answers_names_as_asked_and_sets_all_or_nothing() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    dialogue(
        &mut client,
        &[
            ("CONFIG GET TimeOut", "[\"TimeOut\", \"0\"]"),
            ("CONFIG GET maxclients timeout", "[\"maxclients\", \"10000\", \"timeout\", \"0\"]"),
            ("CONFIG GET nosuch", "[]"),
            ("CONFIG SET timeout 10 maxclients", "(ERR syntax error)"),
            ("CONFIG SET timeout x nosuch 1", "(ERR Unknown option or number of arguments for CONFIG SET - 'nosuch')"),
            (
                "CONFIG SET timeout 10 hz x",
                "(ERR CONFIG SET failed (possibly related to argument 'hz') - argument couldn't be parsed into an integer)",
            ),
            ("CONFIG GET timeout", "[\"timeout\", \"0\"]"),
            ("CONFIG SET hz 100000", "OK"),
            ("CONFIG GET hz", "[\"hz\", \"500\"]"),
        ],
    )?;
    let shown = show(&call(&mut client, "CONFIG GET *")?);
    ensure!(shown.contains("\"appendonly\", \"yes\""), "{shown}");
    Ok(())
}

#[test]
fn info_has_every_field_of_redis() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let info = Info::fetch(&mut server.client()?, "everything")?;
    let recorded = include_str!("redis-7.2.4-info-fields.txt").lines().filter(|line| !line.starts_with('#'));
    let missing: Vec<&str> = recorded.filter(|field| info.text(field).is_none()).collect();
    ensure!(missing.is_empty(), "{missing:?}");
    Ok(())
}

#[test]
fn info_tells_the_average_time_to_live_and_the_memory() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    for words in ["SET a 1 PX 1000000", "SET b 1 PX 3000000", "SET c 1"] {
        call(&mut client, words)?;
    }
    let db = Info::fetch(&mut client, "keyspace")?.text("db0").unwrap_or_default().to_owned();
    let avg_ttl = db.rsplit('=').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    ensure!(db.starts_with("keys=3,expires=2,avg_ttl=") && (1_900_000..=2_000_000).contains(&avg_ttl), "{db}");
    call(&mut client, "DEBUG POPULATE 1000 big 10000")?;
    let memory = Info::fetch(&mut client, "memory")?;
    let number = |field: &str| memory.number(field).unwrap_or(-1);
    ensure!(number("used_memory_dataset") > 10_000_000, "{memory:?}");
    ensure!(number("used_memory_peak") >= number("used_memory") && number("used_memory") > 10_000_000, "{memory:?}");
    ensure!(number("used_memory_startup") > 0 && number("used_memory_overhead") > number("used_memory_startup"));
    ensure!(number("total_system_memory") > number("used_memory_rss") && number("used_memory_rss") > 0);
    Ok(())
}
