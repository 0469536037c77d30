//! A histogram of absolute values in memory of fixed size, whatever comes.
//!
//! There are [`BINS`] bins of one width, a power of two; bin `i` holds what lies in `(i w, (i + 1) w]`, and zeros are
//! counted apart. A value beyond the last bin doubles the width until it fits, each pair of neighbours becoming one. Bins
//! of a larger width are unions of those of a smaller one, so the result is the same in whatever order values come and
//! histograms are joined: the largest value decides the width, the values decide the counts.

/// Number of bins: a clip bound may be up to 2^11 times smaller than the largest value.
pub const BINS: usize = 2048;
/// `log2(BINS)`.
pub const LOG_BINS: i32 = BINS.trailing_zeros() as i32;
/// The smallest width: what is smaller than any grid's step is not told apart.
const FINEST: i32 = -100;

/// Counts of absolute values.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Bins are `2^width` wide.
    width: i32,
    /// Exact zeros.
    zeros: u64,
    /// All others; empty before the first.
    bins: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { width: FINEST, zeros: 0, bins: Vec::new() }
    }
}

impl Histogram {
    /// Counts a finite value.
    pub fn add(&mut self, value: f32) {
        let value = f64::from(value.abs());
        if value == 0.0 {
            self.zeros += 1;
            return;
        }
        self.bins.resize(BINS, 0);
        while value > BINS as f64 * self.bin() {
            self.widen(self.width_for(value));
        }
        let index = ((value / self.bin()).ceil() as usize).clamp(1, BINS) - 1;
        if let Some(count) = self.bins.get_mut(index) {
            *count += 1;
        }
    }

    /// Adds another histogram's counts.
    pub fn join(&mut self, mut other: Self) {
        self.zeros += other.zeros;
        let width = self.width.max(other.width);
        self.widen(width);
        other.widen(width);
        if self.bins.is_empty() {
            self.bins = other.bins;
        } else {
            self.bins.iter_mut().zip(&other.bins).for_each(|(a, b)| *a += b);
        }
    }

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.zeros + self.bins.iter().sum::<u64>()
    }

    /// Width of a bin.
    pub fn bin(&self) -> f64 {
        2f64.powi(self.width)
    }

    /// The end of the first bin up to which at least `share` of all values lie; 0 if zeros suffice.
    pub fn quantile(&self, share: f64) -> f64 {
        let needed = share * self.count() as f64;
        let mut sum = self.zeros;
        if sum as f64 >= needed {
            return 0.0;
        }
        for (i, count) in self.bins.iter().enumerate() {
            sum += count;
            if sum as f64 >= needed {
                return (i + 1) as f64 * self.bin();
            }
        }
        BINS as f64 * self.bin()
    }

    /// Sum of squared errors on a grid of `step` that ends at `end`: rounding within, the distance to the end beyond
    /// it. Values are taken to be even in their bins.
    pub fn squared_error(&self, step: f64, end: f64) -> f64 {
        let w = self.bin();
        let sums =
            self.bins.iter().enumerate().filter(|(_, count)| **count > 0).map(|(i, count)| {
                let middle = (i as f64 + 0.5) * w;
                let error = match middle <= end {
                    true if w >= step => step * step / 12.0,
                    true => (middle - (middle / step).round() * step).powi(2) + w * w / 12.0,
                    false => (middle - end).powi(2) + w * w / 12.0,
                };
                *count as f64 * error
            });
        sums.sum()
    }

    /// The smallest width at which a value has a bin.
    fn width_for(&self, value: f64) -> i32 {
        (self.width + 1).max(value.log2().floor() as i32 - LOG_BINS)
    }

    fn widen(&mut self, width: i32) {
        while self.width < width && self.bins.iter().any(|count| *count > 0) {
            for i in 0..BINS / 2 {
                self.bins[i] = self.bins[2 * i] + self.bins[2 * i + 1];
            }
            self.bins[BINS / 2..].fill(0);
            self.width += 1;
        }
        self.width = self.width.max(width);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn of(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|v| histogram.add(*v));
        histogram
    }

    #[test]
    fn values_are_counted_in_bins_that_end_with_them() {
        let histogram = of(&[0.0, -1.0, 1.0, 2048.0]);
        assert_eq!((histogram.bin(), histogram.count(), histogram.zeros), (1.0, 4, 1));
        assert_eq!((histogram.bins[0], histogram.bins[2047]), (2, 1));
        assert_eq!(histogram.quantile(0.25), 0.0);
        assert_eq!(histogram.quantile(0.75), 1.0);
        assert_eq!(histogram.quantile(1.0), 2048.0);
    }

    #[test]
    fn error_is_of_rounding_within_and_of_the_distance_beyond() {
        let histogram = of(&[1.0, 2048.0]);
        assert_eq!(histogram.squared_error(0.5, 4096.0), 2.0 * 0.25 / 12.0);
        // Values are taken to be even in (0, 1] and (2047, 2048]; the grid has 0 and 2048.
        assert_eq!(histogram.squared_error(2.0, 4096.0), 2.0 * (0.25 + 1.0 / 12.0));
        let beyond = (2047.5f64 - 1024.0).powi(2) + 1.0 / 12.0;
        assert_eq!(histogram.squared_error(0.5, 1024.0), 0.25 / 12.0 + beyond);
    }

    proptest! {
        #[test]
        fn any_order_and_any_split_give_the_same(
            values in prop::collection::vec((-1f32..1.0, -60i32..60), 1..200),
            cut in 0usize..200,
        ) {
            let values: Vec<f32> = values.iter().map(|(v, e)| v * 2f32.powi(*e)).collect();
            let whole = of(&values);
            let (a, b) = values.split_at(cut.min(values.len()));
            let mut joined = of(a);
            joined.join(of(b));
            prop_assert_eq!(&joined, &whole);
            let reversed: Vec<f32> = values.iter().rev().copied().collect();
            prop_assert_eq!(&of(&reversed), &whole);
            prop_assert_eq!(whole.count(), values.len() as u64);
        }

        /// Against sorted values: never below the exact quantile, and less than a bin above it.
        #[test]
        fn quantiles_are_those_of_the_values(
            values in prop::collection::vec(-1e3f32..1e3, 1..500),
            share in 0.01f64..1.0,
        ) {
            let histogram = of(&values);
            let mut sorted: Vec<f64> = values.iter().map(|v| f64::from(v.abs())).collect();
            sorted.sort_by(f64::total_cmp);
            let rank = (share * sorted.len() as f64).ceil() as usize;
            let exact = sorted[rank.clamp(1, sorted.len()) - 1];
            let got = histogram.quantile(share);
            prop_assert!(got >= exact && got - exact < histogram.bin(), "{} {}", got, exact);
        }
    }
}
