//! `features`: the features that decision trees may ask for, with how often each is used.
//!
//! Lane `j` of a row reads `x` from memory and yields `FEATURE(x, first + j, group)`, where a group is one row
//! of features of one inference: which feature a tree asks for is private, so memory's public
//! addresses do not do.
//!
//! | tree | columns |
//! |---|---|
//! | program | group, first index; for each feature: address |
//! | values | for each feature: `x`, uses; at least 4 columns |
//!
//! *Why it suffices.* `x` is what memory holds at the lane's address. Each index of a group has one
//! address: rows that no feature needs repeat one with all its addresses, and lanes past the last
//! feature, whose indices no other lane has, read the cell that holds 0. `uses` is committed before the
//! lookup challenges, and counts nothing on reserved rows.

use super::{Constraints, Shape};
use crate::evaluator::Evaluator;
use crate::logup::{Lookups, MASK_VALUES, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// Features in a row.
    pub width: usize,
}

impl Features {
    /// Program column: the group.
    pub const GROUP: usize = SHARED;
    /// Program column: index of lane 0.
    pub const FIRST: usize = SHARED + 1;
    /// Program column: address of lane `j`.
    pub const fn address(j: usize) -> usize {
        SHARED + 2 + j
    }
    /// Values columns of lane `j`: `x`, uses.
    pub const fn lane(j: usize) -> [usize; 2] {
        [2 * j, 2 * j + 1]
    }
}

impl Constraints for Features {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 2 + self.width,
            weights: 0,
            values: (2 * self.width).max(MASK_VALUES),
            evaluations: 0,
            lookups: 2 * self.width,
            term: false,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        let active = lookups.active();
        let group = v.program(Self::GROUP);
        let mut index = v.program(Self::FIRST);
        for j in 0..self.width {
            let [x, uses] = Self::lane(j).map(|column| v.value(column));
            let address = v.program(Self::address(j));
            lookups.memory(v, active.clone(), x.clone(), address);
            let uses = uses * active.clone();
            lookups.feature(v, -uses, x, index.clone(), group.clone());
            index = index + active.clone();
        }
        lookups.finish(v, &self.shape());
    }
}
