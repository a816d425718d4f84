//! What the child writes of a keyspace as an RDB preamble. The format itself is tested where it is made.

use std::sync::Arc;

use aof_rewrite::{ChildFiles, ChildTask, PreambleWriter, SnapshotSettings};
use child::Task as _;
use keyspace::{Deadline, Keyspace, UnixMs};
use rdb::{Checksum, Encoder, Entry, Options, Preface, Reader, SnapshotWriter, WriteOptions};
use rio::{Sink, Source};
use vfs::sim::SimDisk;
use vfs::{Dir, Open};

use crate::child_task::{ScriptEnv, run};
use crate::emitter::{Sample, emit_snapshot, fill};
use crate::replay::{commands, empty, preamble, replay};
use crate::world::{NOW, PREAMBLE};

/// The file that a child forked at `now` writes.
pub(crate) fn emit_preamble(keyspace: &Keyspace, now: UnixMs, settings: SnapshotSettings<'_>) -> Vec<u8> {
    emit_snapshot(PreambleWriter::reserve(keyspace, now, settings))
}

/// Every combination of the settings.
fn all_settings() -> impl Iterator<Item = SnapshotSettings<'static>> {
    [(true, true), (true, false), (false, true), (false, false)]
        .into_iter()
        .map(|(compress, checksum)| SnapshotSettings { compress, checksum, ..PREAMBLE })
}

fn every_type() -> Keyspace {
    let mut keyspace = empty();
    Sample::fill_with_every_type(&mut keyspace);
    fill(&mut keyspace, &mut fastrand::Rng::with_seed(9), 500);
    keyspace
}

/// What the `rdb` crate makes of a keyspace by itself.
fn expected(keyspace: &Keyspace, settings: SnapshotSettings<'_>) -> Vec<u8> {
    let preface = Preface {
        redis_ver: "7.2.4".into(),
        ctime_s: NOW.0 / 1000,
        used_mem_bytes: 1_000_000,
        is_aof_base: true,
        others: vec![("aof-preamble".into(), b"1".to_vec())],
    };
    let encoder = Encoder::reserve(WriteOptions { version: 9, compress: settings.compress });
    let sink = Sink::with_buffer(Vec::new(), Vec::with_capacity(1 << 12));
    let mut sink = if settings.checksum { sink.checksummed() } else { sink };
    SnapshotWriter::new(keyspace, Some(NOW), encoder, preface).run(&mut sink).unwrap();
    sink.flush().unwrap();
    sink.into_parts().0
}

#[test]
fn a_file_is_the_preamble_and_the_diff_behind_it_byte_for_byte() {
    let keyspace = every_type();
    let mut diff = Vec::new();
    for command in [&[&b"SELECT"[..], b"2"][..], &[b"SET", b"behind", b"1"], &[b"PEXPIREAT", b"behind", b"5"]] {
        resp_codec::encode_command(&mut diff, command.iter().copied());
    }
    for settings in all_settings() {
        let disk = SimDisk::new();
        let dir: Arc<dyn Dir> = disk.dir("/d");
        let file = dir.open("temp", Open::CreateNew).unwrap();
        let files = ChildFiles { dir, file, temp_name: "temp".into() };
        let snapshot = PreambleWriter::reserve(&keyspace, NOW, settings);
        let mut task = ChildTask::reserve(files, snapshot, 10, true).unwrap();
        let mut env = ScriptEnv::new(&diff, 3);
        assert_eq!(run(&mut task, &mut env), 0);
        let bytes = disk.content("/d", "temp-rewriteaof-bg-7.aof").unwrap();
        assert!(bytes == [expected(&keyspace, settings), diff.clone()].concat(), "{settings:?}");
        let (found, tail) = preamble(&bytes);
        assert_eq!(found.digest(), keyspace.digest());
        assert_eq!(tail, diff);
        assert_eq!(env.last.items, (0..4).map(|db| keyspace.db(db).len() as u64).sum::<u64>());
    }
}

#[test]
fn it_says_what_redis_says_and_ends_with_a_checksum_if_there_is_to_be_one() {
    for settings in all_settings() {
        let bytes = emit_preamble(&every_type(), NOW, settings);
        assert!(bytes.starts_with(b"REDIS0009"));
        let source = Source::with_buffer(&bytes[..], Vec::with_capacity(1 << 16));
        let mut reader = Reader::new(source, Options::default()).unwrap();
        let (mut fields, mut end) = (Vec::new(), None);
        while let Some(event) = reader.next_event().unwrap() {
            match event.entry {
                Entry::Aux { key, value } => {
                    fields.push(format!("{} {}", key.escape_ascii(), value.escape_ascii()));
                }
                Entry::End(checksum) => end = Some(checksum),
                _ => {}
            }
        }
        let expected = [
            "redis-ver 7.2.4",
            "redis-bits 64",
            "ctime 1700000000",
            "used-mem 1000000",
            "aof-preamble 1",
            "aof-base 1",
        ];
        assert_eq!(fields, expected);
        assert_eq!(matches!(end, Some(Checksum::Verified(_))), settings.checksum, "{end:?}");
    }
}

#[test]
fn an_empty_keyspace_is_a_preamble_without_keys() {
    let bytes = emit_preamble(&empty(), NOW, PREAMBLE);
    assert!(bytes.starts_with(b"REDIS"));
    let (keyspace, tail) = preamble(&bytes);
    assert_eq!((keyspace.digest(), tail), (empty().digest(), &b""[..]));
}

#[test]
fn keys_expired_at_the_fork_are_left_out_of_it_and_deadlines_are_exact() {
    let mut keyspace = empty();
    for (text, at) in [("gone", NOW.0 - 1), ("now", NOW.0), ("later", NOW.0 + 1)] {
        let key = keyspace.key(text.as_bytes());
        keyspace.db_mut(0).set_str(key, b"", Deadline::At(UnixMs(at)));
    }
    let found = replay(&emit_preamble(&keyspace, NOW, PREAMBLE));
    let deadline = |text: &str| found.db(0).entry(found.key(text.as_bytes())).map(|entry| entry.deadline);
    assert_eq!([deadline("gone"), deadline("now")], [None, Some(Some(NOW))]);
    assert_eq!(deadline("later"), Some(Some(UnixMs(NOW.0 + 1))));
}

#[test]
fn both_forms_of_a_snapshot_build_the_same_dataset() {
    let keyspace = every_type();
    let as_commands = crate::emitter::emit(&keyspace, NOW);
    let as_preamble = emit_preamble(&keyspace, NOW, PREAMBLE);
    assert_eq!(replay(&as_preamble).digest(), replay(&as_commands).digest());
    assert!(commands(&as_commands).1 > as_preamble.len(), "the preamble is smaller");
}

#[test]
fn the_diff_is_read_while_a_large_string_is_measured() {
    let mut rng = fastrand::Rng::with_seed(4);
    let mut keyspace = empty();
    let key = keyspace.key(b"large");
    // Nothing can be saved, which shows only near its end.
    let value: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(4 << 20).collect();
    keyspace.db_mut(0).set_str(key, &value, Deadline::Clear);
    let dir: Arc<dyn Dir> = SimDisk::new().dir("/d");
    let file = dir.open("temp", Open::CreateNew).unwrap();
    let snapshot = PreambleWriter::reserve(&keyspace, NOW, PREAMBLE);
    let files = ChildFiles { dir, file, temp_name: "temp".into() };
    let mut task = ChildTask::reserve(files, snapshot, 1 << 20, true).unwrap();
    let mut env = ScriptEnv::new(&vec![b'd'; 10_000], 100);
    task.step(&mut env);
    let before = env.reads;
    task.step(&mut env);
    let (while_measuring, while_writing) = (value.len() / (64 * 1024), value.len() / (256 * 1024));
    let reads = env.reads - before;
    assert!(reads > while_measuring as u64, "{reads} reads, of which writing needs {while_writing} or twice as many");
}
