//! Listpacks: the compact form of Redis 7.
//!
//! Four bytes of size, two of count, entries, `ff`. An entry is a head, a payload, and the size of both once more in one to five
//! bytes, of which all but the first have their high bit set.
//!
//! Source: `listpack.c` of Redis 7.2 (facts).

use keyspace::Elem;

use super::{Cursor, Each, check_count, i24, usize_of};
use crate::error::Flaw;

const END: u8 = 0xff;

/// Visits the elements of a listpack.
pub(crate) fn walk(bytes: &[u8], each: Each<'_>) -> Result<(), Flaw> {
    let mut cursor = Cursor::new(bytes);
    let size = cursor.u32("the size of a listpack")?;
    if size != bytes.len() {
        return Err(Flaw::new(0, "the size of the listpack", size));
    }
    let stated = cursor.u16("the number of elements")?;
    let mut count = 0;
    while cursor.peek() != Some(END) {
        let start = cursor.at;
        let elem = entry(&mut cursor)?;
        link(&mut cursor, start)?;
        each(start, elem)?;
        count += 1;
    }
    cursor.byte("the end of a listpack")?;
    cursor.finish("nothing behind the end of a listpack")?;
    check_count(4, stated, count)
}

fn entry<'a>(cursor: &mut Cursor<'a>) -> Result<Elem<'a>, Flaw> {
    let start = cursor.at;
    let head = cursor.byte("an entry of a listpack")?;
    let integer = "an integer of a listpack";
    let len = match head {
        0..=0x7f => return Ok(Elem::Int(i64::from(head))),
        0x80..=0xbf => usize::from(head & 0x3f),
        0xc0..=0xdf => {
            // Thirteen bits, the sign at the top.
            let bits = u16::from(head & 0x1f) << 8 | u16::from(cursor.byte(integer)?);
            return Ok(Elem::Int(i64::from((bits << 3).cast_signed() >> 3)));
        }
        0xe0..=0xef => usize::from(head & 0x0f) << 8 | usize::from(cursor.byte("the length of an element")?),
        0xf0 => usize_of(u32::from_le_bytes(cursor.array("the length of an element")?)),
        0xf1 => return Ok(Elem::Int(i64::from(i16::from_le_bytes(cursor.array(integer)?)))),
        0xf2 => return Ok(Elem::Int(i24(cursor.array(integer)?))),
        0xf3 => return Ok(Elem::Int(i64::from(i32::from_le_bytes(cursor.array(integer)?)))),
        0xf4 => return Ok(Elem::Int(i64::from_le_bytes(cursor.array(integer)?))),
        _ => return Err(Flaw::new(start, "an entry of a listpack", head)),
    };
    Ok(Elem::new(cursor.take(len, "an element within its listpack")?))
}

/// Behind the entry that began at `start`: its size.
fn link(cursor: &mut Cursor<'_>, start: usize) -> Result<(), Flaw> {
    let at = cursor.at;
    let size = at - start;
    // What every server writes: with the highest number of so many bits, one byte more than it takes.
    let len = match size {
        ..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    };
    let stated = cursor.take(len, "the size of an entry behind it")?;
    let number = stated.iter().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f));
    let marked = stated.iter().skip(1).all(|byte| byte & 0x80 != 0) && stated[0] & 0x80 == 0;
    if number != size as u64 || !marked {
        return Err(Flaw::new(at, "the size of the entry before", number));
    }
    Ok(())
}
