//! What docs/durability.md excuses beside lost acks, each told from its neighbour by the operations and the bytes themselves. Pure.

use powerfs::{Disk, ROOT};
use serde_json::Value as Json;
use testkit::dataset::{DEADLINE_TOLERANCE_MS, What, bytes_of_latin1};
use testkit::{Dataset, compare};

/// The disk before a crash, and what the crash left of it.
#[derive(Debug)]
pub(super) struct Images {
    pub(super) written: Disk,
    pub(super) left: Disk,
}

/// The values that differ between two datasets that are the same but for zeros inside of values: as they were written, by key. None
/// if anything else differs, or if zeros stand where no argument of a log has them.
pub(super) fn zeroed_values(
    expected: &Dataset,
    found: &Dataset,
    images: &Images,
) -> Option<Vec<((u32, String), String)>> {
    let mut altered = Vec::new();
    for difference in compare(expected, found, DEADLINE_TOLERANCE_MS) {
        let What::Value { expected, found } = &difference.what else { return None };
        let mut pairs = Vec::new();
        if expected.kind != found.kind || !pair_up(&expected.value, &found.value, &mut pairs) {
            return None;
        }
        for (written, left) in pairs {
            if !has_zeros(&written, &left) || !landed_so(images, &written, &left) {
                return None;
            }
            altered.push(((difference.db, difference.key.clone()), written));
        }
    }
    Some(altered)
}

/// The texts that differ between two values of one shape; false if the shapes differ.
fn pair_up(expected: &Json, found: &Json, pairs: &mut Vec<(String, String)>) -> bool {
    match (expected, found) {
        (Json::String(a), Json::String(b)) => {
            if a != b {
                pairs.push((a.clone(), b.clone()));
            }
            true
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| pair_up(a, b, pairs)),
        _ => expected == found,
    }
}

fn has_zeros(expected: &str, found: &str) -> bool {
    expected.chars().count() == found.chars().count()
        && expected.chars().zip(found.chars()).all(|(a, b)| a == b || b == '\0')
}

/// Whether a file has an argument with these zeros where it was written without them. A crash leaves no zeros in fsynced bytes, so
/// these were none; and what stands around the argument is as it was written, so the zeros are in no other.
fn landed_so(images: &Images, written: &str, left: &str) -> bool {
    let argument = |text: &str| {
        let bytes = bytes_of_latin1(text)?;
        Some([format!("${}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat())
    };
    let (Some(written), Some(left)) = (argument(written), argument(left)) else { return false };
    // What the crash left under a name: the rename that took it from this file may be lost.
    images.left.entries(ROOT).any(|(_, inode)| {
        let (before, after) = (images.written.bytes(inode), images.left.bytes(inode));
        let there =
            |at: usize| before[at..].starts_with(&written) && after.get(at..).is_some_and(|b| b.starts_with(&left));
        (0..before.len()).any(there)
    })
}

/// Whether a start refuses a log that holds nothing because a snapshot with keys stands beside it (docs/durability.md, row L2).
pub(super) fn is_of_empty_log(refusal: &str) -> bool {
    refusal.contains(" holds nothing, and nothing says that its server ended in order")
}

/// Whether a value holds this text.
pub(super) fn holds(value: &Json, text: &str) -> bool {
    match value {
        Json::String(own) => own == text,
        Json::Array(items) => items.iter().any(|item| holds(item, text)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use powerfs::{Inode, Operation};

    use super::super::allowed::tests::create;
    use super::*;

    fn dataset(value: &str) -> Dataset {
        let value = serde_json::to_string(value).unwrap();
        Dataset::parse(&format!(r#"{{"db": 0, "key": "k", "pexpireat": null, "type": "string", "value": {value}}}"#))
            .unwrap()
    }

    /// A disk whose log holds these bytes.
    fn disk(bytes: &[u8]) -> Disk {
        let inode: Inode = 2;
        let mut disk = Disk::default();
        disk.apply(&create("appendonly.aof", inode));
        disk.apply(&Operation::Write { inode, offset: 0, bytes: bytes.into() });
        disk
    }

    fn excused(written: &[u8], left: &[u8], found: &str) -> bool {
        let images = Images { written: disk(written), left: disk(left) };
        zeroed_values(&dataset("abcd"), &dataset(found), &images).is_some()
    }

    #[test]
    fn a_log_whose_replacement_is_lost_is_told_by_what_was_written_to_it() {
        let (whole, hole) =
            (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\nabcd\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\0\0d\r\n");
        let mut written = disk(whole);
        let named = |name: &str| (ROOT, name.to_owned());
        written.apply(&create("temp-rewriteaof-bg-7.aof", 3));
        written.apply(&Operation::Rename { from: named("temp-rewriteaof-bg-7.aof"), to: named("appendonly.aof") });
        let images = Images { written, left: disk(hole) };
        assert!(zeroed_values(&dataset("abcd"), &dataset("a\0\0d"), &images).is_some());
    }

    #[test]
    fn zeros_in_a_value_are_excused_where_the_crash_left_them_in_that_argument() {
        let written = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\nabcd\r\n";
        assert!(excused(written, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\0\0d\r\n", "a\0\0d"));
        // The log has no hole, so the server made the zeros itself.
        assert!(!excused(written, written, "a\0\0d"));
        // Others than those in the log.
        assert!(!excused(written, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\0\0d\r\n", "a\0cd"));
        // The hole goes on behind the argument: no longer one argument.
        assert!(!excused(written, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\nab\0\0\0\0", "ab\0\0"));
        // Not zeros.
        assert!(!excused(written, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\naxxd\r\n", "axxd"));
    }
}
