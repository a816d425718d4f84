//! A vector that grows in steps: no element moves when it does, and no more than one step is left unused.
//!
//! The first step grows as a `Vec` does; each further one is allocated whole.

/// Elements of one step.
const STEP: usize = 512;

/// A vector in steps of bounded size.
#[derive(Clone, Debug)]
pub(crate) struct Steps<T> {
    /// All full but the last, which is not empty unless it is the only one.
    steps: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Steps<T> {
    fn default() -> Self {
        Self { steps: Vec::new(), len: 0 }
    }
}

impl<T> Steps<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        self.steps.get(at / STEP)?.get(at % STEP)
    }

    /// The element at `at`, which must exist.
    #[inline]
    pub(crate) fn get_mut(&mut self, at: usize) -> &mut T {
        &mut self.steps[at / STEP][at % STEP]
    }

    pub(crate) fn push(&mut self, value: T) {
        if self.len == self.steps.len() * STEP {
            let capacity = if self.steps.is_empty() { 0 } else { STEP };
            self.steps.push(Vec::with_capacity(capacity));
        }
        self.steps.last_mut().expect("a step with room was found or made").push(value);
        self.len += 1;
    }

    /// Removes the element at `at`, which must exist; the last element takes its place.
    pub(crate) fn swap_remove(&mut self, at: usize) -> T {
        let last_step = self.steps.last_mut().expect("an element that is removed stands in a step");
        let mut removed = last_step.pop().expect("the last step is not empty");
        self.len -= 1;
        if at < self.len {
            std::mem::swap(&mut removed, self.get_mut(at));
        }
        self.shrink();
        removed
    }

    fn shrink(&mut self) {
        if self.steps.len() > 1 && self.steps.last().is_some_and(Vec::is_empty) {
            self.steps.pop();
        }
        if let [only] = &mut self.steps[..]
            && only.capacity() > 64
            && only.len() < only.capacity() / 8
        {
            only.shrink_to(only.len() * 2);
        }
        if self.steps.len() < self.steps.capacity() / 8 {
            self.steps.shrink_to(self.steps.len() * 2);
        }
    }

    /// Bytes of memory that the steps take.
    pub(crate) fn heap_bytes(&self) -> usize {
        // Whole steps, and a last one.
        let whole = self.steps.len().saturating_sub(1) * STEP;
        let last = self.steps.last().map_or(0, Vec::capacity);
        (whole + last) * size_of::<T>() + self.steps.capacity() * size_of::<Vec<T>>()
    }
}

impl<T> std::ops::Index<usize> for Steps<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        &self.steps[at / STEP][at % STEP]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn steps_behave_as_a_vec(start in 0usize..1500, changes in prop::collection::vec((0u8..8, any::<u16>()), 0..900)) {
            let (mut steps, mut model) = (Steps::default(), Vec::new());
            for number in 0..start {
                steps.push(number);
                model.push(number);
            }
            // Phases of mostly growth and mostly shrinkage, so that seams between steps are crossed both ways.
            for (step, (kind, place)) in changes.into_iter().enumerate() {
                let removal = if (step / 300) % 2 == 0 { kind > 1 } else { kind > 6 };
                if removal && !model.is_empty() {
                    let at = usize::from(place) % model.len();
                    prop_assert_eq!(steps.swap_remove(at), model.swap_remove(at));
                } else {
                    steps.push(usize::from(place));
                    model.push(usize::from(place));
                }
                prop_assert_eq!(steps.len(), model.len());
                prop_assert!(steps.steps.len() <= model.len().div_ceil(STEP).max(1));
            }
            let all: Vec<_> = (0..steps.len()).map(|at| steps[at]).collect();
            prop_assert_eq!(all, model);
            prop_assert_eq!(steps.get(steps.len()), None);
        }
    }
}
