//! Every RDB file of the corpus holds what the server that wrote it said.
#![expect(clippy::disallowed_methods, reason = "reads the corpus")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rdb::{Checksum, Content, Entry, Foreign, Options, RdbError, Reader, Unsupported};
use rio::Source;
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::{Dataset, compare};

use crate::dataset::{corpus, described, events, keys, latin1};

/// One file: its path and what stands in it, and whether commands follow.
struct Sample {
    path: PathBuf,
    bytes: Vec<u8>,
    expected: Dataset,
    text: String,
    is_whole: bool,
}

fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    for server in ["redis-4.0", "redis-6.2", "redis-7.0", "redis-7.4", "valkey-8.0"] {
        for (kind, names) in
            [("rdb", &["dump.rdb"][..]), ("preamble", &["appendonly.aof", "appendonlydir/appendonly.aof.2.base.rdb"])]
        {
            let directory = corpus().join(server).join(kind);
            let path = names.iter().map(|name| directory.join(name)).find(|path| path.exists()).unwrap();
            let expected = std::fs::read_to_string(directory.join("expected.jsonl")).unwrap();
            samples.push(Sample {
                bytes: std::fs::read(&path).unwrap(),
                expected: Dataset::parse(&expected).unwrap(),
                text: expected,
                is_whole: kind == "rdb",
                path,
            });
        }
    }
    samples
}

fn skipping() -> Options {
    Options { unsupported: Unsupported::Skip, ..Options::default() }
}

#[test]
fn every_dump_holds_what_its_server_said() {
    for Sample { path, bytes, expected, .. } in samples().into_iter().filter(|sample| sample.is_whole) {
        let keys = keys(&bytes, skipping()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let found = Dataset { entries: keys.iter().filter_map(described).collect() };
        let (streams, expected): (BTreeMap<_, _>, BTreeMap<_, _>) =
            expected.entries.into_iter().partition(|(_, entry)| entry.kind == "stream");
        let differences = compare(&Dataset { entries: expected }, &found, DEADLINE_TOLERANCE_MS);
        assert!(differences.is_empty(), "{}: {}", path.display(), differences[0]);
        let skipped: Vec<_> = keys.iter().filter(|key| matches!(key.content, Content::Skipped(_))).collect();
        // Redis 4.0 has no streams.
        assert_eq!(skipped.is_empty(), path.display().to_string().contains("redis-4.0"));
        assert_eq!(skipped.len(), streams.len(), "{}", path.display());
        assert!(skipped.iter().all(|key| streams.contains_key(&(key.db, latin1(&key.key)))));
    }
}

#[test]
fn libraries_of_functions_come_with_their_text() {
    for Sample { path, bytes, text, .. } in samples().into_iter().filter(|sample| sample.is_whole) {
        let functions = events(&bytes, skipping()).unwrap().into_iter().filter_map(|event| match event.entry {
            Entry::Function(text) => Some(String::from_utf8(text).unwrap()),
            _ => None,
        });
        let functions: Vec<_> = functions.collect();
        let Some(line) = text.lines().find(|line| line.contains("\"functions\"")) else {
            assert!(functions.is_empty(), "{}", path.display());
            continue;
        };
        let expected: serde_json::Value = serde_json::from_str(line).unwrap();
        let libraries = expected["value"].as_array().unwrap();
        assert_eq!(functions.len(), libraries.len(), "{}", path.display());
        let code = functions[0].replace('\n', "\\n");
        assert!(libraries[0].as_str().unwrap().contains(&code), "{}: {code}", path.display());
    }
}

#[test]
fn every_preamble_is_read_to_its_end_and_no_further() {
    for Sample { path, bytes, expected, .. } in samples() {
        let mut reader = Reader::new(Source::with_buffer(&bytes[..], Vec::with_capacity(4096)), skipping()).unwrap();
        let (mut last, mut known) = (None, 0);
        while let Some(event) = reader.next_event().unwrap_or_else(|e| panic!("{}: {e}", path.display())) {
            assert!(event.offset < reader.offset());
            if let Entry::Key(key) = &event.entry {
                known += usize::from(expected.entries.contains_key(&(key.db, latin1(&key.key))));
            }
            last = Some(event.entry);
        }
        assert!(matches!(last, Some(Entry::End(Checksum::Verified(_)))), "{}: {last:?}", path.display());
        assert!(known > 40, "{}: {known} keys", path.display());
        let mut source = reader.into_source();
        let rest = source.peek(4).unwrap();
        assert!(rest.is_empty() || rest.starts_with(b"*2\r\n"), "{}: {rest:?}", path.display());
    }
}

#[test]
fn streams_are_refused_by_type_key_and_offset() {
    let with_streams = |sample: &Sample| !sample.path.display().to_string().contains("redis-4.0");
    for Sample { path, bytes, expected, .. } in samples().into_iter().filter(with_streams) {
        let error = events(&bytes, Options::default()).err().unwrap_or_else(|| panic!("{}", path.display()));
        let RdbError::Unsupported { offset, key: Some(key), what: Foreign::Type(kind) } = &error else {
            panic!("{}: {error}", path.display());
        };
        assert_eq!(kind.name(), "stream");
        let at = usize::try_from(*offset).unwrap();
        assert_eq!(bytes[at], kind.byte());
        let name = latin1(key.as_bytes());
        assert!(expected.entries.iter().any(|((_, key), entry)| entry.kind == "stream" && key.starts_with(&name)));
        assert!(error.to_string().contains(&format!("at byte {offset} of key {key}")), "{error}");
    }
}

#[test]
fn a_changed_byte_in_any_dump_is_found() {
    for Sample { path, bytes, .. } in samples() {
        for at in (9..bytes.len()).step_by(bytes.len() / 20) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(is_refused_or_behind(&path, &changed, at), "{}: byte {at}", path.display());
        }
    }
}

/// Whether a file is refused, or its RDB part ends before the changed byte.
fn is_refused_or_behind(path: &Path, bytes: &[u8], at: usize) -> bool {
    let mut reader = Reader::new(Source::with_buffer(bytes, Vec::with_capacity(4096)), skipping()).unwrap();
    loop {
        match reader.next_event() {
            Ok(Some(_)) => {}
            Ok(None) => return reader.offset() <= at as u64 && path.extension().is_some_and(|e| e != "rdb"),
            Err(_) => return true,
        }
    }
}
