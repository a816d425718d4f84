//! Zipmaps: small hashes of Redis 2.4.
//!
//! A byte of count (254: it is not known), fields and values, `ff`. A length is one byte, or `fe` and four; between the length of a
//! value and the value stands how many unused bytes follow it.
//!
//! Source: `zipmap.c` of Redis 7.2 (facts).

use keyspace::Elem;

use super::{Cursor, Each};
use crate::error::Flaw;

const END: u8 = 0xff;
/// In place of a length: it follows in four bytes. In place of the count: it is not known.
const LARGE: u8 = 0xfe;

/// Visits fields and values by turns.
pub(crate) fn walk(bytes: &[u8], each: Each<'_>) -> Result<(), Flaw> {
    let mut cursor = Cursor::new(bytes);
    let stated = cursor.byte("the number of fields")?;
    let mut count = 0_usize;
    while cursor.peek() != Some(END) {
        let start = cursor.at;
        let len = length(&mut cursor)?;
        let field = cursor.take(len, "a field within its zipmap")?;
        each(start, Elem::new(field))?;
        let start = cursor.at;
        let len = length(&mut cursor)?;
        let unused = cursor.byte("the number of unused bytes")?;
        let value = cursor.take(len, "a value within its zipmap")?;
        cursor.take(usize::from(unused), "unused bytes within their zipmap")?;
        each(start, Elem::new(value))?;
        count += 1;
    }
    cursor.byte("the end of a zipmap")?;
    cursor.finish("nothing behind the end of a zipmap")?;
    if stated != LARGE && usize::from(stated) != count {
        return Err(Flaw::new(0, "the number of fields", stated));
    }
    Ok(())
}

fn length(cursor: &mut Cursor<'_>) -> Result<usize, Flaw> {
    match cursor.byte("a length in a zipmap")? {
        LARGE => cursor.u32("a length in a zipmap"),
        len => Ok(usize::from(len)),
    }
}
