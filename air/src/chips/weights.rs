//! `weights`: subtracts `beta * M * A * S` from the global sum, where `S = sum_j r^j w_j` projects
//! the row's weights.
//!
//! A linear layer states `sum_o r^o Y_o(t) = sum_c sum_k t^(E - e_k) X_c(t) sum_o r^o W[o,c,k]`
//! (DESIGN section 1). Each row is one `(c, k)` and one run of `width` outputs: `A` is the
//! evaluation `X_c(t)` (or a plain activation, when there are no positions), `M` the monomial
//! that places the run, both read from memory.
//!
//! | tree | columns |
//! |---|---|
//! | program | address of `M`, address of `A` |
//! | weights | `w_0 .. w_{width-1}` |
//! | evaluations | `M`, `A` |
//!
//! *Why it suffices.* `M` and `A` are tied to their addresses by memory on every active row; rows
//! that a program does not need read `M` from the address that holds 0. The weights are committed
//! before `t`, `r` are drawn, `M` and `A` before `beta`. Hence the term's total is
//! `beta` times a polynomial identity in `(t, r)` between committed values. Unused lanes of a
//! layer's last run have exponents of `r` that no output has, so a weight other than 0 there
//! would add a monomial that nothing cancels.

use super::{Constraints, Shape};
use crate::evaluator::{Challenge, Evaluator};
use crate::logup::{Lookups, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// Weights in a row: a run of consecutive outputs.
    pub width: usize,
}

impl Weights {
    /// Program column: address of `M`.
    pub const MONOMIAL: usize = SHARED;
    /// Program column: address of `A`.
    pub const ACTIVATION: usize = SHARED + 1;
}

impl Constraints for Weights {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 2,
            weights: self.width,
            values: 0,
            evaluations: 2,
            lookups: 2,
            term: true,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        let (monomial, activation) = (v.evaluation(0), v.evaluation(1));
        let (at_m, at_a) = (v.program(Self::MONOMIAL), v.program(Self::ACTIVATION));
        lookups.memory_extension(v, lookups.active(), monomial.clone(), at_m);
        lookups.memory_extension(v, lookups.active(), activation.clone(), at_a);
        let mut projected = v.zero();
        for j in 0..self.width {
            projected = projected + v.challenge(Challenge::R(j)) * v.weight(j);
        }
        let product = v.challenge(Challenge::Beta) * monomial * activation * projected;
        lookups.term(v.zero() - product);
        lookups.finish(v, &self.shape());
    }
}
