//! INFO persistence: which fields there are, and what is counted in them.

use bio::Kind;
use vfs::sim::{Call, Fault, Rule};

use crate::support::{BOOT, Rig, config};

/// The section as redis-server 7.2.4 has it with a log, and `aof_rewrite_buffer_length`, which ended with 6.2.
const REDIS: &str = "loading async_loading current_cow_peak current_cow_size current_cow_size_age current_fork_perc \
     current_save_keys_processed current_save_keys_total rdb_changes_since_last_save rdb_bgsave_in_progress \
     rdb_last_save_time rdb_last_bgsave_status rdb_last_bgsave_time_sec rdb_current_bgsave_time_sec rdb_saves \
     rdb_last_cow_size rdb_last_load_keys_expired rdb_last_load_keys_loaded aof_enabled aof_rewrite_in_progress \
     aof_rewrite_scheduled aof_last_rewrite_time_sec aof_current_rewrite_time_sec aof_last_bgrewrite_status aof_rewrites \
     aof_rewrites_consecutive_failures aof_last_write_status aof_last_cow_size module_fork_in_progress \
     module_fork_last_cow_size aof_current_size aof_base_size aof_pending_rewrite aof_buffer_length \
     aof_rewrite_buffer_length aof_pending_bio_fsync aof_delayed_fsync";

/// While it loads, between those of the log and ours.
const REDIS_LOADING: &str = "loading_start_time loading_total_bytes loading_rdb_used_mem loading_loaded_bytes \
     loading_loaded_perc loading_eta_seconds";

const OURS: &str = "aof_state aof_effective_fsync aof_appended_offset aof_written_offset aof_fsynced_offset \
     aof_flush_pending aof_rewrite_phase aof_rewrites_succeeded aof_rewrite_written_bytes aof_rewrite_diff_sent_bytes \
     aof_rewrite_diff_read_bytes aof_write_errors aof_fsync_errors aof_background_errors aof_last_error";

fn fields(rig: &mut Rig) -> Vec<String> {
    let client = rig.client();
    rig.send(client, "INFO persistence");
    let text = rig.take(client);
    text.split('|').filter_map(|line| line.split_once(':')).map(|(field, _)| field.to_owned()).collect()
}

fn words(texts: &[&str]) -> Vec<String> {
    texts.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect()
}

/// `aof_write_errors`, `aof_fsync_errors`, `aof_background_errors` and `aof_last_error`.
fn errors(rig: &mut Rig) -> [String; 4] {
    ["aof_write_errors", "aof_fsync_errors", "aof_background_errors", "aof_last_error"].map(|field| rig.info(field))
}

#[test]
fn persistence_has_the_fields_of_redis_in_their_order_and_ours_behind_them() {
    let mut rig = Rig::new("everysec");
    assert_eq!(fields(&mut rig), words(&[REDIS, OURS]));
    let client = rig.client();
    assert_eq!(rig.ask(client, "CONFIG SET appendonly no"), "+OK|");
    let (always, _of_a_log) = REDIS.split_at(REDIS.find("aof_current_size").unwrap());
    assert_eq!(fields(&mut rig), words(&[always, OURS]));
}

#[test]
fn a_load_has_its_fields_behind_those_of_the_log() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    let mut next = Rig::loading(&rig.killed(), config("everysec"), BOOT).unwrap();
    assert_eq!(fields(&mut next), words(&[REDIS, REDIS_LOADING, OURS]));
    assert_eq!((next.info("loading"), next.info("aof_enabled")), ("1".to_owned(), "1".to_owned()));
    assert_eq!((next.info("aof_state"), next.info("loading_eta_seconds")), ("loading".to_owned(), "1".to_owned()));
}

#[test]
fn every_failed_write_counts_also_when_it_is_logged_no_more() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.disk.inject(Rule::from_nth(Call::Append, 1, Fault::ENOSPC));
    rig.ask(client, "SET a 1");
    assert_eq!(errors(&mut rig), ["1", "0", "0", "write (No space left on device)"]);
    for _ in 0..5 {
        rig.pass_ms(1_000);
    }
    assert_eq!(rig.info("aof_write_errors"), "6");
    rig.ask(client, "CONFIG RESETSTAT");
    assert_eq!(errors(&mut rig), ["0", "0", "0", ""]);
}

#[test]
fn a_failed_fsync_in_a_thread_counts() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.disk.inject(Rule::nth(Call::Fdatasync, 1, Fault::FSYNC_EIO));
    rig.ask(client, "SET a 1");
    rig.run(Kind::Fsync);
    rig.turn();
    assert_eq!(errors(&mut rig), ["0", "1", "0", "fsync (Input/output error)"]);
}

/// A state file that could not be written was not told of: the next start had to prove the whole log, and nobody knew why.
#[test]
fn a_state_file_that_cannot_be_written_counts_each_time_and_is_logged_once_in_thirty_seconds() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.disk.inject(Rule::when(Fault::ENOSPC, |a| a.call == Call::Append && a.name.contains("state")));
    for n in 0..40 {
        rig.ask(client, &format!("SET a {n}"));
        rig.run_all();
        rig.pass_ms(1_000);
    }
    let [writes, fsyncs, background, last] = errors(&mut rig);
    assert_eq!((writes.as_str(), fsyncs.as_str()), ("0", "0"));
    assert!(background.parse::<u32>().unwrap() >= 30, "{background}");
    assert_eq!(last, "writing the state file (No space left on device)");
    assert_eq!(rig.log_count("Error writing the state file"), 2);
    assert_eq!(rig.ask(client, "SET a 1"), "+OK|", "nothing else depends on it");
}

#[test]
fn errors_of_a_rewrite_count_by_what_failed() {
    let fails = |call, name: &'static str| Rule::when(Fault::EIO, move |a| a.call == call && a.name.starts_with(name));
    for (rule, counts, last) in [
        (fails(Call::Append, "temp-"), ["1", "0", "0"], "write in a rewrite (Input/output error)"),
        (fails(Call::Fdatasync, "temp-"), ["0", "1", "0"], "fsync in a rewrite (Input/output error)"),
        (fails(Call::Rename, "temp-rewriteaof-bg"), ["0", "0", "1"], "rename in a rewrite (Input/output error)"),
    ] {
        let mut rig = Rig::new("no");
        let client = rig.client();
        rig.disk.inject(rule);
        rig.ask(client, "SET a 1\nBGREWRITEAOF");
        rig.settle();
        let [writes, fsyncs, background, told] = errors(&mut rig);
        assert_eq!([writes, fsyncs, background], counts, "{told}");
        assert_eq!(told, last);
        assert_eq!(rig.info("aof_last_bgrewrite_status"), "err");
    }
}

#[test]
fn a_mark_that_cannot_be_set_on_the_new_log_counts_and_is_logged() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.disk.inject(Rule::when(Fault::EIO, |a| a.call == Call::SetMark));
    rig.ask(client, "SET a 1\nBGREWRITEAOF");
    rig.settle();
    assert_eq!(rig.info("aof_background_errors"), "1");
    assert!(rig.logged("Error marking the new append only file"));
    assert_eq!(rig.info("aof_last_bgrewrite_status"), "ok");
}

/// A client takes a value with commas for a list, and one with equals signs for a map.
#[test]
fn the_text_of_the_last_error_is_a_single_value_to_every_client() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.disk.inject(Rule::when(Fault::ENOSPC, |a| a.call == Call::Append && a.name.contains("state")));
    rig.ask(client, "SET a 1");
    rig.run_all();
    rig.pass_ms(2_000);
    rig.run_all();
    rig.turn();
    let last = rig.info("aof_last_error");
    assert!(!last.is_empty() && !last.contains([',', '=', ':', '#']), "{last}");
}

#[test]
fn rewrites_count_when_they_start_as_in_redis() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "BGREWRITEAOF");
    rig.ask(client, "BGREWRITEAOF");
    assert_eq!((rig.info("aof_rewrites"), rig.info("aof_pending_rewrite")), ("1".to_owned(), "0".to_owned()));
    rig.settle();
    rig.children.fail_next_fork(12);
    rig.ask(client, "BGREWRITEAOF");
    assert_eq!((rig.info("aof_rewrites"), rig.info("total_forks")), ("2".to_owned(), "1".to_owned()));
    assert_eq!(rig.info("aof_rewrites_succeeded"), "1");
}

#[test]
fn the_progress_and_memory_of_a_child_are_shown_while_it_runs_and_no_longer() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    for n in 0..100 {
        rig.send(client, &format!("SET key:{n} value"));
    }
    rig.turn();
    rig.children.set_cow_bytes(3 << 20);
    rig.ask(client, "BGREWRITEAOF");
    assert_eq!((rig.info("current_save_keys_total"), rig.info("current_cow_size")), ("100".to_owned(), "0".to_owned()));
    let mut percents = Vec::new();
    while rig.info("aof_rewrite_phase") == "child" {
        rig.children.step(rig.mono_ms());
        rig.pass_ms(500);
        if rig.info("aof_rewrite_phase") == "child" {
            let percent: f64 = rig.info("current_fork_perc").parse().unwrap();
            percents.push(percent);
            assert_eq!(
                (rig.info("current_cow_size"), rig.info("current_cow_peak")),
                ("3145728".into(), "3145728".into())
            );
            assert_eq!(rig.info("current_cow_size_age"), "0");
        }
    }
    assert!(percents.is_sorted() && percents.iter().any(|p| (1.0..99.0).contains(p)), "{percents:?}");
    rig.settle();
    for field in ["current_cow_size", "current_cow_peak", "current_cow_size_age", "current_save_keys_processed"] {
        assert_eq!(rig.info(field), "0", "{field}");
    }
    assert_eq!((rig.info("aof_last_cow_size"), rig.info("current_fork_perc")), ("3145728".into(), "0.00".into()));
}

#[test]
fn the_memory_of_a_child_that_is_silent_grows_old() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.children.set_cow_bytes(4096);
    rig.ask(client, "BGREWRITEAOF");
    rig.children.step(rig.mono_ms());
    rig.pass_ms(100);
    for seconds in 0..5 {
        assert_eq!(rig.info("current_cow_size_age"), seconds.to_string());
        rig.pass_ms(1_000);
    }
}
