//! Evaluations of `field`, row after row: rows read what earlier rows write.

use super::{cell, Extended};
use stwo::core::fields::qm31::QM31;
use veristar_air::chips::Field;
use veristar_air::program::{Table, ZERO};

pub(super) fn evaluations(table: &Table, extended: &mut Extended<'_>) -> Vec<Vec<QM31>> {
    let mut columns: [Vec<QM31>; 4] = Default::default();
    for row in 0..table.rows {
        let [a, b, c] = Field::OPERANDS.map(|column| extended.get(cell(table, column, row)));
        let out = a * b + c;
        let result = cell(table, Field::RESULT, row);
        if result != ZERO as i32 {
            extended.set(result, out);
        }
        for (column, value) in columns.iter_mut().zip([a, b, c, out]) {
            column.push(value);
        }
    }
    columns.into()
}
