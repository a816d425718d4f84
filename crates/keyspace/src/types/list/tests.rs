//! Lists against a `Vec`, and the encodings' thresholds.

use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        5 => (0i64..5).prop_map(|value| value.to_string().into_bytes()),
        3 => prop::collection::vec(b'a'..=b'c', 0..3),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn limits(chunk: i32) -> Thresholds {
    Thresholds { list_max_listpack_size: chunk, ..Default::default() }
}

/// LREM on a vector.
fn model_remove(model: &mut Vec<Vec<u8>>, count: i64, elem: &[u8]) -> usize {
    let mut equal: Vec<_> = (0..model.len()).filter(|&at| model[at] == elem).collect();
    if count < 0 {
        equal.reverse();
    }
    if count != 0 {
        equal.truncate(usize::try_from(count.unsigned_abs()).unwrap());
    }
    equal.sort_unstable();
    for &at in equal.iter().rev() {
        model.remove(at);
    }
    equal.len()
}

fn check(list: &List, model: &[Vec<u8>]) {
    assert_eq!(list.iter().map(Elem::to_vec).collect::<Vec<_>>(), model);
    assert_eq!(
        list.iter().rev().map(Elem::to_vec).collect::<Vec<_>>(),
        model.iter().rev().cloned().collect::<Vec<_>>()
    );
    assert_eq!(list.len(), model.len());
    if let Form::Many(chunks) = &list.0 {
        assert!(chunks.chunks.iter().all(|chunk| !chunk.is_empty()));
    }
}

proptest! {
    #[test]
    fn a_list_behaves_as_a_vec(
        chunk in prop_oneof![1i32..6, Just(-2)],
        steps in prop::collection::vec((0u8..16, any::<u16>(), any::<u16>(), text()), 1..120),
    ) {
        let (mut list, mut model, limits) = (List::new(), Vec::<Vec<u8>>::new(), limits(chunk));
        for (kind, a, b, elem) in steps {
            let at = usize::from(a) % (model.len() + 1);
            let end = at + usize::from(b) % (model.len() - at + 1);
            match kind {
                0..=3 => { list.push_back(&elem, &limits); model.push(elem); }
                4..=6 => { list.push_front(&elem, &limits); model.insert(0, elem); }
                7..=9 => { list.insert(at, &elem, &limits); model.insert(at, elem); }
                10 => { prop_assert_eq!(list.pop_back(), model.pop()); }
                11 => {
                    let first = (!model.is_empty()).then(|| model.remove(0));
                    prop_assert_eq!(list.pop_front(), first);
                }
                12 => {
                    let index = i64::from(a) % 12 - 6;
                    let len = i64::try_from(model.len()).unwrap();
                    let place = usize::try_from(if index < 0 { index + len } else { index }).ok();
                    let slot = place.and_then(|place| model.get_mut(place));
                    prop_assert_eq!(list.get(index).map(Elem::to_vec), slot.as_deref().cloned());
                    prop_assert_eq!(list.set(index, &elem, &limits), slot.is_some());
                    if let Some(slot) = slot { *slot = elem; }
                }
                13 => {
                    prop_assert_eq!(list.remove_range(at, end), end - at);
                    model.drain(at..end);
                }
                14 => {
                    let count = i64::from(a % 7) - 3;
                    prop_assert_eq!(list.remove(count, &elem), model_remove(&mut model, count, &elem));
                }
                _ if b % 4 == 0 => {
                    list.trim(at, end);
                    model = model[at..end].to_vec();
                }
                _ => {
                    prop_assert_eq!(list.range(at, end).map(Elem::to_vec).collect::<Vec<_>>(), &model[at..end]);
                    let mut walk = list.range(at, end);
                    let mut expected = model[at..end].iter();
                    while let Some(elem) = walk.next() {
                        prop_assert_eq!(Some(&elem.to_vec()), expected.next());
                        prop_assert_eq!(walk.next_back().map(Elem::to_vec), expected.next_back().cloned());
                    }
                }
            }
            check(&list, &model);
        }
    }
}

#[test]
fn a_list_is_a_quicklist_beyond_one_chunk_and_a_listpack_again_at_half_of_one() {
    let (mut list, limits) = (List::new(), limits(8));
    for _ in 0..8 {
        list.push_back(b"x", &limits);
    }
    assert_eq!(list.encoding(), "listpack");
    list.push_back(b"x", &limits);
    assert_eq!(list.encoding(), "quicklist");
    for _ in 0..4 {
        list.pop_front();
    }
    assert_eq!(list.encoding(), "quicklist");
    list.pop_front();
    assert_eq!((list.len(), list.encoding()), (4, "listpack"));
}

#[test]
fn one_large_element_makes_a_quicklist() {
    let (mut list, limits) = (List::new(), Thresholds::default());
    list.push_back(&[b'x'; 8000], &limits);
    assert_eq!(list.encoding(), "listpack");
    list.push_back(&[b'x'; 9000], &limits);
    assert_eq!(list.encoding(), "quicklist");
}
