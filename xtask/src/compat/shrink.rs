//! Makes a failing sequence as short as it will go.
//!
//! First the steps behind the failure are dropped, then ever smaller pieces, as long as what is left still fails.

use anyhow::Result;

/// How many times a shorter sequence is tried.
const MAX_TRIES: usize = 600;

/// The shortest part of `steps` found that `fails`.
pub(super) fn shrink<T: Clone>(steps: &[T], mut fails: impl FnMut(&[T]) -> Result<bool>) -> Result<Vec<T>> {
    let mut best = steps.to_vec();
    let mut piece = best.len().div_ceil(2);
    let mut tries = 0;
    while piece > 0 && tries < MAX_TRIES {
        let mut from = 0;
        let mut dropped = false;
        while from < best.len() && tries < MAX_TRIES {
            let mut shorter = best[..from].to_vec();
            shorter.extend_from_slice(&best[(from + piece).min(best.len())..]);
            tries += 1;
            if !shorter.is_empty() && fails(&shorter)? {
                best = shorter;
                dropped = true;
            } else {
                from += piece;
            }
        }
        if piece > 1 || !dropped {
            piece /= 2;
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_the_failure_needs() {
        let steps: Vec<u32> = (0..500).collect();
        let needs = |steps: &[u32]| Ok([7, 300, 301].iter().all(|n| steps.contains(n)));
        assert_eq!(shrink(&steps, needs).unwrap(), [7, 300, 301]);
    }

    #[test]
    fn a_sequence_that_fails_whatever_it_holds_shrinks_to_one_step() {
        assert_eq!(shrink(&[1, 2, 3], |_| Ok(true)).unwrap().len(), 1);
    }
}
