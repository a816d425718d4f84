//! Imports: files of other servers, read in the order of their manifest and left as they are.
#![expect(clippy::disallowed_methods, reason = "real servers' files are looked at past the seam")]

use std::path::PathBuf;
use std::sync::Arc;

use aof_load::{
    Evidence, Import, Imported, LoadError, LoadOptions, Manifest, ManifestFlaw, Notice, Operation, Refusal, Sink,
    SourceKind, Unit,
};
use keyspace::{UnixMs, Value};
use resp_codec::Args;
use vfs::sim::{Call, Fault, Rule, SimDisk};
use vfs::{Dir, RealDir};

use crate::fixture::*;

const MANIFEST: &str = "appendonly.aof.manifest";
const BASE: &str = "appendonly.aof.2.base.aof";
const FIRST: &str = "appendonly.aof.2.incr.aof";
const LAST: &str = "appendonly.aof.3.incr.aof";

/// A log in three files, and where its units are.
struct Parts {
    base: Sample,
    first: Sample,
    last: Sample,
}

fn parts() -> Parts {
    let (mut base, mut first) = (Sample::default(), Sample::default());
    base.push(false, &[words("SELECT 3")]);
    base.push(false, &[words("SET of base")]);
    base.push(true, &[words("RPUSH list a b"), words("SET more base")]);
    first.push(false, &[words("SET of first")]);
    first.push(true, &[words("SELECT 9"), words("DEL list")]);
    Parts { base, first, last: sample() }
}

impl Parts {
    fn units(&self) -> Vec<Words> {
        [&self.base, &self.first, &self.last].into_iter().flat_map(|sample| sample.before(u64::MAX)).collect()
    }

    fn disk(&self) -> SimDisk {
        let disk = disk_of(&[(BASE, 'b'), (FIRST, 'i'), (LAST, 'i')]);
        disk.put(DIR, BASE, &self.base.bytes);
        disk.put(DIR, FIRST, &self.first.bytes);
        disk.put(DIR, LAST, &self.last.bytes);
        disk
    }
}

/// A disk with a manifest of these files, and an old one that is not there any more.
fn disk_of(files: &[(&str, char)]) -> SimDisk {
    let disk = SimDisk::new();
    let line = |(i, (name, role)): (usize, &(&str, char))| format!("file {name} seq {} type {role}\n", i + 1);
    let lines: String = files.iter().enumerate().map(line).collect();
    disk.put(DIR, MANIFEST, format!("{lines}file old seq 1 type h\n").as_bytes());
    disk
}

/// What an import gave.
struct Outcome {
    result: Result<Imported, LoadError>,
    units: Vec<Words>,
    files: usize,
    notices: Vec<String>,
}

fn import_with(disk: &SimDisk, options: LoadOptions) -> Outcome {
    let mut memory = Memory::default();
    let mut notices: Vec<Notice> = Vec::new();
    let dir: Arc<dyn Dir> = disk.dir(DIR);
    let result = Import::of_manifest(&dir, MANIFEST, AOF, options)
        .and_then(|import| run(import, &mut memory, |notice| notices.extend(notice)));
    let notices = notices.iter().map(ToString::to_string).collect();
    Outcome { result, units: memory.units, files: memory.files, notices }
}

fn import(disk: &SimDisk) -> Outcome {
    import_with(disk, INLINE)
}

fn run(mut import: Import, sink: &mut dyn Sink, mut log: impl FnMut(Vec<Notice>)) -> Result<Imported, LoadError> {
    let mut done_bytes = 0;
    loop {
        let step = import.step(sink, 30);
        log(import.take_notices());
        let progress = step?;
        assert!((done_bytes..=progress.total_bytes).contains(&progress.done_bytes), "{progress:?}");
        done_bytes = progress.done_bytes;
        if progress.is_done() {
            assert_eq!(progress.done_bytes, progress.total_bytes);
            return Ok(import.finish().0);
        }
    }
}

/// Everything in the directory.
fn contents(disk: &SimDisk) -> Vec<(String, Option<Vec<u8>>)> {
    disk.names(DIR).into_iter().map(|name| (name.clone(), disk.content(DIR, &name))).collect()
}

/// Imports, and sees that nothing but reading was done.
fn import_untouched(disk: &SimDisk, options: LoadOptions) -> Outcome {
    let before = contents(disk);
    disk.record(true);
    let outcome = import_with(disk, options);
    for call in disk.trace() {
        assert!(matches!(call.call, Call::Open | Call::ReadAt | Call::Stat | Call::Metadata), "{call:?}");
    }
    disk.record(false);
    assert!(contents(disk) == before, "the directory was changed");
    outcome
}

#[test]
fn files_are_read_in_the_order_of_the_manifest_each_as_a_new_client() {
    let parts = parts();
    for source in [SourceKind::Inline, SourceKind::Threaded] {
        let outcome = import_untouched(&parts.disk(), LoadOptions { source, ..INLINE });
        assert_eq!(outcome.units, parts.units());
        assert_eq!(outcome.files, 3);
        let size_bytes = (parts.base.bytes.len() + parts.first.bytes.len() + parts.last.bytes.len()) as u64;
        assert_eq!(outcome.result.unwrap(), Imported { commands: 15, size_bytes, left_out: None });
        assert_eq!(
            outcome.notices,
            [
                format!("DB loaded from base file {BASE} ({} bytes)", parts.base.bytes.len()),
                format!("DB loaded from incr file {FIRST} ({} bytes)", parts.first.bytes.len()),
                format!("DB loaded from incr file {LAST} ({} bytes)", parts.last.bytes.len()),
            ]
        );
    }
}

#[test]
fn a_torn_tail_of_the_last_file_is_left_out_wherever_it_was_cut() {
    let parts = parts();
    for len in 0..parts.last.bytes.len() {
        for nuls in [0, 40] {
            let boundary = parts.last.boundary(len as u64);
            let mut bytes = parts.last.bytes[..len].to_vec();
            bytes.resize(len + nuls, 0);
            let disk = parts.disk();
            disk.put(DIR, LAST, &bytes);
            let outcome = import_untouched(&disk, INLINE);
            let before = parts.base.before(u64::MAX).into_iter().chain(parts.first.before(u64::MAX));
            let expected: Vec<Words> = before.chain(parts.last.before(boundary)).collect();
            assert_eq!(outcome.units, expected, "cut at {len}");
            let imported = outcome.result.unwrap();
            let torn = len as u64 != boundary || nuls > 0;
            assert_eq!(imported.left_out.is_some(), torn, "cut at {len}");
            if let Some(left_out) = imported.left_out {
                assert!(left_out.path.ends_with(LAST));
                assert_eq!((left_out.offset, left_out.tail_bytes), (boundary, (len + nuls) as u64 - boundary));
            }
        }
    }
}

#[test]
fn a_torn_tail_is_told_of_loudly_or_refused_if_told_so() {
    let parts = parts();
    let disk = parts.disk();
    disk.tamper(DIR, LAST, |bytes| bytes.truncate(bytes.len() - 3));
    let outcome = import_untouched(&disk, INLINE);
    let boundary = parts.last.boundary(parts.last.bytes.len() as u64 - 3);
    let told = format!(
        "!!! The last 29 bytes of {LAST}, from offset {boundary} on, are left out of what is imported !!! The file itself is not changed"
    );
    assert!(outcome.notices.contains(&told), "{:#?}", outcome.notices);
    assert!(outcome.notices.iter().any(|line| line.contains("short read while loading the AOF file")));

    let outcome = import_untouched(&disk, LoadOptions { truncated: false, ..INLINE });
    assert!(matches!(outcome.result, Err(LoadError::TornRefused { .. })));
}

#[test]
fn a_file_before_the_last_and_a_base_are_never_torn() {
    let parts = parts();
    for (name, sample, is_base) in [(BASE, &parts.base, true), (FIRST, &parts.first, false)] {
        for len in 1..sample.bytes.len() {
            if sample.boundary(len as u64) == len as u64 {
                continue;
            }
            let disk = parts.disk();
            disk.put(DIR, name, &sample.bytes[..len]);
            match import_untouched(&disk, INLINE).result.unwrap_err() {
                LoadError::BadFormat { path, evidence, .. } => {
                    assert!(path.ends_with(name), "{path:?}");
                    let expected = if is_base { Evidence::WrittenWhole } else { Evidence::NotTheLastFile };
                    assert_eq!(evidence, expected);
                }
                other => panic!("{name} cut at {len}: {other}"),
            }
        }
    }
    let disk = disk_of(&[(BASE, 'b')]);
    disk.put(DIR, BASE, &parts.base.bytes[..30]);
    assert!(matches!(import(&disk).result, Err(LoadError::BadFormat { evidence: Evidence::WrittenWhole, .. })));
}

#[test]
fn a_log_in_one_file_that_redis_moved_there_may_be_torn_as_long_as_nothing_follows() {
    let sample = sample();
    let torn = &sample.bytes[..sample.bytes.len() - 1];
    let disk = disk_of(&[(AOF, 'b')]);
    disk.put(DIR, AOF, torn);
    let outcome = import_untouched(&disk, INLINE);
    assert_eq!(outcome.units, sample.before(torn.len() as u64));
    assert!(outcome.result.unwrap().left_out.is_some());

    let disk = disk_of(&[(AOF, 'b'), (LAST, 'i')]);
    disk.put(DIR, AOF, torn);
    disk.put(DIR, LAST, b"");
    assert!(matches!(import(&disk).result, Err(LoadError::BadFormat { evidence: Evidence::NotTheLastFile, .. })));
}

#[test]
fn damage_in_the_last_file_that_is_no_torn_tail_is_refused() {
    let parts = parts();
    let disk = parts.disk();
    disk.tamper(DIR, LAST, |bytes| bytes[30] = b'!');
    let error = import_untouched(&disk, INLINE).result.unwrap_err();
    assert!(matches!(error, LoadError::BadFormat { evidence: Evidence::CommandFollows { .. }, .. }), "{error}");
    let disk = parts.disk();
    disk.put(DIR, LAST, b"hello");
    let error = import_untouched(&disk, INLINE).result.unwrap_err();
    assert!(matches!(error, LoadError::BadFormat { evidence: Evidence::NoCommandBefore, .. }), "{error}");
}

#[test]
fn a_command_that_is_not_known_is_refused_by_name_file_and_offset() {
    let mut parts = parts();
    let offset = parts.first.bytes.len();
    parts.first.push(false, &[words("NOSUCH a")]);
    let error = import_untouched(&parts.disk(), INLINE).result.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "Unknown command 'NOSUCH' reading the append only file (/data/{FIRST}: byte {offset}, command 5; the file was not touched)"
        )
    );
}

#[test]
fn a_missing_file_and_a_manifest_that_cannot_be_followed_are_refused_by_name() {
    let disk = disk_of(&[(BASE, 'b'), (FIRST, 'i')]);
    disk.put(DIR, BASE, &parts().base.bytes);
    let outcome = import_untouched(&disk, INLINE);
    assert_eq!(outcome.units, [], "nothing is applied before every file is there");
    assert_eq!(
        outcome.result.unwrap_err().to_string(),
        format!("/data/{FIRST}, which {MANIFEST} names, is missing: restore the whole directory from a copy")
    );

    disk.put(DIR, MANIFEST, b"file ../dump.rdb seq 1 type b\n");
    match import_untouched(&disk, INLINE).result.unwrap_err() {
        LoadError::Manifest { path, source } => {
            assert!(path.ends_with(MANIFEST));
            assert_eq!((source.line, source.flaw), (1, ManifestFlaw::BadName));
        }
        other => panic!("{other}"),
    }

    disk.put(DIR, MANIFEST, &"#".repeat((1 << 20) + 1).into_bytes());
    let error = import_untouched(&disk, INLINE).result.unwrap_err();
    assert!(matches!(&error, LoadError::Manifest { source, .. } if source.flaw == ManifestFlaw::TooLarge), "{error}");
    let error = import_untouched(&SimDisk::new(), INLINE).result.unwrap_err();
    assert!(matches!(error, LoadError::MissingFile { .. }), "{error}");
}

#[test]
fn empty_files_are_an_empty_dataset() {
    let disk = disk_of(&[(BASE, 'b'), (LAST, 'i')]);
    disk.put(DIR, BASE, b"");
    disk.put(DIR, LAST, b"");
    let imported = import_untouched(&disk, INLINE).result.unwrap();
    assert_eq!(imported, Imported { commands: 0, size_bytes: 0, left_out: None });
}

#[test]
fn a_failed_call_ends_the_import_with_the_file_it_concerns() {
    let calls = {
        let disk = parts().disk();
        import(&disk).result.unwrap();
        disk.calls()
    };
    assert!(calls > 10);
    for call in 1..=calls {
        let disk = parts().disk();
        disk.inject(Rule::when(Fault::EIO, move |attempt| attempt.index + 1 == call));
        match import_untouched(&disk, INLINE).result.unwrap_err() {
            LoadError::Io { path, operation: Operation::Stat | Operation::Open | Operation::Read, source, .. } => {
                assert!(path.starts_with(DIR), "{path:?}");
                assert_eq!(source.raw_os_error(), Some(libc::EIO));
            }
            other => panic!("call {call}: {other}"),
        }
    }
}

#[test]
fn a_file_that_a_server_still_writes_to_is_not_imported() {
    for name in [BASE, LAST] {
        let disk = parts().disk();
        let dir: Arc<dyn Dir> = disk.dir(DIR);
        let import = Import::of_manifest(&dir, MANIFEST, AOF, INLINE).unwrap();
        disk.tamper(DIR, name, |bytes| bytes.extend_from_slice(b"*1\r\n$4\r\nPING\r\n"));
        let error = run(import, &mut Memory::default(), drop).unwrap_err();
        assert!(matches!(&error, LoadError::Changed { path, .. } if path.ends_with(name)), "{error}");
    }
}

/// Takes every command.
#[derive(Default)]
struct Counter {
    units: usize,
    keys: usize,
}

impl Sink for Counter {
    fn check(&mut self, _args: Args<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn apply(&mut self, _unit: &Unit<'_>) -> Result<(), Refusal> {
        self.units += 1;
        Ok(())
    }

    fn put(&mut self, _db: u32, _key: &[u8], _value: Value, _deadline: Option<UnixMs>) -> Result<(), Refusal> {
        self.keys += 1;
        Ok(())
    }
}

#[test]
fn directories_of_real_servers_are_read_whole() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    for server in ["redis-7.0", "redis-7.4", "valkey-8.0"] {
        for kind in ["basic", "plain"] {
            let path = corpus.join(server).join(kind).join("appendonlydir");
            let manifest = Manifest::parse(&std::fs::read(path.join(MANIFEST)).unwrap()).unwrap();
            assert_eq!((manifest.base.is_some(), manifest.incremental.len()), (true, 1), "{path:?}");
            let dir: Arc<dyn Dir> = Arc::new(RealDir::open(&path).unwrap());
            let mut counter = Counter::default();
            let import = Import::of_manifest(&dir, MANIFEST, AOF, LoadOptions::default()).unwrap();
            assert_eq!(import.files(), 2);
            let imported = run(import, &mut counter, drop).unwrap();
            assert_eq!(imported.left_out, None, "{path:?}");
            assert!(counter.units > 100, "{path:?}");
        }
    }
}
