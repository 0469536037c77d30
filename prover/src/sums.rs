//! Lookup and running sums: the columns that [`veristar_air::logup`] constrains.
//!
//! Works on columns in stored order, sixteen rows at a time: fractions do not look at other rows.
//! On reserved rows all numerators are 0. Where values are 0 too, so are all denominators, and the
//! columns are free: there they are random, and hide the columns' openings.

pub use crate::block::TableColumns;
use crate::block::{Blocks, ROWS};
use crate::domain::{PackedChallenges, LANES};
use num_traits::{One, Zero};
use rayon::prelude::*;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::m31::PackedM31;
use stwo::prover::backend::simd::prefix_sum::inclusive_prefix_sum;
use stwo::prover::backend::simd::qm31::PackedQM31;
use stwo::prover::backend::Column;
use veristar_air::chips::{Chip, Constraints};
use veristar_air::evaluator::{Challenge, Evaluator};
use veristar_air::logup;

use crate::randomness::{Mask, Randomness};
use crate::trace::Placement;

/// The sums columns of a table, coordinate by coordinate, and the table's total.
pub fn sums(
    chip: &Chip,
    columns: &TableColumns<'_>,
    challenges: &PackedChallenges,
    placement: &Placement,
    randomness: &mut Randomness,
) -> (Vec<BaseColumn>, QM31) {
    let shape = chip.shape();
    let packed_rows = placement.rows() / LANES;
    let count = shape.sums();
    if !shape.has_total() {
        let mut column = || {
            let mut column = BaseColumn::zeros(placement.rows());
            randomness.fill(Mask::Salt, column.as_mut_slice());
            column
        };
        return ((0..4 * count).map(|_| column()).collect(), QM31::zero());
    }
    // The row's own sums: column k holds the first k + 1 pairs (the last: and the term).
    let mut result: Vec<BaseColumn> =
        (0..4 * count).map(|_| BaseColumn::zeros(placement.rows())).collect();
    let chunks = chunks(&mut result).into_par_iter().enumerate();
    chunks.for_each_init(Blocks::default, |blocks, (chunk, mut cells)| {
        let rows = packed_rows.min((chunk + 1) * ROWS) - chunk * ROWS;
        blocks.fill(columns, chunk * ROWS);
        let mut pairs = Vec::with_capacity(rows * count);
        let mut terms = Vec::new();
        for row in 0..rows {
            let pairs_so_far = std::mem::take(&mut pairs);
            let mut driver = Fractions { blocks, challenges, row, pairs: pairs_so_far, term: None };
            chip.constrain(&mut driver);
            pairs = driver.pairs;
            terms.extend(driver.term);
        }
        let inverses = inverses(&pairs);
        let in_row = pairs.len() / rows;
        for row in 0..rows {
            let mut sum = PackedQM31::zero();
            let own = row * in_row..(row + 1) * in_row;
            let fractions = pairs[own.clone()].iter().zip(&inverses[own]);
            let sums = fractions.map(|((numerator, _), inverse)| *numerator * *inverse);
            for (coordinates, addend) in
                cells.chunks_mut(4).zip(sums.chain(terms.get(row).copied()))
            {
                sum += addend;
                for (column, cell) in coordinates.iter_mut().zip(sum.into_packed_m31s()) {
                    column[row] = cell;
                }
            }
        }
    });

    // Zero rows: steps of the running sum are random, but the last leads to the start; the column
    // before a term's takes up the step, other columns are random.
    let running = 4 * (count - 1);
    let zero = placement.zero_rows();
    let mask_row = placement.of(placement.mask_row());
    let start = challenges.delta() * mask(chip, columns, challenges, mask_row);
    let steps = placement.random_rows().fold(QM31::zero(), |sum, row| {
        let place = placement.of(row);
        sum + QM31::from_m31_array(std::array::from_fn(|i| result[running + i].at(place)))
    });
    let mut left = start - steps;
    for row in zero.clone() {
        let place = placement.of(row);
        let step = match row + 1 == zero.end {
            true => left,
            false => randomness.extension(Mask::Sums),
        };
        left -= step;
        for k in 0..count {
            let value = match k + 1 == count || (shape.term && k + 2 == count) {
                true => step,
                false => randomness.extension(Mask::Sums),
            };
            for (i, coordinate) in value.to_m31_array().into_iter().enumerate() {
                result[4 * k + i].set(place, coordinate);
            }
        }
    }

    let steps = result.split_off(running);
    result.extend(steps.into_par_iter().map(inclusive_prefix_sum).collect::<Vec<_>>());
    let end = placement.of(placement.rows() - 1);
    let total = QM31::from_m31_array(std::array::from_fn(|i| result[running + i].at(end)));
    if shape.term {
        // The step to row 0 starts at the last row's sum.
        let first = placement.of(0);
        for (i, coordinate) in total.to_m31_array().into_iter().enumerate() {
            let column = &mut result[running - 4 + i];
            column.set(first, column.at(first) - coordinate);
        }
    }
    (result, total)
}

/// The mask of a table's total, from its cells in the last reserved row, stored at `place`.
fn mask(
    chip: &Chip,
    columns: &TableColumns<'_>,
    challenges: &PackedChallenges,
    place: usize,
) -> QM31 {
    let packed = place / LANES;
    let (mut blocks, row) = (Blocks::default(), packed % ROWS);
    blocks.fill(columns, packed - row);
    let mut driver = Fractions { blocks: &blocks, challenges, row, pairs: Vec::new(), term: None };
    let mask = match chip.shape().mask() {
        logup::Mask::Evaluation => driver.evaluation(0),
        logup::Mask::Values => {
            let cells = [driver.value(0), driver.value(1), driver.value(2), driver.value(3)];
            driver.join(cells)
        }
    };
    mask.to_array()[place % LANES]
}

/// The cells of all columns, block by block. Denominators of a block are inverted together: one inversion
/// costs as much as some hundred multiplications.
fn chunks(columns: &mut [BaseColumn]) -> Vec<Vec<&mut [PackedM31]>> {
    let mut parts: Vec<Vec<&mut [PackedM31]>> = Vec::new();
    for column in columns {
        for (chunk, cells) in column.data.chunks_mut(ROWS).enumerate() {
            if parts.len() <= chunk {
                parts.push(Vec::new());
            }
            parts[chunk].push(cells);
        }
    }
    parts
}

/// Inverses of denominators. Where one is 0 (reserved rows) the result is that of 1: the numerator
/// is 0 there.
fn inverses(pairs: &[(PackedQM31, PackedQM31)]) -> Vec<PackedQM31> {
    let zero = QM31::zero();
    let nonzero = |d: PackedQM31| {
        let lanes = d.to_array();
        match lanes.contains(&zero) {
            false => d,
            true => PackedQM31::from_array(lanes.map(|d| if d == zero { QM31::one() } else { d })),
        }
    };
    let denominators: Vec<PackedQM31> = pairs.iter().map(|(_, d)| nonzero(*d)).collect();
    if denominators.is_empty() {
        return Vec::new();
    }
    PackedQM31::batch_inverse(&denominators)
}

/// Collects the fractions of sixteen rows, after those of other rows.
struct Fractions<'a> {
    blocks: &'a Blocks,
    challenges: &'a PackedChallenges,
    /// Packed row of the blocks.
    row: usize,
    /// Numerator and denominator of each pair.
    pairs: Vec<(PackedQM31, PackedQM31)>,
    term: Option<PackedQM31>,
}

impl Evaluator for Fractions<'_> {
    type F = PackedM31;
    type E = PackedQM31;

    fn program(&mut self, column: usize) -> PackedM31 {
        self.blocks.program.cell(column, self.row)
    }
    fn weight(&mut self, column: usize) -> PackedM31 {
        self.blocks.weights.cell(column, self.row)
    }
    fn value(&mut self, column: usize) -> PackedM31 {
        self.blocks.values.cell(column, self.row)
    }
    fn evaluation(&mut self, column: usize) -> PackedQM31 {
        let coordinate = |i| self.blocks.evaluations.cell(4 * column + i, self.row);
        PackedQM31::from_packed_m31s(std::array::from_fn(coordinate))
    }
    // Fractions look at their own row only, and sums are what is being computed.
    fn value_before(&mut self, _: usize) -> PackedM31 {
        PackedM31::zero()
    }
    fn evaluation_before(&mut self, _: usize) -> PackedQM31 {
        PackedQM31::zero()
    }
    fn sum(&mut self, _: usize) -> PackedQM31 {
        PackedQM31::zero()
    }
    fn sum_before(&mut self, _: usize) -> PackedQM31 {
        PackedQM31::zero()
    }
    fn integer(&self, value: i32) -> PackedM31 {
        PackedM31::broadcast(M31::from(value))
    }
    fn challenge(&self, challenge: Challenge) -> PackedQM31 {
        self.challenges.get(challenge)
    }
    fn zero(&self) -> PackedQM31 {
        PackedQM31::zero()
    }
    fn join(&self, coordinates: [PackedM31; 4]) -> PackedQM31 {
        PackedQM31::from_packed_m31s(coordinates)
    }
    fn take_fractions(
        &mut self,
        fractions: &[(PackedM31, PackedQM31)],
        term: Option<&PackedQM31>,
    ) -> bool {
        self.pairs.extend(fractions.chunks(2).map(|pair| match pair {
            [(n0, d0), (n1, d1)] => (*d1 * *n0 + *d0 * *n1, *d0 * *d1),
            _ => (PackedQM31::from(pair[0].0), pair[0].1),
        }));
        self.term = term.copied();
        true
    }
    fn assert_zero(&mut self, _: &'static str, _: PackedM31) {}
    fn assert_zero_extension(&mut self, _: &'static str, _: PackedQM31) {}
}
