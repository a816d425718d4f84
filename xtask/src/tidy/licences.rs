//! Where third-party code comes from and under which licence: the part of deny.toml that needs no further tool.

use super::Problem;
use super::metadata::Graph;

/// The only registry.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Licences that a dependency may be used under. The same list stands in deny.toml.
const ALLOWED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "BSL-1.0",
    "0BSD",
    "CC0-1.0",
    "Unlicense",
    // libFuzzer's, which no program for users has.
    "NCSA",
];

/// Checks source and licence of every package that is not ours.
pub(crate) fn check(graph: &Graph) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in graph.theirs() {
        let at = format!("{} {}", package.name, package.version);
        if package.source.as_deref() != Some(REGISTRY) {
            problems.push(Problem::new(&at, 0, "does not come from crates.io"));
        }
        match &package.licence {
            None => problems.push(Problem::new(&at, 0, "states no licence")),
            Some(text) if !is_allowed(text) => {
                problems.push(Problem::new(&at, 0, format!("has a licence that is not allowed: {text}")));
            }
            Some(_) => {}
        }
    }
    problems
}

/// Whether one of the alternatives of a licence expression consists of allowed licences only.
fn is_allowed(expression: &str) -> bool {
    let alternatives = split_top_level(expression, &[" OR ", "/"]);
    if alternatives.len() > 1 {
        return alternatives.into_iter().any(is_allowed);
    }
    let parts = split_top_level(expression, &[" AND "]);
    if parts.len() > 1 {
        return parts.into_iter().all(is_allowed);
    }
    let text = expression.trim();
    match text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        Some(inner) => is_allowed(inner),
        None => ALLOWED.contains(&text),
    }
}

/// Splits at a separator outside all parentheses.
fn split_top_level<'a>(text: &'a str, separators: &[&str]) -> Vec<&'a str> {
    let (mut parts, mut depth, mut start, mut at) = (Vec::new(), 0_usize, 0, 0);
    while at < text.len() {
        let rest = &text[at..];
        let separator = separators.iter().find(|s| depth == 0 && rest.starts_with(**s));
        if let Some(separator) = separator {
            parts.push(&text[start..at]);
            at += separator.len();
            start = at;
            continue;
        }
        match rest.as_bytes()[0] {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::super::metadata::Package;
    use super::*;

    #[test]
    fn one_allowed_alternative_is_enough_and_every_part_of_it_counts() {
        assert!(is_allowed("MIT OR GPL-3.0"));
        assert!(is_allowed("MIT/Apache-2.0"));
        assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(is_allowed("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT"));
        assert!(!is_allowed("GPL-3.0"));
        assert!(!is_allowed("MIT AND GPL-3.0"));
        assert!(!is_allowed("(MIT OR Apache-2.0) AND GPL-3.0"));
    }

    #[test]
    fn code_from_elsewhere_is_found() {
        let package = Package {
            name: "x".to_owned(),
            source: Some("git+https://example.org/x".to_owned()),
            licence: Some("MIT".to_owned()),
            ..Package::default()
        };
        let problems = check(&Graph { packages: vec![package] });
        assert!(problems.iter().any(|p| p.what.contains("does not come from crates.io")));
    }
}
