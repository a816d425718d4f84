//! From a log to a server: what replay does and does not, what clients are told meanwhile, what stands there afterwards.

use engine::Config;
use resp_codec::encode_request;
use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule, SimDisk};

use crate::support::{BOOT, DIR, LOG, Rig, config};

/// The log of these commands, one a line.
fn log_of(commands: &str) -> Vec<u8> {
    let encoded = commands.lines().map(|line| encode_request(&line.split_whitespace().collect::<Vec<_>>()));
    encoded.collect::<Vec<_>>().concat()
}

fn disk_with(log: &[u8]) -> SimDisk {
    let disk = SimDisk::new();
    disk.put(DIR, LOG, log);
    disk
}

/// A disk on which a server ended in order, with a log that takes several turns to load.
fn ended_with_a_long_log() -> SimDisk {
    let mut rig = Rig::new("no");
    let client = rig.client();
    let value = "v".repeat(1 << 20);
    for i in 0..20 {
        rig.ask(client, &format!("SET k{i} {value}"));
    }
    rig.send(client, "SHUTDOWN");
    rig.disk.kill()
}

#[test]
fn a_missing_log_is_created_and_durable_under_its_name_before_anything_is_served() {
    // Without the state file, whose own fsync of the directory would do for both.
    let disk = SimDisk::new();
    disk.inject(Rule::nth(Call::Rename, 1, Fault::EIO));
    let rig = Rig::on(&disk, config("no"), BOOT).unwrap();
    assert!(rig.logged("writing the state file"), "{:#?}", rig.lines());
    let after = rig.disk.crash(&mut fastrand::Rng::with_seed(1), CrashMode::Strict, NameMode::OnlyDirFsync);
    assert_eq!(after.content(DIR, LOG), Some(Vec::new()));
}

#[test]
fn an_empty_log_is_a_valid_one() {
    let mut rig = Rig::on(&disk_with(b""), config("everysec"), BOOT).unwrap();
    let client = rig.client();
    assert_eq!(rig.ask(client, "DBSIZE"), ":0|");
    assert_eq!(rig.ask(client, "SET a 1"), "+OK|");
}

#[test]
fn nothing_expires_while_a_log_is_loaded_and_what_has_expired_goes_afterwards() {
    // Were the key gone when it is renamed, the rename would fail and the log with it.
    let log = log_of("SET a 1\nPEXPIREAT a 1000\nRENAME a b\nRPUSH l x");
    let mut rig = Rig::on(&disk_with(&log), config("everysec"), BOOT).unwrap();
    assert!(rig.logged("DB loaded from append only file"), "{:#?}", rig.lines());
    rig.pass_ms(200);
    assert!(rig.aof().ends_with("*2|$3|DEL|$1|b|"), "{}", rig.aof());
    let client = rig.client();
    assert_eq!(rig.ask(client, "EXISTS b"), ":0|");
    assert_eq!(rig.ask(client, "LLEN l"), ":1|");
}

#[test]
fn what_is_replayed_is_not_fed_again() {
    let log = log_of("SELECT 0\nSET a 1\nINCR a\nMULTI\nRPUSH l x\nDEL a\nEXEC");
    let mut rig = Rig::on(&disk_with(&log), config("everysec"), BOOT).unwrap();
    rig.pass_ms(200);
    assert_eq!(rig.disk.content(DIR, LOG), Some(log));
}

#[test]
fn a_password_and_its_clients_limits_do_not_concern_the_log() {
    let config = Config { requirepass: "secret".into(), maxclients: 1, ..config("everysec") };
    let mut rig = Rig::on(&disk_with(&log_of("SET a 1")), config, BOOT).unwrap();
    let client = rig.client();
    assert_eq!(rig.ask(client, "AUTH secret"), "+OK|");
    assert_eq!(rig.ask(client, "GET a"), "$1|1|");
}

#[test]
fn a_command_that_no_server_logs_is_refused_by_name() {
    for command in ["GET a", "CONFIG SET appendonly no", "SHUTDOWN NOSAVE", "FLUSHNOTHING"] {
        let log = [log_of("SET a 1"), log_of(command)].concat();
        let disk = disk_with(&log);
        let rig = Rig::on(&disk, config("everysec"), BOOT).unwrap();
        assert_eq!(rig.status(), Some(1), "{command}");
        let name = command.split(' ').next().unwrap_or_default();
        assert!(rig.logged(name), "{command}: {:#?}", rig.lines());
        assert_eq!(disk.content(DIR, LOG), Some(log));
    }
}

#[test]
fn while_a_log_is_loaded_clients_are_told_so_and_how_far_it_is() {
    let disk = ended_with_a_long_log();
    let size_bytes = disk.content(DIR, LOG).unwrap().len();
    let mut rig = Rig::loading(&disk, config("everysec"), BOOT).unwrap();
    let client = rig.client();
    let mut loaded_bytes = vec![0];
    rig.turn();
    while rig.info("loading") == "1" {
        rig.send(client, "GET k0\nPING");
        let loading = "-LOADING Redis is loading the dataset in memory|";
        assert_eq!(rig.take(client), loading.repeat(2), "answered at once");
        assert_eq!(rig.info("loading_total_bytes"), size_bytes.to_string());
        loaded_bytes.push(rig.info("loading_loaded_bytes").parse::<usize>().unwrap());
        rig.turn();
    }
    assert!(loaded_bytes.len() > 4, "a turn of the loop loads a part: {loaded_bytes:?}");
    assert!(loaded_bytes.is_sorted() && loaded_bytes.last().is_some_and(|last| *last > 0), "{loaded_bytes:?}");
    assert_eq!(rig.ask(client, "STRLEN k19"), format!(":{}|", 1 << 20));
}

/// Where nothing was known of the log, INFO said 100 % when it was loaded, and began again at 0 to copy it.
#[test]
fn how_far_a_load_is_never_goes_back_though_what_is_unproven_is_gone_over_twice() {
    let log = ended_with_a_long_log().content(DIR, LOG).unwrap();
    let (size_bytes, disk) = (log.len(), disk_with(&log));
    let mut rig = Rig::loading(&disk, config("everysec"), BOOT).unwrap();
    let mut percent = Vec::new();
    for _ in 0..1_000 {
        if rig.info("loading") == "0" {
            break;
        }
        assert_eq!(rig.info("loading_total_bytes"), (2 * size_bytes).to_string());
        percent.push(rig.info("loading_loaded_perc").parse::<f64>().unwrap());
        rig.turn();
    }
    assert_eq!(rig.info("loading"), "0");
    assert!(percent.is_sorted() && percent[0] == 0.0, "{percent:?}");
    let (loading, copying) = percent.split_at(percent.partition_point(|p| *p < 50.0));
    assert!(loading.len() > 3 && copying.len() > 3, "{percent:?}");
}

#[test]
fn after_loading_the_log_goes_on_behind_its_last_byte_with_its_size_as_base() {
    let log = log_of("SELECT 3\nSET a 1");
    let mut rig = Rig::on(&disk_with(&log), config("everysec"), BOOT).unwrap();
    let size = log.len().to_string();
    assert_eq!((rig.info("aof_base_size"), rig.info("aof_current_size")), (size.clone(), size.clone()));
    let client = rig.client();
    rig.ask(client, "SET b 2");
    let added = log_of("SELECT 0\nSET b 2");
    assert_eq!(rig.disk.content(DIR, LOG), Some([&log[..], &added].concat()));
    assert_eq!(rig.info("aof_base_size"), size);
    assert_eq!(rig.info("aof_current_size"), (log.len() + added.len()).to_string());
}

#[test]
fn a_signal_while_a_log_is_loaded_ends_the_server_and_touches_no_file() {
    let disk = ended_with_a_long_log();
    let before: Vec<_> = disk.names(DIR).into_iter().map(|name| (disk.content(DIR, &name), name)).collect();
    let mut rig = Rig::loading(&disk, config("everysec"), BOOT).unwrap();
    rig.turn();
    assert_eq!(rig.info("loading"), "1");
    rig.engine.stop_signal("SIGTERM", 1);
    assert_eq!(rig.status(), Some(0));
    rig.turn();
    let after: Vec<_> = disk.names(DIR).into_iter().map(|name| (disk.content(DIR, &name), name)).collect();
    assert!(before == after, "{:?}", disk.names(DIR));
}
