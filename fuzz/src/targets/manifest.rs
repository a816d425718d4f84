//! Manifests of logs in several files: every name stays in its directory, numbers grow, and what was read, written again line by
//! line, reads the same.

use aof_load::{Manifest, Part};

pub(crate) fn run(input: &[u8]) {
    let manifest = match Manifest::parse(input) {
        Ok(manifest) => manifest,
        Err(error) => {
            let lines = input.split(|byte| *byte == b'\n').count();
            assert!(error.line <= lines && !error.to_string().is_empty(), "{error} in {lines} lines");
            return;
        }
    };
    let all: Vec<&Part> = manifest.reads().chain(&manifest.history).collect();
    for part in &all {
        let stays = !part.name.is_empty() && !part.name.contains(['/', '\0']) && !matches!(&*part.name, "." | "..");
        assert!(stays, "{:?} leads elsewhere", part.name);
        assert_eq!(all.iter().filter(|other| other.name == part.name).count(), 1, "{:?} is named twice", part.name);
    }
    assert!(manifest.incremental.is_sorted_by(|a, b| a.sequence < b.sequence), "{:?}", manifest.incremental);
    let text = written(&manifest);
    // An escaped name may need a line that is longer than one may be.
    if text.lines().all(|line| line.len() < 1024) {
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest), "{text}");
    }
}

fn written(manifest: &Manifest) -> String {
    let lines = [("b", manifest.base.as_slice()), ("h", &manifest.history), ("i", &manifest.incremental)];
    let mut text = String::new();
    for (kind, parts) in lines {
        for Part { name, sequence } in parts {
            let name: String = name.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
            text += &format!("file \"{name}\" seq {sequence} type {kind}\n");
        }
    }
    text
}
