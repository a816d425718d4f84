//! Each compact form at its edges, from bytes made by hand.

use super::*;

type Walk = fn(&[u8], Each<'_>) -> Result<(), Flaw>;

fn texts(walk: Walk, bytes: &[u8]) -> Result<Vec<String>, Flaw> {
    let mut found = Vec::new();
    walk(bytes, &mut |_, elem| {
        found.push(elem.to_vec().escape_ascii().to_string());
        Ok(())
    })?;
    Ok(found)
}

fn flaw_at(walk: Walk, bytes: &[u8]) -> usize {
    texts(walk, bytes).expect_err("flawed").at
}

/// A listpack around entries.
fn listpack(count: u16, entries: &[u8]) -> Vec<u8> {
    let size = u32::try_from(entries.len() + 7).unwrap();
    [&size.to_le_bytes()[..], &count.to_le_bytes(), entries, &[0xff]].concat()
}

/// A ziplist around entries, the last of which starts `tail` bytes behind the head.
fn ziplist(count: u16, tail: u32, entries: &[u8]) -> Vec<u8> {
    let size = u32::try_from(entries.len() + 11).unwrap();
    [&size.to_le_bytes()[..], &(tail + 10).to_le_bytes(), &count.to_le_bytes(), entries, &[0xff]].concat()
}

fn large(len: usize) -> Vec<u8> {
    vec![b'x'; len]
}

#[test]
fn every_entry_of_a_listpack_is_read() {
    let cases: [(&[u8], &str); 16] = [
        (&[0x00, 1], "0"),
        (&[0x7f, 1], "127"),
        (&[0x80, 1], ""),
        (&[0x82, b'a', b'b', 3], "ab"),
        (&[0xc0, 0x80, 2], "128"),
        (&[0xcf, 0xff, 2], "4095"),
        (&[0xd0, 0x00, 2], "-4096"),
        (&[0xdf, 0xff, 2], "-1"),
        (&[0xf1, 0x00, 0x80, 3], "-32768"),
        (&[0xf2, 0xff, 0xff, 0x7f, 4], "8388607"),
        (&[0xf2, 0x00, 0x00, 0x80, 4], "-8388608"),
        (&[0xf3, 0, 0, 0, 0x80, 5], "-2147483648"),
        (&[0xf4, 0, 0, 0, 0, 0, 0, 0, 0x80, 9], "-9223372036854775808"),
        (&[0xf4, 255, 255, 255, 255, 255, 255, 255, 0x7f, 9], "9223372036854775807"),
        (&[0xe0, 0x01, b'z', 3], "z"),
        (&[0xf0, 1, 0, 0, 0, b'7', 6], "7"),
    ];
    for (entry, text) in cases {
        assert_eq!(texts(listpack::walk, &listpack(1, entry)).unwrap(), [text], "{entry:?}");
        assert_eq!(texts(listpack::walk, &listpack(2, &[entry, entry].concat())).unwrap(), [text, text]);
    }
    assert_eq!(texts(listpack::walk, &listpack(0, &[])).unwrap(), [""; 0]);
    assert_eq!(texts(listpack::walk, &listpack(u16::MAX, &[0, 1])).unwrap(), ["0"], "a count that is not known");
}

#[test]
fn the_link_of_a_listpack_takes_as_many_bytes_as_servers_write() {
    // Sizes of head and payload, and the link.
    let cases: [(usize, &[u8]); 6] = [
        (127, &[127]),
        (128, &[1, 0x80]),
        (16_382, &[127, 0xfe]),
        (16_383, &[0, 0xff, 0xff]),
        (16_384, &[1, 0x80, 0x80]),
        (2_097_151, &[0, 0xff, 0xff, 0xff]),
    ];
    for (size, link) in cases {
        let head = match size - 2 {
            len @ ..4096 => vec![0xe0 | u8::try_from(len >> 8).unwrap(), u8::try_from(len & 255).unwrap()],
            _ => [&[0xf0][..], &u32::try_from(size - 5).unwrap().to_le_bytes()].concat(),
        };
        let entry = [&head[..], &large(size - head.len()), link].concat();
        assert_eq!(texts(listpack::walk, &listpack(1, &entry)).unwrap()[0].len(), size - head.len());
        let mut wrong = entry.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(flaw_at(listpack::walk, &listpack(1, &wrong)), 6 + size);
    }
}

#[test]
fn a_listpack_that_does_not_hold_together_is_refused_where_it_does_not() {
    let whole = listpack(1, &[0x82, b'a', b'b', 3]);
    for len in 0..whole.len() {
        assert!(texts(listpack::walk, &whole[..len]).is_err(), "cut at {len}");
    }
    assert_eq!(flaw_at(listpack::walk, &listpack(2, &[0, 1])), 4, "count");
    assert_eq!(flaw_at(listpack::walk, &listpack(1, &[0, 2])), 7, "link");
    assert_eq!(flaw_at(listpack::walk, &listpack(1, &[0xf5, 1])), 6, "no entry");
    assert_eq!(flaw_at(listpack::walk, &listpack(1, &[0xf0, 255, 255, 255, 255, 5])), 11, "element beyond the end");
    assert_eq!(flaw_at(listpack::walk, &listpack(1, &[0, 1, 0xff])), 9, "end before the end");
    let mut open = listpack(1, &[0, 1]);
    *open.last_mut().unwrap() = 0;
    assert_eq!(flaw_at(listpack::walk, &open), 9, "no end");
}

#[test]
fn every_entry_of_a_ziplist_is_read() {
    let cases: [(&[u8], &str); 13] = [
        (&[0x00], ""),
        (&[0x02, b'a', b'b'], "ab"),
        (&[0x40, 0x01, b'z'], "z"),
        (&[0x80, 0, 0, 0, 1, b'7'], "7"),
        (&[0xf1], "0"),
        (&[0xfd], "12"),
        (&[0xfe, 0x80], "-128"),
        (&[0xc0, 0x00, 0x80], "-32768"),
        (&[0xf0, 0x00, 0x00, 0x80], "-8388608"),
        (&[0xf0, 0xff, 0xff, 0x7f], "8388607"),
        (&[0xd0, 0, 0, 0, 0x80], "-2147483648"),
        (&[0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80], "-9223372036854775808"),
        (&[0xe0, 255, 255, 255, 255, 255, 255, 255, 0x7f], "9223372036854775807"),
    ];
    for (entry, text) in cases {
        let first = [&[0][..], entry].concat();
        assert_eq!(texts(ziplist::walk, &ziplist(1, 0, &first)).unwrap(), [text], "{entry:?}");
        let size = u8::try_from(first.len()).unwrap();
        let second = [&[size][..], entry].concat();
        assert_eq!(texts(ziplist::walk, &ziplist(2, size.into(), &[first, second].concat())).unwrap(), [text, text]);
    }
    assert_eq!(texts(ziplist::walk, &ziplist(0, 0, &[])).unwrap(), [""; 0]);
}

#[test]
fn the_link_of_a_ziplist_is_one_byte_or_five() {
    for len in [250, 251, 252, 1000] {
        let head = [0, 0x40 | u8::try_from(len >> 8).unwrap(), u8::try_from(len & 255).unwrap()];
        let first = [&head[..], &large(len)].concat();
        let size = u32::try_from(first.len()).unwrap();
        let long = [&[0xfe][..], &size.to_le_bytes(), &[0xf1]].concat();
        let found = texts(ziplist::walk, &ziplist(2, size, &[&first[..], &long].concat())).unwrap();
        assert_eq!((found[0].len(), &found[1][..]), (len, "0"));
        if let (Ok(byte), ..254) = (u8::try_from(size), size) {
            assert!(texts(ziplist::walk, &ziplist(2, size, &[&first[..], &[byte, 0xf1]].concat())).is_ok());
        }
    }
}

#[test]
fn a_ziplist_that_does_not_hold_together_is_refused_where_it_does_not() {
    let whole = ziplist(2, 4, &[0, 2, b'a', b'b', 4, 0xf1]);
    assert_eq!(texts(ziplist::walk, &whole).unwrap(), ["ab", "0"]);
    for len in 0..whole.len() {
        assert!(texts(ziplist::walk, &whole[..len]).is_err(), "cut at {len}");
    }
    assert_eq!(flaw_at(ziplist::walk, &ziplist(3, 4, &[0, 2, b'a', b'b', 4, 0xf1])), 8, "count");
    assert_eq!(flaw_at(ziplist::walk, &ziplist(2, 0, &[0, 2, b'a', b'b', 4, 0xf1])), 4, "tail");
    assert_eq!(flaw_at(ziplist::walk, &ziplist(2, 4, &[0, 2, b'a', b'b', 3, 0xf1])), 14, "link");
    assert_eq!(flaw_at(ziplist::walk, &ziplist(1, 0, &[1, 0xf1])), 10, "a link of the first");
    assert_eq!(flaw_at(ziplist::walk, &ziplist(1, 0, &[0, 0xc1, 0, 0])), 11, "no entry");
    assert_eq!(flaw_at(ziplist::walk, &ziplist(1, 0, &[0, 0xff])), 11, "an end for an entry");
    assert_eq!(flaw_at(ziplist::walk, &ziplist(1, 0, &[0, 0x80, 255, 255, 255, 255])), 16, "element beyond the end");
}

#[test]
fn zipmaps_are_read_with_their_unused_bytes() {
    let map = b"\x02\x01a\x02\x00v1\x01b\x01\x02w..\xff";
    assert_eq!(texts(zipmap::walk, map).unwrap(), ["a", "v1", "b", "w"]);
    let mut unknown = map.to_vec();
    unknown[0] = 254;
    assert_eq!(texts(zipmap::walk, &unknown).unwrap().len(), 4);
    let long = [&b"\x01\xfe\x2c\x01\0\0"[..], &large(300), b"\x00\x00\xff"].concat();
    assert_eq!(texts(zipmap::walk, &long).unwrap()[0].len(), 300);
    assert_eq!(texts(zipmap::walk, b"\x00\xff").unwrap(), [""; 0]);
    for len in 0..map.len() {
        assert!(texts(zipmap::walk, &map[..len]).is_err(), "cut at {len}");
    }
    for stated in [1, 3, 255] {
        let mut wrong = map.to_vec();
        wrong[0] = stated;
        assert_eq!(flaw_at(zipmap::walk, &wrong), 0);
    }
    assert_eq!(flaw_at(zipmap::walk, &[map, &b"\xff"[..]].concat()), map.len());
}

#[test]
fn intsets_of_every_width_are_read_and_others_refused() {
    let intset =
        |width: u32, count: u32, bytes: &[u8]| [&width.to_le_bytes()[..], &count.to_le_bytes(), bytes].concat();
    let walk = intset::walk;
    assert_eq!(texts(walk, &intset(2, 3, &[0, 0x80, 0, 0, 1, 0])).unwrap(), ["-32768", "0", "1"]);
    assert_eq!(texts(walk, &intset(4, 1, &[0, 0, 0, 0x80])).unwrap(), ["-2147483648"]);
    assert_eq!(texts(walk, &intset(8, 1, &i64::MIN.to_le_bytes())).unwrap(), ["-9223372036854775808"]);
    assert_eq!(texts(walk, &intset(2, 0, &[])).unwrap(), [""; 0]);
    assert_eq!(flaw_at(walk, &intset(3, 0, &[])), 0, "width");
    assert_eq!(flaw_at(walk, &intset(8, u32::MAX, &[])), 4, "count");
    assert_eq!(flaw_at(walk, &intset(2, 1, &[0, 0, 0])), 4, "size");
    assert_eq!(flaw_at(walk, &intset(2, 2, &[1, 0, 1, 0])), 10, "twice");
    assert_eq!(flaw_at(walk, &intset(2, 2, &[1, 0, 0, 0])), 10, "order");
    assert_eq!(flaw_at(walk, &[2, 0, 0]), 0);
}
