//! Configuration, arguments and the refusals that an operator meets: one clear line and a non-zero exit.

use std::net::TcpListener;

use anyhow::{Result, ensure};
use testkit::ports::{free_port, loopback};

use crate::support::{Home, call, dialogue, refused, show};

#[test]
fn a_port_in_use_is_refused() -> Result<()> {
    let home = Home::new()?;
    let port = free_port()?;
    let _taken = TcpListener::bind(loopback(port))?;
    // The listener of the test answers no PING, so the server cannot be mistaken for ready.
    refused(&home.server()?.port(port).start_refused()?, &[&port.to_string(), "Address already in use"])
}

#[test]
fn an_unknown_directive_is_refused_by_name() -> Result<()> {
    let home = Home::new()?;
    let refusal = home.server()?.directive("no-such-directive", "yes").start_refused()?;
    refused(&refusal, &["no-such-directive"])?;
    refused(&refusal, &["Bad directive or wrong number of arguments"])
}

#[test]
fn an_impossible_value_is_refused_with_its_line() -> Result<()> {
    let home = Home::new()?;
    let refusal = home.server()?.directive("appendfsync", "sometimes").start_refused()?;
    refused(&refusal, &["sometimes"])
}

#[test]
fn a_configuration_that_cannot_be_read_is_refused() -> Result<()> {
    let home = Home::new()?;
    let include = home.path().join("absent.conf");
    let refusal = home.server()?.directive("include", &include.display().to_string()).start_refused()?;
    refused(&refusal, &["absent.conf", "No such file or directory"])?;
    // And which line asks for it.
    refused(&refusal, &["FATAL CONFIG FILE ERROR: ", ".conf: at line ", ">>> 'include "])
}

#[test]
fn a_configuration_that_is_no_utf_8_text_is_refused_with_its_line() -> Result<()> {
    let home = Home::new()?;
    let included = home.path().join("latin-1.conf");
    std::fs::write(&included, b"# plain\n# Gr\xf6\xdfe\n")?;
    let refusal = home.server()?.directive("include", &included.display().to_string()).start_refused()?;
    refused(&refusal, &["latin-1.conf: at line 2: byte 12 of it, 0xf6, is no UTF-8 text"])
}

#[test]
fn a_directory_that_is_none_is_refused() -> Result<()> {
    let home = Home::new()?;
    let file = home.path().join("file");
    std::fs::write(&file, "")?;
    refused(&home.server()?.directive("dir", &file.display().to_string()).start_refused()?, &["Not a directory"])?;
    let absent = home.path().join("absent");
    refused(&home.server()?.directive("dir", &absent.display().to_string()).start_refused()?, &["absent"])
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() -> Result<()> {
    // /proc takes no new file from anyone, root included.
    let home = Home::new()?;
    refused(&home.server()?.directive("dir", "/proc/self").start_refused()?, &["can't take the lock file /proc/"])
}

#[test]
fn a_refused_start_is_told_in_the_log_file_too() -> Result<()> {
    let home = Home::new()?;
    let log = home.path().join("server.txt");
    let server = home.server()?.directive("logfile", &log.display().to_string());
    refused(&server.directive("dir", "/proc/self").start_refused()?, &["can't take the lock file"])?;
    let text = std::fs::read_to_string(&log)?;
    ensure!(text.contains(" # can't start: can't take the lock file /proc/"), "{text}");
    Ok(())
}

/// A load that failed ended the server without a word to who had started it by hand.
#[test]
fn that_the_server_ends_because_of_what_it_loads_is_told_on_standard_error_beside_a_log_file() -> Result<()> {
    let home = Home::new()?;
    let log = home.path().join("server.txt");
    std::fs::create_dir_all(home.data())?;
    std::fs::write(home.data().join("dump.rdb"), "")?;
    let server = home.server()?.directive("logfile", &log.display().to_string());
    refused(&server.start_refused()?, &["ends with status 1; ", "server.txt says why"])?;
    let text = std::fs::read_to_string(&log)?;
    ensure!(text.contains("dump.rdb: byte 0"), "{text}");
    Ok(())
}

/// The redis.conf of Debian has both lines, and who starts the server by hand sees no log file.
#[test]
fn that_nothing_is_saved_is_told_on_standard_error_as_well_as_in_the_log_file() -> Result<()> {
    let home = Home::new()?;
    let log = home.path().join("server.txt");
    let with_log_file = home.server()?.directive("logfile", &log.display().to_string());
    let server = with_log_file.directive("appendonly", "no").start()?;
    for text in [server.log()?, std::fs::read_to_string(&log)?] {
        ensure!(text.contains("appendonly is no"), "{text}");
    }
    Ok(())
}

#[test]
fn a_second_server_on_the_directory_is_refused_and_the_first_goes_on() -> Result<()> {
    let home = Home::new()?;
    let first = home.server()?.start()?;
    let mut client = first.client()?;
    dialogue(&mut client, &[("SET k 1", "OK")])?;
    let refusal = home.server()?.start_refused()?;
    let directory = home.data().display().to_string();
    refused(&refusal, &[&directory])?;
    dialogue(&mut client, &[("INCR k", "2")])
}

#[test]
fn arguments_override_the_file() -> Result<()> {
    let home = Home::new()?;
    let builder = home.server()?.directive("appendfsync", "no").arg("--appendfsync").arg("always");
    let server = builder.start()?;
    dialogue(&mut server.client()?, &[("CONFIG GET appendfsync", "[\"appendfsync\", \"always\"]")])
}

/// The redis.conf of Debian says `daemonize yes`, and a later line could not take it back.
#[test]
fn a_later_line_takes_back_a_value_that_would_have_no_effect() -> Result<()> {
    let home = Home::new()?;
    refused(&home.server()?.directive("daemonize", "yes").start_refused()?, &["'daemonize' has no effect"])?;
    let server = home.server()?.directive("daemonize", "yes").arg("--daemonize").arg("no").start()?;
    dialogue(&mut server.client()?, &[("CONFIG GET daemonize", "[\"daemonize\", \"no\"]")])
}

#[test]
fn directives_without_effect_are_named_in_one_line() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.directive("daemonize", "no").directive("io-threads", "1").start()?;
    let log = server.log()?;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("without effect in this server")).collect();
    ensure!(lines.len() == 1 && lines[0].contains("daemonize, io-threads"), "{log}");
    Ok(())
}

#[test]
fn debug_is_refused_where_the_operator_said_so() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.directive("enable-debug-command", "no").start()?;
    let refusal = show(&call(&mut server.client()?, "DEBUG DIGEST")?);
    ensure!(refusal.starts_with("(ERR DEBUG command not allowed. If the enable-debug-command option"), "{refusal}");
    Ok(())
}

#[test]
fn settings_of_the_aof_can_be_read_and_changed() -> Result<()> {
    let home = Home::new()?;
    let server = home.server()?.start()?;
    let mut client = server.client()?;
    for (name, value) in [
        ("appendfsync", "always"),
        ("appendfsync", "everysec"),
        ("no-appendfsync-on-rewrite", "yes"),
        ("auto-aof-rewrite-percentage", "50"),
        ("auto-aof-rewrite-min-size", "1048576"),
        ("aof-load-truncated", "no"),
    ] {
        let set = show(&call(&mut client, &format!("CONFIG SET {name} {value}"))?);
        ensure!(set == "OK", "{name} {value}: {set}");
        let get = show(&call(&mut client, &format!("CONFIG GET {name}"))?);
        ensure!(get == format!("[\"{name}\", \"{value}\"]"), "{get}");
    }
    let refused = show(&call(&mut client, "CONFIG SET appendfsync sometimes")?);
    ensure!(refused.starts_with("(ERR CONFIG SET failed"), "{refused}");
    Ok(())
}
