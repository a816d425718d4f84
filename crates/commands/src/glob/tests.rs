//! Patterns against a matcher that tries everything, and against the cost that trying everything would have.

use proptest::prelude::*;

use super::Pattern;

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    Pattern::new(pattern).matches(text)
}

#[test]
fn each_form_matches_what_redis_matches() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("**", "", false),
        ("*", "a", true),
        ("a**", "a", true),
        ("", "", true),
        ("", "a", false),
        ("?", "", false),
        ("h?llo", "hello", true),
        ("h?llo", "hllo", false),
        ("h*llo", "hllo", true),
        ("h*llo", "heeeello", true),
        ("h[ae]llo", "hallo", true),
        ("h[ae]llo", "hillo", false),
        ("h[^e]llo", "hallo", true),
        ("h[^e]llo", "hello", false),
        ("h[a-c]llo", "hbllo", true),
        ("h[c-a]llo", "hbllo", true),
        ("h[a-c]llo", "hdllo", false),
        ("[a", "a", true),
        ("[", "[", false),
        ("[^", "x", true),
        ("[]", "]", false),
        ("[]a]", "]a]", false),
        (r"[\]]", "]", true),
        (r"[a\-c]", "b", false),
        (r"[a\-c]", "-", true),
        ("[a-]", "-", false),
        (r"\*", "*", true),
        (r"\*", "a", false),
        (r"\", r"\", true),
        (r"a\", r"a\", true),
        ("a**b", "ab", true),
        ("*a*b*", "xxaxxbxx", true),
        ("*a*b*c", "abcabd", false),
        ("*.txt", "a.txt.txt", true),
        ("A", "a", false),
    ] {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern:?} {text:?}");
    }
}

#[test]
fn case_can_be_ignored() {
    for (pattern, text) in [("MAX*", "maxmemory"), ("max[A-M]emory", "maxMEMORY"), (r"\MAX", "max")] {
        assert!(Pattern::ignoring_case(pattern.as_bytes()).matches(text.as_bytes()), "{pattern:?} {text:?}");
    }
}

#[test]
fn many_stars_do_not_cost_exponential_time() {
    // Trying each star anew would take longer than the age of the universe.
    let pattern = b"a*".repeat(50_000);
    let text = b"a".repeat(20_000);
    assert!(!matches(&[&pattern[..2_000], b"b"].concat(), &text));
    assert!(!matches(&pattern, &text));
}

/// Whether a pattern of literals, `?` and `*` matches, by trying everything. Nothing at all matches one star at most.
fn naive(pattern: &[u8], text: &[u8]) -> bool {
    if text.is_empty() && pattern.starts_with(b"**") {
        return false;
    }
    tried(pattern, text)
}

fn tried(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|skipped| tried(rest, &text[skipped..])),
        ([b'?', rest @ ..], [_, others @ ..]) => tried(rest, others),
        ([literal, rest @ ..], [first, others @ ..]) => literal == first && tried(rest, others),
        (_, []) => false,
    }
}

proptest! {
    #[test]
    fn stars_take_what_a_matcher_that_tries_everything_finds(
        pattern in prop::collection::vec(prop_oneof![Just(b'*'), Just(b'?'), Just(b'a'), Just(b'b')], 0..8),
        text in prop::collection::vec(prop_oneof![Just(b'a'), Just(b'b')], 0..10),
    ) {
        prop_assert_eq!(matches(&pattern, &text), naive(&pattern, &text));
    }

    #[test]
    fn no_pattern_panics(pattern in prop::collection::vec(prop_oneof![Just(b'['), Just(b']'), Just(b'^'), Just(b'-'), Just(b'\\'), Just(b'*'), any::<u8>()], 0..12), text: Vec<u8>) {
        matches(&pattern, &text);
    }
}
