//! Values of `binary`: operands, quotient, remainder, result.

use super::{cell, unary::shift, Context};
use crate::error::ProveError;
use crate::trace::m31;
use rayon::prelude::*;
use stwo::core::fields::m31::M31;
use veristar_air::chips::Binary;
use veristar_air::program::Table;

pub(super) fn values(
    chip: &Binary,
    table: &Table,
    context: &Context<'_>,
) -> Result<Vec<Vec<M31>>, ProveError> {
    let lane = |j: usize| {
        let mut columns: [Vec<M31>; 5] = Default::default();
        for row in 0..table.rows {
            let at = |column| cell(table, column, row);
            let a = context.memory[at(Binary::left(j)) as usize];
            let b = context.memory[at(Binary::right(j)) as usize];
            let coefficient = |column| i64::from(at(column));
            let (wide_a, wide_b) = (i64::from(a), i64::from(b));
            let accumulator = coefficient(Binary::ALPHA) * wide_a * wide_b
                + coefficient(Binary::BETA) * wide_a
                + coefficient(Binary::GAMMA) * wide_b
                + coefficient(Binary::OFFSET);
            let [q, rem, out] =
                shift(context, accumulator, at(Binary::SHIFT), at(Binary::FUNCTION), 1)?;
            for (column, value) in columns.iter_mut().zip([a, b, q, rem, out]) {
                column.push(m31(value));
            }
        }
        Ok(columns)
    };
    let lanes: Vec<[Vec<M31>; 5]> =
        (0..chip.width).into_par_iter().map(lane).collect::<Result<_, ProveError>>()?;
    Ok(lanes.into_iter().flatten().collect())
}
