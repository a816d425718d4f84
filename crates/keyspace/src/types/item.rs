//! One element of a large collection, owned.

use super::elem::Elem;
use super::thin::ThinBytes;

/// Longest bytes kept in place.
const MAX_SHORT_BYTES: usize = 14;

/// An owned [`Elem`]: 16 bytes, integers and short bytes in place.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Int(i64),
    Short { len: u8, bytes: [u8; MAX_SHORT_BYTES] },
    Long(ThinBytes),
}

impl Item {
    #[inline]
    pub(crate) fn elem(&self) -> Elem<'_> {
        match self {
            Self::Int(value) => Elem::Int(*value),
            Self::Short { len, bytes } => Elem::Bytes(&bytes[..usize::from(*len)]),
            Self::Long(bytes) => Elem::Bytes(bytes.as_slice()),
        }
    }

    /// Bytes of memory allocated beside the item itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Int(_) | Self::Short { .. } => 0,
            Self::Long(bytes) => bytes.heap_bytes(),
        }
    }

    pub(crate) fn into_vec(self) -> Vec<u8> {
        self.elem().to_vec()
    }
}

impl From<Elem<'_>> for Item {
    fn from(elem: Elem<'_>) -> Self {
        match elem {
            Elem::Int(value) => Self::Int(value),
            Elem::Bytes(long) if long.len() > MAX_SHORT_BYTES => Self::Long(ThinBytes::new(long)),
            Elem::Bytes(short) => {
                let mut bytes = [0; MAX_SHORT_BYTES];
                bytes[..short.len()].copy_from_slice(short);
                Self::Short { len: u8::try_from(short.len()).expect("at most fourteen"), bytes }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_takes_no_more_room_than_a_pointer_and_a_length() {
        assert_eq!(size_of::<Item>(), 16);
    }

    #[test]
    fn an_item_is_the_element_it_was_made_of() {
        for len in 0..40 {
            let bytes = vec![b'x'; len];
            let item = Item::from(Elem::Bytes(&bytes));
            assert_eq!(item.elem(), Elem::Bytes(&bytes));
            assert_eq!(item.heap_bytes() > 0, len > MAX_SHORT_BYTES);
            assert_eq!(item.into_vec(), bytes);
        }
        assert_eq!(Item::from(Elem::Int(-5)).elem(), Elem::Int(-5));
    }
}
