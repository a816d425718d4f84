//! The parts of documents that are made from the project itself: they stand between markers, and `tidy --fix` renews them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::Problem;

/// A part of a document.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The document.
    pub(super) file: &'static str,
    /// The name in its markers: `<!-- name:begin -->` and `<!-- name:end -->`.
    pub(super) name: &'static str,
    /// What should stand there.
    pub(super) body: String,
}

/// Compares a part with its document, or renews it.
///
/// # Errors
/// If the document cannot be written.
pub(super) fn check(root: &Path, part: &Part, fix: bool) -> Result<Vec<Problem>> {
    let Part { file, name, body } = part;
    let path = root.join(file);
    let Ok(text) = fs::read_to_string(&path) else { return Ok(vec![Problem::new(*file, 0, "is missing")]) };
    let Some(wanted) = renewed(&text, name, body) else {
        let markers = format!("has no place for what is made: {} … {}", begin(name), end(name));
        return Ok(vec![Problem::new(*file, 0, markers)]);
    };
    if wanted == text {
        return Ok(Vec::new());
    }
    if fix {
        fs::write(&path, wanted).context(*file)?;
        return Ok(Vec::new());
    }
    let what = format!("what stands in {} is not what is made today: run `cargo xtask tidy --fix`", begin(name));
    Ok(vec![Problem::new(*file, 0, what)])
}

/// `text` with `body` between the markers; none if they are missing.
fn renewed(text: &str, name: &str, body: &str) -> Option<String> {
    let (begin, end) = (begin(name), end(name));
    let (head, rest) = text.split_once(&begin)?;
    let (_, tail) = rest.split_once(&end)?;
    Some(format!("{head}{begin}\n{body}{end}{tail}"))
}

/// Whether a line is the `begin` or `end` of any part.
pub(super) fn is_marker(line: &str, which: &str) -> bool {
    line.starts_with("<!-- ") && line.ends_with(&format!(":{which} -->"))
}

fn begin(name: &str) -> String {
    format!("<!-- {name}:begin -->")
}

fn end(name: &str) -> String {
    format!("<!-- {name}:end -->")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let (begin, end) = (begin("a"), end("a"));
        let made = renewed(&format!("before\n{begin}\nold\n{end}\nafter\n"), "a", "new\n").unwrap();
        assert_eq!(made, format!("before\n{begin}\nnew\n{end}\nafter\n"));
        assert_eq!(renewed(&made, "a", "new\n").as_ref(), Some(&made));
        assert_eq!(renewed("no markers", "a", ""), None);
    }
}
