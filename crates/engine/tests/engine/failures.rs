//! A disk that fails: who is told what, what goes on, and how it heals.

use bio::Kind;
use vfs::sim::{Call, Fault, Rule};

use crate::support::{BOOT, DIR, LOG, Rig, config};

const NOT_ON_DISK: &str = "-MISCONF Errors writing to the AOF file: No space left on device. \
     The command was executed but is not on disk|";
const REFUSED: &str = "-MISCONF Errors writing to the AOF file: No space left on device|";

/// A server whose last write(2) failed.
fn full_disk() -> Rig {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.run_all();
    rig.turn();
    rig.disk.inject(Rule::from_nth(Call::Append, 1, Fault::ENOSPC));
    assert_eq!(rig.ask(client, "SET a 2"), NOT_ON_DISK);
    rig
}

#[test]
fn a_failed_write_turns_the_held_replies_into_errors_and_keeps_their_order() {
    let mut rig = Rig::new("everysec");
    let (client, other) = (rig.client(), rig.client());
    rig.disk.inject(Rule::from_nth(Call::Append, 1, Fault::ENOSPC));
    rig.send(client, "GET b\nSET a 1\nGET b\nGET a");
    rig.send(other, "GET b");
    rig.turn();
    assert_eq!(rig.take(client), format!("$-1|{NOT_ON_DISK}$-1|{NOT_ON_DISK}"));
    assert_eq!(rig.take(other), "$-1|");
}

#[test]
fn in_error_writes_and_ping_are_refused_and_reads_go_on() {
    let mut rig = full_disk();
    let client = rig.client();
    for request in ["SET b 1", "PING", "DEL a", "INCR n"] {
        assert_eq!(rig.ask(client, request), REFUSED, "{request}");
    }
    for (request, reply) in [("GET b", "$-1|"), ("ECHO hi", "$2|hi|"), ("EXISTS n", ":0|")] {
        rig.send(client, request);
        assert_eq!(rig.take(client), reply, "{request} is served at once");
    }
}

#[test]
fn a_read_that_would_have_to_wait_for_the_failed_bytes_is_answered_with_the_error_at_once() {
    let mut rig = full_disk();
    let client = rig.client();
    rig.send(client, "GET a");
    assert_eq!(rig.take(client), REFUSED);
}

#[test]
fn in_error_a_transaction_that_writes_is_refused_as_a_whole() {
    let mut rig = full_disk();
    let client = rig.client();
    assert_eq!(rig.ask(client, "MULTI"), "+OK|");
    assert_eq!(rig.ask(client, "SET b 1"), REFUSED);
    assert_eq!(rig.ask(client, "EXEC"), "-EXECABORT Transaction discarded because of previous errors.|");

    rig.send(client, "MULTI\nGET b\nEXEC");
    assert_eq!(rig.take(client), "+OK|+QUEUED|*1|$-1|", "one that only reads is not");
}

#[test]
fn a_transaction_queued_before_the_error_is_refused_at_exec() {
    let mut rig = Rig::new("everysec");
    let (client, other) = (rig.client(), rig.client());
    rig.send(client, "MULTI\nSET b 1");
    rig.disk.inject(Rule::from_nth(Call::Append, 1, Fault::ENOSPC));
    rig.ask(other, "SET a 1");
    rig.take(client);
    assert_eq!(
        rig.ask(client, "EXEC"),
        "-EXECABORT Transaction discarded because of: \
         MISCONF Errors writing to the AOF file: No space left on device|"
    );
}

#[test]
fn a_failed_write_heals_within_a_second_of_the_disk_and_nothing_is_lost() {
    let mut rig = full_disk();
    let client = rig.client();
    rig.disk.heal();
    rig.pass_ms(1_001);
    assert_eq!(rig.ask(client, "PING"), "+PONG|");
    assert_eq!(rig.ask(client, "GET a"), "$1|2|", "what was executed is on disk now, once");
    assert_eq!(rig.aof().matches("SET|$1|a|$1|2|").count(), 1);
    assert!(rig.logged("AOF write error looks solved"));
}

#[test]
fn a_short_write_is_cut_off_again() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    let whole = rig.aof();
    rig.disk.inject(Rule::nth(Call::Append, 1, Fault::Short(5)));
    assert_eq!(rig.ask(client, "SET a 2"), NOT_ON_DISK);
    assert_eq!(rig.aof(), whole);
}

/// The half was stated as proven: the hole directly behind it was taken for damage, and the server did not start.
#[test]
fn half_a_command_that_could_not_be_cut_off_is_not_stated_and_a_hole_behind_it_is_a_torn_tail() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    for _ in 0..3 {
        rig.pass_ms(1_000);
        rig.run_all();
    }
    let whole_bytes = rig.aof_bytes();
    rig.disk.inject(Rule::nth(Call::Append, 1, Fault::Short(5)));
    rig.disk.inject(Rule::nth(Call::SetLen, 1, Fault::EIO));
    assert_eq!(rig.ask(client, "SET a 2"), NOT_ON_DISK);
    for _ in 0..9 {
        rig.pass_ms(100);
        rig.run_all();
    }
    let half_bytes = rig.disk.durable_content(DIR, LOG).unwrap().len();
    assert_eq!(half_bytes as u64, whole_bytes + 5, "the half is fsynced, and nothing more");
    let stated = aof_state::StateFile::read_alone(&*rig.disk.dir(DIR), LOG).unwrap();
    assert_eq!(stated.fsynced_offset_bytes, whole_bytes);

    rig.pass_ms(101);
    let hole = half_bytes..usize::try_from(rig.aof_bytes()).unwrap();
    assert!(!hole.is_empty(), "the rest is written");
    assert_eq!(rig.ask(client, "SET b 1"), "+OK|");
    let cut = rig.killed();
    cut.tamper(DIR, LOG, |bytes| bytes[hole].fill(0));
    let mut next = Rig::on(&cut, config("everysec"), BOOT + 1).unwrap();
    assert_eq!(next.status(), None, "{:#?}", next.lines());
    let client = next.client();
    assert_eq!(next.ask(client, "MGET a b"), "*2|$1|1|$-1|");
}

#[test]
fn what_waited_behind_a_failed_fsync_is_answered_with_the_error() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.disk.inject(Rule::nth(Call::Fdatasync, 1, Fault::FSYNC_EIO));
    rig.ask(client, "SET a 1");
    rig.send(client, "SET a 2");
    rig.turn();
    rig.run(Kind::Fsync);
    rig.turn();
    assert_eq!(
        rig.take(client),
        "-MISCONF Errors writing to the AOF file: Input/output error. The command was executed but is not on disk|"
    );
    rig.run_all();
    rig.turn();
    assert_eq!(rig.take(client), "", "it was answered once");
}

#[test]
fn under_always_a_failed_write_is_never_acknowledged_and_heals() {
    let mut rig = Rig::new("always");
    let (client, reader) = (rig.client(), rig.client());
    rig.disk.inject(Rule::from_nth(Call::Append, 1, Fault::ENOSPC));
    rig.send(client, "SET a 1");
    rig.send(reader, "GET b\nGET a");
    rig.turn();
    assert_eq!(rig.take(client), NOT_ON_DISK);
    assert_eq!(rig.take(reader), format!("$-1|{NOT_ON_DISK}"), "what was not on disk is not shown");
    assert_eq!(rig.ask(client, "SET a 2"), REFUSED);
    rig.disk.heal();
    rig.pass_ms(1_001);
    assert_eq!(rig.ask(client, "SET a 3"), "+OK|");
    assert_eq!((rig.status(), rig.info("aof_rewrites")), (None, "0".to_owned()), "a failed write needs no new file");
    assert!(rig.aof().contains("SET|$1|a|$1|1|") && rig.aof().contains("SET|$1|a|$1|3|"));
}

#[test]
fn a_failed_log_is_logged_once_in_thirty_seconds() {
    let mut rig = full_disk();
    let lines = |rig: &Rig| rig.log_count("Error writing to the AOF file");
    let first = lines(&rig);
    for _ in 0..20 {
        rig.pass_ms(1_000);
    }
    assert_eq!(lines(&rig), first);
    for _ in 0..20 {
        rig.pass_ms(1_000);
    }
    assert_eq!(lines(&rig), first + 1);
}
