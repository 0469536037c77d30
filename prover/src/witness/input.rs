//! Values of `input`: the inputs; lanes without one hold the smallest value.

use super::{cell, Context};
use crate::error::ProveError;
use crate::trace::m31;
use stwo::core::fields::m31::M31;
use veristar_air::chips::Input;
use veristar_air::program::{Table, ZERO};

pub(super) fn values(
    chip: &Input,
    table: &Table,
    context: &Context<'_>,
) -> Result<Vec<Vec<M31>>, ProveError> {
    let lane = |j: usize| {
        (0..table.rows)
            .map(|row| {
                let low = cell(table, Input::LOW, row);
                let value = match cell(table, Input::address(j), row) {
                    address if address == ZERO as i32 => low,
                    address => context.memory[address as usize],
                };
                let offset = i64::from(value) - i64::from(low);
                context.uses.range(cell(table, Input::BITS, row), offset, 1)?;
                Ok(m31(value))
            })
            .collect()
    };
    (0..chip.width).map(lane).collect()
}
