//! Values of `unary`: argument, quotient, remainder, result.

use super::{cell, Context};
use crate::error::ProveError;
use crate::trace::m31;
use rayon::prelude::*;
use stwo::core::fields::m31::M31;
use veristar_air::chips::Unary;
use veristar_air::program::Table;

/// Splits an accumulator, looks the quotient up, and counts both lookups, of so many uses each.
pub(super) fn shift(
    context: &Context<'_>,
    accumulator: i64,
    shift: i32,
    function: i32,
    times: u32,
) -> Result<[i32; 3], ProveError> {
    let q = accumulator >> shift;
    let rem = accumulator - (q << shift);
    context.uses.range(shift, rem, times)?;
    context.uses.function(function, q, times)?;
    let table = context.functions[function as usize - 1];
    let out = table.values[(q - i64::from(table.first)) as usize];
    Ok([q as i32, rem as i32, out])
}

pub(super) fn values(
    chip: &Unary,
    table: &Table,
    context: &Context<'_>,
) -> Result<Vec<Vec<M31>>, ProveError> {
    let lane = |j: usize| {
        let mut columns: [Vec<M31>; 4] = Default::default();
        for row in 0..table.rows {
            let at = |column| cell(table, column, row);
            let x = context.memory[at(Unary::argument(j)) as usize];
            let accumulator =
                i64::from(at(Unary::MULTIPLIER)) * i64::from(x) + i64::from(at(Unary::OFFSET));
            let [q, rem, out] =
                shift(context, accumulator, at(Unary::SHIFT), at(Unary::FUNCTION), 1)?;
            for (column, value) in columns.iter_mut().zip([x, q, rem, out]) {
                column.push(m31(value));
            }
        }
        Ok(columns)
    };
    let lanes: Vec<[Vec<M31>; 4]> =
        (0..chip.width).into_par_iter().map(lane).collect::<Result<_, ProveError>>()?;
    Ok(lanes.into_iter().flatten().collect())
}
