//! Calibration: what every tensor of the float graph holds over the data, and which ranges follow.
//!
//! | file | idea |
//! |---|---|
//! | `mod` | extremes, and histograms if wanted, of all tensors in one pass; the check against tract |
//! | `histogram` | counts of absolute values in fixed memory |
//! | `method` | ranges: of all values, of a share of them, or of the least squared error |

pub mod histogram;
pub mod method;

use rayon::prelude::*;

use histogram::Histogram;

use crate::{
    dataset::Dataset,
    error::OnnxError,
    load::FloatModel,
    precision::{mask_region, MASKED},
};

/// What calibration saw of one tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Smallest value.
    pub lo: f32,
    /// Largest value.
    pub hi: f32,
    /// Whether it holds minus infinity too, which `lo` leaves out (before a softmax).
    pub masked: bool,
}

impl Seen {
    const NOTHING: Self = Self { lo: f32::INFINITY, hi: f32::NEG_INFINITY, masked: false };

    /// Largest absolute value.
    pub fn max_abs(&self) -> f64 {
        match self.lo <= self.hi {
            true => f64::from(self.lo.abs().max(self.hi.abs())),
            false => 0.0,
        }
    }

    fn union(&self, other: &Self) -> Self {
        Self {
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
            masked: self.masked || other.masked,
        }
    }
}

/// What calibration saw of all nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// One per node.
    pub seen: Vec<Seen>,
    /// One per node, or none at all.
    pub histograms: Vec<Histogram>,
}

/// Runs the float graph on all rows.
///
/// # Errors
/// [`OnnxError::Calibration`] for a value that is not finite, and those of running the model.
pub fn calibrate(
    model: &FloatModel,
    data: &Dataset,
    histograms: bool,
) -> Result<Calibration, OnnxError> {
    let masks = mask_region(model.net());
    let count = model.net().nodes.len();
    let counted = if histograms { count } else { 0 };
    let nothing = || Calibration {
        seen: vec![Seen::NOTHING; count],
        histograms: vec![Histogram::default(); counted],
    };
    let numbered: Vec<(usize, &Vec<Vec<f32>>)> = data.rows.iter().enumerate().collect();
    // One part for each thread: no more sets of histograms than that.
    let part = numbered.len().div_ceil(rayon::current_num_threads()).max(1);
    numbered
        .par_chunks(part)
        .map(|rows| {
            rows.iter().try_fold(nothing(), |mut sum, (row, inputs)| {
                sum.add(model, inputs, *row, &masks)?;
                Ok(sum)
            })
        })
        .try_reduce(nothing, |a, b| Ok(a.join(b)))
}

impl Calibration {
    fn add(
        &mut self,
        model: &FloatModel,
        inputs: &[Vec<f32>],
        row: usize,
        masks: &[bool],
    ) -> Result<(), OnnxError> {
        let values = model.trace(inputs)?;
        for (id, values) in values.iter().enumerate() {
            let seen = &mut self.seen[id];
            let mut histogram = self.histograms.get_mut(id);
            for v in values {
                if masks[id] && *v <= MASKED {
                    seen.masked = true;
                } else if v.is_finite() {
                    (seen.lo, seen.hi) = (seen.lo.min(*v), seen.hi.max(*v));
                    if let Some(histogram) = &mut histogram {
                        histogram.add(*v);
                    }
                } else {
                    let node = model.net().nodes[id].name.clone();
                    return Err(OnnxError::Calibration { node, row, value: f64::from(*v) });
                }
            }
        }
        Ok(())
    }

    fn join(mut self, other: Self) -> Self {
        self.seen = self.seen.iter().zip(&other.seen).map(|(a, b)| a.union(b)).collect();
        for (own, other) in self.histograms.iter_mut().zip(other.histograms) {
            own.join(other);
        }
        self
    }
}

/// Compares the float graph with tract on a few rows: the lowering must compute the model.
///
/// # Errors
/// [`OnnxError::Mismatch`].
pub fn cross_check(model: &FloatModel, data: &Dataset) -> Result<(), OnnxError> {
    for inputs in data.rows.iter().take(2) {
        let expected = model.run_flat(inputs)?;
        let values = model.trace(inputs)?;
        for (position, (id, expected)) in model.net().outputs.iter().zip(&expected).enumerate() {
            let mut got = values[*id].clone();
            if let Some(d) = model.dropped_softmax().iter().find(|d| d.output == position) {
                got = d.apply(&got, &model.net().nodes[*id].shape);
            }
            let largest = expected.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
            for (g, e) in got.iter().zip(expected.iter()) {
                if (g - e).abs() > 1e-3 * largest {
                    return Err(OnnxError::Mismatch {
                        output: model.outputs()[position].name.clone(),
                        got: f64::from(*g),
                        expected: f64::from(*e),
                    });
                }
            }
        }
    }
    Ok(())
}
