//! Values of `maximum`: element, bit, gap, largest so far, its position.

use super::{cell, Context};
use crate::error::ProveError;
use crate::trace::m31;
use stwo::core::fields::m31::M31;
use veristar_air::chips::Maximum;
use veristar_air::program::Table;

pub(super) fn values(
    chip: &Maximum,
    table: &Table,
    context: &Context<'_>,
) -> Result<Vec<Vec<M31>>, ProveError> {
    let mut columns: Vec<Vec<M31>> = vec![Vec::with_capacity(table.rows); 5 * chip.width];
    let mut largest: Option<(i32, i32)> = None;
    for row in 0..table.rows {
        let at = |column| cell(table, column, row);
        if at(Maximum::CONTINUES) == 0 {
            largest = None;
        }
        for j in 0..chip.width {
            let a = context.memory[at(Maximum::address(j)) as usize];
            let here = (a, at(Maximum::position(j)));
            let (bit, gap, best) = match largest {
                None => (1, 0, here),
                Some((m, _)) if a > m => (1, a - m - 1, here),
                Some((m, k)) => (0, m - a, (m, k)),
            };
            context.uses.range(at(Maximum::BITS), i64::from(gap), 1)?;
            largest = Some(best);
            let values = [a, bit, gap, best.0, best.1];
            for (column, value) in Maximum::lane(j).into_iter().zip(values) {
                columns[column].push(m31(value));
            }
        }
    }
    Ok(columns)
}
