//! Intsets: sorted integers of one width.
//!
//! Four bytes of width (2, 4 or 8), four of count, the integers in ascending order, the lowest byte first.
//!
//! Source: `intset.c` of Redis 7.2 (facts).

use keyspace::Elem;

use super::{Cursor, Each};
use crate::error::{Flaw, Found};

/// Visits the integers of an intset.
pub(crate) fn walk(bytes: &[u8], each: Each<'_>) -> Result<(), Flaw> {
    let mut cursor = Cursor::new(bytes);
    let width = cursor.u32("the width of integers")?;
    if !matches!(width, 2 | 4 | 8) {
        return Err(Flaw::new(0, "integers of 2, 4 or 8 bytes", width));
    }
    let count = cursor.u32("the number of integers")?;
    if count.checked_mul(width).is_none_or(|size| size != bytes.len() - cursor.at) {
        return Err(Flaw::new(4, "the number of integers", count));
    }
    let mut before = None;
    for _ in 0..count {
        let start = cursor.at;
        let integer = "an integer of an intset";
        let value = match width {
            2 => i64::from(i16::from_le_bytes(cursor.array(integer)?)),
            4 => i64::from(i32::from_le_bytes(cursor.array(integer)?)),
            _ => i64::from_le_bytes(cursor.array(integer)?),
        };
        if before.is_some_and(|before| before >= value) {
            let text = numeric::IntBuf::new().format(value).to_vec();
            return Err(Flaw::new(start, "an integer above the one before", Found::from(&text[..])));
        }
        before = Some(value);
        each(start, Elem::Int(value))?;
    }
    Ok(())
}
