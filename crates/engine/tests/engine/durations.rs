//! What is kept of how long commands take: the slow log, the latency monitor, statistics.

use bio::Kind;
use engine::ClientId;

use crate::support::{Rig, clock_readings, commands_take_ms};

/// The field of INFO that begins so, if it is there.
fn info_line(rig: &mut Rig, prefix: &str) -> Option<String> {
    let client = rig.client();
    let text = rig.ask(client, "INFO everything");
    text.split('|').find(|line| line.starts_with(prefix)).map(str::to_owned)
}

#[test]
fn a_command_that_takes_too_long_stands_in_the_slow_log_with_its_arguments() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "CLIENT SETNAME me");
    commands_take_ms(9);
    rig.ask(client, "SET quick v");
    commands_take_ms(20);
    rig.ask(client, "SET slow v");
    commands_take_ms(0);
    assert_eq!(rig.ask(client, "SLOWLOG LEN"), ":1|");
    let entry = "*6|:0|:1790000000|:20000|*3|$3|SET|$4|slow|$1|v|$0||$2|me|";
    assert_eq!(rig.ask(client, "SLOWLOG GET"), format!("*1|{entry}"));
    assert_eq!(rig.ask(client, "SLOWLOG GET 0"), "*0|");
    assert_eq!(rig.ask(client, "SLOWLOG GET -2"), "-ERR count should be greater than or equal to -1|");
    assert_eq!(rig.ask(client, "SLOWLOG RESET\nSLOWLOG GET -1"), "+OK|*0|");
}

#[test]
fn the_slow_log_can_be_turned_off_and_shortened() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    commands_take_ms(20);
    rig.ask(client, "CONFIG SET slowlog-log-slower-than -1\nGET a");
    commands_take_ms(0);
    assert_eq!(rig.ask(client, "SLOWLOG LEN"), ":0|");
    rig.ask(client, "CONFIG SET slowlog-log-slower-than 0\nGET a\nGET b\nGET c");
    // CONFIG SET itself ended after it was turned on.
    assert_eq!(rig.ask(client, "SLOWLOG LEN"), ":4|");
    rig.ask(client, "CONFIG SET slowlog-max-len 2");
    assert_eq!(rig.ask(client, "SLOWLOG LEN"), ":2|");
}

#[test]
fn the_commands_of_a_transaction_are_slow_by_themselves() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "MULTI\nSET a 1\nGET a");
    commands_take_ms(20);
    rig.ask(client, "EXEC");
    commands_take_ms(0);
    assert_eq!(rig.ask(client, "SLOWLOG LEN"), ":2|");
    assert_eq!(info_line(&mut rig, "cmdstat_exec:").unwrap().split(',').nth(1), Some("usec=60000"));
}

#[test]
fn a_password_does_not_stand_in_the_slow_log() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    commands_take_ms(20);
    rig.ask(client, "CONFIG SET requirepass secret-word\nAUTH secret-word\nHELLO 2 AUTH default secret-word");
    commands_take_ms(0);
    let log = rig.ask(client, "SLOWLOG GET");
    assert!(log.starts_with("*3|") && log.contains("(redacted)") && !log.contains("secret-word"), "{log}");
}

/// The slow log kept names of clients as long as they were: 128 entries with a name of 512 MB were 64 GB.
#[test]
fn the_slow_log_shortens_the_names_of_clients() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, &format!("CLIENT SETNAME {}", "n".repeat(200)));
    commands_take_ms(20);
    rig.ask(client, "GET a");
    commands_take_ms(0);
    let log = rig.ask(client, "SLOWLOG GET");
    assert!(log.ends_with(&format!("|{}... (72 more bytes)|", "n".repeat(128))), "{log}");
}

/// DEBUG SLEEP stalls the server after the command was measured: whoever tried a slow log or an alarm out with it, as people
/// do, saw nothing slow.
#[test]
fn what_debug_sleep_waits_counts_as_the_time_of_the_command() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "CONFIG SET latency-monitor-threshold 30\nDEBUG SLEEP 0.04\nGET a");
    assert_eq!(rig.engine.take_stall_us(), 40_000);
    rig.ask(client, "GET a");
    assert_eq!(rig.ask(client, "SLOWLOG LEN"), ":1|");
    assert!(rig.ask(client, "SLOWLOG GET").starts_with("*1|*6|:0|:1790000000|:40000|*3|$5|DEBUG|"));
    assert_eq!(rig.ask(client, "LATENCY LATEST"), "*1|*4|$7|command|:1790000000|:40|:40|");
}

#[test]
fn the_latency_monitor_keeps_what_takes_as_long_as_its_threshold() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    commands_take_ms(50);
    rig.ask(client, "GET a");
    commands_take_ms(0);
    assert_eq!(rig.ask(client, "LATENCY LATEST"), "*0|");
    rig.ask(client, "CONFIG SET latency-monitor-threshold 30");
    commands_take_ms(50);
    rig.ask(client, "GET a");
    commands_take_ms(40);
    rig.ask(client, "GET a");
    rig.ask(client, "KEYS *");
    commands_take_ms(0);
    assert_eq!(
        rig.ask(client, "LATENCY LATEST"),
        "*2|*4|$7|command|:1790000000|:40|:40|*4|$12|fast-command|:1790000000|:50|:50|"
    );
    assert_eq!(rig.ask(client, "LATENCY HISTORY fast-command"), "*1|*2|:1790000000|:50|");
    assert_eq!(rig.ask(client, "LATENCY HISTORY nothing"), "*0|");
    assert_eq!(rig.ask(client, "LATENCY RESET command nothing\nLATENCY RESET"), ":1|:1|");
}

#[test]
fn a_graph_and_a_report_are_made_of_what_was_observed() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    assert_eq!(rig.ask(client, "LATENCY GRAPH command"), "-ERR No samples available for event 'command'|");
    assert!(rig.ask(client, "LATENCY DOCTOR").contains("|Latency monitoring is disabled"));
    rig.ask(client, "CONFIG SET latency-monitor-threshold 30");
    assert!(rig.ask(client, "LATENCY DOCTOR").contains("All is well"));
    commands_take_ms(50);
    rig.ask(client, "GET a");
    commands_take_ms(0);
    let graph = rig.ask(client, "LATENCY GRAPH fast-command");
    assert!(graph.starts_with("$154|fast-command - high 50 ms, low 50 ms (all time high 50 ms)\n---"), "{graph}");
    assert!(graph.ends_with("---\n \n \n \n_\n \n0\ns\n|"), "{graph}");
    let report = rig.ask(client, "LATENCY DOCTOR");
    assert!(report.contains("1. fast-command: 1 latency spikes (average 50ms, mean deviation 0ms"), "{report}");
    assert!(rig.ask(client, "LATENCY DOCTOR all").starts_with("-ERR wrong number of arguments for 'latency|doctor'"));
    rig.ask(client, "HELLO 3");
    assert!(rig.ask(client, "LATENCY GRAPH fast-command").starts_with("=158|txt:fast-command - high"));
    assert!(rig.ask(client, "LATENCY DOCTOR").contains("|txt:Latency spikes were observed"));
}

#[test]
fn statistics_say_how_often_commands_took_how_long() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "CONFIG SET slowlog-log-slower-than -1");
    commands_take_ms(1);
    rig.ask(client, "GET a\nGET a\nGET a");
    commands_take_ms(3);
    rig.ask(client, "GET a");
    commands_take_ms(0);
    let stats = "cmdstat_get:calls=4,usec=6000,usec_per_call=1500.00,rejected_calls=0,failed_calls=0";
    assert_eq!(info_line(&mut rig, "cmdstat_get:").as_deref(), Some(stats));
    let percentiles = info_line(&mut rig, "latency_percentiles_usec_get:").unwrap();
    assert_eq!(percentiles, "latency_percentiles_usec_get:p50=1003.519,p99=3014.655,p99.9=3014.655");
    assert_eq!(
        rig.ask(client, "LATENCY HISTOGRAM get nothing"),
        "*2|$3|get|*4|$5|calls|:4|$14|histogram_usec|*4|:1056|:3|:4227|:4|"
    );
    rig.ask(client, "CONFIG SET latency-tracking-info-percentiles 0");
    assert!(info_line(&mut rig, "latency_percentiles_usec_get:p0=").is_some());
    rig.ask(client, "CONFIG RESETSTAT");
    assert_eq!(info_line(&mut rig, "cmdstat_get:"), None);
    rig.ask(client, "CONFIG SET latency-tracking no\nGET a");
    assert_eq!(info_line(&mut rig, "latency_percentiles_usec_get:"), None);
}

/// The names of the events that LATENCY knows, each with its newest sample.
fn events(rig: &mut Rig) -> Vec<String> {
    let client = rig.client();
    let reply = rig.ask(client, "LATENCY LATEST");
    let words: Vec<&str> = reply.split('|').collect();
    words.windows(5).filter(|w| w[0] == "*4").map(|w| format!("{} {}", w[2], &w[4][1..])).collect()
}

/// A server under `policy` that notes what takes 30 ms, and a client.
fn monitored(policy: &str) -> (Rig, ClientId) {
    let mut rig = Rig::new(policy);
    let client = rig.client();
    rig.ask(client, "CONFIG SET latency-monitor-threshold 30");
    (rig, client)
}

#[test]
fn a_write_is_an_event_of_its_own_and_of_its_kind() {
    let (mut rig, client) = monitored("everysec");
    rig.send(client, "SET a 1");
    commands_take_ms(40);
    rig.turn();
    commands_take_ms(0);
    assert_eq!(events(&mut rig), ["aof-write 40", "aof-write-alone 40"]);
    rig.ask(client, "LATENCY RESET");

    // Its fsync is under way: the next write is its thread's, and noted when it has ended.
    rig.send(client, "SET a 2");
    commands_take_ms(50);
    rig.turn();
    commands_take_ms(0);
    assert!(events(&mut rig).is_empty());
    commands_take_ms(60);
    assert!(rig.run(Kind::Write));
    commands_take_ms(0);
    rig.turn();
    assert_eq!(events(&mut rig), ["aof-write 60", "aof-write-pending-fsync 60"]);
}

#[test]
fn a_write_beside_a_child_is_told_from_others() {
    let (mut rig, client) = monitored("no");
    rig.ask(client, "SET a 1\nBGREWRITEAOF");
    rig.send(client, "SET a 2");
    commands_take_ms(40);
    rig.turn();
    commands_take_ms(0);
    assert_eq!(events(&mut rig), ["aof-write 40", "aof-write-active-child 40"]);
}

#[test]
fn under_always_every_fsync_is_an_event_and_under_everysec_none() {
    for (policy, wanted) in [("always", vec!["aof-fsync-always 40"]), ("everysec", vec![])] {
        let (mut rig, client) = monitored(policy);
        rig.send(client, "SET a 1");
        rig.turn();
        commands_take_ms(40);
        assert!(rig.run(Kind::Fsync));
        commands_take_ms(0);
        rig.turn();
        assert_eq!(events(&mut rig), wanted, "{policy}");
    }
}

#[test]
fn the_steps_of_a_switch_are_events() {
    let (mut rig, client) = monitored("no");
    rig.ask(client, "SET a 1\nBGREWRITEAOF");
    commands_take_ms(40);
    rig.settle();
    commands_take_ms(0);
    let seen = events(&mut rig);
    for event in ["aof-fstat 40", "aof-rename 40"] {
        assert!(seen.contains(&event.to_owned()), "{event} in {seen:?}");
    }
}

/// A job tells whoever measured when it began: were measuring begun anew at every CONFIG SET, nobody would listen.
#[test]
fn a_change_of_another_setting_loses_no_event() {
    let (mut rig, client) = monitored("always");
    rig.send(client, "SET a 1");
    rig.turn();
    rig.send(client, "CONFIG SET slowlog-max-len 7");
    commands_take_ms(40);
    rig.run(Kind::Fsync);
    commands_take_ms(0);
    rig.turn();
    assert_eq!(events(&mut rig), ["aof-fsync-always 40"]);
}

#[test]
fn without_a_threshold_no_system_call_is_measured() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    rig.send(client, "SET a 1");
    rig.engine.cron();
    // A turn reads the clock when it begins and when it ends; nothing in between does.
    let readings = clock_readings(|| rig.engine.end_turn());
    assert_eq!((readings, rig.run(Kind::Fsync)), (1, true));
    assert_eq!(clock_readings(|| rig.run_all()), 0);
}
