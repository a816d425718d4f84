//! A sorted array of integers, each as wide as the widest needs: what Redis calls an intset.

/// Distinct integers in ascending order.
#[derive(Clone, Debug)]
pub(crate) enum IntSet {
    Narrow(Vec<i16>),
    Middle(Vec<i32>),
    Wide(Vec<i64>),
}

impl Default for IntSet {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

/// Runs the same code on whichever vector there is.
macro_rules! on_vec {
    ($set:expr, $vec:ident => $code:expr) => {
        match $set {
            IntSet::Narrow($vec) => $code,
            IntSet::Middle($vec) => $code,
            IntSet::Wide($vec) => $code,
        }
    };
}

#[allow(clippy::useless_conversion, reason = "the macro's third arm converts an i64 to itself")]
impl IntSet {
    pub(crate) fn len(&self) -> usize {
        on_vec!(self, vec => vec.len())
    }

    pub(crate) fn get(&self, at: usize) -> Option<i64> {
        on_vec!(self, vec => vec.get(at).map(|&value| i64::from(value)))
    }

    fn search(&self, value: i64) -> Result<usize, usize> {
        on_vec!(self, vec => vec.binary_search_by(|&probe| i64::from(probe).cmp(&value)))
    }

    pub(crate) fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// Adds a value; false if it was there.
    pub(crate) fn insert(&mut self, value: i64) -> bool {
        let Err(at) = self.search(value) else { return false };
        self.widen_for(value);
        on_vec!(self, vec => {
            if vec.len() == vec.capacity() {
                vec.reserve_exact(1 + vec.len() / 8);
            }
            vec.insert(at, value.try_into().expect("widened to hold the value"));
        });
        true
    }

    fn widen_for(&mut self, value: i64) {
        let (narrow, middle) = (i16::try_from(value).is_ok(), i32::try_from(value).is_ok());
        match self {
            Self::Narrow(vec) if !narrow && middle => *self = Self::Middle(vec.iter().map(|&v| v.into()).collect()),
            Self::Narrow(vec) if !narrow => *self = Self::Wide(vec.iter().map(|&v| v.into()).collect()),
            Self::Middle(vec) if !middle => *self = Self::Wide(vec.iter().map(|&v| v.into()).collect()),
            _ => {}
        }
    }

    /// Removes a value; false if it was not there.
    pub(crate) fn remove(&mut self, value: i64) -> bool {
        let Ok(at) = self.search(value) else { return false };
        on_vec!(self, vec => {
            vec.remove(at);
            if vec.len() < vec.capacity() / 4 {
                vec.shrink_to(vec.len() * 2);
            }
        });
        true
    }

    /// Length of the longest value as decimal text.
    pub(crate) fn longest_text(&self) -> usize {
        let ends = [self.get(0), self.get(self.len().wrapping_sub(1))];
        ends.into_iter().flatten().map(|value| super::Elem::Int(value).len()).max().unwrap_or(0)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        on_vec!(self, vec => size_of_val(vec.as_slice()))
    }
}
