//! What a prover does not keep, computed again from what it does: a committed tree's evaluations.
//!
//! In bit-reversed order the first `2^log_size` evaluations of a column of `2^log_size` rows lie on a
//! coset of that size, the first part of the evaluation domain. They determine the polynomial:
//! interpolated, they give its coefficients, and those evaluated on the trace domain the column. All is
//! exact, so a proof made of recovered columns is the same as one made of kept ones, byte for byte.
//!
//! Costs an inverse FFT of the column's own height for its coefficients, and an FFT more for its rows.
//! Barycentric evaluation, stwo's own way to do without coefficients, reads the whole evaluation domain
//! with weights in the extension field, for each point.

use crate::sums::TableColumns;
use crate::trace::Evaluation;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use stwo::core::fields::m31::M31;
use stwo::core::poly::circle::CanonicCoset;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::poly::circle::{CircleCoefficients, CircleEvaluation};
use stwo::prover::poly::twiddles::{TwiddleBuffer, TwiddleTree};
use stwo::prover::poly::BitReversedOrder;

/// Recovers columns of some heights.
pub struct Recovery<'a> {
    twiddles: &'a TwiddleTree<SimdBackend>,
    log_blowup: u32,
    /// What interpolates on the first part of the evaluation domain, by log2 of its points.
    parts: BTreeMap<u32, TwiddleTree<SimdBackend>>,
}

impl<'a> Recovery<'a> {
    /// For columns of these log2 rows, committed with this blow-up; `twiddles` are for the largest
    /// domain.
    pub fn new(
        twiddles: &'a TwiddleTree<SimdBackend>,
        log_blowup: u32,
        log_sizes: impl IntoIterator<Item = u32>,
    ) -> Self {
        let part = |log_size: u32| {
            let domain = CanonicCoset::new(log_size + log_blowup).circle_domain();
            let part = domain.split(log_blowup).0;
            let twiddles = TwiddleTree {
                root_coset: part.half_coset,
                // Only inverse ones are needed to interpolate.
                twiddles: TwiddleBuffer::empty(),
                itwiddles: twiddles
                    .itwiddles
                    .extract_subdomain_twiddles(domain.log_size(), part.log_size()),
            };
            (log_size, twiddles)
        };
        let log_sizes: BTreeSet<u32> = log_sizes.into_iter().collect();
        Self { twiddles, log_blowup, parts: log_sizes.into_iter().map(part).collect() }
    }

    /// A committed column's coefficients.
    pub fn coefficients(&self, committed: &Evaluation) -> CircleCoefficients<SimdBackend> {
        let log_size = committed.domain.log_size() - self.log_blowup;
        let part = committed.domain.split(self.log_blowup).0;
        let cells = committed.values.as_slice()[..1 << log_size].iter().copied().collect();
        CircleEvaluation::<SimdBackend, M31, BitReversedOrder>::new(part, cells)
            .interpolate_with_twiddles(&self.parts[&log_size])
    }

    /// A committed column on the trace domain.
    pub fn column(&self, committed: &Evaluation) -> BaseColumn {
        let log_size = committed.domain.log_size() - self.log_blowup;
        let trace = CanonicCoset::new(log_size).circle_domain();
        self.coefficients(committed).evaluate_with_twiddles(trace, self.twiddles).values
    }

    /// Several of them.
    pub fn columns(&self, committed: &[&Evaluation]) -> Vec<BaseColumn> {
        committed.par_iter().map(|column| self.column(column)).collect()
    }
}

/// The columns of one table, recovered.
pub struct Recovered {
    /// Program columns, the shared ones included.
    pub program: Vec<BaseColumn>,
    /// Weights columns.
    pub weights: Vec<BaseColumn>,
    /// Values columns.
    pub values: Vec<BaseColumn>,
    /// Evaluations columns, coordinate by coordinate.
    pub evaluations: Vec<BaseColumn>,
}

impl Recovered {
    /// The table's columns.
    pub fn table(&self) -> TableColumns<'_> {
        TableColumns {
            program: self.program.iter().collect(),
            weights: self.weights.iter().collect(),
            values: self.values.iter().collect(),
            evaluations: self.evaluations.iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::evaluation;
    use stwo::prover::poly::circle::PolyOps;

    #[test]
    fn columns_come_back_from_their_evaluations() {
        for (log_blowup, log_domain) in [(1, 12), (4, 14)] {
            let largest = CanonicCoset::new(log_domain).circle_domain();
            let twiddles = SimdBackend::precompute_twiddles(largest.half_coset);
            // Below and above the heights at which stwo changes its methods.
            for log_size in [3, 4, 5, 9, log_domain - log_blowup] {
                let cells = (0..1u32 << log_size).map(|i| M31::from(i.wrapping_mul(0x9e37_79b9)));
                let column: BaseColumn = cells.collect();
                let polynomial =
                    evaluation(log_size, column.clone()).interpolate_with_twiddles(&twiddles);
                let domain = CanonicCoset::new(log_size + log_blowup).circle_domain();
                let committed = polynomial.evaluate_with_twiddles(domain, &twiddles);
                let recovery = Recovery::new(&twiddles, log_blowup, [log_size]);
                let coefficients = recovery.coefficients(&committed);
                assert_eq!(coefficients.coeffs.as_slice(), polynomial.coeffs.as_slice());
                assert_eq!(recovery.column(&committed).as_slice(), column.as_slice());
            }
        }
    }
}
