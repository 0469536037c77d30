//! `parameters`: weights used as ordinary tensors, from the weights tree into memory.
//!
//! | tree | columns |
//! |---|---|
//! | program | for each element: address, number of reads |
//! | weights | for each element: the parameter |
//! | values | 4 columns that only hold the mask of the total |
//!
//! *Why it suffices.* Each active element is yielded to its own address, as often as it is read.

use super::{Constraints, Shape};
use crate::evaluator::Evaluator;
use crate::logup::{Lookups, MASK_VALUES, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Elements in a row.
    pub width: usize,
}

impl Parameters {
    /// Program column: address of element `j`.
    pub const fn address(j: usize) -> usize {
        SHARED + 2 * j
    }
    /// Program column: how often element `j` is read.
    pub const fn reads(j: usize) -> usize {
        SHARED + 2 * j + 1
    }
}

impl Constraints for Parameters {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 2 * self.width,
            weights: self.width,
            values: MASK_VALUES,
            evaluations: 0,
            lookups: self.width,
            term: false,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        for j in 0..self.width {
            let (address, reads) = (v.program(Self::address(j)), v.program(Self::reads(j)));
            let weight = v.weight(j);
            lookups.memory(v, -reads, weight, address);
        }
        lookups.finish(v, &self.shape());
    }
}
