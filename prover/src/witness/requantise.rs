//! Values of `requantise`: quotient, remainder, result. Evaluations: the accumulator's, segment by segment.

use super::{cell, horner, unary::shift, Context, Extended};
use crate::error::ProveError;
use crate::trace::m31;
use rayon::prelude::*;
use stwo::core::fields::m31::{M31, P};
use stwo::core::fields::qm31::QM31;
use veristar_air::chips::Requantise;
use veristar_air::program::Table;
use veristar_verifier::challenges::Challenges;

/// The accumulator of a lane.
fn accumulator(chip: &Requantise, table: &Table, memory: &[i32], row: usize, j: usize) -> i32 {
    memory[table.accumulators[row * chip.width + j] as usize]
}

pub(super) fn values(
    chip: &Requantise,
    table: &Table,
    context: &Context<'_>,
) -> Result<Vec<Vec<M31>>, ProveError> {
    let lane = |j: usize| {
        let mut columns: [Vec<M31>; 3] = Default::default();
        for row in 0..table.rows {
            let at = |column| cell(table, column, row);
            let x = accumulator(chip, table, context.memory, row, j);
            let scaled = i64::from(at(Requantise::MULTIPLIER)) * i64::from(x)
                + i64::from(at(Requantise::OFFSET));
            let values = match at(Requantise::reads(j)) {
                // Free: no table bounds the remainder.
                0 => [0, scaled.rem_euclid(P.into()) as i32, 0],
                reads => {
                    let (bits, function) = (at(Requantise::SHIFT), at(Requantise::FUNCTION));
                    shift(context, scaled, bits, function, reads as u32)?
                }
            };
            for (column, value) in columns.iter_mut().zip(values) {
                column.push(m31(value));
            }
        }
        Ok(columns)
    };
    let lanes: Vec<[Vec<M31>; 3]> =
        (0..chip.width).into_par_iter().map(lane).collect::<Result<_, ProveError>>()?;
    Ok(lanes.into_iter().flatten().collect())
}

pub(super) fn evaluations(
    chip: &Requantise,
    table: &Table,
    memory: &[i32],
    challenges: &Challenges,
    extended: &mut Extended<'_>,
) -> Vec<Vec<QM31>> {
    let (width, powers) = (chip.width, &challenges.t);
    let step = |acc: QM31, row: usize| {
        let lane = |acc, j: usize| {
            acc + powers[width - 1 - j] * m31(accumulator(chip, table, memory, row, j))
        };
        (0..width).fold(acc * powers[width], lane)
    };
    let columns = [Requantise::CONTINUES, Requantise::RESULT];
    vec![horner::segments(table, columns, step, extended)]
}
