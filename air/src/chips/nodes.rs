//! `nodes`: the committed records of decision trees, with how often each is used.
//!
//! Lane `j` of a row is slot `first + j`: the tuple `NODE(slot, feature, threshold, next)` (see `tree`).
//!
//! | tree | columns |
//! |---|---|
//! | program | first slot |
//! | weights | for each slot: feature, threshold, next |
//! | values | for each slot: uses; at least 4 columns |
//!
//! *Why it suffices.* Slot numbers are `0, 1, 2, ..` over all active rows, unused ones too: no two lanes
//! have the same. So for each slot one record is yielded, the committed one; `uses` is committed
//! before the lookup challenges, and is free on reserved rows, where it counts nothing.

use super::{Constraints, Shape};
use crate::evaluator::Evaluator;
use crate::logup::{Lookups, MASK_VALUES, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nodes {
    /// Slots in a row.
    pub width: usize,
}

impl Nodes {
    /// Program column: slot of lane 0.
    pub const FIRST: usize = SHARED;

    /// Weights columns of lane `j`: feature, threshold, next.
    pub const fn record(j: usize) -> [usize; 3] {
        [3 * j, 3 * j + 1, 3 * j + 2]
    }
}

impl Constraints for Nodes {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 1,
            weights: 3 * self.width,
            values: self.width.max(MASK_VALUES),
            evaluations: 0,
            lookups: self.width,
            term: false,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        let active = lookups.active();
        let mut slot = v.program(Self::FIRST);
        for j in 0..self.width {
            let [feature, threshold, next] = Self::record(j).map(|column| v.weight(column));
            let uses = v.value(j) * active.clone();
            lookups.node(v, -uses, [slot.clone(), feature, threshold, next]);
            slot = slot + active.clone();
        }
        lookups.finish(v, &self.shape());
    }
}
