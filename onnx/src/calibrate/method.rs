//! How a tensor's range follows from what calibration saw of it.
//!
//! A range is the end `2^(A - e)` of a grid with exponent `e` and `A` bits. Min-max takes the largest exponent whose range
//! holds every value. The other methods may take a larger one: finer steps for most values, and the few beyond the end
//! are *clamped* to it by the table that writes the tensor. Ends of grids are powers of two apart, so the choice
//! is among few, and it is made exactly:
//!
//! - a percentile wants the largest exponent whose range holds that share of the values;
//! - `mse` compares the expected squared error, of rounding and of clamping, of each (M. Nagel and others, *A White Paper on
//!   Neural Network Quantization*, 2021, section 3.1), on a [`Histogram`].

use std::{fmt, str::FromStr};

use super::histogram::{Histogram, LOG_BINS};

/// How ranges of activations are chosen. Inputs and outputs of the model always have min-max.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum CalibrationMethod {
    /// Nothing that calibration saw is clamped.
    #[default]
    MinMax,
    /// The range holds this share of a tensor's values, in percent.
    Percentile(f64),
    /// The range with the smallest mean squared error.
    Mse,
}

impl CalibrationMethod {
    /// What [`CalibrationMethod::from_str`] takes.
    pub const EXPECTED: &'static str =
        "minmax, mse, or percentile:P with P from 50 to 100, such as percentile:99.99";

    /// Whether it needs no more than the extremes.
    pub(crate) fn is_min_max(self) -> bool {
        self == Self::MinMax
    }

    /// Whether its numbers are in range.
    pub(crate) fn is_valid(self) -> bool {
        match self {
            Self::Percentile(p) => (50.0..=100.0).contains(&p),
            _ => true,
        }
    }

    /// How much larger than `exponent` a tensor's exponent shall be, 0 to `most`. With `exponent` no value passes
    /// `2^(bits - exponent)`; values in the histogram are multiplied by `margin`.
    pub(crate) fn finer(
        self,
        histogram: &Histogram,
        exponent: i32,
        bits: u32,
        margin: f64,
        most: u32,
    ) -> u32 {
        let most = most.min(LOG_BINS as u32);
        let end = |k: u32| 2f64.powi(bits as i32 - exponent - k as i32) / margin;
        match self {
            Self::MinMax => 0,
            Self::Percentile(percent) => {
                let bound = histogram.quantile(percent / 100.0);
                // A tensor of zeros but for a few: no range tells how fine.
                let fits = |k: &u32| bound > 0.0 && bound <= end(*k);
                (0..=most).rev().find(fits).unwrap_or(0)
            }
            Self::Mse => {
                let error = |k: u32| {
                    let end = end(k);
                    histogram.squared_error(end * 2f64.powi(-(bits as i32)), end)
                };
                // The first of equal ones: a finer grid has to be worth its longer table.
                let better = |best: (u32, f64), k: u32| match error(k) {
                    e if e < best.1 => (k, e),
                    _ => best,
                };
                (1..=most).fold((0, error(0)), better).0
            }
        }
    }
}

impl FromStr for CalibrationMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let method = match text.split_once(':') {
            None if text == "minmax" => Some(Self::MinMax),
            None if text == "mse" => Some(Self::Mse),
            Some(("percentile", p)) => p.parse().ok().map(Self::Percentile),
            _ => None,
        };
        let valid = method.filter(|method| method.is_valid());
        valid.ok_or_else(|| format!("expected {}", Self::EXPECTED))
    }
}

impl fmt::Display for CalibrationMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinMax => f.write_str("minmax"),
            Self::Percentile(p) => write!(f, "percentile:{p}"),
            Self::Mse => f.write_str("mse"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::histogram::tests::of;
    use proptest::prelude::*;

    /// The exponent of min-max.
    fn exponent(values: &[f32], bits: u32) -> i32 {
        let largest = values.iter().fold(0f64, |m, v| m.max(f64::from(v.abs())));
        crate::quantise::exponent(largest, bits)
    }

    /// Mean squared error of the values themselves on a grid with clamped ends.
    fn error(values: &[f32], exponent: i32, bits: u32) -> f64 {
        let (grid, most) = (2f64.powi(exponent), 2f64.powi(bits as i32));
        let errors = values.iter().map(|v| {
            let q = (f64::from(*v) * grid).round().clamp(-most, most);
            (q / grid - f64::from(*v)).powi(2)
        });
        errors.sum::<f64>() / values.len() as f64
    }

    #[test]
    fn names_are_read_back() {
        for method in [
            CalibrationMethod::MinMax,
            CalibrationMethod::Mse,
            CalibrationMethod::Percentile(99.99),
        ] {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        for bad in
            ["", "max", "mse:1", "percentile", "percentile:", "percentile:49", "percentile:NaN"]
        {
            let said = bad.parse::<CalibrationMethod>().unwrap_err();
            assert!(said.contains("percentile:99.99"), "{said}");
        }
    }

    /// One value 64 times as large as 9,999 others.
    #[test]
    fn outliers_are_clipped_where_that_pays() {
        let mut values: Vec<f32> = (1..10_000).map(|i| i as f32 / 10_000.0).collect();
        values.push(64.0);
        let histogram = of(&values);
        let choose =
            |m: CalibrationMethod, bits| m.finer(&histogram, exponent(&values, bits), bits, 1.0, 8);
        let percentile = CalibrationMethod::Percentile;
        assert_eq!(choose(CalibrationMethod::MinMax, 4), 0);
        assert_eq!(choose(percentile(100.0), 12), 0);
        // 99.9 % lie below 1, 50 % below 1/2.
        assert_eq!(choose(percentile(99.9), 12), 6);
        assert_eq!(choose(percentile(50.0), 12), 7);
        // At 4 bits nothing but the outlier is told apart by a step of 4: 9,999/3 in squares, and by one of 1 still
        // 9,999/12, with 48^2 for clamping. At 12 bits rounding costs next to nothing.
        assert_eq!(choose(CalibrationMethod::Mse, 4), 2);
        assert_eq!(choose(CalibrationMethod::Mse, 12), 0);
        // No more than asked for.
        assert_eq!(percentile(50.0).finer(&histogram, exponent(&values, 12), 12, 1.0, 2), 2);
        // A margin is kept free.
        assert_eq!(percentile(99.9).finer(&histogram, exponent(&values, 12) - 1, 12, 2.0, 8), 6);
    }

    #[test]
    fn zeros_say_nothing() {
        let histogram = of(&[0.0, 0.0, 0.0, 8.0]);
        assert_eq!(CalibrationMethod::Percentile(50.0).finer(&histogram, 9, 12, 1.0, 4), 0);
        let empty = Histogram::default();
        assert_eq!(CalibrationMethod::Mse.finer(&empty, 0, 12, 1.0, 4), 0);
        assert_eq!(CalibrationMethod::Percentile(99.0).finer(&empty, 0, 12, 1.0, 4), 0);
    }

    proptest! {
        /// A percentile's range holds its share of the values, and half of it would not.
        #[test]
        fn percentiles_hold_their_share(
            values in prop::collection::vec(-1f32..1.0, 20..300),
            power in 1i32..9,
            percent in 50f64..100.0,
        ) {
            let values: Vec<f32> = values.iter().map(|v| v.powi(power)).collect();
            let e = exponent(&values, 8);
            let k = CalibrationMethod::Percentile(percent).finer(&of(&values), e, 8, 1.0, 8);
            let share = |end: f64| {
                let within = values.iter().filter(|v| f64::from(v.abs()) <= end).count();
                100.0 * within as f64 / values.len() as f64
            };
            let end = 2f64.powi(8 - e - k as i32);
            prop_assert!(share(end) >= percent);
            prop_assert!(k == 8 || share(end / 2.0) < percent);
        }

        /// The choice is the best, or as good up to what even bins and even rounding errors leave out.
        #[test]
        fn mse_is_close_to_the_best(
            values in prop::collection::vec(-1f32..1.0, 400..800),
            power in 1i32..12,
            bits in 4u32..9,
        ) {
            let values: Vec<f32> = values.iter().map(|v| v.powi(power)).collect();
            let e = exponent(&values, bits);
            let k = CalibrationMethod::Mse.finer(&of(&values), e, bits, 1.0, 8);
            let errors: Vec<f64> = (0..=8).map(|k| error(&values, e + k, bits)).collect();
            let best = errors.iter().copied().fold(f64::MAX, f64::min);
            let step = 2f64.powi(-e);
            prop_assert!(errors[k as usize] <= 1.5 * best + 0.02 * step * step, "{k} {errors:?}");
        }
    }
}
