//! The one table of crates: their layers, the arrows between them, and the external crates each may use.
//!
//! A crate uses only crates of lower layers; [`FORBIDDEN`] names pairs that must not meet even so. The diagram in
//! ARCHITECTURE.md is made from here, and `metadata.rs` compares the table with what cargo builds.

use std::fmt::Write as _;

/// One crate of the workspace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) layer: Layer,
    /// Crates of ours that it depends on: exactly these.
    pub(crate) uses: &'static [&'static str],
    /// External crates that it may depend on, tests aside.
    pub(crate) external: &'static [&'static str],
}

/// Where a crate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    /// Part of the server, from the bottom: a crate uses only lower numbers.
    Server(u8),
    /// Beside the server: tools and tests.
    Outside,
}

const fn row(layer: u8, name: &'static str, uses: &'static [&'static str], external: &'static [&'static str]) -> Row {
    Row { name, layer: Layer::Server(layer), uses, external }
}

const fn outside(name: &'static str, uses: &'static [&'static str], external: &'static [&'static str]) -> Row {
    Row { name, layer: Layer::Outside, uses, external }
}

/// The name of each layer of the server, from the bottom.
const LAYER_NAMES: [&str; 7] = ["base", "0", "1", "2", "3", "4", "5"];

/// Every crate of the workspace.
#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = &[
    row(0, "allocator",  &[], &["tikv-jemallocator"]),
    row(0, "mutants",    &[], &[]),
    row(0, "alloc-watch", &[], &[]),
    row(0, "numeric",    &[], &["dashu-int", "itoa", "thiserror", "zmij"]),
    row(1, "resp-codec", &["numeric"], &["memchr", "smallvec", "thiserror"]),
    row(1, "vfs",        &[], &["fastrand", "libc", "nix", "parking_lot", "thiserror"]),
    row(1, "keyspace",   &["numeric"], &["fastrand", "hashbrown", "sha1", "siphasher"]),
    row(2, "bio",        &[], &["fastrand", "nix", "parking_lot", "thiserror"]),
    row(2, "child",      &[], &["libc", "nix"]),
    row(2, "rio",        &["vfs"], &["crc-fast", "thiserror"]),
    row(2, "aof-state",  &["mutants", "vfs"], &["crc-fast", "thiserror"]),
    row(3, "child-file", &["child", "mutants", "rio", "vfs"], &[]),
    row(3, "aof-buffer", &["aof-state", "bio", "mutants", "resp-codec", "vfs"], &["thiserror"]),
    row(3, "rdb",        &["keyspace", "mutants", "numeric", "rio"], &["thiserror"]),
    row(4, "commands",   &["keyspace", "mutants", "numeric", "rdb", "resp-codec"], &["fastrand", "smallvec", "thiserror"]),
    row(4, "aof-rewrite", &["aof-state", "bio", "child", "child-file", "keyspace", "mutants", "numeric", "rdb", "resp-codec", "vfs"], &["libc", "thiserror"]),
    row(4, "rdb-save",   &["aof-state", "bio", "child", "child-file", "keyspace", "mutants", "rdb", "vfs"], &["libc", "thiserror"]),
    row(4, "aof-load",   &["aof-state", "keyspace", "mutants", "numeric", "rdb", "resp-codec", "rio", "vfs"], &["anyhow", "clap", "libc", "memchr", "parking_lot", "thiserror"]),
    row(5, "engine",     &["aof-buffer", "aof-load", "aof-rewrite", "aof-state", "bio", "child", "commands", "keyspace",
                           "mutants", "numeric", "rdb-save", "resp-codec", "vfs"], &["fastrand", "hdrhistogram", "parking_lot", "thiserror"]),
    row(6, "server-bin", &["allocator", "bio", "child", "engine", "vfs"],
                         &["anyhow", "getrandom", "libc", "nix", "tikv-jemalloc-ctl", "tikv-jemalloc-sys"]),
    outside("testkit",    &["resp-codec"], &["anyhow", "fastrand", "nix", "serde_json"]),
    outside("powerfs",    &[], &["fastrand", "fuser", "libc", "nix", "parking_lot"]),
    outside("xtask",      &["commands", "keyspace", "powerfs", "rdb", "resp-codec", "rio", "testkit"], &["anyhow", "clap", "fastrand", "nix", "serde_json", "tempfile"]),
    outside("tests-live", &["aof-load", "resp-codec", "testkit"], &["anyhow", "tempfile"]),
    outside("tests-sim",  &["aof-load", "bio", "child", "engine", "mutants", "resp-codec", "vfs"], &["fastrand"]),
    outside("tests-custom-type", &["commands", "keyspace", "numeric", "resp-codec", "server-bin"], &[]),
    outside("benches",    &["allocator", "aof-buffer", "aof-load", "bio", "child", "commands", "engine", "keyspace", "resp-codec", "testkit", "vfs"],
                          &["criterion", "fastrand", "nix", "serde_json"]),
    outside("fuzz",       &["aof-load", "commands", "engine", "keyspace", "rdb", "resp-codec", "rio", "tests-sim", "vfs"],
                          &["arbitrary", "libfuzzer-sys", "nix"]),
];

/// Crates that never name each other, in either direction: they meet in `engine` alone.
pub(crate) const FORBIDDEN: &[(&str, &str)] =
    &[("aof-buffer", "aof-rewrite"), ("aof-buffer", "aof-load"), ("aof-rewrite", "aof-load")];

/// External crates that tests of any crate may use.
pub(crate) const TEST_EXTERNAL: &[&str] = &["insta", "proptest", "tempfile", "fastrand", "serde_json", "anyhow", "lzf"];

/// Names of ours under which a registry has strangers.
pub(crate) const OURS_BY_PATH: &[&str] =
    &["allocator", "rio", "keyspace", "bio", "rdb", "child", "child-file", "rdb-save", "numeric", "engine", "commands"];

/// The row of a crate.
pub(crate) fn find(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

/// Why `from` may not depend on `to`, if it may not.
pub(crate) fn refusal(from: &Row, to: &Row) -> Option<String> {
    let (a, b) = (from.name, to.name);
    if FORBIDDEN.iter().any(|pair| *pair == (a, b) || *pair == (b, a)) {
        return Some(format!("{a} and {b} never name each other"));
    }
    match (from.layer, to.layer) {
        (Layer::Server(high), Layer::Server(low)) if low >= high => {
            Some(format!("{a} uses {b}, which does not stand in a lower layer"))
        }
        (Layer::Server(_), Layer::Outside) => Some(format!("{a} is part of the server and uses {b}, which is not")),
        _ => None,
    }
}

/// The diagram of ARCHITECTURE.md: layers from the top, each crate with what it uses.
pub(crate) fn diagram() -> String {
    let mut text = "```text\n".to_owned();
    for (number, name) in LAYER_NAMES.iter().enumerate().rev() {
        section(&mut text, name, |layer| layer == Layer::Server(u8::try_from(number).unwrap_or(u8::MAX)));
    }
    section(&mut text, "beside", |layer| layer == Layer::Outside);
    text + "```\n"
}

fn section(text: &mut String, name: &str, wanted: impl Fn(Layer) -> bool) {
    for (i, row) in TABLE.iter().filter(|row| wanted(row.layer)).enumerate() {
        let heading = if i == 0 { name } else { "" };
        let uses = if row.uses.is_empty() { "nothing of ours".to_owned() } else { row.uses.join(", ") };
        writeln!(text, "{heading:>6} │ {:<11} ─→ {uses}", row.name).expect("writing to a String cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arrow_of_the_table_points_down() {
        for from in TABLE {
            for to in from.uses {
                let to = find(to).expect("the table names its own crates");
                assert_eq!(refusal(from, to), None);
            }
        }
    }

    #[test]
    fn a_pair_that_never_meets_is_refused_in_both_directions() {
        let [buffer, load] = ["aof-buffer", "aof-load"].map(|n| find(n).expect("in the table"));
        assert!(refusal(load, buffer).is_some_and(|why| why.contains("never name")));
        assert!(refusal(buffer, load).is_some());
    }

    #[test]
    fn an_arrow_up_sideways_or_out_is_refused() {
        let [vfs, bio, child, kit] = ["vfs", "bio", "child", "testkit"].map(|n| find(n).expect("in the table"));
        assert!(refusal(vfs, bio).is_some());
        assert!(refusal(bio, child).is_some());
        assert!(refusal(bio, kit).is_some());
        assert!(refusal(kit, bio).is_none());
    }
}
