//! Ziplists: the compact form of Redis 2.4 to 6.
//!
//! Four bytes of size, four of where the last entry starts, two of count, entries, `ff`. An entry is the size of the one before it
//! (one byte, or `fe` and four), a head and a payload.
//!
//! Source: `ziplist.c` of Redis 7.2 (facts).

use keyspace::Elem;

use super::{Cursor, Each, check_count, i24, usize_of};
use crate::error::Flaw;

const END: u8 = 0xff;
/// In place of the size of the entry before: it follows in four bytes.
const FOUR_BYTES: u8 = 0xfe;

/// Visits the elements of a ziplist.
pub(crate) fn walk(bytes: &[u8], each: Each<'_>) -> Result<(), Flaw> {
    let mut cursor = Cursor::new(bytes);
    let size = cursor.u32("the size of a ziplist")?;
    if size != bytes.len() {
        return Err(Flaw::new(0, "the size of the ziplist", size));
    }
    let tail = cursor.u32("the last entry of a ziplist")?;
    let stated = cursor.u16("the number of elements")?;
    let (mut count, mut last) = (0, cursor.at);
    while cursor.peek() != Some(END) {
        let start = cursor.at;
        link(&mut cursor, if count == 0 { 0 } else { start - last })?;
        let elem = entry(&mut cursor)?;
        each(start, elem)?;
        last = start;
        count += 1;
    }
    cursor.byte("the end of a ziplist")?;
    cursor.finish("nothing behind the end of a ziplist")?;
    if tail != last {
        return Err(Flaw::new(4, "the start of the last entry", tail));
    }
    check_count(8, stated, count)
}

/// The size of the entry before.
fn link(cursor: &mut Cursor<'_>, expected: usize) -> Result<(), Flaw> {
    let at = cursor.at;
    let stated = match cursor.byte("the size of the entry before")? {
        FOUR_BYTES => cursor.u32("the size of the entry before")?,
        size => usize::from(size),
    };
    if stated != expected {
        return Err(Flaw::new(at, "the size of the entry before", stated));
    }
    Ok(())
}

fn entry<'a>(cursor: &mut Cursor<'a>) -> Result<Elem<'a>, Flaw> {
    let start = cursor.at;
    let head = cursor.byte("an entry of a ziplist")?;
    let integer = "an integer of a ziplist";
    let len = match head {
        0..=0x3f => usize::from(head),
        0x40..=0x7f => usize::from(head & 0x3f) << 8 | usize::from(cursor.byte("the length of an element")?),
        0x80..=0xbf => usize_of(u32::from_be_bytes(cursor.array("the length of an element")?)),
        0xc0 => return Ok(Elem::Int(i64::from(i16::from_le_bytes(cursor.array(integer)?)))),
        0xd0 => return Ok(Elem::Int(i64::from(i32::from_le_bytes(cursor.array(integer)?)))),
        0xe0 => return Ok(Elem::Int(i64::from_le_bytes(cursor.array(integer)?))),
        0xf0 => return Ok(Elem::Int(i24(cursor.array(integer)?))),
        0xfe => return Ok(Elem::Int(i64::from(i8::from_le_bytes(cursor.array(integer)?)))),
        0xf1..=0xfd => return Ok(Elem::Int(i64::from(head - 0xf1))),
        _ => return Err(Flaw::new(start, "an entry of a ziplist", head)),
    };
    Ok(Elem::new(cursor.take(len, "an element within its ziplist")?))
}
