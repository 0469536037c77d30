//! `input`: private inputs, range-checked, into memory.
//!
//! | tree | columns |
//! |---|---|
//! | program | smallest value, bits; for each element: address, number of reads |
//! | values | for each element: the input; at least 4 columns |
//!
//! *Why it suffices.* On active rows `value - low` is in the range table of the row's bits, so
//! `low <= value < low + 2^bits`; the value is yielded to its own address. Elements that a row
//! does not need have no reads and still a range, which an honest prover fills with `low`.

use super::{Constraints, Shape};
use crate::evaluator::Evaluator;
use crate::logup::{Lookups, MASK_VALUES, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Elements in a row.
    pub width: usize,
}

impl Input {
    /// Program column: smallest value.
    pub const LOW: usize = SHARED;
    /// Program column: log2 of the number of values.
    pub const BITS: usize = SHARED + 1;
    /// Program column: address of element `j`.
    pub const fn address(j: usize) -> usize {
        SHARED + 2 + 2 * j
    }
    /// Program column: how often element `j` is read.
    pub const fn reads(j: usize) -> usize {
        SHARED + 3 + 2 * j
    }
}

impl Constraints for Input {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 2 + 2 * self.width,
            weights: 0,
            values: self.width.max(MASK_VALUES),
            evaluations: 0,
            lookups: 2 * self.width,
            term: false,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        let (low, bits) = (v.program(Self::LOW), v.program(Self::BITS));
        let ranges = v.integer(0);
        for j in 0..self.width {
            let (address, reads) = (v.program(Self::address(j)), v.program(Self::reads(j)));
            let value = v.value(j);
            lookups.memory(v, -reads, value.clone(), address);
            lookups.table(v, lookups.active(), value - low.clone(), bits.clone(), ranges.clone());
        }
        lookups.finish(v, &self.shape());
    }
}
