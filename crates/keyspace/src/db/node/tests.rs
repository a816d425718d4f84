//! Nodes against plain structs that own what a node holds.

use proptest::prelude::*;

use super::*;
use crate::types::thresholds::Thresholds;

/// The naive twin of a node.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    key: Vec<u8>,
    elements: Vec<Vec<u8>>,
    packed: bool,
    deadline: Option<UnixMs>,
}

fn made(plain: &Plain) -> Node {
    if plain.packed {
        return Node::packed(Kind::PackedText, &plain.key, &plain.elements.concat(), plain.deadline);
    }
    let mut list = List::new();
    plain.elements.iter().for_each(|elem| list.push_back(elem, &Thresholds::default()));
    Node::apart(&plain.key, list, plain.deadline)
}

fn check(node: &Node, plain: &Plain) {
    assert_eq!((node.key(), node.deadline()), (&plain.key[..], plain.deadline));
    if plain.packed {
        assert_eq!(node.text(), plain.elements.concat());
    } else {
        let elements: Vec<_> = node.value::<List>().iter().map(|elem| elem.to_vec()).collect();
        assert_eq!((elements, node.text()), (plain.elements.clone(), &b""[..]));
    }
}

fn plain() -> impl Strategy<Value = Plain> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    let deadline = prop::option::of(any::<i64>().prop_map(UnixMs));
    let key = prop_oneof![bytes(20), bytes(256)];
    (key, prop::collection::vec(bytes(40), 0..6), any::<bool>(), deadline)
        .prop_map(|(key, elements, packed, deadline)| Plain { key, elements, packed, deadline })
}

proptest! {
    #[test]
    fn a_node_holds_what_it_was_made_of(first in plain(), second in plain(), at in any::<i64>(), used in any::<u32>()) {
        let mut node = made(&first);
        check(&node, &first);
        node.set_used(LruClock::new(used));
        let mut copy = node.clone();
        check(&copy, &first);
        prop_assert_eq!(copy.used(), LruClock::new(used));
        // A change of the one is no change of the other.
        let mut changed = first.clone();
        if copy.write_deadline(Some(UnixMs(at))) {
            changed.deadline = Some(UnixMs(at));
        }
        if first.packed {
            copy.text_mut().fill(b'x');
            changed.elements = vec![vec![b'x'; first.elements.concat().len()]];
        } else {
            copy.value_mut::<List>().push_front(b"more", &Thresholds::default());
            changed.elements.insert(0, b"more".to_vec());
        }
        check(&copy, &changed);
        check(&node, &first);
        // Assignment drops what was there.
        node = made(&second);
        check(&node, &second);
        if !changed.packed {
            let list = copy.into_value::<List>();
            prop_assert_eq!(list.iter().map(|elem| elem.to_vec()).collect::<Vec<_>>(), changed.elements);
        }
    }
}

/// What the allocator counts is looked at by the test of allocations in `alloc_tests`; here, that nothing is freed twice.
#[test]
fn a_value_that_was_taken_out_outlives_its_node() {
    let mut set = Set::new();
    for n in 0..1000 {
        set.insert(format!("m{n}").as_bytes(), &Thresholds::default());
    }
    let node = Node::apart(b"key", set, None);
    let copies: Vec<Node> = (0..8).map(|_| node.clone()).collect();
    let taken = node.into_value::<Set>();
    drop(copies);
    assert_eq!(taken.iter().count(), 1000);
}
