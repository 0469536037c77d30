//! `same`: two commitments of one model's weights hold the same weights on their active rows.
//!
//! It stands where a table of a model stands, with the same program columns, of which it reads only
//! `active`; so a statement about two keys of one model has the model's own program tree.
//!
//! | tree | columns |
//! |---|---|
//! | program | those of the model's table |
//! | weights | the weights of the old commitment |
//! | values | the weights of the new commitment |
//!
//! *Why it suffices.* On active rows the constraint says that the two are equal; both trees' roots
//! are the keys', and the low-degree test binds the columns to them.

use super::{Constraints, Shape};
use crate::evaluator::Evaluator;
use crate::logup::ACTIVE;
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Same {
    /// Weights in a row; 0 where the model's table has none.
    pub width: usize,
    /// Program columns of the model's table.
    pub program: usize,
}

impl Constraints for Same {
    fn shape(&self) -> Shape {
        Shape {
            program: self.program,
            weights: self.width,
            values: self.width,
            evaluations: 0,
            lookups: 0,
            term: false,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let active = v.program(ACTIVE);
        for j in 0..self.width {
            let difference = v.weight(j) - v.value(j);
            v.assert_zero("same weight", difference * active.clone());
        }
    }
}
