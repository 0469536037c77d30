//! Evaluations of `weights`: the monomial and the activation of each row.

use super::Extended;
use stwo::core::fields::qm31::QM31;
use veristar_air::chips::Weights;
use veristar_air::program::Table;

pub(super) fn evaluations(table: &Table, extended: &Extended<'_>) -> Vec<Vec<QM31>> {
    [Weights::MONOMIAL, Weights::ACTIVATION]
        .map(|column| table.program[column].iter().map(|a| extended.get(*a)).collect())
        .into()
}
