//! `requantise`: accumulators of a linear layer that are only requantised, without cells of their own.
//!
//! A segment is a run of rows, as in `horner`: coefficients `x_j` of one polynomial of a linear layer's
//! output, highest exponent first, all requantised in one way,
//! `out = f(rshift(multiplier * x + offset, s))`. A row's lanes hold quotient and remainder, and `x` is
//! the expression `(q 2^s + rem - offset - half) / multiplier`. With `z_j = multiplier * x_j`,
//!
//! ```text
//! multiplier * acc = multiplier * acc_before * t^width + z_0 t^(width-1) + .. + z_{width-1}
//! ```
//!
//! | tree | columns |
//! |---|---|
//! | program | multiplier, multiplier if the row continues a segment, `offset + half`, `2^s`, `s`, function; address and reads of the result; for each lane: address and reads of `out` |
//! | values | for each lane: `q`, `rem`, `out` |
//! | evaluations | `acc` |
//!
//! A lane that nobody reads is free: its lookups count 0 times. Free coefficients of a convolution are
//! such lanes, and those that fill up a segment's first row.
//!
//! *Why it suffices.* On active rows `multiplier` is not 0 modulo `p` (lowering fuses no other), so `acc`
//! is determined by the row's lanes and the real row before: `sum_j x_j t^..` with `x_j = z_j / multiplier`
//! in the field. `q` and `rem` are committed before `t` is drawn, so the linear identity fixes each
//! coefficient `x_j`, as if it were a cell: modulo `p` it is the accumulator `X`, an integer with
//! `|X| < 2^30`. Hence `multiplier * X + offset + half = q 2^s + rem` in the field. That is the
//! equation of `unary`: `rem` is in `[0, 2^s)` by the range table, `q` in the function's domain by its
//! table, and `veristar_model::bounds` guarantees that both sides are integers of one interval shorter
//! than `p`. So it holds over the integers, has one solution, and `out = f(q)` by the table. Lookups of
//! tables count as often as `out` is read: a positive number below `p`, as every read is a lookup of
//! another row or of the verifier.
//!
//! A free lane's `x` is any field element, like a free element of `horner`. Those that fill up a first
//! row have exponents of `t` above the segment's, at this output's power of `r`. No other term of the linear
//! identity has these monomials, so it forces them to be 0; or else a convolution's free coefficients have
//! them (where those are segments of their own), and only the sum is fixed. Outputs are not concerned. This is
//! why the point is always `t`: at `r` the monomials would be those of other outputs.

use super::{Constraints, Shape};
use crate::evaluator::{Challenge, Evaluator};
use crate::logup::{Lookups, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requantise {
    /// Elements in a row.
    pub width: usize,
}

impl Requantise {
    /// Program column: factor of `x`.
    pub const MULTIPLIER: usize = SHARED;
    /// Program column: the factor if the row continues the segment of the row before, else 0.
    pub const CONTINUES: usize = SHARED + 1;
    /// Program column: `offset + half`.
    pub const OFFSET: usize = SHARED + 2;
    /// Program column: `2^s`.
    pub const POWER: usize = SHARED + 3;
    /// Program column: `s`.
    pub const SHIFT: usize = SHARED + 4;
    /// Program column: the function.
    pub const FUNCTION: usize = SHARED + 5;
    /// Program column: address of the result.
    pub const RESULT: usize = SHARED + 6;
    /// Program column: how often the result is read; 0 inside a segment.
    pub const READS: usize = SHARED + 7;
    /// Program column: address of `out` in lane `j`.
    pub const fn address(j: usize) -> usize {
        SHARED + 8 + 2 * j
    }
    /// Program column: how often `out` of lane `j` is read; 0 if the lane is free.
    pub const fn reads(j: usize) -> usize {
        SHARED + 9 + 2 * j
    }
    /// Values columns of lane `j`: `q`, `rem`, `out`.
    pub const fn lane(j: usize) -> [usize; 3] {
        [3 * j, 3 * j + 1, 3 * j + 2]
    }
}

impl Constraints for Requantise {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 8 + 2 * self.width,
            weights: 0,
            values: 3 * self.width,
            evaluations: 1,
            lookups: 3 * self.width + 1,
            term: false,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        let (multiplier, continues) = (v.program(Self::MULTIPLIER), v.program(Self::CONTINUES));
        let (offset, power) = (v.program(Self::OFFSET), v.program(Self::POWER));
        let (shift, function) = (v.program(Self::SHIFT), v.program(Self::FUNCTION));
        let ranges = v.integer(0);
        let acc = v.evaluation(0);
        let mut expected = v.evaluation_before(0) * v.challenge(Challenge::T(self.width));
        expected = expected * continues;
        for j in 0..self.width {
            let [q, rem, out] = Self::lane(j).map(|column| v.value(column));
            let active = lookups.active();
            let scaled = q.clone() * power.clone() + rem.clone() * active - offset.clone();
            expected = expected + v.challenge(Challenge::T(self.width - 1 - j)) * scaled;
            let (address, reads) = (v.program(Self::address(j)), v.program(Self::reads(j)));
            lookups.table(v, reads.clone(), rem, shift.clone(), ranges.clone());
            lookups.table(v, reads.clone(), out.clone(), q, function.clone());
            lookups.memory(v, -reads, out, address);
        }
        v.assert_zero_extension("requantise step", acc.clone() * multiplier - expected);
        let (address, reads) = (v.program(Self::RESULT), v.program(Self::READS));
        lookups.memory_extension(v, -reads, acc, address);
        lookups.finish(v, &self.shape());
    }
}
