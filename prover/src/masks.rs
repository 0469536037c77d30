//! Where random cells go in values and evaluations, so that openings and totals say nothing.
//!
//! Rows: see `veristar_security::Hiding`. Totals: the masks in the last reserved rows of all tables are
//! random but add up to 0, as `veristar_air::logup` requires. Tables without evaluations hold their
//! mask in values, which are committed first; the last table in the order of commitment makes up the
//! sum.

use crate::commitments::Commitments;
use crate::randomness::{Mask, Randomness};
use num_traits::Zero;
use stwo::core::fields::qm31::QM31;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::Column;
use veristar_air::chips::Chip;
use veristar_air::logup;
use veristar_air::program::Layout;

/// Puts masks into the columns of a proof, tree by tree.
pub struct Masks<'a> {
    layout: &'a Layout,
    commitments: &'a Commitments,
    randomness: Randomness,
    /// Sum of the totals' masks so far, and how many tables still get one.
    sum: QM31,
    left: usize,
}

impl<'a> Masks<'a> {
    /// For one proof.
    pub fn new(layout: &'a Layout, commitments: &'a Commitments, randomness: Randomness) -> Self {
        let left = layout.instances.iter().filter(|i| i.shape().has_total()).count();
        Self { layout, commitments, randomness, sum: QM31::zero(), left }
    }

    /// Random cells for sums.
    pub fn randomness(&mut self) -> &mut Randomness {
        &mut self.randomness
    }

    /// Masks all values columns; adds those that only hold masks.
    pub fn values(&mut self, tables: &mut [Vec<BaseColumn>]) {
        let layout = self.layout;
        for (instance, columns) in layout.instances.iter().zip(&mut *tables) {
            let blank = || BaseColumn::zeros(1 << instance.log_size);
            columns.resize_with(instance.shape().values, blank);
        }
        self.rows(tables, Mask::Values, Mask::Salt);
        self.totals(tables, logup::Mask::Values);
    }

    /// Masks all evaluations columns.
    pub fn evaluations(&mut self, tables: &mut [Vec<BaseColumn>]) {
        let layout = self.layout;
        for (instance, columns) in layout.instances.iter().zip(&mut *tables) {
            let blank = || BaseColumn::zeros(1 << instance.log_size);
            columns.resize_with(4 * instance.shape().evaluations, blank);
        }
        self.rows(tables, Mask::Evaluations, Mask::Composition);
        self.totals(tables, logup::Mask::Evaluation);
    }

    fn rows(&mut self, tables: &mut [Vec<BaseColumn>], mask: Mask, blind: Mask) {
        for (instance, columns) in self.layout.instances.iter().zip(tables) {
            let placement = self.commitments.placement(instance);
            for column in columns {
                match instance.chip {
                    Chip::Blind(_) => self.randomness.fill(blind, column.as_mut_slice()),
                    _ => placement.randomise(column, &mut self.randomness, mask),
                }
            }
        }
    }

    fn totals(&mut self, tables: &mut [Vec<BaseColumn>], held: logup::Mask) {
        for (instance, columns) in self.layout.instances.iter().zip(tables) {
            let shape = instance.shape();
            if !shape.has_total() || shape.mask() != held {
                continue;
            }
            self.left -= 1;
            let mask = match self.left {
                0 => -self.sum,
                _ => self.randomness.extension(Mask::Totals),
            };
            self.sum += mask;
            let placement = self.commitments.placement(instance);
            let place = placement.of(placement.mask_row());
            for (column, coordinate) in columns.iter_mut().zip(mask.to_m31_array()) {
                column.as_mut_slice()[place] = coordinate;
            }
        }
    }
}
