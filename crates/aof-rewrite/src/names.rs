//! The names of a rewrite's files: `temp-rewriteaof-<server pid>.aof` while the child writes, `temp-rewriteaof-bg-<child
//! pid>.aof` when it is complete, as Redis names them.

const PREFIX: &str = "temp-rewriteaof-";
const SUFFIX: &str = ".aof";

/// The longest name made here, in bytes.
pub(crate) const LONGEST_NAME_BYTES: usize = 64;

/// The name under which the child writes.
pub fn temp_name(server_pid: u32) -> String {
    format!("{PREFIX}{server_pid}{SUFFIX}")
}

/// The name of a complete file, not yet the log's.
pub fn complete_name(child_pid: i32) -> String {
    let mut buf = [0; LONGEST_NAME_BYTES];
    complete_name_in(child_pid, &mut buf).to_owned()
}

/// As [`complete_name`], into a buffer: the child may not allocate.
pub(crate) fn complete_name_in(child_pid: i32, buf: &mut [u8; LONGEST_NAME_BYTES]) -> &str {
    let mut pid = numeric::IntBuf::new();
    let parts = [PREFIX.as_bytes(), b"bg-", pid.format(i64::from(child_pid)), SUFFIX.as_bytes()];
    let mut len = 0;
    for part in parts {
        buf[len..len + part.len()].copy_from_slice(part);
        len += part.len();
    }
    std::str::from_utf8(&buf[..len]).expect("made of ASCII")
}

/// Whether a name is one that a rewrite, ours or Redis's, leaves behind when it is cut short: to be removed at start, under the
/// directory's lock.
pub fn is_left_over(name: &str) -> bool {
    let Some(middle) = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX)) else { return false };
    let pid = middle.strip_prefix("bg-").unwrap_or(middle);
    !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_redis() {
        assert_eq!(temp_name(7), "temp-rewriteaof-7.aof");
        assert_eq!(complete_name(i32::MAX), "temp-rewriteaof-bg-2147483647.aof");
    }

    #[test]
    fn only_names_of_rewrites_are_left_overs() {
        assert!(is_left_over("temp-rewriteaof-7.aof"));
        assert!(is_left_over(&complete_name(123)));
        for name in [
            "appendonly.aof",
            "temp-rewriteaof-.aof",
            "temp-rewriteaof-bg-.aof",
            "temp-rewriteaof-1x.aof",
            "temp-7.rdb",
        ] {
            assert!(!is_left_over(name), "{name}");
        }
    }
}
