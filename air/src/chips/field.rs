//! `field`: `out = a * b + c` on extension-field memory; joins evaluations and builds monomials.
//!
//! | tree | columns |
//! |---|---|
//! | program | addresses of `a`, `b`, `c`, `out`; reads of `out`; sink |
//! | evaluations | `a`, `b`, `c`, `out` |
//!
//! *Why it suffices.* `a`, `b`, `c` are read from memory on active rows, `out` is determined by
//! them and yielded to its own address. Where `sink` is 1, `beta * out` enters the global sum:
//! the left-hand side of the linear identity.
//!
//! On reserved rows the term is `a * b`, which is in no total. There it is random: it masks
//! the openings of the column that takes up the term's steps, which would tell sinks apart otherwise.

use super::{Constraints, Shape};
use crate::evaluator::{Challenge, Evaluator};
use crate::logup::{Lookups, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field;

impl Field {
    /// Program columns: addresses of `a`, `b`, `c`.
    pub const OPERANDS: [usize; 3] = [SHARED, SHARED + 1, SHARED + 2];
    /// Program column: address of `out`.
    pub const RESULT: usize = SHARED + 3;
    /// Program column: how often `out` is read.
    pub const READS: usize = SHARED + 4;
    /// Program column: 1 where `out` enters the global sum.
    pub const SINK: usize = SHARED + 5;
}

impl Constraints for Field {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 6,
            weights: 0,
            values: 0,
            evaluations: 4,
            lookups: 4,
            term: true,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        let (a, b, c, out) = (v.evaluation(0), v.evaluation(1), v.evaluation(2), v.evaluation(3));
        for (operand, column) in [&a, &b, &c].into_iter().zip(Self::OPERANDS) {
            let address = v.program(column);
            lookups.memory_extension(v, lookups.active(), operand.clone(), address);
        }
        let (address, reads) = (v.program(Self::RESULT), v.program(Self::READS));
        lookups.memory_extension(v, -reads, out.clone(), address);
        let difference = (out.clone() - a.clone() * b.clone() - c) * lookups.active();
        v.assert_zero_extension("multiply and add", difference);
        let reserved = v.integer(1) - lookups.active();
        let sink = v.program(Self::SINK);
        lookups.term(v.challenge(Challenge::Beta) * out * sink + a * b * reserved);
        lookups.finish(v, &self.shape());
    }
}
