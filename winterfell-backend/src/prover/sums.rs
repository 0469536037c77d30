//! Lookup and running sums: the columns that [`veristar_air::logup`] constrains.
//!
//! On reserved rows all numerators are 0, and all denominators too: the columns are free there. They
//! are 0, but for one cell: the constraint "running sum" of a chip with a term holds on the step from
//! the last row to the first, so the column before takes back the total on row 0.

use super::error::ProveError;
use crate::challenges::Challenges;
use crate::columns::{Columns, TableColumns};
use crate::driver::{constrain, Fractions, Place};
use crate::field::{Cube, F, K};
use rayon::prelude::*;
use veristar_air::chips::Shape;
use winter_math::{batch_inversion, FieldElement};

/// Rows whose denominators are inverted together.
const CHUNK: usize = 256;

/// A table's sums columns on the rows of the trace, and its total. `place` gives a row's cells of all
/// trees before.
///
/// # Errors
/// A denominator is 0 (probability below 2^-140).
pub fn sums<'a>(
    columns: &Columns,
    table: &TableColumns,
    challenges: &Challenges,
    place: impl Fn(usize) -> Place<'a, F> + Sync,
) -> Result<(Vec<Vec<Cube>>, Cube), ProveError> {
    let shape = table.instance.shape();
    let rows = columns.rows();
    let mut result = vec![vec![Cube::ZERO; rows]; shape.sums()];
    if !shape.has_total() {
        return Ok((result, Cube::ZERO));
    }
    let active: Vec<usize> = (rows - table.active()..rows).collect();
    let steps: Vec<Vec<Cube>> = active
        .par_chunks(CHUNK)
        .map(|chunk| {
            let fractions = chunk.iter().map(|row| {
                let mut fractions = Fractions::default();
                constrain(table, &place(*row), challenges, K::ZERO, &mut fractions);
                fractions
            });
            row_sums(&fractions.collect::<Vec<_>>(), &shape)
        })
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect();
    let mut running = Cube::ZERO;
    for (row, cells) in active.iter().zip(steps) {
        let last = cells.len() - 1;
        for (k, cell) in cells.into_iter().enumerate() {
            result[k][*row] = cell;
            if k == last {
                running += cell;
                result[k][*row] = running;
            }
        }
    }
    if shape.term {
        let before = result.len() - 2;
        result[before][0] -= running;
    }
    Ok((result, running))
}

/// For each row, the sums of its first pairs (the last: and of the term).
fn row_sums(rows: &[Fractions], shape: &Shape) -> Result<Vec<Vec<Cube>>, ProveError> {
    let denominators: Vec<Cube> =
        rows.iter().flat_map(|row| &row.fractions).map(|(_, d)| d.0).collect();
    if denominators.contains(&Cube::ZERO) {
        return Err(ProveError::Constraint("a lookup's denominator is 0: prove again".into()));
    }
    let mut inverses = batch_inversion(&denominators).into_iter();
    let row_sum = |row: &Fractions| {
        let mut sum = K::ZERO;
        let mut cells = Vec::with_capacity(shape.sums());
        for pair in row.fractions.chunks(2) {
            for ((numerator, _), inverse) in pair.iter().zip(inverses.by_ref()) {
                sum = sum + K(inverse) * *numerator;
            }
            cells.push(sum.0);
        }
        cells.extend(row.term.map(|term| (sum + term).0));
        cells
    };
    Ok(rows.iter().map(row_sum).collect())
}
