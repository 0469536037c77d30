//! `horner`: evaluates runs of memory as polynomials at `t`, at `r`, or at 1 (a plain sum).
//!
//! A segment is a run of rows; each row appends `width` elements `x_0 .. x_{width-1}`:
//! `acc = acc_before * c^width + x_0 c^(width-1) + .. + x_{width-1}`, where `c` is the row's point
//! and `acc_before` is left out at the segment's first row.
//!
//! | tree | columns |
//! |---|---|
//! | program | point is `t`, point is `r`, point is 1, continues; address and reads of the result; for each element: address and count |
//! | values | the elements |
//! | evaluations | `acc` |
//!
//! An element's count is 1 to read it from memory, minus the number of its readers to write it,
//! and 0 for a free element: the coefficients of a convolution's product that are no output.
//!
//! *Why it suffices.* On active rows `acc` is determined by the row's elements and the real row
//! before (never a same-row copy of it); `continues` is 0 at a segment's first row, so nothing
//! comes from reserved rows. Elements are committed before `t` and `r` are drawn. The result is
//! yielded to its own address.

use super::{Constraints, Shape};
use crate::evaluator::{Challenge, Evaluator};
use crate::logup::{Lookups, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horner {
    /// Elements in a row.
    pub width: usize,
}

impl Horner {
    /// Program column: the point is `t`.
    pub const AT_T: usize = SHARED;
    /// Program column: the point is `r`.
    pub const AT_R: usize = SHARED + 1;
    /// Program column: the point is 1.
    pub const AT_ONE: usize = SHARED + 2;
    /// Program column: the row continues the segment of the row before.
    pub const CONTINUES: usize = SHARED + 3;
    /// Program column: address of the result.
    pub const RESULT: usize = SHARED + 4;
    /// Program column: how often the result is read; 0 inside a segment.
    pub const READS: usize = SHARED + 5;
    /// Program column: address of element `j`.
    pub const fn address(j: usize) -> usize {
        SHARED + 6 + 2 * j
    }
    /// Program column: 1 to read element `j`, `-n` to write it for `n` readers, 0 if free.
    pub const fn count(j: usize) -> usize {
        SHARED + 7 + 2 * j
    }
}

impl Constraints for Horner {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 6 + 2 * self.width,
            weights: 0,
            values: self.width,
            evaluations: 1,
            lookups: self.width + 1,
            term: false,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        let at_t = v.program(Self::AT_T);
        let at_r = v.program(Self::AT_R);
        let at_one = v.program(Self::AT_ONE);
        let power = |v: &V, n: usize| {
            v.challenge(Challenge::T(n)) * at_t.clone()
                + v.challenge(Challenge::R(n)) * at_r.clone()
                + at_one.clone()
        };
        let continues = v.program(Self::CONTINUES);
        let acc = v.evaluation(0);
        let mut expected = v.evaluation_before(0) * power(v, self.width) * continues;
        for j in 0..self.width {
            let element = v.value(j);
            expected = expected + power(v, self.width - 1 - j) * element.clone();
            let (address, count) = (v.program(Self::address(j)), v.program(Self::count(j)));
            lookups.memory(v, count, element, address);
        }
        v.assert_zero_extension("horner step", acc.clone() * lookups.active() - expected);
        let (address, reads) = (v.program(Self::RESULT), v.program(Self::READS));
        lookups.memory_extension(v, -reads, acc, address);
        lookups.finish(v, &self.shape());
    }
}
