//! Looks at every file: module docs, sizes, words that must not stay, paths of somebody's machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::masked::{block_end, functions, mask};
use super::{Problem, SourceFile};

/// The most lines of a file, its tests aside.
const MAX_FILE_LINES: usize = 500;
/// The most lines of a function.
const MAX_FUNCTION_LINES: usize = 70;

/// Code that is not finished, or was left from debugging.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!", "#[ignore"];

/// Beginnings of paths that exist on one machine only. In pieces, so that this file does not hold them.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Checks all files.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Problem> {
    let rust = || files.iter().filter(|f| f.path.extension().is_some_and(|e| e == "rs"));
    let tests: BTreeSet<PathBuf> = rust().flat_map(test_modules).collect();
    let mut problems: Vec<Problem> = files.iter().flat_map(check_paths).collect();
    for file in rust() {
        problems.extend(check_rust(file, is_test(&file.path, &tests)));
    }
    problems
}

/// Whether a file holds nothing but tests.
fn is_test(path: &Path, declared: &BTreeSet<PathBuf>) -> bool {
    let below_tests = path.components().any(|c| c.as_os_str() == "tests");
    let stem = path.file_stem().map(|s| s.to_string_lossy()).unwrap_or_default();
    below_tests || stem == "tests" || declared.iter().any(|d| path.with_extension("").starts_with(d))
}

/// The modules that a file declares under `#[cfg(test)]`, as paths without extension.
fn test_modules(file: &SourceFile) -> Vec<PathBuf> {
    let masked = mask(&file.text);
    let lines: Vec<&str> = masked.lines().map(str::trim).collect();
    let stem = file.path.file_stem().map(|s| s.to_string_lossy()).unwrap_or_default();
    let directory = file.path.parent().unwrap_or(Path::new(""));
    let base = match stem.as_ref() {
        "lib" | "main" | "mod" => directory.to_owned(),
        own => directory.join(own),
    };
    let declared = lines.windows(2).filter(|w| w[0].starts_with("#[cfg(test)]")).filter_map(|w| {
        let rest = w[1].strip_prefix("pub(crate) ").unwrap_or(w[1]);
        rest.strip_prefix("mod ")?.strip_suffix(';').map(str::trim)
    });
    declared.map(|name| base.join(name)).collect()
}

fn check_paths(file: &SourceFile) -> Vec<Problem> {
    let at = file.path.display().to_string();
    let lines = (1..).zip(file.text.lines());
    let bad = lines.filter(|(_, text)| MACHINE_PATHS.iter().any(|path| text.contains(path)));
    bad.map(|(line, _)| Problem::new(at.clone(), line, "a path of somebody's machine")).collect()
}

fn check_rust(file: &SourceFile, is_test: bool) -> Vec<Problem> {
    let at = file.path.display().to_string();
    let mut problems = Vec::new();
    if !opens_with_doc(&file.text) {
        problems.push(Problem::new(&at, 1, "does not open with a module doc"));
    }
    let masked = mask(&file.text);
    for (line, text) in (1..).zip(masked.lines()) {
        for word in UNFINISHED.iter().filter(|w| text.contains(*w)) {
            problems.push(Problem::new(&at, line, format!("{word} does not stay")));
        }
    }
    if is_test {
        return problems;
    }
    let tests = test_lines(&masked);
    let is_code = |line: usize| !tests.iter().any(|range| range.contains(&line));
    let lines = (1..=masked.lines().count()).filter(|&l| is_code(l)).count();
    if lines > MAX_FILE_LINES {
        problems.push(Problem::new(&at, 0, format!("{lines} lines without tests, at most {MAX_FILE_LINES}")));
    }
    for f in functions(&masked).into_iter().filter(|f| is_code(f.first)) {
        let lines = f.last - f.first + 1;
        if lines > MAX_FUNCTION_LINES {
            let what = format!("fn {} takes {lines} lines, at most {MAX_FUNCTION_LINES}", f.name);
            problems.push(Problem::new(&at, f.first, what));
        }
    }
    problems
}

/// Whether the first thing in a file is its documentation, own or included.
fn opens_with_doc(text: &str) -> bool {
    text.starts_with("//! ") || text.starts_with("#![doc = include_str!(")
}

/// The lines of inline modules under `#[cfg(test)]`.
fn test_lines(masked: &str) -> Vec<std::ops::RangeInclusive<usize>> {
    let mut ranges = Vec::new();
    for (at, _) in masked.match_indices("#[cfg(test)]") {
        let rest = &masked[at..];
        let item = rest.find(['{', ';']);
        let Some(open) = item.filter(|&i| rest[i..].starts_with('{')) else { continue };
        if let Some(end) = block_end(rest, open) {
            let line_of = |i: usize| masked[..i].matches('\n').count() + 1;
            ranges.push(line_of(at)..=line_of(at + end));
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.into(), text: text.to_owned() }
    }

    fn said(files: &[SourceFile]) -> Vec<String> {
        check(files).into_iter().map(|p| p.what).collect()
    }

    #[test]
    fn a_file_without_a_module_doc_is_found() {
        assert_eq!(said(&[file("src/a.rs", "use std::io;\n")]), ["does not open with a module doc"]);
        assert_eq!(said(&[file("src/a.rs", "//! Holds a.\n")]), Vec::<String>::new());
        assert_eq!(said(&[file("src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n")]), Vec::<String>::new());
    }

    #[test]
    fn unfinished_code_is_found_and_the_same_word_in_a_comment_is_not() {
        let text = "//! Never todo!() here.\nfn a() { todo!() }\n#[ignore]\nfn b() { x(\"dbg!\") }\n";
        assert_eq!(said(&[file("src/a.rs", text)]), ["todo! does not stay", "#[ignore does not stay"]);
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let code = format!("//! Doc.\n{}", "const A: u8 = 1;\n".repeat(500));
        assert!(said(&[file("src/a.rs", &code)])[0].contains("501 lines"));
        let tests = format!("//! Doc.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "const A: u8 = 1;\n".repeat(800));
        assert_eq!(said(&[file("src/a.rs", &tests)]), Vec::<String>::new());
        assert_eq!(said(&[file("crates/x/tests/a.rs", &code)]), Vec::<String>::new());
    }

    #[test]
    fn a_test_module_in_its_own_file_does_not_count() {
        let long = format!("//! Doc.\n{}", "const A: u8 = 1;\n".repeat(600));
        let parent = file("src/a.rs", "//! Doc.\n#[cfg(test)]\nmod model;\n");
        assert_eq!(said(&[parent, file("src/a/model.rs", &long)]), Vec::<String>::new());
    }

    #[test]
    fn a_long_function_is_found() {
        let text = format!("//! Doc.\nfn long() {{\n{}}}\n", "    a();\n".repeat(69));
        assert!(said(&[file("src/a.rs", &text)])[0].contains("fn long takes 71 lines"));
    }

    #[test]
    fn a_path_of_somebodys_machine_is_found_in_any_file() {
        let text = format!("see {}x\n", MACHINE_PATHS[0]);
        assert_eq!(said(&[file("docs/a.md", &text)]), ["a path of somebody's machine"]);
    }
}
