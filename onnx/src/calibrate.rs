//! Calibration: the range of every tensor of the float graph over the data.

use rayon::prelude::*;

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

/// Runs the float graph on all rows; one entry per node.
///
/// # Errors
/// [`OnnxError::Calibration`] for a value that is not finite, and those of running the model.
pub fn calibrate(model: &FloatModel, data: &Dataset) -> Result<Vec<Seen>, OnnxError> {
    let nodes = &model.net().nodes;
    let masks = mask_region(model.net());
    data.rows
        .par_iter()
        .enumerate()
        .map(|(row, inputs)| {
            let values = model.trace(inputs)?;
            nodes
                .iter()
                .zip(&values)
                .zip(&masks)
                .map(|((node, values), masks)| {
                    values.iter().try_fold(Seen::NOTHING, |seen, v| {
                        if *masks && *v <= MASKED {
                            Ok(Seen { masked: true, ..seen })
                        } else if v.is_finite() {
                            Ok(Seen { lo: seen.lo.min(*v), hi: seen.hi.max(*v), ..seen })
                        } else {
                            Err(OnnxError::Calibration {
                                node: node.name.clone(),
                                row,
                                value: f64::from(*v),
                            })
                        }
                    })
                })
                .collect::<Result<Vec<Seen>, _>>()
        })
        .try_reduce(
            || vec![Seen::NOTHING; nodes.len()],
            |a, b| Ok(a.iter().zip(&b).map(|(a, b)| a.union(b)).collect()),
        )
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
