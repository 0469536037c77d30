//! The constraints on the evaluation domain, divided by what vanishes on the rows.
//!
//! The combined constraints have degree `3 (N - 1)` at most, their quotient less than `2 N`. So
//! `2 N` points fix it: every `blowup / 2`-th of the evaluation domain, a coset of its own.

use super::prepared::Prepared;
use super::trees::Committed;
use crate::challenges::Challenges;
use crate::columns::COMPOSITION_COLUMNS;
use crate::driver::Place;
use crate::field::{Cube, F, K};
use crate::verify::combine;
use rayon::prelude::*;
use winter_math::{fft, FieldElement, StarkField};
use winter_prover::matrix::ColMatrix;

/// Everything that constraints read.
pub struct Trees<'a> {
    /// The package, with program and weights.
    pub prepared: &'a Prepared,
    /// Values.
    pub values: &'a Committed<F>,
    /// Evaluations.
    pub evaluations: &'a Committed<Cube>,
    /// Sums.
    pub sums: &'a Committed<Cube>,
}

impl Trees<'_> {
    /// All columns at a point of the evaluation domain, and at the row before.
    fn place(&self, position: usize, before: usize) -> Place<'_, F> {
        Place {
            program: self.prepared.committed_program.row(position),
            weights: self.prepared.committed_weights.row(position),
            values: [self.values.row(position), self.values.row(before)],
            evaluations: [self.evaluations.row(position), self.evaluations.row(before)],
            sums: [self.sums.row(position), self.sums.row(before)],
        }
    }

    /// The composition polynomial's halves. If a constraint does not hold, they are not its: the
    /// quotient is no polynomial then.
    pub fn composition(
        &self,
        challenges: &Challenges,
        claims: &[Cube],
        coefficients: &[K],
    ) -> ColMatrix<Cube> {
        let columns = &self.prepared.columns;
        let rows = columns.rows();
        let points = COMPOSITION_COLUMNS * rows;
        let domain = self.prepared.shared.domain();
        let (all, blowup) = (domain.lde_domain_size(), domain.trace_to_lde_blowup());
        let stride = all / points;
        // x^N takes two values on these points, in turn.
        let power = domain.offset().exp(rows as u64);
        let inverses = [power, -power].map(|power| (power - F::ONE).inv());
        let mut quotient: Vec<Cube> = (0..points)
            .into_par_iter()
            .map(|point| {
                let position = point * stride;
                let place = self.place(position, (position + all - blowup) % all);
                let combined = combine(columns, &place, challenges, claims, coefficients);
                (combined * inverses[point % 2]).0
            })
            .collect();
        let twiddles = fft::get_inv_twiddles::<F>(points);
        fft::interpolate_poly_with_offset(&mut quotient, &twiddles, F::GENERATOR);
        let high = quotient.split_off(rows);
        ColMatrix::new(vec![quotient, high])
    }
}
