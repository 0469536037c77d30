//! Values of `horner`: memory cells. Evaluations: the accumulator, segment by segment.

use super::{cell, Context, Extended};
use crate::trace::m31;
use num_traits::{One, Zero};
use rayon::prelude::*;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use veristar_air::chips::Horner;
use veristar_air::program::{Table, ZERO};
use veristar_verifier::challenges::Challenges;

pub(super) fn values(chip: &Horner, table: &Table, context: &Context<'_>) -> Vec<Vec<M31>> {
    let lane = |j: usize| {
        let addresses = &table.program[Horner::address(j)];
        addresses.iter().map(|a| m31(context.memory[*a as usize])).collect()
    };
    (0..chip.width).into_par_iter().map(lane).collect()
}

pub(super) fn evaluations(
    chip: &Horner,
    table: &Table,
    memory: &[i32],
    challenges: &Challenges,
    extended: &mut Extended<'_>,
) -> Vec<Vec<QM31>> {
    let width = chip.width;
    let ones = vec![QM31::one(); width + 1];
    let zeros = vec![QM31::zero(); width + 1];
    let step = |mut acc: QM31, row: usize| {
        let is = |column| cell(table, column, row) == 1;
        let powers = if is(Horner::AT_T) {
            &challenges.t
        } else if is(Horner::AT_R) {
            &challenges.r
        } else if is(Horner::AT_ONE) {
            &ones
        } else {
            &zeros
        };
        acc *= powers[width];
        for j in 0..width {
            let address = cell(table, Horner::address(j), row);
            acc += powers[width - 1 - j] * m31(memory[address as usize]);
        }
        acc
    };
    vec![segments(table, [Horner::CONTINUES, Horner::RESULT], step, extended)]
}

/// Accumulators of all rows, given the step from one row to the next, the column that is 0 where a segment
/// starts and that of the results' addresses. Results go to memory.
pub(super) fn segments(
    table: &Table,
    [continues, result]: [usize; 2],
    step: impl Fn(QM31, usize) -> QM31 + Sync,
    extended: &mut Extended<'_>,
) -> Vec<QM31> {
    let starts: Vec<usize> =
        (0..table.rows).filter(|row| cell(table, continues, *row) == 0).collect();
    let segment = |i: usize| {
        let end = starts.get(i + 1).copied().unwrap_or(table.rows);
        let rows = starts[i]..end;
        rows.scan(QM31::zero(), |acc, row| {
            *acc = step(*acc, row);
            Some(*acc)
        })
        .collect::<Vec<QM31>>()
    };
    let accumulators: Vec<QM31> =
        (0..starts.len()).into_par_iter().flat_map_iter(segment).collect();
    for (row, acc) in accumulators.iter().enumerate() {
        let address = cell(table, result, row);
        if address != ZERO as i32 {
            extended.set(address, *acc);
        }
    }
    accumulators
}
