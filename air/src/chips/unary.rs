//! `unary`: `out = f(rshift(multiplier * x + offset, s))`, one function for all lanes of a row.
//!
//! | tree | columns |
//! |---|---|
//! | program | multiplier, `offset + half`, `2^s`, `s`, function; for each element: address of `x`, address of `out`, reads of `out` |
//! | values | for each element: `x`, `q`, `rem`, `out` |
//!
//! *Why it suffices.* `multiplier * x + offset + half = q 2^s + rem` holds in the field, `rem` is
//! in `[0, 2^s)` by the range table and `q` in the function's domain by its table. The compiler
//! guarantees (`veristar_model::bounds`) that both sides are integers of one interval shorter
//! than the field's characteristic, so the equation holds over the integers and `q` is the shifted
//! value; `out = f(q)` by the table. Lanes that a row does not need repeat one that it does, and write
//! nothing.

use super::{Constraints, Shape};
use crate::evaluator::Evaluator;
use crate::logup::{Lookups, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unary {
    /// Elements in a row.
    pub width: usize,
}

impl Unary {
    /// Program column: factor of `x`.
    pub const MULTIPLIER: usize = SHARED;
    /// Program column: `offset + half`.
    pub const OFFSET: usize = SHARED + 1;
    /// Program column: `2^s`.
    pub const POWER: usize = SHARED + 2;
    /// Program column: `s`.
    pub const SHIFT: usize = SHARED + 3;
    /// Program column: the function.
    pub const FUNCTION: usize = SHARED + 4;
    /// Program column: address of `x` in lane `j`.
    pub const fn argument(j: usize) -> usize {
        SHARED + 5 + 3 * j
    }
    /// Program column: address of `out` in lane `j`.
    pub const fn result(j: usize) -> usize {
        SHARED + 6 + 3 * j
    }
    /// Program column: how often `out` of lane `j` is read.
    pub const fn reads(j: usize) -> usize {
        SHARED + 7 + 3 * j
    }
    /// Values columns of lane `j`: `x`, `q`, `rem`, `out`.
    pub const fn lane(j: usize) -> [usize; 4] {
        [4 * j, 4 * j + 1, 4 * j + 2, 4 * j + 3]
    }
}

impl Constraints for Unary {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 5 + 3 * self.width,
            weights: 0,
            values: 4 * self.width,
            evaluations: 0,
            lookups: 4 * self.width,
            term: false,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        let (multiplier, offset) = (v.program(Self::MULTIPLIER), v.program(Self::OFFSET));
        let (power, shift) = (v.program(Self::POWER), v.program(Self::SHIFT));
        let function = v.program(Self::FUNCTION);
        let ranges = v.integer(0);
        for j in 0..self.width {
            let [x, q, rem, out] = Self::lane(j).map(|column| v.value(column));
            let active = lookups.active();
            let difference = multiplier.clone() * x.clone() + offset.clone()
                - q.clone() * power.clone()
                - rem.clone() * active.clone();
            v.assert_zero("shift", difference);
            let (argument, result) = (v.program(Self::argument(j)), v.program(Self::result(j)));
            let reads = v.program(Self::reads(j));
            lookups.memory(v, active.clone(), x, argument);
            lookups.memory(v, -reads, out.clone(), result);
            lookups.table(v, active.clone(), rem, shift.clone(), ranges.clone());
            lookups.table(v, active, out, q, function.clone());
        }
        lookups.finish(v, &self.shape());
    }
}
