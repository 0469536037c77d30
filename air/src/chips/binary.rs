//! `binary`: `out = f(rshift(alpha*a*b + beta*a + gamma*b + delta, s))`.
//!
//! | tree | columns |
//! |---|---|
//! | program | `alpha`, `beta`, `gamma`, `delta + half`, `2^s`, `s`, function; for each element: addresses of `a`, `b`, `out`, reads of `out` |
//! | values | for each element: `a`, `b`, `q`, `rem`, `out` |
//!
//! *Why it suffices.* As for `unary`: the equation holds over the integers because the compiler
//! keeps both sides in one interval shorter than the characteristic. Spare lanes repeat a used one.

use super::{Constraints, Shape};
use crate::evaluator::Evaluator;
use crate::logup::{Lookups, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    /// Elements in a row.
    pub width: usize,
}

impl Binary {
    /// Program column: factor of `a * b`.
    pub const ALPHA: usize = SHARED;
    /// Program column: factor of `a`.
    pub const BETA: usize = SHARED + 1;
    /// Program column: factor of `b`.
    pub const GAMMA: usize = SHARED + 2;
    /// Program column: `delta + half`.
    pub const OFFSET: usize = SHARED + 3;
    /// Program column: `2^s`.
    pub const POWER: usize = SHARED + 4;
    /// Program column: `s`.
    pub const SHIFT: usize = SHARED + 5;
    /// Program column: the function.
    pub const FUNCTION: usize = SHARED + 6;
    /// Program column: address of `a` in lane `j`.
    pub const fn left(j: usize) -> usize {
        SHARED + 7 + 4 * j
    }
    /// Program column: address of `b` in lane `j`.
    pub const fn right(j: usize) -> usize {
        SHARED + 8 + 4 * j
    }
    /// Program column: address of `out` in lane `j`.
    pub const fn result(j: usize) -> usize {
        SHARED + 9 + 4 * j
    }
    /// Program column: how often `out` of lane `j` is read.
    pub const fn reads(j: usize) -> usize {
        SHARED + 10 + 4 * j
    }
    /// Values columns of lane `j`: `a`, `b`, `q`, `rem`, `out`.
    pub const fn lane(j: usize) -> [usize; 5] {
        [5 * j, 5 * j + 1, 5 * j + 2, 5 * j + 3, 5 * j + 4]
    }
}

impl Constraints for Binary {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 7 + 4 * self.width,
            weights: 0,
            values: 5 * self.width,
            evaluations: 0,
            lookups: 5 * self.width,
            term: false,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        let (alpha, beta) = (v.program(Self::ALPHA), v.program(Self::BETA));
        let (gamma, offset) = (v.program(Self::GAMMA), v.program(Self::OFFSET));
        let (power, shift) = (v.program(Self::POWER), v.program(Self::SHIFT));
        let function = v.program(Self::FUNCTION);
        let ranges = v.integer(0);
        for j in 0..self.width {
            let [a, b, q, rem, out] = Self::lane(j).map(|column| v.value(column));
            let active = lookups.active();
            let sum = alpha.clone() * a.clone() * b.clone()
                + beta.clone() * a.clone()
                + gamma.clone() * b.clone()
                + offset.clone();
            let shifted = q.clone() * power.clone() + rem.clone() * active.clone();
            v.assert_zero("shift", sum - shifted);
            let (left, right) = (v.program(Self::left(j)), v.program(Self::right(j)));
            let (result, reads) = (v.program(Self::result(j)), v.program(Self::reads(j)));
            lookups.memory(v, active.clone(), a, left);
            lookups.memory(v, active.clone(), b, right);
            lookups.memory(v, -reads, out.clone(), result);
            lookups.table(v, active.clone(), rem, shift.clone(), ranges.clone());
            lookups.table(v, active, out, q, function.clone());
        }
        lookups.finish(v, &self.shape());
    }
}
