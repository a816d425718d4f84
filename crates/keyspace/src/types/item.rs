//! One element of a large collection, owned.

use super::elem::Elem;

/// An owned [`Elem`]: 16 bytes, integers in place.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Int(i64),
    Bytes(Box<[u8]>),
}

impl Item {
    pub(crate) fn elem(&self) -> Elem<'_> {
        match self {
            Self::Int(value) => Elem::Int(*value),
            Self::Bytes(bytes) => Elem::Bytes(bytes),
        }
    }

    /// Bytes of memory allocated beside the item itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Int(_) => 0,
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Int(value) => Elem::Int(value).to_vec(),
            Self::Bytes(bytes) => bytes.into_vec(),
        }
    }
}

impl From<Elem<'_>> for Item {
    fn from(elem: Elem<'_>) -> Self {
        match elem {
            Elem::Int(value) => Self::Int(value),
            Elem::Bytes(bytes) => Self::Bytes(bytes.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Item;

    #[test]
    fn an_item_takes_no_more_room_than_its_pointer_and_length() {
        assert_eq!(size_of::<Item>(), 16);
    }
}
