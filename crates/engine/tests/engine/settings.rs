//! CONFIG GET and CONFIG SET where Redis has rules of its own.

use engine::Config;
use vfs::sim::SimDisk;

use crate::support::{BOOT, Rig, config};

/// The thresholds of compact forms took 31 bits, no units, and not nothing; Redis takes 63 bits, units for bytes, and nothing
/// as 0.
#[test]
fn thresholds_take_the_values_that_redis_takes() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    for (set, shown) in [
        ("set-max-listpack-entries 9223372036854775807", "set-max-listpack-entries|$19|9223372036854775807"),
        ("hash-max-listpack-value 1kb", "hash-max-listpack-value|$4|1024"),
    ] {
        let (name, _) = set.split_once(' ').unwrap();
        assert_eq!(rig.ask(client, &format!("CONFIG SET {set}")), "+OK|", "{set}");
        assert_eq!(rig.ask(client, &format!("CONFIG GET {name}")), format!("*2|${}|{shown}|", name.len()), "{set}");
    }
    rig.send_bytes(client, &resp_codec::encode_request(&["CONFIG", "SET", "hash-max-listpack-value", ""]));
    rig.settle();
    assert_eq!(rig.take(client), "+OK|");
    assert_eq!(rig.ask(client, "CONFIG GET hash-max-listpack-value"), "*2|$23|hash-max-listpack-value|$1|0|");
    let refusal = |name: &str, reason: &str| {
        format!("-ERR CONFIG SET failed (possibly related to argument '{name}') - argument {reason}|")
    };
    for (name, value, reason) in [
        ("zset-max-listpack-entries", "-1", "must be between 0 and 9223372036854775807 inclusive"),
        ("set-max-listpack-value", "1kb", "couldn't be parsed into an integer"),
        ("zset-max-listpack-value", "1qb", "must be a memory value"),
    ] {
        assert_eq!(rig.ask(client, &format!("CONFIG SET {name} {value}")), refusal(name, reason));
    }
}

/// A directive that may only be given at start was found out after one behind it that nobody knows.
#[test]
fn the_first_parameter_that_cannot_be_set_is_named() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    let reply = rig.ask(client, "CONFIG SET databases 4 no-such-directive 1");
    assert!(reply.contains("argument 'databases') - can't set immutable config"), "{reply}");
    let reply = rig.ask(client, "CONFIG SET no-such-directive 1 databases 4");
    assert_eq!(reply, "-ERR Unknown option or number of arguments for CONFIG SET - 'no-such-directive'|");
}

/// A directive and its older name were taken for one given twice.
#[test]
fn a_directive_and_its_older_name_may_stand_in_one_request() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    assert_eq!(rig.ask(client, "CONFIG SET hash-max-ziplist-value 5 hash-max-listpack-value 7"), "+OK|");
    assert_eq!(rig.ask(client, "CONFIG GET hash-max-listpack-value"), "*2|$23|hash-max-listpack-value|$1|7|");
    let reply = rig.ask(client, "CONFIG SET hash-max-listpack-value 5 HASH-max-listpack-value 7");
    assert!(reply.contains("duplicate parameter"), "{reply}");
}

/// The contradiction was told only where `appendfsync always` came second.
#[test]
fn that_always_stays_always_beside_no_appendfsync_on_rewrite_is_logged_whichever_comes_second() {
    const LINE: &str = "no-appendfsync-on-rewrite does not apply to appendfsync always";
    for changes in [
        &["appendfsync always", "no-appendfsync-on-rewrite yes"][..],
        &["no-appendfsync-on-rewrite yes", "appendfsync always"],
        &["no-appendfsync-on-rewrite yes appendfsync always"],
    ] {
        let mut rig = Rig::new("no");
        let client = rig.client();
        for change in changes {
            assert_eq!(rig.log_count(LINE), 0);
            assert_eq!(rig.ask(client, &format!("CONFIG SET {change}")), "+OK|");
        }
        assert_eq!(rig.log_count(LINE), 1, "{changes:?}");
        assert_eq!(rig.ask(client, "CONFIG SET appendfsync always hz 20"), "+OK|");
        assert_eq!(rig.log_count(LINE), 1, "nothing has changed");
    }
    let config = Config { no_appendfsync_on_rewrite: true, ..config("always") };
    assert_eq!(Rig::on(&SimDisk::new(), config, BOOT).unwrap().log_count(LINE), 1, "at start");
}

/// A name asked for in two spellings was answered twice.
#[test]
fn a_directive_is_answered_once_whatever_the_case() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    assert_eq!(rig.ask(client, "CONFIG GET TIMEOUT timeout time*"), "*2|$7|TIMEOUT|$1|0|");
}

#[test]
fn without_a_configuration_file_there_is_nothing_to_rewrite() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    assert_eq!(rig.ask(client, "CONFIG REWRITE"), "-ERR The server is running without a config file|");
    assert!(rig.ask(client, "CONFIG REWRITE now").starts_with("-ERR wrong number of arguments"));
}

/// A file that takes what it is told, or none of it.
struct Told {
    appendfsync: std::rc::Rc<std::cell::RefCell<Option<String>>>,
    fails: bool,
}

impl engine::ConfigFile for Told {
    fn rewrite(&mut self, config: &Config) -> Result<(), Box<dyn std::error::Error>> {
        if self.fails {
            return Err(std::io::Error::from_raw_os_error(30).into());
        }
        *self.appendfsync.borrow_mut() = Some(config.appendfsync.to_string());
        Ok(())
    }
}

#[test]
fn the_configuration_file_is_told_what_is_in_force_and_its_failure_is_told_as_in_redis() {
    for fails in [false, true] {
        let appendfsync = std::rc::Rc::default();
        let file = Told { appendfsync: std::rc::Rc::clone(&appendfsync), fails };
        let mut rig = Rig::started_with(Box::new(file));
        let client = rig.client();
        rig.ask(client, "CONFIG SET appendfsync always");
        let reply = rig.ask(client, "CONFIG REWRITE");
        if fails {
            assert_eq!(reply, "-ERR Rewriting config file: Read-only file system|");
            assert!(rig.logged("CONFIG REWRITE failed: Read-only file system"));
        } else {
            assert_eq!((reply.as_str(), appendfsync.borrow().as_deref()), ("+OK|", Some("always")));
            assert!(rig.logged("CONFIG REWRITE executed with success."));
        }
    }
}
