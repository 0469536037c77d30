//! `table`: the fixed tables, with how often each entry is used.
//!
//! Lane `j` of a row is the entry `(result_j, argument + j * step, function)`. A range table of `s`
//! bits has function 0, argument `s`, step 0 and results `0, 1, ..`; a one-input function has
//! step 1.
//!
//! | tree | columns |
//! |---|---|
//! | program | argument, step, function; for each entry: result |
//! | values | for each entry: uses; at least 4 columns |
//!
//! *Why it suffices.* Entries are fixed by the program's commitment; `uses` is committed before the
//! lookup challenges, so the yields match the uses only if every use is an entry. Lanes past a
//! table's end repeat an entry. `uses` counts on active rows only, so that reserved rows may hold
//! anything.

use super::{Constraints, Shape};
use crate::evaluator::Evaluator;
use crate::logup::{Lookups, MASK_VALUES, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Entries in a row.
    pub width: usize,
}

impl Table {
    /// Program column: argument of lane 0.
    pub const ARGUMENT: usize = SHARED;
    /// Program column: argument's step from lane to lane.
    pub const STEP: usize = SHARED + 1;
    /// Program column: the function.
    pub const FUNCTION: usize = SHARED + 2;
    /// Program column: result of lane `j`.
    pub const fn result(j: usize) -> usize {
        SHARED + 3 + j
    }
}

impl Constraints for Table {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 3 + self.width,
            weights: 0,
            values: self.width.max(MASK_VALUES),
            evaluations: 0,
            lookups: self.width,
            term: false,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        let mut argument = v.program(Self::ARGUMENT);
        let (step, function) = (v.program(Self::STEP), v.program(Self::FUNCTION));
        for j in 0..self.width {
            let (result, uses) = (v.program(Self::result(j)), v.value(j) * lookups.active());
            lookups.table(v, -uses, result, argument.clone(), function.clone());
            argument = argument + step.clone();
        }
        lookups.finish(v, &self.shape());
    }
}
