//! How single values are written, byte for byte as Redis writes them.

use keyspace::{Hash, List, Set, Str, Thresholds, UnixMs, Value, ValueRef, ZSet};
use rdb::{Content, Encoder, Options, WriteOptions};

use crate::dataset::keys;
use crate::random::build;

fn key_bytes(value: &Value, compress: bool, expire_at: Option<UnixMs>) -> Vec<u8> {
    in_version(9, value, compress, expire_at)
}

fn in_version(version: u16, value: &Value, compress: bool, expire_at: Option<UnixMs>) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::reserve(WriteOptions { version, compress }).key(&mut out, b"k", value.as_ref(), expire_at).unwrap();
    out
}

/// The bytes of a string's value, without type and key.
fn string(text: &[u8]) -> Vec<u8> {
    key_bytes(&Value::Str(Str::new(text)), true, None)[3..].to_vec()
}

#[test]
fn small_integers_are_stored_as_such_and_their_look_alikes_are_not() {
    let cases: [(&str, &[u8]); 14] = [
        ("0", b"\xc0\x00"),
        ("-128", b"\xc0\x80"),
        ("127", b"\xc0\x7f"),
        ("128", b"\xc1\x80\x00"),
        ("-129", b"\xc1\x7f\xff"),
        ("32767", b"\xc1\xff\x7f"),
        ("-32769", b"\xc2\xff\x7f\xff\xff"),
        ("2147483647", b"\xc2\xff\xff\xff\x7f"),
        ("-2147483648", b"\xc2\x00\x00\x00\x80"),
        ("2147483648", b"\x0a2147483648"),
        ("-9223372036854775808", b"\x14-9223372036854775808"),
        ("007", b"\x03007"),
        ("+1", b"\x02+1"),
        ("", b"\x00"),
    ];
    for (text, bytes) in cases {
        assert_eq!(string(text.as_bytes()).escape_ascii().to_string(), bytes.escape_ascii().to_string(), "{text}");
    }
    let raw = Value::Str(Str::raw(b"12".to_vec()));
    assert_eq!(key_bytes(&raw, true, None), b"\x00\x01k\xc0\x0c", "an integer in a string that was changed in place");
}

#[test]
fn lengths_take_one_byte_two_or_five() {
    let noise = |len: u32| -> Vec<u8> { (0..len).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect() };
    for (len, head) in [
        (63, &b"\x3f"[..]),
        (64, b"\x40\x40"),
        (16_383, b"\x7f\xff"),
        (16_384, b"\x80\x00\x00\x40\x00"),
        (70_000, b"\x80\x00\x01\x11\x70"),
    ] {
        let value = Value::Str(Str::new(&noise(len)));
        let bytes = key_bytes(&value, false, None);
        assert_eq!(&bytes[3..3 + head.len()], head, "{len}");
        assert_eq!(bytes.len(), 3 + head.len() + len as usize);
    }
}

#[test]
fn strings_are_compressed_from_21_bytes_on_where_four_are_saved() {
    assert_eq!(string(&[b'a'; 20]), [&[20][..], &[b'a'; 20]].concat());
    assert_eq!(string(&[b'a'; 21]), b"\xc3\x05\x15\x00a\xe0\x0b\x00", "one letter, and 20 repeated");
    let plain = b"abcdefghijklmnopqrstuvwxyz";
    assert_eq!(string(plain), [&[26][..], plain].concat());
    assert_eq!(key_bytes(&Value::Str(Str::new(&[b'a'; 21])), false, None).len(), 3 + 1 + 21);
    // Twenty letters take 21 bytes and what repeats of them two.
    let saving = |bytes: usize| [&plain[..20], &plain[..bytes + 3]].concat();
    assert_eq!(string(&saving(4))[..3], [0xc3, 23, 27]);
    assert_eq!(string(&saving(3)), [&[26][..], &saving(3)].concat());
}

#[test]
fn a_deadline_stands_in_front_of_the_type() {
    let value = Value::Str(Str::new(b"v"));
    let bytes = key_bytes(&value, true, Some(UnixMs(0x0102_0304_0506)));
    assert_eq!(bytes, b"\xfc\x06\x05\x04\x03\x02\x01\x00\x00\x00\x01k\x01v");
    assert_eq!(&key_bytes(&value, true, Some(UnixMs(-1)))[..9], b"\xfc\xff\xff\xff\xff\xff\xff\xff\xff");
}

#[test]
fn collections_are_written_element_by_element() {
    let mut zset = ZSet::new_large();
    zset.insert(b"low", 1.0, &Thresholds::default());
    zset.insert(b"high", 2.0, &Thresholds::default());
    let expected = b"\x05\x01k\x02\x04high\0\0\0\0\0\0\x00\x40\x03low\0\0\0\0\0\0\xf0\x3f";
    let none = Thresholds { hash_max_listpack_entries: 0, set_max_listpack_entries: 0, ..Thresholds::default() };
    let (mut hash, mut set) = (Hash::new(), Set::new());
    hash.set(b"a", b"0.5", &none);
    set.insert(b"a", &none);
    for version in 9..=11 {
        let bytes = |value: &Value| in_version(version, value, true, None);
        assert_eq!(bytes(&Value::ZSet(zset.clone())), expected, "from the highest score down");
        assert_eq!(bytes(&Value::Hash(hash.clone())), b"\x04\x01k\x01\x01a\x030.5");
        assert_eq!(bytes(&Value::Set(set.clone())), b"\x02\x01k\x01\x01a");
    }
}

/// As DUMP of Redis 6.2 has them (version 9), of 7.0 (10) and of 7.2 (11).
#[test]
fn small_collections_are_written_in_the_compact_form_of_the_version() {
    let items = |texts: &[&str]| texts.iter().map(|text| (text.as_bytes().to_vec(), 0.5)).collect::<Vec<_>>();
    let (set, hash) = (build(1, &items(&["a"])), build(2, &items(&["a"])));
    let zset = build(3, &[(b"300".to_vec(), f64::INFINITY), (b"b".to_vec(), -2.0)]);
    let list = build(0, &items(&["a", "-7"]));
    let bytes = |version, value| in_version(version, value, true, None).escape_ascii().to_string();
    for (value, version, expected) in [
        (&set, 9, &b"\x02\x01k\x01\x01a"[..]),
        (&set, 10, b"\x02\x01k\x01\x01a"),
        (&set, 11, b"\x14\x01k\x0a\x0a\0\0\0\x01\0\x81a\x02\xff"),
        (&hash, 9, b"\x0d\x01k\x13\x13\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\x030.5\xff"),
        (&hash, 10, b"\x10\x01k\x0f\x0f\0\0\0\x02\0\x81a\x02\x830.5\x04\xff"),
        (&zset, 9, b"\x0c\x01k\x1a\x1a\0\0\0\x14\0\0\0\x04\0\0\x01b\x03\xfe\xfe\x03\xc0\x2c\x01\x04\x03inf\xff"),
        (&zset, 10, b"\x11\x01k\x15\x15\0\0\0\x04\0\x81b\x02\xdf\xfe\x02\xc1\x2c\x02\x83inf\x04\xff"),
        (&list, 10, b"\x12\x01k\x01\x02\x0d\x0d\0\0\0\x02\0\x81a\x02\xdf\xf9\x02\xff"),
    ] {
        assert_eq!(bytes(version, value), expected.escape_ascii().to_string(), "{version} {value:?}");
    }
    assert_eq!(bytes(11, &hash), bytes(10, &hash));
}

#[test]
fn a_compact_collection_that_is_larger_than_what_was_reserved_is_written_element_by_element() {
    let limits = Thresholds { hash_max_listpack_value: 1 << 20, ..Thresholds::default() };
    for (len, kinds) in [(81_000, [13, 16, 16]), (82_000, [4, 4, 4])] {
        let mut hash = Hash::new();
        hash.set(b"field", &vec![b'x'; len], &limits);
        assert!(!hash.is_large());
        let value = Value::Hash(hash);
        for (version, kind) in (9..).zip(kinds) {
            let bytes = in_version(version, &value, false, None);
            assert_eq!(bytes[0], kind, "{len} bytes in version {version}");
            let file = [b"REDIS0004", &bytes[..], b"\xff"].concat();
            let keys = keys(&file, Options::default()).unwrap_or_else(|e| panic!("{e}"));
            let Content::Value(Value::Hash(found)) = &keys[0].content else { panic!("no hash") };
            assert_eq!(found.get(b"field").map(|elem| elem.to_vec().len()), Some(len));
        }
    }
}

fn list(elems: &[Vec<u8>]) -> Value {
    let (mut list, limits) = (List::new(), Thresholds::default());
    elems.iter().for_each(|elem| list.push_back(elem, &limits));
    Value::List(list)
}

#[test]
fn a_list_is_written_as_ziplists() {
    let bytes = key_bytes(&list(&[b"a".to_vec(), b"7".to_vec()]), true, None);
    assert_eq!(bytes, b"\x0e\x01k\x01\x10\x10\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xf8\xff");
    assert_eq!(key_bytes(&list(&[]), true, None), b"\x0e\x01k\0", "without elements, as Redis would");
}

#[test]
fn ziplists_and_listpacks_hold_elements_of_every_size_and_end_at_8_kb() {
    let in_version_comes_back = |version, elems: &[Vec<u8>]| {
        let mut file = b"REDIS0004".to_vec();
        file.extend(in_version(version, &list(elems), true, None));
        file.push(0xff);
        let keys = keys(&file, Options::default()).unwrap_or_else(|e| panic!("{e}"));
        let Content::Value(Value::List(found)) = &keys[0].content else { panic!("no list") };
        let found: Vec<_> = found.iter().map(|elem| elem.to_vec()).collect();
        assert_eq!(found, elems);
        file[9]
    };
    let comes_back = |elems: &[Vec<u8>]| {
        assert_eq!(in_version_comes_back(11, elems), 18);
        in_version_comes_back(9, elems)
    };
    let (ziplists, plain) = (14, 1);
    let edges = [
        0,
        7,
        12,
        13,
        31,
        32,
        127,
        128,
        4_095,
        4_096,
        32_767,
        32_768,
        8_388_607,
        8_388_608,
        2_147_483_647,
        2_147_483_648,
    ];
    let integers: Vec<_> = edges.iter().flat_map(|n: &i64| [*n, -*n, -*n - 1]).map(|n| n.to_string().into()).collect();
    assert_eq!(comes_back(&integers), ziplists);
    // Around the lengths at which heads and links grow, one behind the other.
    let texts: Vec<_> =
        [0, 62, 63, 64, 65, 249, 250, 251, 252, 253, 254, 1, 8_177, 8_178, 8_178, 3, 4_000, 4_171, 4_172]
            .iter()
            .map(|len| vec![b'x'; *len])
            .collect();
    assert_eq!(comes_back(&texts), ziplists);
    assert_eq!(comes_back(&[vec![b'x'; 8_178]]), ziplists);
    assert_eq!(comes_back(&[vec![b'x'; 8_179]]), plain, "an element that has no place in a ziplist");
    let large = [vec![b'x'; 9_000], b"small".to_vec(), vec![b'y'; 9_000], vec![b'z'; 9_000], b"last".to_vec()];
    assert_eq!(comes_back(&large), plain);
    for len in 1_000..1_040 {
        let many: Vec<_> = (0..20).map(|i| vec![b'a' + i; len + usize::from(i)]).collect();
        assert_eq!(comes_back(&many), ziplists);
    }
    let small: Vec<_> = (0..10_000).map(|i| (i % 10).to_string().into()).collect();
    assert_eq!(comes_back(&small), ziplists);
}

#[test]
fn a_set_of_integers_is_an_intset_of_the_least_width() {
    let intset = |members: &[i64]| {
        let (mut set, limits) = (Set::new(), Thresholds::default());
        for member in members {
            set.insert(member.to_string().as_bytes(), &limits);
        }
        key_bytes(&Value::Set(set), false, None)
    };
    assert_eq!(intset(&[2, 1]), b"\x0b\x01k\x0c\x02\0\0\0\x02\0\0\0\x01\0\x02\0");
    assert_eq!(intset(&[-32769, 0])[3..8], *b"\x10\x04\0\0\0");
    assert_eq!(intset(&[0, i64::MAX])[3..8], *b"\x18\x08\0\0\0");
    let empty = Set::new();
    let mut out = Vec::new();
    Encoder::reserve(WriteOptions::default()).key(&mut out, b"k", ValueRef::Set(&empty), None).unwrap();
    assert_eq!(out, b"\x02\x01k\x00", "an empty intset would be refused by Redis");
}

#[test]
#[should_panic(expected = "version 8 cannot be written")]
fn a_version_that_cannot_be_written_is_refused() {
    Encoder::reserve(WriteOptions { version: 8, compress: true });
}

#[test]
#[should_panic(expected = "version 9 knows no functions")]
fn functions_need_a_version_that_knows_them() {
    let mut out = Vec::new();
    let _ = Encoder::reserve(WriteOptions::default()).function(&mut out, b"#!lua name=l");
}
