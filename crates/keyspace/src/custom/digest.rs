//! What a custom value tells of itself for a digest.

use numeric::IntBuf;

use super::WriteParts;

/// Takes what a value is made of, element by element.
pub trait DigestParts {
    /// A part of the element; the order of its parts counts.
    fn part(&mut self, bytes: &[u8]);

    /// The element ends; in which order elements come does not count.
    fn end(&mut self);
}

/// Tells what a value saves.
pub(super) struct Saved<'o>(pub(super) &'o mut dyn DigestParts);

impl WriteParts for Saved<'_> {
    fn unsigned(&mut self, value: u64) {
        self.0.part(IntBuf::new().format_u64(value));
    }

    fn signed(&mut self, value: i64) {
        self.0.part(IntBuf::new().format(value));
    }

    fn float(&mut self, value: f32) {
        self.0.part(&value.to_bits().to_le_bytes());
    }

    fn double(&mut self, value: f64) {
        self.0.part(&value.to_bits().to_le_bytes());
    }

    fn string(&mut self, bytes: &[u8]) {
        self.0.part(bytes);
    }
}
