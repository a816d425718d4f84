//! Configuration files: whatever a file says, CONFIG REWRITE of it says the same; a second rewrite changes nothing; a rewrite for
//! other settings, over any file, says those.
//!
//! The input is a file and, behind a byte of 255 if there is one, another: no text holds such a byte.

use engine::Config;
use engine::config::Directive;
use engine::config::file::{LineProblem, apply, parse, parse_arguments};
use engine::config::{ConfigError, rewrite};

pub(crate) fn run(input: &[u8]) {
    let (file, other) = match input.iter().position(|byte| *byte == 0xff) {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &b""[..]),
    };
    let (Ok(file), Ok(other)) = (str::from_utf8(file), str::from_utf8(other)) else { return };
    let words: Vec<String> = file.split('\n').map(str::to_owned).collect();
    for line in parse_arguments(&words) {
        let _known = apply(&mut Config::default(), &line);
    }
    let (Some(config), other) = (said(file), said(other)) else {
        // Somebody has broken it since the server started: nothing comes of it, but nothing worse either.
        rewrite::rewrite(file, &Config::default());
        return;
    };
    check_rewrite(file, &config);
    if let Some(other) = other {
        check_rewrite(file, &other);
    }
}

/// What a file says; `None` if a server does not start with it.
fn said(text: &str) -> Option<Config> {
    let mut config = Config::default();
    for line in parse(text).ok()? {
        match apply(&mut config, &line) {
            Ok(_) => (),
            // A directive without effect: what it says is nothing's business.
            Err(error) if matches!(error.reason, LineProblem::Directive(ConfigError::OnlyDefault { .. })) => (),
            Err(_) => return None,
        }
    }
    Some(config)
}

fn check_rewrite(old: &str, config: &Config) {
    let text = rewrite::rewrite(old, config);
    // What nobody understands becomes a comment; a line that includes a file stays, and nothing here reads files.
    let Some(loaded) = said(&without_includes(&text)) else {
        panic!("a rewritten file is refused:\n{text}");
    };
    let text = rewrite::amend(text, &loaded, config);
    let loaded = said(&without_includes(&text)).unwrap_or_else(|| panic!("an amended file is refused:\n{text}"));
    for directive in Directive::all().filter(|directive| !directive.is_inert()) {
        assert_eq!(directive.show(&loaded), directive.show(config), "{directive:?} of\n{text}");
    }
    assert_eq!(rewrite::rewrite(&text, config), text, "a second rewrite");
}

fn without_includes(text: &str) -> String {
    let is_include = |line: &&str| line.trim_start().get(..7).is_some_and(|word| word.eq_ignore_ascii_case("include"));
    text.lines().filter(|line| !is_include(line)).fold(String::new(), |text, line| text + line + "\n")
}
