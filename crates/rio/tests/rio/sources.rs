//! Sources: every byte is read once and in order, and the position is always known.

use std::io;
use std::sync::Arc;

use proptest::prelude::*;
use rio::{FileInput, Input, Source, SourceError, crc64};
use vfs::Dir as _;

/// Gives the bytes in pieces of these sizes (0: an interruption), then whatever is asked for.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: std::vec::IntoIter<usize>,
}

impl Input for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.sizes.next() {
            Some(0) => Err(io::ErrorKind::Interrupted.into()),
            Some(size) => {
                let most = size.min(buf.len());
                self.bytes.read(&mut buf[..most])
            }
            None => self.bytes.read(buf),
        }
    }
}

struct Broken;

impl Input for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(5))
    }
}

#[test]
fn exact_reads_cross_the_buffer_and_go_around_it() {
    let mut source = Source::with_buffer(&b"0123456789abcdef"[..], Vec::with_capacity(4)).checksummed();
    assert_eq!(source.read_array::<3>().unwrap(), *b"012");
    assert_eq!(source.read_array::<9>().unwrap(), *b"3456789ab");
    source.skip(2).unwrap();
    assert_eq!((source.offset(), source.checksum()), (14, Some(crc64(b"0123456789abcd"))));
    assert_eq!(source.read_array::<2>().unwrap(), *b"ef");
    assert_eq!(source.read_more().unwrap(), 0);
}

#[test]
fn the_end_is_an_error_that_names_what_was_asked_for() {
    let mut source = Source::with_buffer(&b"01234"[..], Vec::with_capacity(4)).starting_at(100);
    source.skip(2).unwrap();
    let error = source.read_array::<9>().unwrap_err();
    assert_eq!(error.to_string(), "unexpected end at byte 105: 9 bytes were expected from byte 102 on");
    assert!(matches!(source.skip(1), Err(SourceError::UnexpectedEnd { offset: 105, wanted: 1, end: 105 })));
}

#[test]
fn a_failed_read_says_where_and_why() {
    let error = Source::with_buffer(Broken, Vec::with_capacity(4)).starting_at(7).read_more().unwrap_err();
    assert_eq!((error.to_string(), error.errno()), ("read at byte 7".into(), Some(5)));
}

#[test]
fn a_parser_sees_more_and_more_until_its_bound() {
    let mut source = Source::with_buffer(&[7u8; 100][..], Vec::with_capacity(4)).growing_to(16);
    assert_eq!(source.peek(10).unwrap().len(), 16, "a full buffer doubles");
    assert!(matches!(source.read_more(), Err(SourceError::BufferFull { offset: 0, limit: 16 })));
    source.consume(1);
    assert_eq!(source.read_more().unwrap(), 1);
    assert_eq!((source.buffered().len(), source.offset()), (16, 1));
    source.consume(16);
    assert_eq!(source.peek(1).unwrap().len(), 16);
}

#[test]
fn peeking_beyond_the_end_gives_what_there_is() {
    let mut source = Source::with_buffer(&b"abc"[..], Vec::with_capacity(8));
    assert_eq!(source.peek(5).unwrap(), b"abc");
    assert_eq!(source.offset(), 0);
}

#[test]
#[should_panic(expected = "only buffered bytes")]
fn consuming_what_was_not_read_is_a_bug() {
    Source::with_buffer(&b"abc"[..], Vec::with_capacity(8)).consume(1);
}

#[test]
fn a_file_is_read_from_any_offset() {
    let dir = tempfile::tempdir().unwrap();
    let dir = vfs::RealDir::open(dir.path()).unwrap();
    let file = dir.open("f", vfs::Open::CreateNew).unwrap();
    assert_eq!(file.append(b"0123456789").unwrap(), 10);
    let mut source = Source::with_buffer(FileInput::new(Arc::clone(&file), 4), Vec::with_capacity(3)).starting_at(4);
    assert_eq!(source.read_array::<6>().unwrap(), *b"456789");
    assert_eq!(source.offset(), 10);
}

/// What a reader may do.
#[derive(Clone, Debug)]
enum Op {
    ReadExact(usize),
    Skip(u64),
    More,
    Consume(prop::sample::Index),
    Checksum,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0usize..40).prop_map(Op::ReadExact),
        (0u64..40).prop_map(Op::Skip),
        Just(Op::More),
        any::<prop::sample::Index>().prop_map(Op::Consume),
        Just(Op::Checksum),
    ]
}

proptest! {
    /// The model is a position in the whole input.
    #[test]
    fn a_source_is_a_position_in_its_input(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        sizes in prop::collection::vec(0usize..20, 0..40),
        ops in prop::collection::vec(any_op(), 0..40),
        (buffer, growth) in (1usize..24, 0usize..40),
    ) {
        let input = Pieces { bytes: &bytes, sizes: sizes.into_iter() };
        let mut source = Source::with_buffer(input, Vec::with_capacity(buffer)).growing_to(buffer + growth).checksummed();
        let mut at = 0;
        for op in ops {
            match op {
                Op::ReadExact(count) => {
                    let mut out = vec![0; count];
                    let read = source.read_exact(&mut out);
                    prop_assert_eq!(read.is_ok(), at + count <= bytes.len());
                    let came = count.min(bytes.len() - at);
                    prop_assert_eq!(&out[..came], &bytes[at..at + came]);
                    at += came;
                }
                Op::Skip(count) => {
                    let skipped = source.skip(count);
                    prop_assert_eq!(skipped.is_ok(), at as u64 + count <= bytes.len() as u64);
                    at = bytes.len().min(at + usize::try_from(count).unwrap());
                }
                Op::More => match source.read_more() {
                    Ok(0) => prop_assert_eq!(at + source.buffered().len(), bytes.len()),
                    Ok(_) => {}
                    Err(e) => prop_assert!(matches!(e, SourceError::BufferFull { .. }), "{}", e),
                },
                Op::Consume(index) => {
                    let count = index.index(source.buffered().len() + 1);
                    source.consume(count);
                    at += count;
                }
                Op::Checksum => prop_assert_eq!(source.checksum(), Some(crc64(&bytes[..at]))),
            }
            prop_assert_eq!(source.offset(), at as u64);
            let buffered = source.buffered();
            prop_assert_eq!(buffered, &bytes[at..at + buffered.len()]);
        }
        prop_assert_eq!(source.checksum(), Some(crc64(&bytes[..at])));
    }
}
