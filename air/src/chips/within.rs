//! `within`: committed weights lie in their declared ranges.
//!
//! It stands where a model's table with weights stands, for a proof of its own that is made once.
//!
//! | tree | columns |
//! |---|---|
//! | program | for each lane: smallest value, bits of the low limb, bits of the high limb |
//! | weights | for each lane: the weight |
//! | values | for each lane: low limb, high limb; at least 4 columns |
//!
//! *Why it suffices.* On active rows `weight - smallest = low + 2^14 high` in the field, with `low` in
//! `[0, 2^a)`, `a <= 14`, and `high` in `[0, 2^b)`, `b <= 14`, by the range table; `b > 0` only if
//! `a = 14`. So `smallest <= weight < smallest + 2^(a + b)`, and no other integer of absolute value
//! below half the characteristic is congruent. A lane without a weight has `a = b = 0` and holds 0.

use super::{Constraints, Shape};
use crate::evaluator::Evaluator;
use crate::logup::{Lookups, MASK_VALUES, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Within {
    /// Weights in a row.
    pub width: usize,
}

impl Within {
    /// Bits of the low limb, and of the high one, at most.
    pub const LIMB: u32 = 14;

    /// Program column: smallest value of lane `j`.
    pub const fn smallest(j: usize) -> usize {
        SHARED + 3 * j
    }
    /// Program columns: bits of the limbs of lane `j`.
    pub const fn bits(j: usize) -> [usize; 2] {
        [SHARED + 3 * j + 1, SHARED + 3 * j + 2]
    }
    /// Values columns: limbs of lane `j`.
    pub const fn limbs(j: usize) -> [usize; 2] {
        [2 * j, 2 * j + 1]
    }
}

impl Constraints for Within {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 3 * self.width,
            weights: self.width,
            values: (2 * self.width).max(MASK_VALUES),
            evaluations: 0,
            lookups: 2 * self.width,
            term: false,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        let ranges = v.integer(0);
        let power = v.integer(1 << Self::LIMB);
        for j in 0..self.width {
            let active = lookups.active();
            let limbs = Self::limbs(j).map(|column| v.value(column));
            let smallest = v.program(Self::smallest(j));
            let [low, high] = limbs.clone();
            let rest = v.weight(j) - low - high * power.clone();
            v.assert_zero("weight's limbs", rest * active.clone() - smallest);
            for (limb, bits) in limbs.into_iter().zip(Self::bits(j)) {
                let bits = v.program(bits);
                lookups.table(v, active.clone(), limb, bits, ranges.clone());
            }
        }
        lookups.finish(v, &self.shape());
    }
}
