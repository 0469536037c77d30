//! Constraints row by row: says what is wrong with a witness.

use super::prepared::Prepared;
use super::prove::Trace;
use super::trees::Rows;
use crate::challenges::Challenges;
use crate::driver::{constrain, Broken, Place};
use crate::field::{Cube, F, K};
use std::fmt;

/// A constraint that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The chip.
    pub chip: &'static str,
    /// The row of the trace.
    pub row: usize,
    /// The constraint.
    pub name: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chip '{}', row {}: '{}' does not hold", self.chip, self.row, self.name)
    }
}

/// The trace row by row.
pub struct TraceRows {
    program: Rows<F>,
    weights: Rows<F>,
    values: Rows<F>,
    evaluations: Rows<Cube>,
    sums: Rows<Cube>,
    rows: usize,
}

impl TraceRows {
    /// Of a witness, which may still lack later columns.
    pub fn new(prepared: &Prepared, trace: &Trace) -> Self {
        Self {
            program: Rows::new(&prepared.program_columns),
            weights: Rows::new(&prepared.weights_columns),
            values: Rows::new(&trace.values),
            evaluations: Rows::new(&trace.evaluations),
            sums: Rows::new(&trace.sums),
            rows: prepared.columns.rows(),
        }
    }

    /// All columns on a row, and on the row before.
    pub fn place(&self, row: usize) -> Place<'_, F> {
        let before = (row + self.rows - 1) % self.rows;
        Place {
            program: self.program.row(row),
            weights: self.weights.row(row),
            values: [self.values.row(row), self.values.row(before)],
            evaluations: [self.evaluations.row(row), self.evaluations.row(before)],
            sums: [self.sums.row(row), self.sums.row(before)],
        }
    }
}

/// Every violation, table by table.
pub fn violations(prepared: &Prepared, trace: &Trace, challenges: &Challenges) -> Vec<Violation> {
    let rows = TraceRows::new(prepared, trace);
    let mut found = Vec::new();
    for (table, claim) in prepared.columns.tables.iter().zip(&trace.claims) {
        for row in 0..rows.rows {
            let mut broken = Broken::default();
            constrain(table, &rows.place(row), challenges, K(*claim), &mut broken);
            let chip = table.instance.chip.name();
            found.extend(broken.0.into_iter().map(|name| Violation { chip, row, name }));
        }
    }
    found
}
