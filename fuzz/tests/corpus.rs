//! Everything holds for the inputs of the corpus, as an ordinary test: those that once broke something stand among them.
#![expect(clippy::disallowed_methods, reason = "the corpus is files")]

use std::path::Path;

#[test]
fn everything_holds_for_every_input_of_the_corpus() {
    for target in fuzz::TARGETS {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            let held = std::panic::catch_unwind(|| target.run(&input));
            assert!(held.is_ok(), "{} breaks something", path.display());
        }
    }
}
