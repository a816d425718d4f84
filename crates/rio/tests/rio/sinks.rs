//! Sinks: every byte arrives once and in order, or the error says where it ended.
#![expect(clippy::disallowed_methods, reason = "tests of real files")]

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use proptest::prelude::*;
use rio::{FileOutput, Output, Sink, SinkError, WriterOutput, crc64};
use vfs::Dir as _;

/// What the next write or fsync of a scripted output does; afterwards everything succeeds.
#[derive(Clone, Copy, Debug)]
enum Step {
    Take(usize),
    Errno(i32),
}

/// An output that follows a script and remembers what it took and at which sizes it was fsynced.
#[derive(Default)]
struct Scripted {
    writes: VecDeque<Step>,
    fsyncs: VecDeque<Step>,
    taken: Vec<u8>,
    fsynced_at: Vec<usize>,
}

impl Output for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match self.writes.pop_front() {
            None => bytes.len(),
            Some(Step::Take(most)) => most.min(bytes.len()),
            Some(Step::Errno(errno)) => return Err(io::Error::from_raw_os_error(errno)),
        };
        self.taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn fsync(&mut self) -> io::Result<()> {
        if let Some(Step::Errno(errno)) = self.fsyncs.pop_front() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.fsynced_at.push(self.taken.len());
        Ok(())
    }
}

const EINTR: i32 = 4;
const EIO: i32 = 5;
const EAGAIN: i32 = 11;
const ENOSPC: i32 = 28;

fn scripted(writes: &[Step], fsyncs: &[Step], buffer: usize) -> Sink<Scripted> {
    let output = Scripted { writes: writes.to_vec().into(), fsyncs: fsyncs.to_vec().into(), ..Scripted::default() };
    Sink::with_buffer(output, Vec::with_capacity(buffer))
}

#[test]
fn small_writes_wait_in_the_buffer() {
    let mut sink = scripted(&[], &[], 10);
    sink.write_all(b"12345").unwrap();
    sink.write_all(b"67890").unwrap();
    assert_eq!((sink.accepted_bytes(), sink.written_bytes(), sink.fsynced_bytes()), (10, 0, 0));
    sink.write_all(b"a").unwrap();
    assert_eq!((sink.accepted_bytes(), sink.written_bytes()), (11, 10));
    sink.fsync().unwrap();
    assert_eq!((sink.written_bytes(), sink.fsynced_bytes()), (11, 11));
    let (output, buffer) = sink.into_parts();
    assert_eq!(output.taken, b"1234567890a");
    assert!(buffer.capacity() >= 10, "the buffer is given back");
}

#[test]
fn short_and_interrupted_writes_are_finished() {
    let mut sink = scripted(&[Step::Take(1), Step::Errno(EINTR), Step::Take(2)], &[Step::Errno(EINTR)], 4);
    sink.write_all(b"abcdefghij").unwrap();
    sink.fsync().unwrap();
    assert_eq!(sink.output().taken, b"abcdefghij");
    assert_eq!(sink.fsynced_bytes(), 10);
}

#[test]
fn a_write_of_nothing_is_an_error() {
    let mut sink = scripted(&[Step::Take(0)], &[], 4);
    sink.write_all(b"abc").unwrap();
    let error = sink.flush().unwrap_err();
    assert!(matches!(&error, SinkError::Write { offset: 0, source } if source.kind() == io::ErrorKind::WriteZero));
    assert_eq!(error.errno(), None);
}

#[test]
fn after_a_failed_write_a_flush_goes_on_where_it_stopped() {
    for errno in [ENOSPC, EAGAIN] {
        let mut sink = scripted(&[Step::Take(3), Step::Errno(errno)], &[], 8).checksummed();
        sink.write_all(b"abcdef").unwrap();
        let error = sink.flush().unwrap_err();
        assert_eq!((error.step(), error.errno(), error.to_string()), ("write", Some(errno), "write at byte 3".into()));
        assert_eq!((sink.accepted_bytes(), sink.written_bytes()), (6, 3));
        sink.write_all(b"gh").unwrap();
        sink.write_all(b"ijklmnopqrst").unwrap();
        sink.flush().unwrap();
        assert_eq!(sink.output().taken, b"abcdefghijklmnopqrst");
        assert_eq!(sink.checksum(), Some(crc64(b"abcdefghijklmnopqrst")));
    }
}

#[test]
fn a_failed_fsync_is_final() {
    let mut sink = scripted(&[], &[Step::Take(0), Step::Errno(EIO)], 4);
    sink.write_all(b"abcd").unwrap();
    sink.fsync().unwrap();
    sink.write_all(b"ef").unwrap();
    let error = sink.fsync().unwrap_err();
    assert_eq!((error.step(), error.errno()), ("fsync", Some(EIO)));
    assert_eq!(error.to_string(), "fsync of bytes 4 to 6");
    assert!(matches!(sink.fsync().unwrap_err(), SinkError::Poisoned { fsynced: 4 }), "though the output would succeed");
    sink.write_all(b"g").unwrap();
    assert!(matches!(sink.flush().unwrap_err(), SinkError::Poisoned { fsynced: 4 }));
    assert_eq!(sink.fsynced_bytes(), 4);
}

#[test]
fn an_fsync_comes_after_every_so_many_bytes() {
    let mut sink = scripted(&[], &[], 8).fsync_every(20);
    sink.write_all(&[1; 50]).unwrap();
    for _ in 0..50 {
        sink.write_all(&[2]).unwrap();
    }
    sink.fsync().unwrap();
    assert_eq!(sink.output().fsynced_at, [20, 40, 60, 80, 100, 100]);
}

#[test]
fn a_file_is_appended_to_and_fsynced() {
    let dir = tempfile::tempdir().unwrap();
    let file = vfs::RealDir::open(dir.path()).unwrap().open("f", vfs::Open::CreateNew).unwrap();
    let mut sink = Sink::with_buffer(FileOutput::new(Arc::clone(&file)), Vec::with_capacity(3));
    sink.write_all(b"hello world").unwrap();
    sink.fsync().unwrap();
    assert_eq!(sink.fsynced_bytes(), file.metadata().unwrap().len);
    assert_eq!(std::fs::read(dir.path().join("f")).unwrap(), b"hello world");
}

#[test]
fn a_pipe_is_a_sink_too() {
    let (reader, writer) = io::pipe().unwrap();
    let mut sink = Sink::with_buffer(WriterOutput(writer), Vec::with_capacity(4));
    sink.write_all(b"through a pipe").unwrap();
    sink.flush().unwrap();
    drop(sink);
    let mut source = rio::Source::with_buffer(rio::ReaderInput(reader), Vec::with_capacity(5));
    assert_eq!(source.read_array::<14>().unwrap(), *b"through a pipe");
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1usize..30).prop_map(Step::Take),
        1 => Just(Step::Errno(EINTR)),
        1 => Just(Step::Errno(ENOSPC)),
        1 => Just(Step::Take(0)),
    ]
}

proptest! {
    /// The model is a `Vec` to which everything is appended, in whatever way the output misbehaves.
    #[test]
    fn every_byte_arrives_once_and_in_order(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
        steps in prop::collection::vec(any_step(), 0..40),
        buffer in 1usize..24,
        every in prop::option::of(1u64..50),
    ) {
        let mut sink = scripted(&steps, &[], buffer).checksummed();
        if let Some(every) = every {
            sink = sink.fsync_every(every);
        }
        let mut model = Vec::new();
        for part in &parts {
            let mut rest = &part[..];
            // A failed write takes some of the bytes; the caller gives the others again.
            loop {
                let before = sink.accepted_bytes();
                let result = sink.write_all(rest);
                let took = usize::try_from(sink.accepted_bytes() - before).unwrap();
                model.extend_from_slice(&rest[..took]);
                rest = &rest[took..];
                if result.is_ok() {
                    prop_assert!(rest.is_empty());
                    break;
                }
            }
            prop_assert!(sink.fsynced_bytes() <= sink.written_bytes() && sink.written_bytes() <= sink.accepted_bytes());
        }
        while sink.fsync().is_err() {}
        prop_assert_eq!(sink.accepted_bytes(), model.len() as u64);
        prop_assert_eq!(sink.fsynced_bytes(), model.len() as u64);
        prop_assert_eq!(sink.checksum(), Some(crc64(&model)));
        if let Some(every) = every {
            let points = &sink.output().fsynced_at;
            prop_assert!(points.windows(2).all(|w| (w[1] - w[0]) as u64 <= every), "{:?}", points);
        }
        prop_assert_eq!(&sink.output().taken, &model);
    }
}
