//! From effects to the file.

use std::sync::Arc;

use resp_codec::{ArgSpan, Args, Effect, Effects};

use super::rig::{Rig, SELECT_0, TestFile, command};
use crate::{AofBuffer, AppendFsync, Options};

fn text(rig: &mut Rig) -> String {
    rig.turn();
    String::from_utf8(rig.file.content()).unwrap().replace("\r\n", " ")
}

#[test]
fn commands_of_many_databases_are_one_stream() {
    let mut rig = Rig::new(AppendFsync::No);
    for db in [0, 0, 12, 0] {
        rig.aof.feed(Effect { db, command: &command("A") });
    }
    assert_eq!(
        text(&mut rig),
        "*2 $6 SELECT $1 0 *1 $1 A *1 $1 A *2 $6 SELECT $2 12 *1 $1 A *2 $6 SELECT $1 0 *1 $1 A "
    );
}

#[test]
fn several_effects_of_one_command_are_a_unit_and_one_is_not() {
    let mut rig = Rig::new(AppendFsync::No);
    let bytes = b"*1\r\n$1\r\nV\r\n";
    let spans = [ArgSpan { start: 8, end: 9 }];
    let request = Args::new(bytes, &spans, true);
    let mut effects = Effects::default();
    effects.push_verbatim(3);
    rig.aof.feed_effects(&effects, &request);
    effects.push(3, &[b"DEL", b"k"]);
    let end = rig.aof.feed_effects(&effects, &request);
    effects.clear();
    assert_eq!(rig.aof.feed_effects(&effects, &request), end);
    assert_eq!(text(&mut rig), "*2 $6 SELECT $1 3 *1 $1 V *1 $5 MULTI *1 $1 V *2 $3 DEL $1 k *1 $4 EXEC ");
}

#[test]
fn a_transaction_takes_its_commands_effects_into_one_unit() {
    let mut rig = Rig::new(AppendFsync::No);
    let (a, b, c) = (command("A"), command("B"), command("C"));
    rig.aof.begin_unit();
    rig.aof.feed(Effect { db: 0, command: &a });
    rig.aof.feed_unit([Effect { db: 1, command: &b }, Effect { db: 1, command: &c }].into_iter());
    let end = rig.aof.end_unit();
    rig.aof.begin_unit();
    assert_eq!(rig.aof.end_unit(), end, "a transaction that changed nothing leaves no trace");
    assert_eq!(text(&mut rig), "*2 $6 SELECT $1 0 *1 $5 MULTI *1 $1 A *2 $6 SELECT $1 1 *1 $1 B *1 $1 C *1 $4 EXEC ");
}

#[test]
fn an_existing_file_is_continued_with_a_select_and_counts_as_base() {
    let file = TestFile::with(b"old");
    let mut aof = AofBuffer::new(Options::default());
    aof.preload_offset(aof_state::LogOffset(1_000));
    aof.open(Arc::clone(&file) as Arc<dyn vfs::File>, 3);
    let mut rig = Rig { aof, file, ..Rig::new(AppendFsync::EverySec) };
    let end = rig.feed("A");
    assert_eq!(end, 1_000 + (SELECT_0.len() + command("A").len()) as u64);
    rig.turn();
    let stats = rig.aof.stats();
    assert_eq!((stats.base_size_bytes, stats.current_size_bytes), (3, 3 + end - 1_000));
    assert_eq!(rig.aof.proven_size_bytes(), Some(3));
    assert_eq!(rig.file.content(), [b"old", SELECT_0, &command("A")].concat());
}

#[test]
fn without_a_file_the_stream_stands_still_and_only_the_rewrite_buffer_fills() {
    let mut rig = Rig::new(AppendFsync::Always);
    assert!(rig.aof.close().is_some());
    assert_eq!((rig.feed("A"), rig.marks()), (0, (0, 0, 0)));
    rig.aof.diff_start();
    assert_eq!(rig.feed("B"), 0);
    assert_eq!(rig.aof.diff_front(), Some(&[SELECT_0, &command("B")].concat()[..]));
    rig.aof.diff_drop();
    assert_eq!((rig.aof.diff_front(), rig.aof.diff_len(), rig.file.content().len()), (None, 0, 0));
}
