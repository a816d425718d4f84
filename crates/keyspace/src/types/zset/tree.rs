//! A B+-tree addressed by rank: a sequence that inserts, removes and finds any position in O(log n).
//!
//! The tree does not know what orders its slots. Whoever does asks [`Tree::partition_point`] for a rank and changes
//! the tree at that rank; so there is one descent for every kind of comparison and no comparison in any change.
//!
//! Invariants: no node but the root is empty; an inner node knows of each child its first slot and how many slots are
//! below it. Nodes are joined when two neighbours fit well into one, so a tree that shrinks gives its memory back.

/// One member as the order sees it: its score, and the id of the member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slot {
    pub(super) score: f64,
    pub(super) id: u32,
}

const LEAF_MAX: usize = 64;
const INNER_MAX: usize = 32;

/// A sequence of slots.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    root: Node,
    len: usize,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Vec<Slot>),
    Inner(Vec<Child>),
}

#[derive(Clone, Debug)]
struct Child {
    first: Slot,
    len: usize,
    node: Node,
}

impl Default for Node {
    fn default() -> Self {
        Self::Leaf(Vec::new())
    }
}

impl Child {
    fn new(node: Node) -> Self {
        let (first, len) = match &node {
            Node::Leaf(slots) => (slots[0], slots.len()),
            Node::Inner(children) => (children[0].first, children.iter().map(|child| child.len).sum()),
        };
        Self { first, len, node }
    }
}

impl Node {
    /// Number of slots of a leaf, of children of an inner node.
    fn width(&self) -> usize {
        match self {
            Self::Leaf(slots) => slots.len(),
            Self::Inner(children) => children.len(),
        }
    }

    fn max_width(&self) -> usize {
        match self {
            Self::Leaf(_) => LEAF_MAX,
            Self::Inner(_) => INNER_MAX,
        }
    }

    fn first(&self) -> Option<Slot> {
        match self {
            Self::Leaf(slots) => slots.first().copied(),
            Self::Inner(children) => children.first().map(|child| child.first),
        }
    }

    /// Inserts at `rank`; returns the right half when the node had to be split. `appends`: at the very end of the tree.
    fn insert(&mut self, rank: usize, slot: Slot, appends: bool) -> Option<Self> {
        match self {
            Self::Leaf(slots) => {
                if slots.len() < LEAF_MAX {
                    slots.insert(rank, slot);
                    return None;
                }
                // Ascending insertion leaves full leaves behind instead of half-full ones.
                let middle = if appends { LEAF_MAX } else { LEAF_MAX / 2 };
                let mut right = Vec::with_capacity(LEAF_MAX);
                right.extend(slots.drain(middle..));
                if rank <= middle && !appends {
                    slots.insert(rank, slot);
                } else {
                    right.insert(rank - middle, slot);
                }
                Some(Self::Leaf(right))
            }
            Self::Inner(children) => {
                let (at, rank) = child_at(children, rank, true);
                let child = &mut children[at];
                let split = child.node.insert(rank, slot, appends);
                child.len += 1;
                if rank == 0 {
                    child.first = slot;
                }
                let right = Child::new(split?);
                child.len -= right.len;
                children.insert(at + 1, right);
                if children.len() <= INNER_MAX {
                    return None;
                }
                let middle = if appends { children.len() - 2 } else { children.len() / 2 };
                Some(Self::Inner(children.split_off(middle)))
            }
        }
    }

    /// Removes the slot at `rank`, which must exist.
    fn remove(&mut self, rank: usize) -> Slot {
        match self {
            Self::Leaf(slots) => slots.remove(rank),
            Self::Inner(children) => {
                let (at, rank) = child_at(children, rank, false);
                let child = &mut children[at];
                let removed = child.node.remove(rank);
                child.len -= 1;
                match child.node.first() {
                    Some(first) => child.first = first,
                    None => drop(children.remove(at)),
                }
                join_narrow(children, at);
                removed
            }
        }
    }

    /// Appends the content of the right neighbour, which is of the same kind.
    fn append(&mut self, right: Self) {
        match (self, right) {
            (Self::Leaf(left), Self::Leaf(right)) => left.extend(right),
            (Self::Inner(left), Self::Inner(right)) => left.extend(right),
            _ => unreachable!("neighbours in a tree are of the same height"),
        }
    }
}

/// The child that holds `rank` and the rank within it. A rank at a seam belongs to the left child when `left`.
fn child_at(children: &[Child], mut rank: usize, left: bool) -> (usize, usize) {
    for (at, child) in children.iter().enumerate() {
        if rank < child.len || (left && rank == child.len) {
            return (at, rank);
        }
        rank -= child.len;
    }
    unreachable!("a rank beyond the end of a tree")
}

/// Joins the child at `at` with a neighbour, if it is narrow and both leave room in one node.
fn join_narrow(children: &mut Vec<Child>, at: usize) {
    if children.get(at).is_none_or(|child| child.node.width() >= child.node.max_width() / 4) {
        return;
    }
    for left in [at.checked_sub(1), Some(at)].into_iter().flatten() {
        if left + 1 >= children.len() {
            continue;
        }
        let width = children[left].node.width() + children[left + 1].node.width();
        if width <= children[left].node.max_width() * 3 / 4 {
            let right = children.remove(left + 1);
            children[left].len += right.len;
            children[left].node.append(right.node);
            return;
        }
    }
}

impl Tree {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The number of slots for which `before` holds; it must hold for a prefix of the sequence and for no slot after.
    pub(super) fn partition_point(&self, before: impl Fn(&Slot) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(slots) => return rank + slots.partition_point(&before),
                Node::Inner(children) => {
                    let right = children.partition_point(|child| before(&child.first)).max(1);
                    rank += children[..right - 1].iter().map(|child| child.len).sum::<usize>();
                    node = &children[right - 1].node;
                }
            }
        }
    }

    /// Inserts so that the new slot has this rank (at most `len`).
    pub(super) fn insert(&mut self, rank: usize, slot: Slot) {
        let split = self.root.insert(rank, slot, rank == self.len);
        self.len += 1;
        if let Some(right) = split {
            let left = std::mem::take(&mut self.root);
            self.root = Node::Inner(vec![Child::new(left), Child::new(right)]);
        }
    }

    /// Removes the slot at `rank`, which must exist.
    pub(super) fn remove(&mut self, rank: usize) -> Slot {
        let removed = self.root.remove(rank);
        self.len -= 1;
        while let Node::Inner(children) = &mut self.root {
            match children.len() {
                0 => self.root = Node::default(),
                1 => self.root = children.remove(0).node,
                _ => break,
            }
        }
        removed
    }

    /// The leaf that holds `rank`, which must exist, and the position there.
    pub(super) fn leaf_at(&self, rank: usize) -> (&[Slot], usize) {
        let (mut node, mut rank) = (&self.root, rank);
        loop {
            match node {
                Node::Leaf(slots) => return (slots, rank),
                Node::Inner(children) => {
                    let (at, within) = child_at(children, rank, false);
                    (node, rank) = (&children[at].node, within);
                }
            }
        }
    }

    /// Gives the slot at `rank`, which must exist, another id.
    pub(super) fn set_id(&mut self, rank: usize, id: u32) {
        let (mut node, mut rank) = (&mut self.root, rank);
        loop {
            match node {
                Node::Leaf(slots) => {
                    slots[rank].id = id;
                    return;
                }
                Node::Inner(children) => {
                    let (at, within) = child_at(children, rank, false);
                    let child = &mut children[at];
                    if within == 0 {
                        child.first.id = id;
                    }
                    (node, rank) = (&mut child.node, within);
                }
            }
        }
    }

    /// Bytes of memory that the nodes take, roughly.
    pub(super) fn heap_bytes(&self) -> usize {
        // Nodes are about two thirds full; inner nodes add little.
        self.len * size_of::<Slot>() * 3 / 2
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Checks the invariants below `node`; returns first slot, length and height.
    fn check(node: &Node, root: bool) -> (Option<Slot>, usize, usize) {
        assert!(root || node.width() > 0);
        assert!(node.width() <= node.max_width());
        match node {
            Node::Leaf(slots) => (slots.first().copied(), slots.len(), 0),
            Node::Inner(children) => {
                let below: Vec<_> = children.iter().map(|child| check(&child.node, false)).collect();
                for (child, (first, len, height)) in children.iter().zip(&below) {
                    assert_eq!((Some(child.first), child.len, *height), (*first, *len, below[0].2));
                }
                (node.first(), below.iter().map(|(_, len, _)| len).sum(), below[0].2 + 1)
            }
        }
    }

    fn contents(tree: &Tree) -> Vec<u32> {
        let mut all = Vec::new();
        while all.len() < tree.len() {
            let (leaf, at) = tree.leaf_at(all.len());
            assert_eq!(at, 0);
            all.extend(leaf.iter().map(|slot| slot.id));
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_tree_behaves_as_a_vec(start in 0u32..3000, steps in prop::collection::vec((0u8..4, any::<u32>()), 1..2000)) {
            let (mut tree, mut model) = (Tree::default(), Vec::new());
            for id in 0..start {
                tree.insert(tree.len(), Slot { score: 0.0, id });
                model.push(id);
            }
            // Phases of mostly insertion and mostly removal, so that the tree grows and collapses.
            for (step, (kind, place)) in steps.into_iter().enumerate() {
                let removal = if (step / 400) % 2 == 0 { kind > 2 } else { kind > 0 };
                if removal && !model.is_empty() {
                    let rank = place as usize % model.len();
                    prop_assert_eq!(tree.remove(rank).id, model.remove(rank));
                } else {
                    let rank = place as usize % (model.len() + 1);
                    tree.insert(rank, Slot { score: 0.0, id: place });
                    model.insert(rank, place);
                }
            }
            prop_assert_eq!(check(&tree.root, true).1, model.len());
            prop_assert_eq!(contents(&tree), model.clone());
            while !model.is_empty() {
                let rank = model.len() * 2 / 3;
                tree.set_id(rank, 7);
                model[rank] = 7;
                check(&tree.root, true);
                prop_assert_eq!(tree.remove(rank).id, model.remove(rank));
                check(&tree.root, true);
            }
            prop_assert!(matches!(tree.root, Node::Leaf(_)));
        }

        #[test]
        fn a_partition_point_is_that_of_a_slice(mut scores in prop::collection::vec(0u8..50, 0..700), probe in 0u8..52) {
            scores.sort_unstable();
            let mut tree = Tree::default();
            for (id, &score) in (0u32..).zip(&scores) {
                tree.insert(tree.len(), Slot { score: f64::from(score), id });
            }
            let expected = scores.partition_point(|&score| score < probe);
            prop_assert_eq!(tree.partition_point(|slot| slot.score < f64::from(probe)), expected);
        }
    }
}
