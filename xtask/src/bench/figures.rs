//! Medians, spreads and ratios: what a row of a benchmark's table is made of. Pure.

use serde_json::{Value as Json, json};

/// The measurements of one thing, one a round.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    /// Adds one.
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The median; of an even number, the mean of the two in the middle. Not a number without samples.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => sorted[n / 2],
            n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
        }
    }

    /// The least.
    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    /// The greatest.
    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }

    /// Round by round, these over those.
    pub(crate) fn over(&self, those: &Self) -> Self {
        Self(self.0.iter().zip(&those.0).map(|(a, b)| a / b).collect())
    }

    /// For a record: everything measured, and what is made of it.
    pub(crate) fn json(&self) -> Json {
        let round = |value: f64| (value * 10_000.0).round() / 10_000.0;
        let all: Vec<f64> = self.0.iter().copied().map(round).collect();
        json!({ "median": round(self.median()), "min": round(self.min()), "max": round(self.max()), "rounds": all })
    }

    /// `1.04 [0.98–1.10]`.
    pub(crate) fn ratio_text(&self) -> String {
        format!("{:.2} [{:.2}–{:.2}]", self.median(), self.min(), self.max())
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// The geometric mean: the one mean of ratios that does not depend on what is divided by what.
pub(crate) fn geometric_mean(ratios: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = ratios.into_iter().fold((0.0, 0.0), |(sum, count), ratio| (sum + ratio.ln(), count + 1.0));
    f64::exp(sum / count)
}

/// A whole number as a float: counts here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "a measurement has fewer digits than a float")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_does_not_depend_on_order() {
        assert_eq!(Samples(vec![3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(Samples(vec![4.0, 1.0, 3.0, 2.0]).median(), 2.5);
        assert!(Samples::default().median().is_nan());
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let ratio = Samples(vec![2.0, 6.0]).over(&Samples(vec![1.0, 2.0]));
        assert_eq!((ratio.min(), ratio.median(), ratio.max()), (2.0, 2.5, 3.0));
        assert_eq!(ratio.ratio_text(), "2.50 [2.00–3.00]");
    }

    #[test]
    fn twice_and_half_cancel_in_the_mean() {
        assert!((geometric_mean([2.0, 0.5]) - 1.0).abs() < 1e-12);
    }
}
